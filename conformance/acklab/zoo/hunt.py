"""Hunting a bug of the zoo: the suite is run against it until a clause breaks; or playing the run that is pinned of it.

>>> from acklab.zoo import bug_named
>>> caught = hunt(bug_named("old-segment-not-fsynced-on-rotation"), seed=1)
>>> caught.caught, caught.finding.clause in caught.bug.breaks
(True, True)
>>> played(bug_named("retry-fsync-after-eio-reports-success"), Clause.FLUSH_REWRITES).finding.why
'orders/billing/0[0]: handed out again at 1061.0, though its ack was made durable before the power was lost'
"""

from __future__ import annotations

import time
from typing import Any

from attrs import evolve, frozen

from ackcheck.cluster import Watch
from ackcheck.findings import Finding, GradeReport
from ackcheck.sim.campaign import as_test, run_sim_grade
from ackcheck.sim.simulation import breaks
from acklab.reference.simulated import ReferenceSetup
from acklab.zoo import bug_named
from acklab.zoo.bug import Bug
from acklab.zoo.seen import SEEN
from ackmodel import Clause

MOST_CASES = 4000
"""Runs after which a bug counts as not caught."""


class NotPinned(ValueError):
    """No run is pinned in which a bug breaks a clause first; the message names those that are."""


@frozen
class Catch:
    """What became of one hunt; `cases` and `seconds` until the first catch, its shortening included. A run that is
    `pinned` was not hunted: no seed led to it."""

    bug: Bug
    finding: Finding | None
    cases: int
    seconds: float
    pinned: bool = False

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
            "seed": self.finding.seed if self.finding and not self.pinned else None,
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


def played(bug: Bug, clause: Clause) -> Catch:
    """Play the run that is pinned of a bug, in which it breaks this clause first; raises `NotPinned`."""
    seen = next((run for run in SEEN if (run.bug, run.clause) == (bug.name, clause)), None)
    if seen is None:
        told = ", ".join(each.value for each in bug.seen)
        raise NotPinned(f"{bug.name} has no pinned run that breaks {clause.value}; it has one of: {told}")
    began = time.monotonic()
    setup = evolve(_setup(bug), max_attempts=seen.max_attempts, fastpath=seen.fastpath)
    run = breaks(setup, seen.script)
    if run is None or run.broken is None:
        return Catch(bug, None, 1, time.monotonic() - began, pinned=True)
    script = [(name, dict(arguments)) for name, arguments in seen.script]
    finding = Finding(run.broken.clause, run.broken.why, "sim", 0, tuple(run.history.lines), as_test(setup, script))
    return Catch(bug, finding, 1, time.monotonic() - began, pinned=True)


def _setup(bug: Bug) -> ReferenceSetup:
    return ReferenceSetup((bug.level,), commit=bug.commit, core=bug.core, bug=bug.name, logs=bug.logs)


def _campaign(bug: Bug, seed: int, cases: int, watch: Watch, *, shorten: bool = True) -> GradeReport:
    return run_sim_grade(_setup(bug), seed=seed, cases=cases, progress=watch, stop_at_first=True, shorten=shorten)
