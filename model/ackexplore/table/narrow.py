"""The two loops of the table engine, for states of one word: expand a level, and insert what was found.

A state is a number here, held in a register: several times as fast as `ackexplore.table.wide`, which does the same for
any number of words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ackexplore.table.kernels import (
    LOW_32,
    NONE,
    ONE,
    S32,
    U64,
    Bits,
    Buffers,
    Counts,
    Table,
    Tables,
    Tally,
    U,
    inlined,
    kernel,
    mix,
    note,
    part_of,
)
from ackexplore.table.layout import OCCUPIED, Words

AHEAD = 32


@inlined
def _in_order(state: U64, shift: Bits, mask: Bits, alike: int) -> U64:
    """Return the state with alike messages sorted: an insertion sort, since most are in order."""
    for number in range(1 + alike, shift.shape[0]):
        here = number
        while here > alike:
            upper, lower = shift[here - alike], shift[here]
            first, second = (state >> upper) & mask[here], (state >> lower) & mask[here]
            if first <= second:
                break
            state ^= ((first ^ second) << upper) | ((first ^ second) << lower)
            here -= alike
    return state


@inlined
def _broadcasts(found: Counts, masks: Bits) -> tuple[U64, U64]:
    """Return the bits of the broadcasts that are possible, and of those that have a choice of outcomes."""
    some, barred, choice = NONE, NONE, NONE
    for slot in range(found.shape[0]):
        some |= masks[found[slot], 0]
        barred |= masks[found[slot], 1]
        choice |= masks[found[slot], 2]
    return some & ~barred, choice


@kernel
def _most_of(some: U64, count: int, found: Counts, rows: Table, pointers: Table) -> int:
    """Return how many successors a state has, by the rows of its pairs."""
    most = 0
    for slot in range(found.shape[0]):
        most += rows[found[slot], 1] - rows[found[slot], 0]
    for cast in range(count):
        if (some >> U(cast)) & ONE:
            combinations = 1
            for slot in range(found.shape[0]):
                pointer = rows[found[slot], 2] + cast
                combinations *= pointers[pointer + 1, 0] - pointers[pointer, 0]
            most += combinations
    return most


@inlined
def _next_combination(turn: Counts, found: Counts, cast: int, rows: Table, pointers: Table) -> bool:
    """Turn to the next combination of outcomes, the last slot fastest; whether there was one."""
    slot = found.shape[0] - 1
    while slot >= 0:
        pointer = rows[found[slot], 2] + cast
        turn[slot] += 1
        if turn[slot] < pointers[pointer + 1, 0]:
            break
        turn[slot] = pointers[pointer, 0]
        slot -= 1
    return bool(slot >= 0)


# One loop: a function for the last part, given the buffers, made it 1.5 times as slow.
@kernel
def expand(states: Words, low: int, high: int, tables: Tables, buffers: Buffers, tally: Tally) -> int:  # noqa: PLR0912, PLR0915
    """Put every successor of states[low:high] into the buffers; stop when one might overflow.

    Returns the index of the first state that was not expanded, or -1 - index if no buffer can hold its successors.
    """
    shift, mask, alike = tables.fields[:, 1].copy(), tables.fields[:, 2].copy(), tables.alike
    first_place, stride = tables.places[:, 0].copy(), tables.places[:, 1].copy()
    pair_rows, rows, masks, local = tables.pair_rows, tables.rows, tables.masks, tables.local
    pointers, outcomes, shared_casts, casts = tables.pointers, tables.outcomes, tables.shared_casts, tables.casts
    out, filled, recent = buffers.out, buffers.filled, buffers.recent
    visits, hits, violations, first = tally.visits, tally.hits, tally.violations, tally.first
    slots, room, at_most, fullest = shift.shape[0] - 1, out.shape[1], tables.at_most, 0
    recent_mask, shards = U(recent.shape[0] - 1), U(out.shape[0])
    found, turn = np.empty(slots, dtype=np.int64), np.empty(slots, dtype=np.int64)
    reached = np.empty(at_most, dtype=np.uint64)
    for index in range(low, high):
        state, shared = states[index, 0], (states[index, 0] >> shift[0]) & mask[0]
        for slot in range(slots):
            message = (state >> shift[slot + 1]) & mask[slot + 1]
            found[slot] = pair_rows[first_place[slot] + shared * stride[slot] + message] - 1
        some, choice = _broadcasts(found, masks)
        first_cast, count = shared_casts[shared, 0], shared_casts[shared, 1]

        if fullest + at_most > room:  # a bound for every state: seldom looked at closely
            most = _most_of(some, count, found, rows, pointers)
            if fullest + most > room:
                return -1 - index if most > room else index

        # the local steps of each message
        many, bare = 0, state & ~(mask[0] << shift[0])
        for slot in range(slots):
            visits[found[slot]] += 1
            rest = bare & ~(mask[slot + 1] << shift[slot + 1])
            for step in range(rows[found[slot], 0], rows[found[slot], 1]):
                reached[many] = rest | (U(local[step, 1]) << shift[0]) | (U(local[step, 2]) << shift[slot + 1])
                many += 1
                if local[step, 3]:
                    note(local[step, 3], index, violations, first)

        # the broadcasts, every combination of outcomes
        for cast in range(count):
            if not (some >> U(cast)) & ONE:
                continue
            rest = OCCUPIED | (U(casts[first_cast + cast, 1]) << shift[0])
            for slot in range(slots):
                turn[slot] = pointers[rows[found[slot], 2] + cast, 0]
            more = True
            while more:
                after, broken = rest, 0
                for slot in range(slots):
                    after |= U(outcomes[turn[slot], 0]) << shift[slot + 1]
                    broken |= outcomes[turn[slot], 1]
                hits[casts[first_cast + cast, 0]] += 1
                if broken:
                    note(broken, index, violations, first)
                reached[many] = after
                many += 1
                more = bool((choice >> U(cast)) & ONE) and _next_combination(turn, found, cast, rows, pointers)

        # each into the buffer of its shard, unless it was put there a moment ago
        for number in range(many):
            after = reached[number] if not alike else _in_order(reached[number], shift, mask, alike)
            h = mix(after)
            if recent[h & recent_mask, 0] != after:
                recent[h & recent_mask, 0] = after
                shard = part_of(h >> S32, shards)
                out[shard, filled[shard], 0] = after
                filled[shard] += 1
                fullest = max(fullest, filled[shard])
    return high


@kernel
def insert(table: Words, keys: Words, new: Words, new_count: int) -> int:
    """Insert states into an open-addressing table that has room; append those that were not in it to `new`.

    Returns how many of `new` are filled. The places of some states are fetched before any is looked at, so that the
    waits for memory overlap.
    """
    capacity = table.shape[0]
    places = np.empty(AHEAD, dtype=np.int64)
    fetched = np.empty(AHEAD, dtype=np.uint64)
    for start in range(0, keys.shape[0], AHEAD):
        stop = min(start + AHEAD, keys.shape[0])
        for index in range(start, stop):
            place: Any = np.int64(part_of(mix(keys[index, 0]) & LOW_32, U(capacity)))
            places[index - start] = place
            fetched[index - start] = table[place, 0]
        for index in range(start, stop):
            state = keys[index, 0]
            if fetched[index - start] == state:
                continue
            place = places[index - start]
            while table[place, 0] != NONE and table[place, 0] != state:
                place += 1
                if place == capacity:
                    place = 0
            if table[place, 0] == NONE:
                table[place, 0] = state
                new[new_count, 0] = state
                new_count += 1
    return new_count
