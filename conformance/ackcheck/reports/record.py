"""A verdict as its JSON tells it: what every report is made of, so that a report can be made again from the file.

>>> from ackcheck.suite import Plan, run_suite
>>> from ackcheck.subject import Subject
>>> from ackmodel import Level
>>> verdict = run_suite(Subject(), Plan((Level.PAGE_CACHE,), ("sim",), {"sim": 2}, seed=1))
>>> record = record_of({"seed": 1, "profile": "quick", **verdict.as_json()})
>>> record.target, record.outcome, len(record.clauses)
('the reference store', 'not-judged', 26)
>>> record_of({"seed": 1})
Traceback (most recent call last):
...
ackcheck.reports.record.BadRecord: it has no 'target': give a file that `ackcheck run --json` wrote
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import Factory, frozen

from ackcheck.given import Unreadable, json_of
from ackcheck.history import Line

Kind = TypeVar("Kind")


class BadRecord(ValueError):
    """It is no verdict of `ackcheck run --json`; the message says what is wrong, and what to give."""


@frozen
class ClauseRecord:
    """What was said of one clause."""

    id: str
    status: str
    times: int
    why: str
    levels: tuple[str, ...]


@frozen
class LevelRecord:
    """What was said of one level. `at_stake` has, by defining clause, the faults that tested it and their floor."""

    level: str
    status: str
    why: str
    mend: str
    at_stake: Mapping[str, tuple[int, int]]


@frozen
class FindingRecord:
    """One finding, with its history in lanes. `number` counts from 1, in the order of the file."""

    number: int
    clause: str
    why: str
    grade: str
    refutes: tuple[str, ...]
    times: int
    seed: int
    case: int | None
    again: str
    lines: tuple[Line, ...]
    test: str


@frozen
class RunRecord:
    """One campaign of one grade. `faults` has, by kind, how often it was tried and seen, and why others missed."""

    levels: tuple[str, ...]
    grade: str
    seed: int
    cases: int
    operations: int
    seconds: float
    not_judged: str
    ran: Mapping[str, int]
    faults: Mapping[str, tuple[int, int, tuple[str, ...]]]


@frozen
class Record:
    """A whole verdict. `machine` and `command` are empty in files of versions that did not write them."""

    target: str
    outcome: str
    level: str | None
    profile: str
    seed: int
    promises: Mapping[str, Any]
    levels: tuple[LevelRecord, ...]
    clauses: tuple[ClauseRecord, ...]
    findings: tuple[FindingRecord, ...]
    runs: tuple[RunRecord, ...]
    command: str = ""
    began: str = ""
    machine: Mapping[str, Any] = Factory(dict)

    def findings_of(self, clause: str) -> tuple[FindingRecord, ...]:
        """Return the findings that broke a clause."""
        return tuple(finding for finding in self.findings if finding.clause == clause)


def read_record(path: Path) -> Record:
    """Return the verdict in a file; raises `BadRecord`, which names the file."""
    try:
        return record_of(json_of(path))
    except BadRecord as error:
        raise BadRecord(f"{path}: {error}") from None
    except Unreadable as error:
        raise BadRecord(f"{error}: give a file that `ackcheck run --json` wrote") from error


def record_of(stated: Any) -> Record:
    """Return what the JSON of a verdict says; raises `BadRecord`."""
    told = _Told(stated)
    return Record(
        target=told.get("target", str),
        outcome=told.get("outcome", str),
        level=told.get("level", (str, type(None))),
        profile=told.get("profile", str),
        seed=told.get("seed", int),
        promises=told.get("promises", dict),
        levels=tuple(map(_level, told.objects("levels"))),
        clauses=tuple(map(_clause, told.objects("clauses"))),
        findings=tuple(_finding(number, each) for number, each in enumerate(told.objects("findings"), 1)),
        runs=tuple(map(_run, told.objects("runs"))),
        command=told.get("command", str, ""),
        began=told.get("began", str, ""),
        machine=told.get("machine", dict, {}),
    )


class _Told:
    """An object of the JSON, whose values are asked for by name and type."""

    def __init__(self, stated: Any, where: str = "") -> None:
        if not isinstance(stated, dict):
            raise BadRecord(f"{where or 'it'} is no object: give a file that `ackcheck run --json` wrote")
        self.stated, self.where = stated, where

    def get(self, name: str, kind: Any, default: Any = ...) -> Any:
        """Return a value of a type, or of one of several; one without a default must be there."""
        value = self.stated.get(name, default)
        where = f"{self.where}.{name}" if self.where else name
        if value is ...:
            raise BadRecord(f"it has no {where!r}: give a file that `ackcheck run --json` wrote")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BadRecord(
                f"{where} is {value!r:.40}, of the wrong type: give a file that `ackcheck run --json` wrote"
            )
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(map(str, self.get(name, list)))

    def objects(self, name: str) -> list[_Told]:
        """Return the objects of a list."""
        where = f"{self.where}.{name}" if self.where else name
        return [_Told(each, f"{where}[{number}]") for number, each in enumerate(self.get(name, list))]

    def by_name(self, name: str) -> dict[str, _Told]:
        """Return the objects of an object."""
        where = f"{self.where}.{name}" if self.where else name
        return {str(key): _Told(value, f"{where}.{key}") for key, value in self.get(name, dict, {}).items()}


def _level(told: _Told) -> LevelRecord:
    at_stake = {
        name: (each.get("times", int), each.get("floor", int)) for name, each in told.by_name("at_stake").items()
    }
    return LevelRecord(
        told.get("level", str), told.get("status", str), told.get("why", str), told.get("mend", str), at_stake
    )


def _clause(told: _Told) -> ClauseRecord:
    times = told.get("times_checked", int)
    return ClauseRecord(told.get("id", str), told.get("status", str), times, told.get("why", str), told.words("levels"))


def _finding(number: int, told: _Told) -> FindingRecord:
    lines = (
        Line(each.get("step", int), each.get("lane", str), each.get("text", str)) for each in told.objects("history")
    )
    return FindingRecord(
        number,
        clause=told.get("clause", str),
        why=told.get("why", str),
        grade=told.get("grade", str),
        refutes=told.words("refutes"),
        times=told.get("times", int),
        seed=told.get("seed", int),
        case=told.get("case", (int, type(None))),
        again=told.get("again", str),
        lines=tuple(lines),
        test=told.get("test", str),
    )


def _run(told: _Told) -> RunRecord:
    hits = _Told(told.get("hits", dict, {}), f"{told.where}.hits").by_name("faults")
    return RunRecord(
        levels=told.words("levels"),
        grade=told.get("grade", str),
        seed=told.get("seed", int),
        cases=told.get("cases", int),
        operations=told.get("operations", int),
        seconds=float(told.get("seconds", (int, float))),
        not_judged=told.get("not_judged", str),
        ran=told.get("ran", dict),
        faults={name: (hit.get("tried", int), hit.get("seen", int), hit.words("missed")) for name, hit in hits.items()},
    )
