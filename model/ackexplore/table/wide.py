"""The two loops of the table engine, for states of any number of words; see `ackexplore.table.narrow`."""

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
    Tables,
    Tally,
    U,
    field_at,
    hash_at,
    inlined,
    kernel,
    note,
    part_of,
)
from ackexplore.table.layout import Words


@inlined
def put(state: Words, fields: Bits, number: int, value: U64) -> None:
    word, shift, mask = fields[number, 0], fields[number, 1], fields[number, 2]
    state[0, word] = (state[0, word] & ~(mask << shift)) | (U(value) << shift)


@inlined
def _order(state: Words, fields: Bits, alike: int) -> None:
    """Sort alike messages: an insertion sort, since most are in order."""
    for number in range(1 + alike, fields.shape[0]):
        here = number
        while here > alike:
            first, second = field_at(state, 0, fields, here - alike), field_at(state, 0, fields, here)
            if first <= second:
                break
            put(state, fields, here - alike, second)
            put(state, fields, here, first)
            here -= alike


@inlined
def _emit(state: Words, out: Words, filled: Counts, recent: Words) -> None:
    """Put a successor into the buffer of its shard, unless it was put there a moment ago."""
    h = hash_at(state, 0)
    place = h & U(recent.shape[0] - 1)
    known = True
    for word in range(state.shape[1]):
        if recent[place, word] != state[0, word]:
            known = False
            recent[place, word] = state[0, word]
    if not known:
        shard = part_of(h >> S32, U(out.shape[0]))
        for word in range(state.shape[1]):
            out[shard, filled[shard], word] = state[0, word]
        filled[shard] += 1


@kernel
def look_up(states: Words, index: int, tables: Tables, found: Counts) -> tuple[U64, int]:
    """Put the row of each slot into `found`; return the bits of the possible broadcasts, and how many successors."""
    fields, places, rows, masks = tables.fields, tables.places, tables.rows, tables.masks
    shared = field_at(states, index, fields, 0)
    some, barred, most = NONE, NONE, 0
    for slot in range(found.shape[0]):
        message = field_at(states, index, fields, slot + 1)
        row = tables.pair_rows[places[slot, 0] + shared * places[slot, 1] + message] - 1
        found[slot] = row
        some |= masks[row, 0]
        barred |= masks[row, 1]
        most += rows[row, 1] - rows[row, 0]
    some &= ~barred
    for cast in range(tables.shared_casts[shared, 1]):
        if (some >> U(cast)) & ONE:
            combinations = 1
            for slot in range(found.shape[0]):
                pointer = rows[found[slot], 2] + cast
                combinations *= tables.pointers[pointer + 1, 0] - tables.pointers[pointer, 0]
            most += combinations
    return some, most


@kernel
def next_combination(turn: Counts, found: Counts, cast: int, tables: Tables) -> bool:
    """Turn to the next combination of outcomes, the last slot fastest; whether there was one."""
    for slot in range(found.shape[0] - 1, -1, -1):
        pointer = tables.rows[found[slot], 2] + cast
        turn[slot] += 1
        if turn[slot] < tables.pointers[pointer + 1, 0]:
            return True
        turn[slot] = tables.pointers[pointer, 0]
    return False


@kernel
def expand(states: Words, low: int, high: int, tables: Tables, buffers: Buffers, tally: Tally) -> int:
    """Put every successor of states[low:high] into the buffers; stop when one might overflow.

    Returns the index of the first state that was not expanded, or -1 - index if no buffer can hold its successors.
    """
    fields, local, casts = tables.fields, tables.local, tables.casts
    out, filled, recent = buffers.out, buffers.filled, buffers.recent
    found = np.empty(fields.shape[0] - 1, dtype=np.int64)
    turn = np.empty(fields.shape[0] - 1, dtype=np.int64)
    after = np.empty((1, states.shape[1]), dtype=np.uint64)
    for index in range(low, high):
        some, most = look_up(states, index, tables, found)
        if filled.max() + most > out.shape[1]:
            return -1 - index if most > out.shape[1] else index
        for slot in range(found.shape[0]):
            tally.visits[found[slot]] += 1
            for step in range(tables.rows[found[slot], 0], tables.rows[found[slot], 1]):
                after[0] = states[index]
                put(after, fields, 0, local[step, 1])
                put(after, fields, slot + 1, local[step, 2])
                note(local[step, 3], index, tally.violations, tally.first)
                if tables.alike:
                    _order(after, fields, tables.alike)
                _emit(after, out, filled, recent)
        shared = field_at(states, index, fields, 0)
        for cast in range(tables.shared_casts[shared, 1]):
            if not (some >> U(cast)) & ONE:
                continue
            step = tables.shared_casts[shared, 0] + cast
            after[0] = states[index]
            put(after, fields, 0, casts[step, 1])
            for slot in range(found.shape[0]):
                turn[slot] = tables.pointers[tables.rows[found[slot], 2] + cast, 0]
            more = True
            while more:
                broken = 0
                for slot in range(found.shape[0]):
                    put(after, fields, slot + 1, tables.outcomes[turn[slot], 0])
                    broken |= tables.outcomes[turn[slot], 1]
                tally.hits[casts[step, 0]] += 1
                note(broken, index, tally.violations, tally.first)
                if tables.alike:
                    _order(after, fields, tables.alike)
                _emit(after, out, filled, recent)
                more = next_combination(turn, found, cast, tables)
    return high


@kernel
def insert(table: Words, keys: Words, new: Words, new_count: int) -> int:
    """Insert states into an open-addressing table that has room; append those that were not in it to `new`.

    Returns how many of `new` are filled.
    """
    capacity = table.shape[0]
    for index in range(keys.shape[0]):
        place: Any = np.int64(part_of(hash_at(keys, index) & LOW_32, U(capacity)))
        known = False
        while table[place, 0] != NONE and not known:
            known = True
            for word in range(keys.shape[1]):
                if table[place, word] != keys[index, word]:
                    known = False
            if not known:
                place += 1
                if place == capacity:
                    place = 0
        if not known:
            table[place] = keys[index]
            new[new_count] = keys[index]
            new_count += 1
    return new_count
