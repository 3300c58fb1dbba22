"""The verdict: what a store was found to keep, clause by clause, and the level that follows (specs/verdict.md).

>>> report = GradeReport("sim", seed=1, cases=9, checked=Counter({Clause.NO_RETURN: 4}), simulated=True)
>>> report.add_stakes({Level.PAGE_CACHE: Counter({Clause.SURVIVES_PROCESS_CRASH: 3, Clause.SURVIVES_POWER_LOSS: 3})})
>>> verdict = Verdict("my store", (ModeReport((Level.PAGE_CACHE,), (report,)),))
>>> verdict.level.value, verdict.outcome, verdict.clauses()[Clause.NO_RETURN].status
('page-cache', 'kept', 'kept')
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import frozen

from ackcheck.findings import Finding, GradeReport
from ackcheck.levels import FLOORS, Floor, LevelVerdict, Status, judged
from ackcheck.needs import NEEDS, would_judge
from ackmodel import Clause, Level


@frozen
class ClauseVerdict:
    """One clause: its status, how often it could have failed, and why it is broken or was not judged.

    `levels` are those at which it is broken.
    """

    clause: Clause
    status: Status
    times_checked: int
    why: str = ""
    levels: tuple[Level, ...] = ()


@frozen
class ModeReport:
    """All that was tried against one target, judged for these levels at once: weakest first."""

    levels: tuple[Level, ...]
    grades: tuple[GradeReport, ...]
    floor: Floor = FLOORS["quick"]

    @property
    def name(self) -> str:
        """How tables call it, where there are several: by the strongest level it claims."""
        return self.levels[-1].value

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What broke."""
        return tuple(finding for report in self.grades for finding in report.findings)

    @property
    def departures(self) -> dict[str, Any]:
        """What the target promises less than the strictest could."""
        return {name: value for report in self.grades for name, value in report.promises.departures().items()}

    @property
    def flushes(self) -> bool:
        """Whether something below DISK is promised to survive power loss: after a barrier, or after a while."""
        return self.departures.get("barrier") != "none" or "loss_window" in self.departures

    @property
    def judged(self) -> tuple[LevelVerdict, ...]:
        """What is said of each level; one that is refuted refutes those above it."""
        told: list[LevelVerdict] = []
        for level in self.levels:
            found = judged(level, self.grades, self.floor, barrier=self.flushes)
            weaker = next((below for below in told if below.status == "broken"), None)
            if weaker is not None and found.status != "broken":
                why = f"it promises what {weaker.level.value} does, and more"
                found = LevelVerdict(level, "broken", why, "", found.tested, found.floor)
            told.append(found)
        return tuple(told)


@frozen
class Verdict:
    """What the suite says of one target, or of one with several modes."""

    target: str
    modes: tuple[ModeReport, ...]
    chosen: bool = False
    """Whether levels were named that must be kept; else the target keeps the best it can."""
    never_ran: tuple[str, ...] = ()
    """Steps of the simulation that no run took, though it was run and found nothing: then nothing is kept."""
    cut: str = ""
    """Why the run ended before the end of its profile, so that more could have been found; empty where it did not."""

    @property
    def reports(self) -> tuple[GradeReport, ...]:
        """The reports of all modes and grades."""
        return tuple(report for mode in self.modes for report in mode.grades)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What broke, in any mode."""
        return tuple(finding for mode in self.modes for finding in mode.findings)

    @property
    def levels(self) -> tuple[LevelVerdict, ...]:
        """What is said of every level."""
        return tuple(told for mode in self.modes for told in mode.judged)

    @property
    def level(self) -> Level | None:
        """The highest level that was put to the test and kept, if any was."""
        kept = [told.level for told in self.levels if told.status == "kept"]
        return max(kept, key=list(Level).index, default=None)

    @property
    def outcome(self) -> Status:
        """What the exit code says.

        Kept: every level that was named; without one, the best level that is not refuted. Not judged: that one could
        not be put to the test, or a step of the simulation never ran. Broken: it is refuted, or there is none.
        """
        found = self._of_levels
        return "not-judged" if found == "kept" and self.never_ran else found

    @property
    def _of_levels(self) -> Status:
        statuses = [told.status for told in self.levels]
        if self.chosen or len(self.modes) > 1:
            return "broken" if "broken" in statuses else "not-judged" if "not-judged" in statuses else "kept"
        standing = [status for status in statuses if status != "broken"]
        return standing[-1] if standing else "broken" if statuses else "not-judged"

    @property
    def departures(self) -> dict[str, Any]:
        """What the target promises less than the strictest could."""
        return {name: value for mode in self.modes for name, value in mode.departures.items()}

    @property
    def lacks(self) -> tuple[str, ...]:
        """The methods that the target has not got in any grade that was run."""
        ran = [report.lacks for report in self.reports if report.cases]
        return tuple(method for method in NEEDS if ran and all(method in lacks for lacks in ran))

    def clauses(self) -> dict[Clause, ClauseVerdict]:
        """Return the verdict on every clause, in the order of the specification."""
        checked: Counter[Clause] = Counter()
        for report in self.reports:
            checked.update(report.checked)
        return {clause: self._of(clause, checked[clause]) for clause in Clause}

    def _of(self, clause: Clause, times: int) -> ClauseVerdict:
        found = [finding for finding in self.findings if finding.clause is clause]
        if found:
            levels = {level for finding in found for level in finding.refutes}
            return ClauseVerdict(
                clause, "broken", times, found[0].why, tuple(level for level in Level if level in levels)
            )
        if times:
            return ClauseVerdict(clause, "kept", times)
        ran = {report.grade for report in self.reports if report.cases}
        return ClauseVerdict(clause, "not-judged", 0, f"never at stake; {would_judge(clause, ran)}")

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as `ackcheck run --json` writes it."""
        return {
            "target": self.target,
            "outcome": self.outcome,
            "level": self.level.value if self.level else None,
            "promises": self.departures,
            "never_ran": list(self.never_ran),
            "cut": self.cut,
            "levels": [told.as_json() for told in self.levels],
            "clauses": [
                {
                    "id": verdict.clause.value,
                    "status": verdict.status,
                    "times_checked": verdict.times_checked,
                    "why": verdict.why,
                    "levels": [level.value for level in verdict.levels],
                }
                for verdict in self.clauses().values()
            ],
            "not_judged": [
                {"needs": method, "what": NEEDS[method][0], "clauses": [clause.value for clause in NEEDS[method][1]]}
                for method in self.lacks
            ],
            "findings": [finding.as_json() for finding in self.findings],
            "runs": [_run_as_json(mode, report) for mode in self.modes for report in mode.grades],
        }


def _run_as_json(mode: ModeReport, report: GradeReport) -> dict[str, Any]:
    return {
        "levels": [level.value for level in mode.levels],
        "grade": report.grade,
        "seed": report.seed,
        "cases": report.cases,
        "operations": report.operations,
        "seconds": round(report.seconds, 3),
        "not_judged": report.not_judged,
        "ran": dict(sorted(report.ran.items())),
        "hits": report.hits.as_json(),
        "figures": dict(sorted(report.figures.items())),
        "in_play": dict(sorted(report.in_play.items())),
        "times_checked": {clause.value: times for clause, times in sorted((+report.checked).items())},
        "findings": len(report.findings),
    }
