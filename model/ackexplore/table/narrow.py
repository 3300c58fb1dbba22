"""The loop of the table engine that expands a level, for states of one word.

A state is a number here, held in a register: several times as fast as `ackexplore.table.wide`, which does the same for
any number of words.
"""

from __future__ import annotations

import numpy as np

from ackexplore.table.kernels import (
    NONE,
    ONE,
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
    note,
    scatter,
)
from ackexplore.table.layout import OCCUPIED, Words


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
def _look_up(
    state: U64, shared: U64, shift: Bits, mask: Bits, first: Bits, stride: Bits, pair_rows: Table, found: Counts
) -> bool:
    """Put the row of each pair of a state into `found`; whether all have one."""
    known = True
    for slot in range(found.shape[0]):
        message = (state >> shift[slot + 1]) & mask[slot + 1]
        found[slot] = pair_rows[first[slot] + shared * stride[slot] + message] - 1
        known = known and found[slot] >= 0
    return known


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
    out, filled, recent, hashing = buffers.out, buffers.filled, buffers.recent, buffers.hashing
    visits, hits, violations, first, waiting = tally.visits, tally.hits, tally.violations, tally.first, tally.waiting
    slots, room, at_most, fullest = shift.shape[0] - 1, out.shape[1], tables.at_most, 0
    recent_mask, within = U(recent.shape[0] - 1), hashing.within
    found, turn = np.empty(slots, dtype=np.int64), np.empty(slots, dtype=np.int64)
    reached = np.empty(at_most, dtype=np.uint64)
    for index in range(low, high):
        state, shared = states[index, 0], (states[index, 0] >> shift[0]) & mask[0]
        if not _look_up(state, shared, shift, mask, first_place, stride, pair_rows, found):
            waiting[0] += 1
            waiting[waiting[0]] = index
            continue
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
            h = scatter(after, hashing)
            if recent[h & recent_mask, 0] != after:
                recent[h & recent_mask, 0] = after
                shard = np.int64(h >> within)
                out[shard, filled[shard], 0] = after
                filled[shard] += 1
                fullest = max(fullest, filled[shard])
    return high
