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
from collections.abc import Mapping
from importlib import resources
from typing import Any

from ackexplore.reports.lanes import states_and_moves
from ackexplore.reports.show import clause_in_a_line
from ackexplore.result import Result
from ackexplore.values import as_json
from ackmodel import RULES, Clause
from ackmodel.spec.catalogue import named

MOST_STATES = 20_000
"""States of a page; a browser gets slow with more."""


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
    states, edges = states_and_moves(result)
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
