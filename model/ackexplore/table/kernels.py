"""What the compiled loops of the table engine share: types, hashing, and looking at states.

No rule of the model is in any kernel, only its tables. All release the GIL, so that threads run them side by side; none
writes to what another reads at the same time. A state is a row of words (`ackexplore.table.layout`); the loops that
matter most are written twice, in `ackexplore.table.narrow` for states of one word and in `ackexplore.table.wide` for
longer ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from ackexplore.table.layout import OCCUPIED, Layout, Words

Table: TypeAlias = npt.NDArray[np.int32]
Counts: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.uint64]
Flags: TypeAlias = npt.NDArray[np.bool_]
U64: TypeAlias = Any  # a NumPy scalar inside a kernel

U = np.uint64
MIX_1, MIX_2 = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
NONE, ONE = U(0), U(1)
S27, S30, S31, S32 = U(27), U(30), U(31), U(32)
LOW_32 = U(0xFFFFFFFF)
SLOT_BITS, SHARED_SHIFT = U(6), U(32)

kernel = numba.njit(nogil=True, cache=True)
inlined = numba.njit(nogil=True, cache=True, inline="always")
"""For helpers: a call would copy, and count a reference to, every array it is given."""


class Tables(NamedTuple):
    """What a kernel needs to know of the model; see `ackexplore.table.steptables` for the columns.

    `fields[f]` is the (word, shift, mask) of a field. The row of a pair is `pair_rows[first + shared * stride +
    message] - 1`, where `places[slot]` is (first, stride, slot to ask for): so zero means none. `at_most` is a
    bound on the successors of any one state. With symmetry, slots `alike` apart hold alike messages, kept in order;
    else it is 0. Those may be exchanged whose values in the slot are `free`.
    """

    fields: Bits
    places: Bits
    pair_rows: Table
    rows: Table
    masks: Bits
    local: Table
    pointers: Table
    outcomes: Table
    shared_casts: Table
    casts: Table
    at_most: int
    alike: int
    free: Flags


class Tally(NamedTuple):
    """What a thread counts in a level.

    `visits` per row: the states that show this pair, from which its local steps are counted; `hits`: broadcast steps
    per action; violations per clause; and the first state of each violation. `waiting` lists the states that could not
    be expanded since a pair of theirs has no row, after their number.
    """

    visits: Counts
    hits: Counts
    violations: Counts
    first: Counts
    waiting: Counts


class Hashing(NamedTuple):
    """How a state of one word is scattered: its bits lie above `low`; `within` of them, the lower, are of one shard."""

    low: U64
    half: U64
    mask: U64
    within: U64


def hashing_of(layout: Layout, shards: int) -> Hashing:
    """Return how the states of a layout of one word are scattered over a power of two of shards; else nothing."""
    if layout.words > 1:
        return Hashing(NONE, NONE, NONE, NONE)
    bits = sum(layout.widths)
    return Hashing(
        low=U(layout.places[-1][1]),
        half=U((bits + 1) // 2),
        mask=U((1 << bits) - 1),
        within=U(bits - (shards.bit_length() - 1)),
    )


class Buffers(NamedTuple):
    """Where a thread puts successors: `out[shard, position]`, filled so far; `recent` holds the last ones put there.

    `hashing` is of states of one word.
    """

    out: Words
    filled: Counts
    recent: Words
    hashing: Hashing


@inlined
def mix(x: U64) -> U64:
    """Return the finalizer of SplitMix64."""
    x = (x ^ (x >> S30)) * MIX_1
    x = (x ^ (x >> S27)) * MIX_2
    return x ^ (x >> S31)


@inlined
def scatter(state: U64, hashing: Hashing) -> U64:
    """Return the bits of a state of one word, scattered: one to one, since each step can be undone."""
    x = (state & ~OCCUPIED) >> hashing.low
    x = ((x ^ (x >> hashing.half)) * MIX_1) & hashing.mask
    x = ((x ^ (x >> hashing.half)) * MIX_2) & hashing.mask
    return x ^ (x >> hashing.half)


@inlined
def hash_at(states: Words, index: int) -> U64:
    """Return the hash of a packed state: its high half gives the shard, its low half the place in it."""
    h = mix(states[index, 0])
    for word in range(1, states.shape[1]):
        h = mix(h ^ states[index, word])
    return h


@inlined
def part_of(half: U64, parts: U64) -> U64:
    """Return one of `parts`, all equally likely, by 32 bits of a hash: to multiply is cheaper than a remainder."""
    return (half * parts) >> S32


@inlined
def field_at(states: Words, index: int, fields: Bits, number: int) -> U64:
    """Return the number in a field of a packed state."""
    return (states[index, fields[number, 0]] >> fields[number, 1]) & fields[number, 2]


@inlined
def pair_name(slot: U64, shared: U64, message: U64) -> U64:
    """Return the name of a pair; see `StepTables.pair_key`."""
    return (U(slot) | (message << SLOT_BITS) | (shared << SHARED_SHIFT)) + ONE


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
def scan(states: Words, low: int, high: int, tables: Tables, missing: Bits) -> int:
    """List the pairs of states[low:high] that have no row, some more than once.

    Returns how many there were to list; what is beyond the end of `missing` was not.
    """
    fields, places, pair_rows = tables.fields, tables.places, tables.pair_rows
    listed = 0
    for index in range(low, high):
        shared = field_at(states, index, fields, 0)
        for slot in range(fields.shape[0] - 1):
            message = field_at(states, index, fields, slot + 1)
            if pair_rows[places[slot, 0] + shared * places[slot, 1] + message] == 0:
                if listed < missing.shape[0]:
                    missing[listed] = pair_name(places[slot, 2], shared, message)
                listed += 1
    return listed


@kernel
def count(states: Words, fields: Bits, occurrences: Counts) -> None:
    """Count the values of each field."""
    for number in range(fields.shape[0]):
        word, shift, mask = fields[number, 0], fields[number, 1], fields[number, 2]
        for index in range(states.shape[0]):
            occurrences[number, (states[index, word] >> shift) & mask] += 1


@kernel
def orbits(states: Words, tables: Tables) -> int:
    """Return how many states these stand for: the orders of the alike messages of each, of values that are `free`."""
    fields, alike, free, total = tables.fields, tables.alike, tables.free, 0
    for index in range(states.shape[0]):
        orbit = 1
        for slot in range(fields.shape[0] - 1):
            # The k-th of a log can stand in k places, of which those among its equals are the same.
            message, place, equals = field_at(states, index, fields, slot + 1), 1, 1
            if not free[slot, message]:
                continue
            other = slot - alike
            while other >= 0:
                before = field_at(states, index, fields, other + 1)
                if free[other, before]:
                    place += 1
                if before == message:
                    equals += 1
                other -= alike
            orbit = orbit * place // equals
        total += orbit
    return total


@kernel
def judge(states: Words, low: int, high: int, tables: Tables, tally: Tally) -> None:
    """Count the states of states[low:high] that break each clause; note the first of each."""
    fields, places, pair_rows, rows = tables.fields, tables.places, tables.pair_rows, tables.rows
    violations, first = tally.violations, tally.first
    for index in range(low, high):
        shared = field_at(states, index, fields, 0)
        broken = 0
        for slot in range(fields.shape[0] - 1):
            message = field_at(states, index, fields, slot + 1)
            row = pair_rows[places[slot, 0] + shared * places[slot, 1] + message]
            broken |= rows[row - 1, 3]
        if broken:
            note(broken, index, violations, first)


@kernel
def packed_into(states: Words, table: Words) -> int:
    """Copy the rows that are not empty to the beginning of `states`, of a hash table; return how many there are."""
    filled = 0
    for index in range(table.shape[0]):
        for word in range(table.shape[1]):
            states[filled, word] = table[index, word]
        if table[index, 0] != NONE:
            filled += 1
    return filled


@kernel
def copy_into(table: Words, states: Words) -> None:
    """Insert states, all different, into a hash table that has room."""
    capacity = table.shape[0]
    for index in range(states.shape[0]):
        place: Any = np.int64(part_of(hash_at(states, index) & LOW_32, U(capacity)))
        while table[place, 0] != NONE:
            place += 1
            if place == capacity:
                place = 0
        for word in range(states.shape[1]):
            table[place, word] = states[index, word]


@kernel
def shards_of(states: Words, shards: int) -> Counts:
    """Return the shard of each state."""
    found = np.empty(states.shape[0], dtype=np.int64)
    for index in range(states.shape[0]):
        found[index] = part_of(hash_at(states, index) >> S32, U(shards))
    return found
