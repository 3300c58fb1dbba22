"""The states of a graph in lanes: what the store believes, what is in the page cache, on the disk, in the offset.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> states, moves = states_and_moves(explore(Config(), Options(engine="graph")))
>>> states[0]["offset"], moves[0]
(['memory 0', 'file 0', 'disk 0'], [['pop', 0, 1, []]])
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import asdict, has

from ackexplore.interning import Interned, successors
from ackexplore.reports.exports import NoGraph, graph_of
from ackexplore.result import Result
from ackexplore.values import GHOSTS, wording
from ackmodel import Config, Record, State, Truth, at_stake

RECORDS = ("checkpoint", "earlier", "ack", "renewal")
CACHE, DISK = (Truth.DIRTY, Truth.PHANTOM), (Truth.DISK,)


def states_and_moves(result: Result) -> tuple[list[dict[str, Any]], list[list[list[Any]]]]:
    """Return the states by number, and of each the moves: action, message or None, state after, clauses broken by it.

    Raises `NoGraph`, also where the search ended early: what comes after some states is not known then.
    """
    _, space = graph_of(result)
    if not result.complete:
        raise NoGraph(
            "the search ended early, so the graph is not whole: allow more states, and name no clause to end at"
        )
    model = space.model
    numbers = {code: number for number, code in enumerate(space.codes)}
    edges: list[list[list[Any]]] = []
    for code in space.codes:
        moves = successors(model, code)
        edges.append(
            [[model.actions[a], who, numbers[after], _names(model, breaks)] for a, who, after, breaks in moves]
        )
    states = [
        in_lanes(result.config, space.state(number), _names(model, model.broken_state(code)))
        for number, code in enumerate(space.codes)
    ]
    return states, edges


def _names(model: Interned, mask: int) -> list[str]:
    return [clause.value for clause in model.clauses_in(mask)]


def in_lanes(config: Config, state: State, broken: list[str]) -> dict[str, Any]:
    """Return one state by lanes, and which clauses are broken or at stake in it."""
    shared, messages = state
    stake = dict.fromkeys(clause.value for message in messages for clause in at_stake(config, shared, message))
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
