"""The verdict: what a store was found to keep, clause by clause, and the level that follows.

>>> from collections import Counter
>>> report = GradeReport("sim", seed=1, cases=9, checked=Counter({Clause.NO_RETURN: 4}))
>>> verdict = Verdict("my store", (LevelReport(Level.PAGE_CACHE, (report,)),))
>>> verdict.level.value, verdict.clauses()[Clause.NO_RETURN].status
('page-cache', 'kept')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from ackcheck.findings import Finding, GradeReport
from ackmodel import Clause, Level

Status = Literal["kept", "broken", "not-judged"]


NEEDS: Mapping[str, tuple[str, tuple[Clause, ...]]] = {
    "renew": ("renewals", (Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT)),
    "release": ("releases", (Clause.RECEIPT_IS_EXACT, Clause.NO_LIMBO)),
    "reset": ("resets of the offset", (Clause.COMMIT_IS_MONOTONE,)),
    "dead": ("dead letters", (Clause.NO_LIMBO,)),
}
"""What is judged only of a target that has the method, and by which clauses."""


@frozen
class ClauseVerdict:
    """One clause: its status, how often it could have failed, and why it is broken or was not judged."""

    clause: Clause
    status: Status
    times_checked: int
    why: str = ""


@frozen
class LevelReport:
    """All that was tried against a store that claims one level."""

    level: Level
    grades: tuple[GradeReport, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What broke."""
        return tuple(report.finding for report in self.grades if report.finding is not None)

    @property
    def judged(self) -> bool:
        """Whether anything was tried at all."""
        return any(report.cases for report in self.grades)


@frozen
class Verdict:
    """What the suite says of one target."""

    target: str
    levels: tuple[LevelReport, ...]

    @property
    def reports(self) -> tuple[GradeReport, ...]:
        """The reports of all levels and grades."""
        return tuple(report for level in self.levels for report in level.grades)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What broke, at any level."""
        return tuple(finding for level in self.levels for finding in level.findings)

    @property
    def level(self) -> Level | None:
        """The highest level that was judged and kept, if any was."""
        kept = [report.level for report in self.levels if report.judged and not report.findings]
        return max(kept, key=list(Level).index, default=None)

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
        broken = {finding.clause: finding.why for finding in reversed(self.findings)}
        return {clause: _judged(clause, checked[clause], broken.get(clause)) for clause in Clause}

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as `ackcheck run --json` writes it."""
        return {
            "target": self.target,
            "level": self.level.value if self.level else None,
            "clauses": [
                {
                    "id": verdict.clause.value,
                    "status": verdict.status,
                    "times_checked": verdict.times_checked,
                    "why": verdict.why,
                }
                for verdict in self.clauses().values()
            ],
            "not_judged": [
                {"needs": method, "what": NEEDS[method][0], "clauses": [clause.value for clause in NEEDS[method][1]]}
                for method in self.lacks
            ],
            "runs": [_run_as_json(level.level, report) for level in self.levels for report in level.grades],
        }


def _judged(clause: Clause, times: int, why: str | None) -> ClauseVerdict:
    if why is not None:
        return ClauseVerdict(clause, "broken", times, why)
    if times:
        return ClauseVerdict(clause, "kept", times)
    return ClauseVerdict(clause, "not-judged", 0, "never put to the test")


def _run_as_json(level: Level, report: GradeReport) -> dict[str, Any]:
    finding = report.finding
    return {
        "level": level.value,
        "grade": report.grade,
        "seed": report.seed,
        "cases": report.cases,
        "operations": report.operations,
        "seconds": round(report.seconds, 3),
        "not_judged": report.not_judged,
        "ran": dict(sorted(report.ran.items())),
        "figures": dict(sorted(report.figures.items())),
        "times_checked": {clause.value: times for clause, times in sorted(report.checked.items())},
        "finding": None
        if finding is None
        else {
            "clause": finding.clause.value,
            "why": finding.why,
            "seed": finding.seed,
            "case": finding.case,
            "again": finding.again,
            "history": [{"step": line.step, "lane": line.lane, "text": line.text} for line in finding.lines],
            "test": finding.test,
        },
    }
