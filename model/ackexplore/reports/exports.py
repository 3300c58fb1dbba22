"""Graphs and traces for other programs: GraphML, DOT, and ITF.

ITF is the trace format of Apalache and Quint (Informal Trace Format, apalache-mc.org/docs/adr/015adr-trace.html).

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> broken = explore(Config(rules={"commit-after-flush": False}), Options(stop_at="commit-is-safe"))
>>> told = itf(broken.counterexample)
>>> told["vars"], [state["action"] for state in told["states"]]
(['action', 'actor', 'messages', 'shared'], ['init', 'pop', 'write_checkpoint', 'commit'])
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx

from ackexplore.result import Result, StateSpace
from ackexplore.trace import Trace
from ackexplore.values import state_json, wording


class NoGraph(ValueError):
    """A result has no graph: only the graph engine makes one."""


def graph_of(result: Result) -> tuple[Any, StateSpace]:
    """Return the graph of a result, and what its nodes stand for; `NoGraph` if it has none."""
    if result.space is None:
        raise NoGraph(
            "only the graph engine makes a graph, without symmetry: explore with engine='graph' (--engine graph)"
        )
    return result.space.graph, result.space


def label(space: StateSpace, node: int) -> str:
    """Return a state in a few lines: the store, then each message as phase, checkpoint and ack."""
    shared, messages = space.state(node)
    offset = shared.offset
    lines = [f"{shared.power.value} {shared.mode.value} offset {offset.volatile}/{offset.cached}/{offset.disk}"]
    lines += [f"{m.index}: {m.phase.value}, {wording(m.checkpoint)}, {wording(m.ack)}" for m in messages]
    return "\n".join(lines)


def write_graphml(result: Result, path: Path) -> None:
    """Write the whole graph as GraphML: nodes with `label`, `state` (JSON) and `broken`, edges with `action`, `actor`.

    Raises `NoGraph`, and `OSError` of the file.
    """
    graph, space = graph_of(result)
    told = nx.MultiDiGraph()
    for node in graph:
        broken = space.model.clauses_in(space.model.broken_state(space.codes[node]))
        told.add_node(
            node,
            label=label(space, node),
            state=json.dumps(state_json(space.state(node))),
            broken=" ".join(clause.value for clause in broken),
        )
    for source, target, edge in graph.edges(data=True):
        told.add_edge(source, target, action=edge["action"], actor=-1 if edge["actor"] is None else edge["actor"])
    nx.write_graphml(told, path)


def _quoted(text: str) -> str:
    """Return a DOT string; its line ends are the escape \\n."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dot_lines(result: Result) -> Iterator[str]:
    """Yield the whole graph in the DOT language of Graphviz; broken states are red. Raises `NoGraph`."""
    graph, space = graph_of(result)
    yield "digraph ackmodel {"
    yield '  node [shape=box, fontname="monospace"];'
    for node in graph:
        red = ", color=red" if space.model.broken_state(space.codes[node]) else ""
        yield f"  {node} [label={_quoted(label(space, node))}{red}];"
    for source, target, edge in graph.edges(data=True):
        actor = "" if edge["actor"] is None else f"({edge['actor']})"
        yield f"  {source} -> {target} [label={_quoted(edge['action'] + actor)}];"
    yield "}"


def write_dot(result: Result, path: Path) -> None:
    """Write the whole graph in the DOT language. Raises `NoGraph`, and `OSError` of the file."""
    path.write_text("\n".join(dot_lines(result)) + "\n", encoding="utf-8")


def _itf_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _itf_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_itf_value(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return {"#bigint": str(value)}
    return value


def itf(trace: Trace) -> dict[str, Any]:
    """Return a trace in the Informal Trace Format, with the name of the step that led to each state as `action`.

    `actor` is the message that acted, -1 where none did; of a lasso, `loop` is the index of the state it comes back to.
    """
    moves: list[tuple[str, int]] = [("init", -1)]
    moves += [(step.action, -1 if step.actor is None else step.actor) for step in trace.steps]
    states = [trace.initial, *(step.after for step in trace.steps)]
    return {
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "description": "ackcheck: " + (", ".join(clause.value for clause in trace.broken) or "a run"),
        },
        "vars": ["action", "actor", "messages", "shared"],
        "states": [
            {"#meta": {"index": index}, "action": action, "actor": _itf_value(actor), **_itf_value(state_json(state))}
            for index, ((action, actor), state) in enumerate(zip(moves, states, strict=True))
        ],
        **({} if trace.loop is None else {"loop": trace.loop}),
    }
