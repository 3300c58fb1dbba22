"""Shortening the script of a run that broke a clause, by running shorter ones.

Hypothesis shrinks what it draws, and would draw everything anew for each try. A script is a plain list of steps, and a
simulation replays one in milliseconds, so leaving steps out is quick, and bounded by `tries`.

>>> shortest(list("abcdefgh"), lambda script: {"c", "f"} <= set(script))
['c', 'f']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Step = tuple[str, dict[str, Any]]
Item = TypeVar("Item")

MOST_TRIES = 600

PLAIN = 20
"""Steps of a script that is as quick to run as any: a longer one counts for several tries."""


def shortest(script: list[Item], still_breaks: Callable[[list[Item]], bool], tries: int = MOST_TRIES) -> list[Item]:
    """Return a script without steps that `still_breaks` does not need: no single one can be left out.

    Leaves out halves, then quarters, and so on (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing
    Input, IEEE TSE 2002), until `tries` are used up.
    """
    size = max(1, len(script) // 2)
    while tries > 0:
        start, shorter = 0, False
        while start < len(script) and tries > 0:
            candidate = script[:start] + script[start + size :]
            tries -= max(1, len(candidate) // PLAIN)
            if candidate and still_breaks(candidate):
                script, shorter = candidate, True
            else:
                start += size
        if size > 1:
            size = size // 2
        elif not shorter:
            break
    return script


def simplest(script: list[Step], still_breaks: Callable[[list[Step]], bool]) -> list[Step]:
    """Return the script with each argument as simple as it can be: 0, 1 or False where that will do."""
    for index, (name, arguments) in enumerate(script):
        for key, value in _simpler(arguments):
            candidate = [*script]
            candidate[index] = (name, {**script[index][1], key: value})
            if still_breaks(candidate):
                script = candidate
    return script


def _simpler(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in arguments.items():
        if isinstance(value, bool):
            yield from [(key, False)] if value else []
        elif isinstance(value, int):
            yield from ((key, simple) for simple in (1, 0) if simple < value and not (key == "count" and simple == 0))
