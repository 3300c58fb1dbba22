"""The two loops of the table engine, for states of one word: expand a level, and insert what was found.

A state is a number here, held in a register: several times as fast as `ackexplore.table.wide`, which does the same for
any number of words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ackexplore.table.kernels import LOW_32, NONE, S32, U64, Bits, Counts, Table, U, inlined, kernel, mix, note, part_of
from ackexplore.table.layout import OCCUPIED, Words

AHEAD = 32


@inlined
def _in_order(state: U64, shift: Bits, mask: Bits, alike: int) -> U64:
    """The state with alike messages sorted: an insertion sort, since most are in order."""
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


@kernel
def expand(  # noqa: PLR0912, PLR0913, PLR0915, PLR0917 - one long loop: helpers with arrays cost it half its speed
    states: Words,
    low: int,
    high: int,
    shift: Bits,
    mask: Bits,
    first_place: Bits,
    stride: Bits,
    pair_rows: Table,
    rows: Table,
    masks: Bits,
    local: Table,
    pointers: Table,
    outcomes: Table,
    shared_casts: Table,
    casts: Table,
    out: Words,
    filled: Counts,
    recent: Words,
    visits: Counts,
    hits: Counts,
    violations: Counts,
    first: Counts,
    at_most: int,
    alike: int,
) -> int:
    """Put every successor of states[low:high] into the buffers; stop when one might overflow.

    Returns the index of the first state that was not expanded, or -1 - index if no buffer can hold its successors.
    """
    slots, room = shift.shape[0] - 1, out.shape[1]
    found = np.empty(slots, dtype=np.int64)
    turn = np.empty(slots, dtype=np.int64)
    recent_mask, shards = U(recent.shape[0] - 1), U(out.shape[0])
    shared_shift, shared_mask = shift[0], mask[0]
    fullest = 0
    for index in range(low, high):
        state = states[index, 0]
        shared = (state >> shared_shift) & shared_mask

        # the row of each pair; what is possible
        some, barred, choice, most = NONE, NONE, NONE, 0
        for slot in range(slots):
            message = (state >> shift[slot + 1]) & mask[slot + 1]
            row = pair_rows[first_place[slot] + shared * stride[slot] + message] - 1
            found[slot] = row
            visits[row] += 1
            some |= masks[row, 0]
            barred |= masks[row, 1]
            choice |= masks[row, 2]
        some &= ~barred
        first_cast, count = shared_casts[shared, 0], shared_casts[shared, 1]

        # is there room for all of it? Seldom looked at closely: `at_most` is a bound for every state
        if fullest + at_most > room:
            for slot in range(slots):
                most += rows[found[slot], 1] - rows[found[slot], 0]
            for cast in range(count):
                if (some >> U(cast)) & U(1):
                    combinations = 1
                    for slot in range(slots):
                        pointer = rows[found[slot], 2] + cast
                        combinations *= pointers[pointer + 1, 0] - pointers[pointer, 0]
                    most += combinations
            if fullest + most > room:
                for slot in range(slots):
                    visits[found[slot]] -= 1
                return -1 - index if most > room else index

        # the local steps of each message
        bare = state & ~(shared_mask << shared_shift)
        for slot in range(slots):
            row, own_shift = found[slot], shift[slot + 1]
            rest = bare & ~(mask[slot + 1] << own_shift)
            for step in range(rows[row, 0], rows[row, 1]):
                if local[step, 3]:
                    note(local[step, 3], index, violations, first)
                after = rest | (U(local[step, 1]) << shared_shift) | (U(local[step, 2]) << own_shift)
                if alike:
                    after = _in_order(after, shift, mask, alike)
                h = mix(after)
                place = h & recent_mask
                if recent[place, 0] != after:
                    recent[place, 0] = after
                    shard = part_of(h >> S32, shards)
                    position = filled[shard]
                    out[shard, position, 0] = after
                    filled[shard] = position + 1
                    fullest = max(fullest, position + 1)

        # the broadcasts, every combination of outcomes, the last slot fastest
        for cast in range(count):
            if not (some >> U(cast)) & U(1):
                continue
            action = casts[first_cast + cast, 0]
            rest = OCCUPIED | (U(casts[first_cast + cast, 1]) << shared_shift)
            for slot in range(slots):
                turn[slot] = pointers[rows[found[slot], 2] + cast, 0]
            while True:
                after, broken = rest, 0
                for slot in range(slots):
                    outcome = turn[slot]
                    after |= U(outcomes[outcome, 0]) << shift[slot + 1]
                    broken |= outcomes[outcome, 1]
                hits[action] += 1
                if broken:
                    note(broken, index, violations, first)
                if alike:
                    after = _in_order(after, shift, mask, alike)
                h = mix(after)
                place = h & recent_mask
                if recent[place, 0] != after:
                    recent[place, 0] = after
                    shard = part_of(h >> S32, shards)
                    position = filled[shard]
                    out[shard, position, 0] = after
                    filled[shard] = position + 1
                    fullest = max(fullest, position + 1)
                if not (choice >> U(cast)) & U(1):
                    break
                slot = slots - 1
                while slot >= 0:
                    pointer = rows[found[slot], 2] + cast
                    turn[slot] += 1
                    if turn[slot] < pointers[pointer + 1, 0]:
                        break
                    turn[slot] = pointers[pointer, 0]
                    slot -= 1
                if slot < 0:
                    break
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
