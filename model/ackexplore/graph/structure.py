"""What the shape of the state space says: what every way must pass, and which steps do not mind their order.

- **Dominators**: does every way to a state of one kind pass a state of another? (Every way to an offset beyond a
  message passes a state where a record of it is FLUSHED.)
- **Commuting steps**: two kinds of steps commute if, wherever both are possible, doing one leaves the other possible,
  and both orders end in the same state. Where they do not, the first place is given.

>>> from ackmodel import Config, Stage
>>> from ackexplore import explore
>>> result = explore(Config())
>>> committed = lambda state: state[0].offset.volatile > 0
>>> flushed = lambda state: any(record.stage is Stage.FLUSHED for record in state[1][0].records)
>>> way_round(result, target=committed, gate=flushed) is None
True
>>> way_round(result, target=committed, gate=lambda state: state[1][0].ack.stored).actions[-1]
'commit(0)'
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import networkx as nx
from attrs import frozen

from ackexplore.reports.exports import graph_of
from ackexplore.result import Result
from ackexplore.trace import Trace, trace_through
from ackmodel import State

StateTest: TypeAlias = Callable[[State], bool]
Label: TypeAlias = tuple[str, int | None]
"""A kind of step: its action, and the message that acts (None in a broadcast)."""


def way_round(result: Result, *, target: StateTest, gate: StateTest) -> Trace | None:
    """Return a shortest way to a target that passes no state of the gate; None if every way passes one.

    The target itself may be of the gate. Raises `NoGraph`.
    """
    graph, space = graph_of(result)
    if gate(space.state(0)):
        return None
    parents: dict[int, int] = {0: -1}
    level = [0]
    while level:
        found = []
        for node in level:
            state = space.state(node)
            if gate(state):
                continue
            if target(state):
                path = [node]
                while parents[path[-1]] >= 0:
                    path.append(parents[path[-1]])
                return trace_through(space.model, [space.codes[step] for step in reversed(path)])
            for after in graph.successors(node):
                if after not in parents:
                    parents[after] = node
                    found.append(after)
        level = found
    return None


def dominators(result: Result) -> Mapping[int, int]:
    """Return, for each node but the first, the last node that every way to it passes (its immediate dominator).

    Raises `NoGraph`.
    """
    graph, _ = graph_of(result)
    found: dict[int, int] = nx.immediate_dominators(nx.DiGraph(graph), 0)
    return {node: above for node, above in found.items() if node != 0}


@frozen(kw_only=True)
class Pair:
    """Two kinds of steps: at how many states both are possible, and the first state where their order matters."""

    first: Label
    second: Label
    together: int
    clash: int | None

    @property
    def commute(self) -> bool:
        """Whether the order never matters."""
        return self.clash is None


def _targets(graph: Any, node: int) -> dict[Label, frozenset[int]]:
    found: dict[Label, set[int]] = defaultdict(set)
    for _, target, edge in graph.out_edges(node, data=True):
        found[edge["action"], edge["actor"]].add(target)
    return {label: frozenset(targets) for label, targets in found.items()}


def _through(targets: Mapping[int, Mapping[Label, frozenset[int]]], node: int, first: Label, second: Label) -> Any:
    """Return every state after both, or None if the second is not possible after some outcome of the first."""
    ends: set[int] = set()
    for middle in targets[node][first]:
        if second not in targets[middle]:
            return None
        ends |= targets[middle][second]
    return ends


def commuting(result: Result) -> list[Pair]:
    """Return every two kinds of steps that are possible together somewhere, and whether they commute.

    Steps with several outcomes are compared as sets of outcomes. Raises `NoGraph`.
    """
    graph, _ = graph_of(result)
    targets = {node: _targets(graph, node) for node in graph}
    together: dict[tuple[Label, Label], int] = defaultdict(int)
    clashes: dict[tuple[Label, Label], int] = {}
    for node in sorted(graph):
        labels = sorted(targets[node], key=str)
        for place, first in enumerate(labels):
            for second in labels[place + 1 :]:
                pair = (first, second)
                together[pair] += 1
                if pair not in clashes:
                    one, other = _through(targets, node, first, second), _through(targets, node, second, first)
                    if one is None or one != other:
                        clashes[pair] = node
    return [
        Pair(first=first, second=second, together=count, clash=clashes.get((first, second)))
        for (first, second), count in together.items()
    ]
