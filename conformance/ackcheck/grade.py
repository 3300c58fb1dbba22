"""A grade: one kind of faults, what runs it, and how much of it each profile tries.

To add one, write a module that makes a `Grade`, and name it in `ackcheck.grades.OWN`; a grade of another package is
found by its entry point (see `ackcheck.lab`). Its `run` is given a `Job` and returns a `GradeReport`; where nothing can
be tried, the report says why, and what would mend it:

>>> def run(job: Job) -> GradeReport:
...     return GradeReport("flood", job.seed, not_judged="needs a river: run it where there is one")
>>> flood = Grade("flood", run, counts="floods", effort={"quick": 2, "standard": 20, "deep": 200})
>>> flood.effort["standard"]
20
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import frozen

from ackcheck.cluster import HERE, Crew, Share
from ackcheck.findings import GradeReport
from ackcheck.promises import Promises
from ackcheck.subject import Subject
from ackmodel import Level

REPLY_TIMEOUT = 15.0
"""Seconds after which a target that has not answered hangs."""

PROFILES = ("quick", "standard", "deep")
"""From about a minute to hours, on two cores."""


def nobody(_done: int, _most: int) -> None:
    """Tell nobody."""


def no_one(_report: GradeReport) -> None:
    """Tell nobody."""


@frozen
class Job:
    """What a grade is asked to do: how much of it, against whom, judged for which levels, weakest first.

    `effort` counts what the grade counts; of the grades on real files only the case with the number `case`, from 1, is
    run where there is one.
    """

    subject: Subject
    levels: tuple[Level, ...]
    effort: int
    seed: int
    case: int | None = None
    round: int | None = None
    """The one round of that case to run, from 1; 0 for the restarts that end it."""
    disk_mib: int | None = None
    """How many MiB the disks have on which the target's directory lies; None: as many as each grade is used to."""
    reply_timeout: float = REPLY_TIMEOUT
    first: bool = True
    """Whether no other mode of it is judged before: what no level makes a difference to is tried once."""
    evidence: Path | None = None
    """Where a folder is written for each finding on real files; None: nowhere."""
    promises: Promises | None = None
    """What is promised, whatever the target says of itself."""
    filesystem: str | None = None
    """Which one the disk carries, where the grade has a disk of its own; None: its default."""
    stop_at_first: bool = False
    """Whether a finding ends it; else it goes on, and folds equal ones."""
    watch: Callable[[int, int], None] = nobody
    """Told how much is done, and of how much."""
    tell: Callable[[GradeReport], None] = no_one
    """Given the report as it is, now and then, and whenever something was found."""
    crew: Crew = HERE
    """Who runs its shares, where the grade has any."""

    @property
    def level(self) -> Level:
        """The strongest level: the one that a target with modes claims."""
        return self.levels[-1]


@frozen
class Grade:
    """One kind of faults.

    `effort` says how much of it a profile tries, `counts` what that counts, `cases` how many cases an effort is, where
    it has any; `rounds` how many rounds the case of a number has, at most, that can be run by themselves.
    """

    name: str
    run: Callable[[Job], GradeReport | None]
    counts: str
    effort: Mapping[str, int]
    cases: Callable[[int], int] | None = None
    rounds: Callable[[int, int], int] | None = None
    heeds: frozenset[str] = frozenset()
    """Which parts of its job it looks at, of those that not every grade does: others are passed over in silence."""
    shares: Callable[[Job], Iterable[Share[GradeReport]]] | None = None
    """The parts of a job that a crew may run anywhere and in any order; None where all is done on this machine."""


ON_FILES = frozenset({"case", "evidence", "promises", "reply_timeout", "round", "subject.server"})
"""What the grades on real files heed."""
