"""Hunting a bug of the zoo: the suite is run against it until a clause breaks.

>>> from acklab.zoo import bug_named
>>> caught = hunt(bug_named("old-segment-not-fsynced-on-rotation"), seed=1)
>>> caught.caught, caught.finding.clause in caught.bug.breaks
(True, True)
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from ackcheck.cluster import Watch
from ackcheck.findings import Finding, GradeReport
from ackcheck.sim.campaign import run_sim_grade
from acklab.reference.simulated import ReferenceSetup
from acklab.zoo import bug_named
from acklab.zoo.bug import Bug

MOST_CASES = 4000
"""Runs after which a bug counts as not caught."""


@frozen
class Catch:
    """What became of one hunt; `cases` and `seconds` until the first catch, its shortening included."""

    bug: Bug
    finding: Finding | None
    cases: int
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether a clause broke, and one that this bug is known to break."""
        return self.finding is not None and self.finding.clause in self.bug.breaks

    def as_json(self) -> dict[str, Any]:
        """Return the catch as `ackcheck bugs --json` writes it."""
        return {
            "name": self.bug.name,
            "caught": self.caught,
            "clause": self.finding.clause.value if self.finding else None,
            "cases": self.cases,
            "seconds": round(self.seconds, 3),
            "seed": self.finding.seed if self.finding else None,
            "why": self.finding.why if self.finding else "",
        }


@frozen
class Hunt:
    """The hunt of one bug, by its name: what a crew is sent (`ackcheck.cluster.Share`)."""

    name: str
    seed: int
    cases: int = MOST_CASES

    def run(self, watch: Watch) -> GradeReport:
        """Run the simulated grade against the bug until it is caught, or for so many runs."""
        return _campaign(bug_named(self.name), self.seed, self.cases, watch)


def hunt(bug: Bug, *, seed: int, cases: int = MOST_CASES, shorten: bool = True) -> Catch:
    """Run the simulated grade against a bug until it is caught, or for `cases` runs."""
    return catch_of(bug, _campaign(bug, seed, cases, lambda _: None, shorten=shorten))


def catch_of(bug: Bug, report: GradeReport) -> Catch:
    """Return what a campaign against a bug came to."""
    return Catch(bug, report.finding, report.cases, report.seconds)


def _campaign(bug: Bug, seed: int, cases: int, watch: Watch, *, shorten: bool = True) -> GradeReport:
    setup = ReferenceSetup((bug.level,), commit=bug.commit, core=bug.core, bug=bug.name, logs=bug.logs)
    return run_sim_grade(setup, seed=seed, cases=cases, progress=watch, stop_at_first=True, shorten=shorten)
