"""What must happen in the end: leads-to properties under weak and strong fairness, judged soundly.

`trigger ~> goal`: after every state where the trigger holds, every fair run comes to a state where the goal holds. A
run is fair if each group of actions that fairness is assumed for is taken again and again, provided it stays possible
(weak) or becomes possible again and again (strong). A run that stops at a state goes on by doing nothing for ever.

A violation is a *lasso*: a way to a state with the trigger, on from there without the goal, and a cycle without the
goal that is fair. Searching for cycles state by state misses some of them (a state reached a second time on another way
is not looked at again); here every strongly connected component of the states without the goal is judged, and split
where strong fairness asks for it. The method is that of Emerson and Lei (1987) for Streett conditions.

>>> import networkx as nx
>>> graph = nx.MultiDiGraph()
>>> _ = graph.add_edge(0, 1, action="begin", actor=None), graph.add_edge(1, 0, action="fail", actor=None)
>>> _ = graph.add_edge(1, 2, action="end", actor=None)
>>> asked = dict(trigger=lambda node: node == 0, goal=lambda node: node == 2)
>>> weak, strong = Fairness("end", frozenset({"end"})), Fairness("end", frozenset({"end"}), strong=True)
>>> begin = Fairness("begin", frozenset({"begin"}))
>>> find_lasso(graph, fairness=[begin, weak], **asked).cycle       # `end` is possible only every other step
((0, 1, 'begin', None), (1, 0, 'fail', None))
>>> find_lasso(graph, fairness=[begin, strong], **asked) is None
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import networkx as nx
from attrs import frozen

Edge: TypeAlias = tuple[int, int, str, int | None]
"""A transition of a lasso: (source, target, action, actor)."""

Nodes: TypeAlias = Callable[[int], bool]


@frozen
class Fairness:
    """A group of actions that is not put off for ever; of one message only, if `actor` is given."""

    name: str
    actions: frozenset[str]
    actor: int | None = None
    strong: bool = False

    def has(self, action: str, actor: int | None) -> bool:
        """Tell whether a transition belongs to the group."""
        return action in self.actions and (self.actor is None or actor == self.actor)


@frozen
class Lasso:
    """A run without the goal: a way from the first state, and a cycle; an empty cycle is doing nothing for ever."""

    prefix: tuple[Edge, ...]
    cycle: tuple[Edge, ...]


@frozen
class _Labels:
    """For each group of actions: the nodes where it is possible. A transition that changes nothing is none."""

    groups: tuple[Fairness, ...]
    possible: tuple[frozenset[int], ...]


def _labels_of(graph: Any, fairness: Sequence[Fairness]) -> _Labels:
    possible: list[set[int]] = [set() for _ in fairness]
    for source, target, edge in graph.edges(data=True):
        if source != target:
            for group, nodes in zip(fairness, possible, strict=True):
                if group.has(edge["action"], edge["actor"]):
                    nodes.add(source)
    return _Labels(tuple(fairness), tuple(map(frozenset, possible)))


def _taken(graph: Any, group: Fairness, inside: set[int]) -> Edge | None:
    """Return a transition of a group within some nodes."""
    for source, target, edge in graph.subgraph(inside).edges(data=True):
        if source != target and group.has(edge["action"], edge["actor"]):
            return (source, target, edge["action"], edge["actor"])
    return None


def fair_components(graph: Any, nodes: set[int], fairness: Sequence[Fairness]) -> Iterator[set[int]]:
    """Yield strongly connected sets of `nodes` in which a fair run can stay for ever, visiting all of each.

    A single node is one if every group is impossible there (strong or weak: nothing that must happen can).
    """
    labels = _labels_of(graph, fairness)
    to_judge = [set(found) for found in nx.strongly_connected_components(graph.subgraph(nodes))]
    while to_judge:
        component = to_judge.pop()
        unfair, must_leave = False, set[int]()
        for group, possible in zip(labels.groups, labels.possible, strict=True):
            here = component & possible
            if not here or _taken(graph, group, component) is not None:
                continue
            if group.strong:
                must_leave |= here
            elif len(here) == len(component):
                unfair = True
        if unfair:
            continue
        if not must_leave:
            yield component
        elif left := component - must_leave:
            to_judge += [set(found) for found in nx.strongly_connected_components(graph.subgraph(left))]


def _edge(graph: Any, source: int, target: int) -> Edge:
    edge = next(iter(graph[source][target].values()))
    return (source, target, edge["action"], edge["actor"])


def _walk(graph: Any, path: Sequence[int]) -> list[Edge]:
    return [_edge(graph, source, target) for source, target in pairwise(path)]


def fair_cycle(graph: Any, component: set[int], entry: int, fairness: Sequence[Fairness]) -> tuple[Edge, ...]:
    """Return a cycle through `entry` that is fair: each group taken on it, or impossible somewhere on it."""
    inside = graph.subgraph(component)
    labels = _labels_of(graph, fairness)
    cycle: list[Edge] = []
    at = entry
    for group, possible in zip(labels.groups, labels.possible, strict=True):
        taken = _taken(graph, group, component)
        if taken is None:
            outside = component - possible
            cycle += _walk(graph, nx.shortest_path(inside, at, min(outside)))
            at = min(outside)
        else:
            cycle += [*_walk(graph, nx.shortest_path(inside, at, taken[0])), taken]
            at = taken[1]
    return tuple(cycle + _walk(graph, nx.shortest_path(inside, at, entry)))


def find_lasso(
    graph: Any, *, trigger: Nodes, goal: Nodes, fairness: Sequence[Fairness], start: int = 0
) -> Lasso | None:
    """Return a fair run from `start` that shows that `trigger ~> goal` does not hold; None if it holds.

    `graph` is a `networkx.MultiDiGraph` whose edges carry `action` and `actor`, all nodes reachable from `start`.
    """
    without = {node for node in graph if not goal(node)}
    triggered = {node for node in without if trigger(node)}
    if not triggered:
        return None
    components = list(fair_components(graph, without, fairness))
    entries = set().union(*components)
    if not entries:
        return None
    inside = graph.subgraph(without)
    way_in = nx.multi_source_dijkstra_path_length(inside.reverse(copy=False), entries, weight=None)
    distance = nx.single_source_shortest_path_length(graph, start)
    starts = triggered & way_in.keys()
    if not starts:
        return None
    first = min(starts, key=lambda node: (distance[node] + way_in[node], node))
    path = nx.shortest_path(graph, start, first)
    on, node = [first], first
    while node not in entries:
        node = min(inside[node], key=lambda after: way_in.get(after, float("inf")))
        on.append(node)
    component = next(found for found in components if node in found)
    cycle = fair_cycle(graph, component, node, fairness) if len(component) > 1 else ()
    return Lasso(prefix=tuple(_walk(graph, path) + _walk(graph, on)), cycle=cycle)
