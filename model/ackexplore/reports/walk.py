"""The whole graph of a configuration as one page to walk in: choose the next step, go back, be led to where it breaks.

The page loads nothing. All states and transitions stand in it as JSON, so it is for small models (`MOST_STATES`); the
way that was gone stands in its address, and can be sent to somebody.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> told = walkable(explore(Config(), Options(engine="graph")))
>>> len(told["states"]), len(told["edges"][0]), told["states"][0]["disk"]
(54, 1, [])
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from attrs import asdict, has

from ackexplore.interning import clauses_in, successors
from ackexplore.reports.exports import graph_of
from ackexplore.reports.show import clause_in_a_line
from ackexplore.result import Result
from ackexplore.values import GHOSTS, as_json, wording
from ackmodel import RULES, Clause, Record, State, Truth, at_stake
from ackmodel.spec.catalogue import named

MOST_STATES = 20_000
"""States of a page; a browser gets slow with more."""

RECORDS = ("checkpoint", "earlier", "ack", "renewal")
CACHE, DISK = (Truth.DIRTY, Truth.PHANTOM), (Truth.DISK,)


class TooLarge(ValueError):
    """There are more states than a page can hold; the message says what to do."""


def walk_page(result: Result, command: str, served: Mapping[str, Any] | None = None) -> str:
    """Return the page; `served` are the settings that a server would take, where one is there."""
    if result.states > MOST_STATES:
        raise TooLarge(f"{result.states:,} states, at most {MOST_STATES:,} fit a page: use fewer messages or faults")
    told = walkable(result) | {"command": command, "served": served}
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = resources.files(__package__).joinpath("walk.html").read_text(encoding="utf-8")
    return page.replace("/*GRAPH*/null", text)


def walkable(result: Result) -> dict[str, Any]:
    """Return states and transitions as JSON types; raises `NoGraph`."""
    _, space = graph_of(result)
    numbers = {code: number for number, code in enumerate(space.codes)}
    edges: list[list[list[Any]]] = []
    for code in space.codes:
        moves = successors(space.model, code)
        edges.append([[space.model.actions[a], who, numbers[after], _names(breaks)] for a, who, after, breaks in moves])
    states = [
        _state(result, space.state(number), _names(space.model.broken_state(code)))
        for number, code in enumerate(space.codes)
    ]
    actions = sorted({move[0] for moves in edges for move in moves})
    off = sorted(result.config.without)
    return {
        "states": states,
        "edges": edges,
        "faults": [action for action in actions if named(action).kind.is_fault],
        "told": {action: named(action).client or "" for action in actions},
        "promises": {clause.value: clause_in_a_line(clause) for clause in Clause},
        "off": {name: RULES[name].says for name in off},
        "config": as_json(result.config),
    }


def _names(mask: int) -> list[str]:
    return [clause.value for clause in clauses_in(mask)]


def _state(result: Result, state: State, broken: list[str]) -> dict[str, Any]:
    """Return one state by lanes, and which clauses are broken or at stake in it."""
    shared, messages = state
    stake = dict.fromkeys(clause.value for message in messages for clause in at_stake(result.config, shared, message))
    return {
        "store": [*_beliefs(shared, ""), *(line for each in messages for line in _beliefs(each, _of(each, messages)))],
        "cache": list(_bytes_in(state, CACHE)),
        "disk": list(_bytes_in(state, DISK)),
        "offset": [f"memory {shared.offset.volatile}", f"file {shared.offset.cached}", f"disk {shared.offset.disk}"],
        "broken": broken,
        "stake": list(stake),
    }


def _of(message: Any, messages: tuple[Any, ...]) -> str:
    return f" {message.index}" if len(messages) > 1 else ""


def _beliefs(value: Any, which: str) -> Iterator[str]:
    """Yield what the store believes: every field but ghosts, the offset and budgets; of a record the stage."""
    for name in asdict(value, recurse=False):
        held = getattr(value, name)
        if name in GHOSTS or name in ("index", "offset", "budget"):
            continue
        if has(type(held)) and not isinstance(held, Record):
            continue
        yield f"{name.replace('_', ' ')}{which}: {wording(held).partition(' / ')[0]}"


def _bytes_in(state: State, truths: tuple[Truth, ...]) -> Iterator[str]:
    """Yield the records whose bytes are in a place now."""
    for message in state[1]:
        for name in RECORDS:
            record = getattr(message, name)
            if record.truth in truths:
                how = f" ({record.truth.value})" if record.truth is not Truth.DISK else ""
                yield f"{name}{_of(message, state[1])}{how}"
