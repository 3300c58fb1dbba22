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
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ackexplore.reports.vectors import FORMAT

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
    return told


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
