"""Tours: runs from the initial state that together take every transition; they become test vectors.

Greedy: go on along a transition that no tour has taken; where there is none, by the shortest way to one; where no way
leads to one, begin another tour. Not the shortest set of tours (that is the rural postman's problem), but every
transition is taken, and the same configuration always gives the same tours.

>>> from ackmodel import Config
>>> from ackexplore import explore
>>> result = explore(Config(level="disk"))
>>> found = tours(result, longest=40)
>>> len(found), sum(map(len, found)), len(covered(found)) == result.edges
(9, 99, True)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen

from ackexplore.reports.exports import graph_of
from ackexplore.result import Result


@frozen
class Step:
    """One transition of a tour: `key` tells parallel ones apart, as in networkx."""

    source: int
    target: int
    key: int
    action: str
    actor: int | None


Tour = tuple[Step, ...]


def covered(found: Iterable[Sequence[Step]]) -> set[tuple[int, int, int]]:
    """Return the transitions that some tours take: (source, target, key)."""
    return {(step.source, step.target, step.key) for tour in found for step in tour}


def _shortest_way(steps: dict[int, list[Step]], left: dict[int, deque[Step]], start: int, room: int) -> list[Step]:
    """Return the shortest way to a node that has a transition left, of at most `room` steps; none if there is none."""
    parents: dict[int, Step | None] = {start: None}
    level = [start]
    for _ in range(room):
        found = []
        for node in level:
            for step in steps[node]:
                if step.target in parents:
                    continue
                parents[step.target] = step
                if left[step.target]:
                    way, at = [], parents[step.target]
                    while at is not None:
                        way.append(at)
                        at = parents[at.source]
                    return way[::-1]
                found.append(step.target)
        level = found
    return []


def tours(result: Result, *, longest: int = 100) -> list[Tour]:
    """Return tours of at most `longest` steps that take every transition; a longer one only where none is near enough.

    Raises `NoGraph`, and `ValueError` if `longest` is not positive.
    """
    if longest < 1:
        raise ValueError(f"a tour has at least one step, not {longest}")
    graph, _ = graph_of(result)
    steps = _steps_of(graph)
    left = {node: deque(step for step in own) for node, own in steps.items()}
    remaining = sum(map(len, left.values()))
    found: list[Tour] = []
    while remaining:
        tour: list[Step] = []
        node = 0
        while remaining and (not tour or len(tour) < longest):
            if not left[node]:
                room = longest - len(tour) - 1 if tour else len(left)
                way = _shortest_way(steps, left, node, room)
                if not way:
                    break
                tour += way
                node = way[-1].target
            step = left[node].popleft()
            remaining -= 1
            tour.append(step)
            node = step.target
        found.append(tuple(tour))
    return found


def _steps_of(graph: Any) -> dict[int, list[Step]]:
    return {
        node: [
            Step(source, target, key, edge["action"], edge["actor"])
            for source, target, key, edge in sorted(
                graph.out_edges(node, keys=True, data=True), key=lambda item: item[:3]
            )
        ]
        for node in graph
    }
