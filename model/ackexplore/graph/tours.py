"""Tours: runs from the initial state that together take every transition; they become test vectors.

Greedy: go on along a transition that no tour has taken; where there is none, by the shortest way to one near by; where
none is near, begin another tour, by a shortest way from the initial state. Not the shortest set of tours (that is the
rural postman's problem), but every transition is taken, and the same configuration always gives the same tours.

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


NEAR = 200
"""How many states are looked at for a transition that is left, before another tour begins."""


def _near(steps: dict[int, list[Step]], left: dict[int, deque[Step]], start: int, room: int) -> list[Step]:
    """Return the shortest way to a node near by that has a transition left, of at most `room` steps; or none."""
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
                    return _way(parents, step.target)
                found.append(step.target)
        if len(parents) > NEAR:
            return []
        level = found
    return []


def _way(parents: dict[int, Step | None], node: int) -> list[Step]:
    """Return the steps that lead to a node."""
    way = []
    step = parents[node]
    while step is not None:
        way.append(step)
        step = parents[step.source]
    return way[::-1]


def _from_the_start(steps: dict[int, list[Step]]) -> dict[int, Step | None]:
    """Return the last step of a shortest way to each node, the nearest first."""
    parents: dict[int, Step | None] = {0: None}
    waiting = deque([0])
    while waiting:
        for step in steps[waiting.popleft()]:
            if step.target not in parents:
                parents[step.target] = step
                waiting.append(step.target)
    return parents


def tours(result: Result, *, longest: int = 100) -> list[Tour]:
    """Return tours of at most `longest` steps that take every transition; a longer one only to what is further away.

    Raises `NoGraph`, and `ValueError` if `longest` is not positive.
    """
    if longest < 1:
        raise ValueError(f"a tour has at least one step, not {longest}")
    graph, _ = graph_of(result)
    steps = _steps_of(graph)
    left = {node: deque(own) for node, own in steps.items()}
    parents = _from_the_start(steps)
    found: list[Tour] = []
    for start in parents:
        while left[start]:
            tour = _way(parents, start)
            tour.append(left[start].popleft())
            while len(tour) < longest:
                node = tour[-1].target
                way = [] if left[node] else _near(steps, left, node, longest - len(tour) - 1)
                if not way and not left[node]:
                    break
                tour += way
                tour.append(left[tour[-1].target].popleft())
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
