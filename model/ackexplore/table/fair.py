"""Fair runs that go on for ever, in a graph of many millions of states: strongly connected sets, and cycles in them.

Only weak fairness is assumed: a group of actions that stays possible is taken in the end. So a run can stay for ever in
a strongly connected set if each group is taken in it, or is impossible in one of its states; in a single state if no
group is possible there. `ackexplore.graph.liveness` says the same of networkx graphs, and of strong fairness too.

A group is a bit; `groups[label]` are the bits of a label, in as many words as it takes. A transition that changes
nothing is none. The strongly connected sets are Tarjan's (1972), without recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ackexplore.table.edges import Edges
from ackexplore.table.kernels import ONE, Bits, Counts, Table, U, kernel

Flags: TypeAlias = npt.NDArray[np.uint8]
NOWHERE, SOURCE = -1, -2
IMPOSSIBLE, TAKEN = 1, 2


class Notes(NamedTuple):
    """What the search for strongly connected sets notes of each state; all begin as zeros."""

    order: Table
    low: Table
    cursor: Table
    stack: Table
    path: Table


@kernel
def _stays(edges: Edges, members: Table, sets: Table, groups: Bits) -> bool:
    """Return whether a fair run can stay for ever within a set, which its members are already marked with."""
    words = groups.shape[1]
    always, taken = np.full(words, ~U(0), dtype=np.uint64), np.zeros(words, dtype=np.uint64)
    possible = np.empty(words, dtype=np.uint64)
    for node in members:
        possible[:] = U(0)
        for at in range(edges.starts[node], edges.starts[node + 1]):
            target = edges.targets[at]
            if target != node:
                for word in range(words):
                    possible[word] |= groups[edges.labels[at], word]
                    if sets[target] == sets[node]:
                        taken[word] |= groups[edges.labels[at], word]
        for word in range(words):
            always[word] &= possible[word]
    return not (always & ~taken).any()


@kernel
def _judged(edges: Edges, members: Table, number: int, sets: Table, groups: Bits) -> bool:
    """Give the members of a set the number if a fair run can stay there, else -1; return whether it can."""
    for member in members:
        sets[member] = number
    stays = _stays(edges, members, sets, groups)
    if not stays:
        for member in members:
            sets[member] = -1
    return bool(stays)


@kernel
def fair_sets(edges: Edges, inside: Flags, groups: Bits, notes: Notes, sets: Table) -> int:
    """Give each state in a set where a fair run can stay, inside, the number of the set, from 1; other states less.

    Returns how many sets there are.
    """
    starts, targets = edges.starts, edges.targets
    order, low, cursor, stack, path = notes.order, notes.low, notes.cursor, notes.stack, notes.path
    clock, height, found = 0, 0, 0
    for root in range(inside.shape[0]):
        if not inside[root] or order[root]:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            node = path[depth]
            if not order[node]:
                clock += 1
                order[node], low[node], stack[height] = clock, clock, node
                height += 1
            at = starts[node] + cursor[node]
            if at < starts[node + 1]:
                cursor[node] += 1
                target = targets[at]
                if not inside[target]:
                    continue
                if not order[target]:
                    depth += 1
                    path[depth] = target
                elif sets[target] == 0:
                    low[node] = min(low[node], order[target])
                continue
            depth -= 1
            if depth >= 0:
                low[path[depth]] = min(low[path[depth]], low[node])
            if low[node] == order[node]:
                base = height - 1
                while stack[base] != node:
                    base -= 1
                found += _judged(edges, stack[base:height], found + 1, sets, groups)
                height = base
    return found


@kernel
def _spread(edges: Edges, inside: Flags, current: Table, parents: Table, reached: Table) -> int:
    """Put the states inside that follow from the current ones, and were not reached before, into `reached`."""
    count = 0
    for node in current:
        for at in range(edges.starts[node], edges.starts[node + 1]):
            target = edges.targets[at]
            if inside[target] and parents[target] == NOWHERE:
                parents[target] = node
                reached[count] = target
                count += 1
    return count


def way_to_a_set(edges: Edges, begins: Flags, inside: Flags, sets: Table, ends: Counts) -> list[int]:
    """Return the states from one that begins to one in a set, all inside; [] if there is no way.

    The way is one whose last state is the fewest steps from the initial state. `ends` are where the levels end.
    """
    parents, reached = np.full(len(inside), NOWHERE, dtype=np.int32), np.empty(len(inside), dtype=np.int32)
    current, level, start = np.empty(0, dtype=np.int32), 0, 0
    while level < len(ends) or len(current):
        if level < len(ends):
            own = slice(start, int(ends[level]))
            fresh = np.flatnonzero(begins[own] & inside[own] & (parents[own] == NOWHERE)).astype(np.int32) + start
            parents[fresh] = SOURCE
            current, start, level = np.concatenate([current, fresh]), own.stop, level + 1
        entries = current[sets[current] > 0]
        if len(entries):
            return _back(int(entries.min()), parents)
        current = reached[: _spread(edges, inside, current, parents, reached)].copy()
    return []


def _back(node: int, parents: Table) -> list[int]:
    """Return the states on the way to one, from the source."""
    way = [node]
    while parents[way[-1]] >= 0:
        way.append(int(parents[way[-1]]))
    return way[::-1]


@kernel
def _before(edges: Edges, low: int, high: int, target: int) -> int:
    """Return a state of low:high that a transition leads from to the target, or -1."""
    for node in range(low, high):
        for at in range(edges.starts[node], edges.starts[node + 1]):
            if edges.targets[at] == target:
                return int(node)
    return -1


def way_from_the_start(edges: Edges, node: int, ends: Counts) -> list[int]:
    """Return the states on a shortest way from the initial state to a state."""
    way = [node]
    for level in range(int(np.searchsorted(ends, node, side="right")) - 1, -1, -1):
        way.append(_before(edges, int(ends[level - 1]) if level else 0, int(ends[level]), way[-1]))
    return way[::-1]


@kernel
def _good_for(edges: Edges, sets: Table, number: int, group: int, groups: Bits, good: Flags) -> None:
    """Mark the states of a set where a group is impossible, and those out of which it is taken within the set."""
    word, bit = group // 64, U(group % 64)
    for node in range(sets.shape[0]):
        good[node] = 0
        if sets[node] != number:
            continue
        good[node] = IMPOSSIBLE
        for at in range(edges.starts[node], edges.starts[node + 1]):
            target = edges.targets[at]
            if target != node and (groups[edges.labels[at], word] >> bit) & ONE:
                if sets[target] == number:
                    good[node] = TAKEN
                    break
                good[node] = 0


@kernel
def _nearest(edges: Edges, sets: Table, start: int, good: Flags, parents: Table, queue: Table) -> int:
    """Return the nearest good state of the set of the first, which may be itself; its way back is in `parents`."""
    parents[:] = NOWHERE
    parents[start], queue[0] = SOURCE, start
    head, tail = 0, 1
    while head < tail:
        node = queue[head]
        head += 1
        if good[node]:
            return int(node)
        for at in range(edges.starts[node], edges.starts[node + 1]):
            target = edges.targets[at]
            if sets[target] == sets[start] and parents[target] == NOWHERE:
                parents[target] = node
                queue[tail] = target
                tail += 1
    return -1


def edge_between(edges: Edges, source: int, target: int) -> int:
    """Return the place of the first transition from one state to another."""
    first = int(edges.starts[source])
    return first + int(np.flatnonzero(edges.targets[first : edges.starts[source + 1]] == target)[0])


def fair_cycle(edges: Edges, sets: Table, entry: int, groups: Bits, count: int) -> list[tuple[int, int]]:
    """Return a fair cycle through a state of a set: each step as its source and the place of the transition.

    It takes each group, or comes by a state where it is impossible; nothing if the set is that state alone.
    """
    cycle: list[tuple[int, int]] = []
    size, number, at = len(sets), int(sets[entry]), entry
    good, parents, queue = np.empty(size, np.uint8), np.empty(size, np.int32), np.empty(size, np.int32)
    if np.count_nonzero(sets == number) == 1:
        return []
    for group in range(count):
        _good_for(edges, sets, number, group, groups, good)
        if any(_serves(edges, step, group, groups, good) for step in cycle):
            continue
        end = _nearest(edges, sets, at, good, parents, queue)
        cycle += _walked(edges, _back(end, parents))
        at = end
        if good[end] == TAKEN:
            place = next(place for place in _within(edges, sets, end) if _is_of(edges, place, group, groups))
            cycle.append((end, place))
            at = int(edges.targets[place])
    good[:] = 0
    good[entry] = 1
    _nearest(edges, sets, at, good, parents, queue)
    return cycle + _walked(edges, _back(entry, parents))


def _walked(edges: Edges, way: list[int]) -> list[tuple[int, int]]:
    return [(source, edge_between(edges, source, target)) for source, target in pairwise(way)]


def _within(edges: Edges, sets: Table, node: int) -> Iterator[int]:
    """Yield the places of the transitions out of a state that stay in its set and change something."""
    for place in range(int(edges.starts[node]), int(edges.starts[node + 1])):
        if edges.targets[place] != node and sets[edges.targets[place]] == sets[node]:
            yield place


def _is_of(edges: Edges, place: int, group: int, groups: Bits) -> bool:
    return bool(groups[edges.labels[place], group // 64] >> U(group % 64) & ONE)


def _serves(edges: Edges, step: tuple[int, int], group: int, groups: Bits, good: Flags) -> bool:
    """Return whether a step of the cycle takes a group, or begins where the group is impossible."""
    node, place = step
    return good[node] == IMPOSSIBLE or _is_of(edges, place, group, groups)
