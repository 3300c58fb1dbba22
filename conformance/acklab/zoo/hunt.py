"""Hunting a bug of the zoo: the suite is run against it until a clause breaks.

>>> from acklab.zoo import bug_named
>>> caught = hunt(bug_named("old-segment-not-fsynced-on-rotation"), seed=1)
>>> caught.caught, caught.finding.clause in caught.bug.breaks
(True, True)
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from ackcheck.findings import Finding
from ackcheck.sim.campaign import run_sim_grade
from acklab.reference.simulated import ReferenceSetup
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


def hunt(bug: Bug, *, seed: int, cases: int = MOST_CASES, shorten: bool = True) -> Catch:
    """Run the simulated grade against a bug until it is caught, or for `cases` runs."""
    setup = ReferenceSetup((bug.level,), commit=bug.commit, core=bug.core, bug=bug.name, logs=bug.logs)
    report = run_sim_grade(setup, seed=seed, cases=cases, stop_at_first=True, shorten=shorten)
    return Catch(bug, report.finding, report.cases, report.seconds)
