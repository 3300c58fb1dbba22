"""Test vectors: tours that together take every transition of a configuration, with what there is after each step.

For implementers in any language: a runner reads the JSON, does each step to the store under test, and compares. A state
is told in lanes, as `lanes` has it; steps of the environment (faults, and where bytes end up) are input.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> told = vectors(explore(Config(), Options(engine="graph")), longest=60)
>>> told["covered"], len(told["tours"]), told["tours"][0][0]
({'transitions': 97, 'of': 97}, 19, ['pop', 0, 1])
"""

from __future__ import annotations

from typing import Any

from ackexplore.graph.tours import covered, tours
from ackexplore.reports.lanes import states_and_moves
from ackexplore.result import Result
from ackexplore.values import as_json
from ackmodel import VERSION
from ackmodel.spec.catalogue import named

FORMAT = 1
"""The version of the format: it changes when a runner would have to."""
LANES = ("store", "cache", "disk", "offset")


def vectors(result: Result, longest: int) -> dict[str, Any]:
    """Return the vectors as JSON types: `states` by number, `tours` of steps [action, message or null, state after]."""
    states, moves = states_and_moves(result)
    actions = sorted({move[0] for each in moves for move in each})
    found = tours(result, longest=longest)
    return {
        "format": FORMAT,
        "model": VERSION,
        "config": as_json(result.config),
        "covered": {"transitions": len(covered(found)), "of": result.edges},
        "faults": [action for action in actions if named(action).kind.is_fault],
        "states": [{lane: state[lane] for lane in LANES} for state in states],
        "tours": [[[step.action, step.actor, step.target] for step in tour] for tour in found],
    }
