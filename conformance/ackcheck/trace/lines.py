"""One line of a recorded history, as a value (specs/trace.md, and its schema).

>>> read_line('{"at": 1.5, "asked": {"id": 7, "op": "ack", "receipt": "r1"}}')
Asked(at=1.5, id=7, op='ack', arguments={'receipt': 'r1'})
>>> read_line('{"at": 2.0, "fault": "power-loss"}')
Fault(at=2.0, kind='power-loss')
>>> read_line('[2500000000, "<", "{\\\\"id\\\\": 7, \\\\"result\\\\": \\\\"OK\\\\"}"]')     # of the suite's wire log
Answered(at=2.5, id=7, result='OK', error='')
>>> read_line('{"at": 1, "fault": "rain"}')
Traceback (most recent call last):
...
ackcheck.trace.lines.BadLine: fault is 'rain': write process-crash, power-loss or restart
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

FAULTS = ("process-crash", "power-loss", "restart")
LONGEST = 1 << 20
"""Characters of a line."""


FOREVER = 1e12
"""Seconds of a deadline that nobody knows."""


class BadLine(ValueError):
    """A line that is no entry; the message says what to write."""


@frozen
class Asked:
    """A request, as the protocol has it."""

    at: float
    id: int
    op: str
    arguments: Mapping[str, Any]


@frozen
class Answered:
    """The answer to a request: a result, or an error, after which its outcome is unknown."""

    at: float
    id: int
    result: Any = None
    error: str = ""


@frozen
class Fault:
    """The store stopped, and was opened again."""

    at: float
    kind: str


@frozen
class Gap:
    """Something is missing here: of what was before nothing is concluded after it."""

    at: float
    why: str = ""


Entry = Asked | Answered | Fault | Gap


def read_line(text: str) -> Entry:
    """Return what a line says; raises `BadLine`."""
    if len(text) > LONGEST:
        raise BadLine(f"it has {len(text)} characters, at most {LONGEST}: split what it says")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"no JSON ({error}): write one object a line") from None
    if isinstance(told, list):
        return _wire(told)
    if not isinstance(told, dict):
        raise BadLine('no object: write {"at": seconds, "asked": ...}, or answered, fault, gap')
    return entry_of(told)


def call(numbers: Iterator[int], times: tuple[float, float], op: str, result: Any, **arguments: Any) -> Iterator[Entry]:
    """Yield a request and its answer, by when it was asked for and when answered."""
    number = next(numbers)
    yield Asked(times[0], number, op, arguments)
    yield Answered(times[1], number, result)


def as_line(entry: Entry) -> dict[str, Any]:
    """Return what a line says that is read as this entry.

    >>> as_line(Answered(2.5, 7, "OK"))
    {'at': 2.5, 'answered': {'id': 7, 'result': 'OK'}}
    """
    match entry:
        case Asked(at, number, op, arguments):
            return {"at": at, "asked": {"id": number, "op": op, **arguments}}
        case Answered(at, number, result, error):
            return {"at": at, "answered": {"id": number, **({"error": error} if error else {"result": result})}}
        case Fault(at, kind):
            return {"at": at, "fault": kind}
        case Gap(at, why):
            return {"at": at, "gap": why}


def entry_of(told: Mapping[str, Any]) -> Entry:
    """Return what an object says; raises `BadLine`."""
    at = _seconds(told.get("at"))
    if "asked" in told:
        return _asked(at, told["asked"])
    if "answered" in told:
        return _answered(at, told["answered"])
    if "fault" in told:
        if told["fault"] not in FAULTS:
            raise BadLine(f"fault is {told['fault']!r:.40}: write process-crash, power-loss or restart")
        return Fault(at, told["fault"])
    if "gap" in told:
        return Gap(at, str(told["gap"]))
    raise BadLine("none of asked, answered, fault, gap: write one of them")


def _seconds(at: Any) -> float:
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) <= sys.float_info.max:
        raise BadLine(f"at is {at!r:.40}: write the time in seconds, of one clock")
    return float(at)


def _wire(told: list[Any]) -> Entry:
    """Return what a line of the suite's own wire log says: nanoseconds, the way, the line itself."""
    match told:
        case [int(at), ">" | "<" as way, str(line)]:
            try:
                inner = json.loads(line)
            except (ValueError, RecursionError):
                raise BadLine("the line in it is cut off, or no JSON: what it said is not known") from None
            return _asked(at / 1e9, inner) if way == ">" else _answered(at / 1e9, inner)
    raise BadLine('no line of a wire log: those are [nanoseconds, ">" or "<", "the line"]')


def _asked(at: float, told: Any) -> Asked:
    match told:
        case {"id": int(number), "op": str(op), **arguments}:
            return Asked(at, number, op, {str(name): value for name, value in arguments.items()})
    raise BadLine(f"asked is {told!r:.60}: write a request of the protocol, with id and op")


def _answered(at: float, told: Any) -> Answered:
    match told:
        case {"id": int(number), "error": error}:
            return Answered(at, number, error=str(error))
        case {"id": int(number), "result": result}:
            return Answered(at, number, result)
    raise BadLine(f"answered is {told!r:.60}: write an answer of the protocol, with id, and result or error")
