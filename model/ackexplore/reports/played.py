"""Test vectors played to a store: each step is done to it, and what it shows is compared with what the model says.

A step of a tour is given as [action, message or null, what is left]: the last is null, but after a fault, where it has
the lanes `cache`, `disk` and `offset`. The store shows, after each step, the lanes that it can; others are not
compared.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> from ackexplore.reports.vectors import vectors
>>> told = vectors(explore(Config(), Options(engine="graph")), longest=60)
>>> state = lambda tour: [told["states"][step[2]] for step in told["tours"][tour]]
>>> sum(difference(told, number, state(number)) is not None for number in range(19))
0
>>> difference(told, 0, [{"store": ["phase: acking"]}, *state(0)[1:]])
'tour 0, step 1 (pop): phase: acking; the model has phase: popping'

What a file says of itself is not believed: its transitions are counted, and held to those of the model.

>>> coverage_of(told | {"tours": told["tours"][:1], "covered": {"transitions": 97, "of": 97}})
Coverage(taken=12, of=97)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ackexplore.engines import explore
from ackexplore.options import Options
from ackexplore.reports.lanes import states_and_moves
from ackexplore.reports.vectors import FORMAT, LANES
from ackexplore.result import TooManyStates
from ackmodel import VERSION, BadConfig, Config, UnknownRule

LEFT: Final = ("cache", "disk", "offset")
"""The lanes that say what a fault has left."""


MOST_BYTES: Final = 1 << 30
"""Bytes of a file that are read."""


class BadVectors(ValueError):
    """A file that holds no vectors of a format that is known; the message says what to do."""


def read_vectors(path: Path) -> dict[str, Any]:
    """Return the vectors of a file; raises `BadVectors`."""
    mend = f"write it with `ackcheck vectors {path}`"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadVectors(f"{path} is longer than {MOST_BYTES >> 30} GiB; {mend} for a smaller model")
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadVectors(f"{path} cannot be read ({error.strerror}): {mend}") from error
    except ValueError as error:
        raise BadVectors(f"{path} is no JSON ({error}): {mend}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BadVectors(f"{path} holds no vectors of format {FORMAT}: {mend}")
    if wrong := _misshapen(told):
        raise BadVectors(f"{path}: {wrong}; {mend}")
    return told


def _misshapen(told: Mapping[str, Any]) -> str:
    """Return what of the file is not as the format has it; empty where all is."""
    states, tours, faults = told.get("states"), told.get("tours"), told.get("faults")
    if not isinstance(faults, list) or not all(isinstance(each, str) for each in faults):
        return "`faults` is no list of actions"
    if not isinstance(states, list) or not all(_is_state(each) for each in states):
        return f"`states` is no list of objects with the lanes {', '.join(LANES)}, each a list of lines"
    if not isinstance(tours, list) or not tours:
        return "`tours` is no list of tours"
    for number, tour in enumerate(tours):
        if not isinstance(tour, list) or not tour or not all(_is_step(step, len(states)) for step in tour):
            return f"tour {number} is no list of steps [action, message or null, number of a state]"
    return ""


def _is_state(told: Any) -> bool:
    return isinstance(told, dict) and all(
        isinstance(lines := told.get(lane), list) and all(isinstance(line, str) for line in lines) for lane in LANES
    )


def _is_step(told: Any, states: int) -> bool:
    if not isinstance(told, list) or len(told) != 3:
        return False
    action, message, after = told
    named = isinstance(action, str) and (message is None or type(message) is int)
    return named and type(after) is int and 0 <= after < states


@frozen
class Coverage:
    """How many transitions the tours of a file take, and of how many; None where the file is of another model."""

    taken: int
    of: int | None

    def __str__(self) -> str:
        """Say it.

        >>> print(Coverage(97, 629), Coverage(97, None), sep=chr(10))
        97 of 629 transitions
        97 transitions (of how many is not known: the vectors are of another version of the model)
        """
        if self.of is not None:
            return f"{self.taken:,} of {self.of:,} transitions"
        return f"{self.taken:,} transitions (of how many is not known: the vectors are of another version of the model)"


def coverage_of(vectors: Mapping[str, Any]) -> Coverage:
    """Count the transitions that tours take, and hold them and the states to the model, if they are of this version.

    Raises `BadVectors` where the model has another state, or no such step.
    """
    taken = set()
    for tour in vectors["tours"]:
        before = 0
        for action, message, after in tour:
            taken.add((before, action, message, after))
            before = after
    if vectors.get("model") != VERSION:
        return Coverage(len(taken), None)
    states, steps = _as_the_model_has_it(vectors.get("config"), len(vectors["states"]))
    if states != vectors["states"]:
        raise BadVectors("its states are not those that the model has of its configuration: write it anew")
    if strange := taken - steps:
        before, action, message, after = min(strange, key=str)
        of = "" if message is None else f" of message {message}"
        raise BadVectors(f"the model has no step {action}{of} from state {before} to {after}: write it anew")
    return Coverage(len(taken), len(steps))


Steps = set[tuple[int, str, int | None, int]]


def _as_the_model_has_it(settings: Any, most: int) -> tuple[list[dict[str, list[str]]], Steps]:
    """Return the states and the steps of a configuration that has at most so many states; raises `BadVectors`."""
    try:
        named = {name: value for name, value in settings.items() if name != "without"}
        config = Config.of(named | {"rules": frozenset(settings["without"])})
        states, moves = states_and_moves(explore(config, Options(engine="graph", max_states=most)))
    except (AttributeError, KeyError, TypeError, ValueError, BadConfig, UnknownRule) as error:
        raise BadVectors(f"`config` says nothing that the model knows ({error}): write it anew") from error
    except TooManyStates as error:
        raise BadVectors(f"it has {most:,} states, and the model more of its configuration: write it anew") from error
    steps = {(before, move[0], move[1], move[2]) for before, each in enumerate(moves) for move in each}
    return [{lane: state[lane] for lane in LANES} for state in states], steps


def steps_of(vectors: Mapping[str, Any], tour: int) -> list[list[Any]]:
    """Return the steps of a tour as a store is given them."""
    faults, states = vectors["faults"], vectors["states"]
    return [
        [action, message, {lane: states[after][lane] for lane in LEFT} if action in faults else None]
        for action, message, after in vectors["tours"][tour]
    ]


def difference(vectors: Mapping[str, Any], tour: int, seen: Any) -> str | None:
    """Return where what a store showed after each step of a tour departs from the model first, if it does."""
    steps = vectors["tours"][tour]
    if not isinstance(seen, list) or len(seen) != len(steps):
        return f"tour {tour}: it has {len(steps)} steps, so there are as many lanes to show, in a list"
    for number, ((action, _, after), shown) in enumerate(zip(steps, seen, strict=True), 1):
        wrong = _departs(shown, vectors["states"][after])
        if wrong is not None:
            return f"tour {tour}, step {number} ({action}): {wrong}"
    return None


def _departs(shown: Any, state: Mapping[str, Sequence[str]]) -> str | None:
    """Return what of a state is shown otherwise; None for a lane, or for the whole, says nothing of it."""
    for lane, lines in (shown or {}).items():
        if lane not in state:
            return f"there is no lane {lane}: they are store, cache, disk and offset"
        wanted = state[lane]
        strange = [line for line in lines if line not in wanted]
        if strange:
            name = strange[0].partition(":")[0] + ":"
            same = [line for line in wanted if line.startswith(name)] if ":" in strange[0] else wanted
            return f"{strange[0]}; the model has {', '.join(same) or f'nothing of that in {lane}'}"
        missing = [line for line in wanted if line not in lines]
        if missing and lane != "store":  # of what it believes a store shows what it has words for
            return f"{missing[0]} is missing from {lane}"
    return None
