"""Every state of a finished search by number, and every transition between them, as arrays.

States are numbered in the order of the levels, so that those of a level follow each other. The transitions out of state
n are `targets[starts[n]:starts[n + 1]]`; each has a label that says which action it is, and which message acted. Six
bytes a transition, and 16 a state beside the state itself: what is asked of them is in `ackexplore.table.fair`.

>>> from ackexplore.table.engine import Search
>>> from ackmodel import Config
>>> search = Search(Config())
>>> search.start()
>>> while search.advance():
...     pass
>>> edges = edges_of(search)
>>> len(edges.starts) - 1, len(edges.targets), label_of(int(edges.labels[0]), 1)
(54, 97, (0, 0))
>>> search.close()
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ackexplore.result import TooMuchMemory
from ackexplore.table.engine import Search
from ackexplore.table.kernels import Counts, Table, Tables, U, field_at, hash_at, inlined, kernel
from ackexplore.table.layout import Words
from ackexplore.table.wide import look_up, next_combination, put

Labels: TypeAlias = npt.NDArray[np.uint16]

BYTES_A_STATE = 64
"""What a state takes beside itself while fair cycles are looked for: numbers, an index, and what the search notes."""
BYTES_AN_EDGE = 6


class Edges(NamedTuple):
    """The transitions, by the number of the state that they begin in."""

    starts: Counts
    targets: Table
    labels: Labels


def label_of(label: int, messages: int) -> tuple[int, int | None]:
    """Return the number of the action of a label, and the message that acted, None in a broadcast."""
    action, actor = divmod(label, messages + 1)
    return action, actor - 1 if actor else None


@kernel
def _index(states: Words, places: Table) -> None:
    """Put the number of each state, from 1, into a hash table that has room."""
    mask = U(places.shape[0] - 1)
    for number in range(states.shape[0]):
        place = hash_at(states, number) & mask
        while places[place]:
            place = (place + U(1)) & mask
        places[place] = number + 1


@inlined
def _number_of(state: Words, states: Words, places: Table) -> int:
    """Return the number of a state that is among the states."""
    mask = U(places.shape[0] - 1)
    place = hash_at(state, 0) & mask
    while True:
        number = places[place] - 1
        same = True
        for word in range(states.shape[1]):
            same = same and states[number, word] == state[0, word]
        if same:
            return int(number)
        place = (place + U(1)) & mask


@kernel
def _count(states: Words, low: int, high: int, tables: Tables, degrees: Counts) -> None:
    """Count the transitions out of states[low:high]."""
    found = np.empty(tables.fields.shape[0] - 1, dtype=np.int64)
    for number in range(low, high):
        degrees[number] = look_up(states, number, tables, found)[1]


@kernel
def _link(states: Words, low: int, high: int, tables: Tables, places: Table, edges: Edges) -> None:
    """Write down the transitions out of states[low:high]."""
    fields, rows, local, casts = tables.fields, tables.rows, tables.local, tables.casts
    slots = fields.shape[0] - 1
    found, turn = np.empty(slots, dtype=np.int64), np.empty(slots, dtype=np.int64)
    after = np.empty((1, states.shape[1]), dtype=np.uint64)
    for number in range(low, high):
        some, _ = look_up(states, number, tables, found)
        at = edges.starts[number]
        for slot in range(slots):
            for step in range(rows[found[slot], 0], rows[found[slot], 1]):
                after[0] = states[number]
                put(after, fields, 0, local[step, 1])
                put(after, fields, slot + 1, local[step, 2])
                edges.targets[at] = _number_of(after, states, places)
                edges.labels[at] = local[step, 0] * (slots + 1) + slot + 1
                at += 1
        shared = field_at(states, number, fields, 0)
        for cast in range(tables.shared_casts[shared, 1]):
            if not (some >> U(cast)) & U(1):
                continue
            step = tables.shared_casts[shared, 0] + cast
            after[0] = states[number]
            put(after, fields, 0, casts[step, 1])
            for slot in range(slots):
                turn[slot] = tables.pointers[rows[found[slot], 2] + cast, 0]
            more = True
            while more:
                for slot in range(slots):
                    put(after, fields, slot + 1, tables.outcomes[turn[slot], 0])
                edges.targets[at] = _number_of(after, states, places)
                edges.labels[at] = casts[step, 0] * (slots + 1)
                at += 1
                more = next_combination(turn, found, cast, tables)


def states_of(search: Search) -> Words:
    """Return every state of a search, in the order of its levels; `TooMuchMemory` if that is beyond the limit."""
    count, words = len(search.visited), search.layout.words
    needed = search.nbytes + count * (8 * words + BYTES_A_STATE) + search.found.edges * BYTES_AN_EDGE
    if needed > search.memory:
        raise TooMuchMemory(search.memory, needed, search.result(complete=True))
    return np.concatenate(list(search.levels))


def edges_of(search: Search, states: Words | None = None) -> Edges:
    """Return every transition of a search that came to its end."""
    states = states_of(search) if states is None else states
    tables, parts = search.pairs.tables(search.layout), search.parts(len(states))
    places = np.zeros(1 << (2 * len(states)).bit_length(), dtype=np.int32)
    _index(states, places)
    starts = np.zeros(len(states) + 1, dtype=np.int64)
    search.each(lambda part, _: _count(states, *part, tables, starts[1:]), parts)
    np.cumsum(starts, out=starts)
    edges = Edges(
        starts=starts,
        targets=np.empty(starts[-1], dtype=np.int32),
        labels=np.empty(starts[-1], dtype=np.uint16),
    )
    search.each(lambda part, _: _link(states, *part, tables, places, edges), parts)
    return edges
