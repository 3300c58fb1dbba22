"""What the compiled loops of the table engine share: types, hashing, and looking at states.

No rule of the model is in any kernel, only its tables. All release the GIL, so that threads run them side by side; none
writes to what another reads at the same time. A state is a row of words (`ackexplore.layout`); the loops that matter
most are written twice, in `ackexplore.narrow` for states of one word and in `ackexplore.wide` for longer ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from .layout import Words

Table: TypeAlias = npt.NDArray[np.int32]
Counts: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.uint64]
U64: TypeAlias = Any  # a NumPy scalar inside a kernel

U = np.uint64
MIX_1, MIX_2 = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
NONE, ONE = U(0), U(1)
S27, S30, S31 = U(27), U(30), U(31)
SHARD_SHIFT = U(40)
SLOT_BITS, SHARED_SHIFT = U(6), U(32)
RECENT_PAIRS = 1024

kernel = numba.njit(nogil=True, cache=True)
inlined = numba.njit(nogil=True, cache=True, inline="always")
"""For helpers: a call would copy, and count a reference to, every array it is given."""


class Tables(NamedTuple):
    """What a kernel needs to know of the model; see `ackexplore.steptables` for the columns.

    `fields[f]` is the (word, shift, mask) of a field. `pair_keys` and `pair_rows` are an open-addressing hash table
    from the name of a pair to its row; a zero is empty. `at_most` is a bound on the successors of any one state.
    """

    fields: Bits
    pair_keys: Bits
    pair_rows: Table
    rows: Table
    row_broken: Table
    local: Table
    pointers: Table
    outcomes: Table
    shared_casts: Table
    casts: Table
    at_most: int


class Tally(NamedTuple):
    """What a thread counts: transitions per action, violations per clause, and the first state of each violation."""

    hits: Counts
    violations: Counts
    first: Counts


class Buffers(NamedTuple):
    """Where a thread puts successors: `out[shard, position]`, filled so far; `recent` holds the last ones put there."""

    out: Words
    filled: Counts
    recent: Words


@inlined
def mix(x: U64) -> U64:
    """The finalizer of SplitMix64."""
    x = (x ^ (x >> S30)) * MIX_1
    x = (x ^ (x >> S27)) * MIX_2
    return x ^ (x >> S31)


@inlined
def hash_at(states: Words, index: int) -> U64:
    """The hash of a packed state: its low bits give the place, bits from 40 up the shard."""
    h = mix(states[index, 0])
    for word in range(1, states.shape[1]):
        h = mix(h ^ states[index, word])
    return h


@inlined
def field_at(states: Words, index: int, fields: Bits, number: int) -> U64:
    """The number in a field of a packed state."""
    return (states[index, fields[number, 0]] >> fields[number, 1]) & fields[number, 2]


@inlined
def pair_name(slot: int, shared: U64, message: U64) -> U64:
    """The name of a pair; see `StepTables.pair_key`."""
    return (U(slot) | (message << SLOT_BITS) | (shared << SHARED_SHIFT)) + ONE


@inlined
def row_of(pair_keys: Bits, pair_rows: Table, name: U64) -> int:
    """The row of a pair, -1 if it has none."""
    last = U(pair_keys.shape[0] - 1)
    place = mix(name) & last
    while pair_keys[place] != name and pair_keys[place] != NONE:
        place = (place + ONE) & last
    return pair_rows[place] if pair_keys[place] == name else -1


@inlined
def note(broken: int, index: int, violations: Counts, first: Counts) -> None:
    """Count the clauses of a mask, and note the first state of each."""
    bit = 0
    while broken >> bit:
        if broken >> bit & 1:
            violations[bit] += 1
            if first[bit] < 0:
                first[bit] = index
        bit += 1


@kernel
def add_pairs(pair_keys: Bits, pair_rows: Table, names: Bits, first_row: int) -> None:
    """Enter pairs into their hash table, with consecutive rows; the table has room."""
    last = U(pair_keys.shape[0] - 1)
    for index in range(names.shape[0]):
        place = mix(names[index]) & last
        while pair_keys[place] != NONE:
            place = (place + ONE) & last
        pair_keys[place] = names[index]
        pair_rows[place] = first_row + index


@kernel
def scan(states: Words, low: int, high: int, tables: Tables, occurrences: Counts, missing: Bits) -> int:
    """Count the values in states[low:high], and list the pairs that have no row, some more than once.

    Returns how many there were to list; what is beyond the end of `missing` was not.
    """
    recent = np.zeros(RECENT_PAIRS, dtype=np.uint64)
    fields, pair_keys, pair_rows = tables.fields, tables.pair_keys, tables.pair_rows
    listed = 0
    for index in range(low, high):
        shared = field_at(states, index, fields, 0)
        occurrences[0, shared] += 1
        for slot in range(fields.shape[0] - 1):
            message = field_at(states, index, fields, slot + 1)
            occurrences[slot + 1, message] += 1
            name = pair_name(slot, shared, message)
            place = mix(name) & U(RECENT_PAIRS - 1)
            if recent[place] == name:
                continue
            recent[place] = name
            if row_of(pair_keys, pair_rows, name) < 0:
                if listed < missing.shape[0]:
                    missing[listed] = name
                listed += 1
    return listed


@kernel
def judge(states: Words, low: int, high: int, tables: Tables, tally: Tally) -> None:
    """Count the states of states[low:high] that break each clause; note the first of each."""
    fields, pair_keys, pair_rows, row_broken = tables.fields, tables.pair_keys, tables.pair_rows, tables.row_broken
    violations, first = tally.violations, tally.first
    for index in range(low, high):
        shared = field_at(states, index, fields, 0)
        broken = 0
        for slot in range(fields.shape[0] - 1):
            name = pair_name(slot, shared, field_at(states, index, fields, slot + 1))
            broken |= row_broken[row_of(pair_keys, pair_rows, name), 0]
        if broken:
            note(broken, index, violations, first)


@kernel
def copy_into(table: Words, states: Words) -> None:
    """Insert states, all different, into a hash table that has room; empty rows are passed over."""
    last = U(table.shape[0] - 1)
    for index in range(states.shape[0]):
        if states[index, 0] != NONE:
            place = hash_at(states, index) & last
            while table[place, 0] != NONE:
                place = (place + ONE) & last
            for word in range(states.shape[1]):
                table[place, word] = states[index, word]


@kernel
def shards_of(states: Words, shards: int) -> Counts:
    """Return the shard of each state."""
    found = np.empty(states.shape[0], dtype=np.int64)
    for index in range(states.shape[0]):
        found[index] = (hash_at(states, index) >> SHARD_SHIFT) % U(shards)
    return found
