"""Which level is kept: one whose defining promises could have failed, in faults that were seen to hit, often enough.

`kept` is never the absence of findings. A level that no fault put to the test is not judged, with the reason and what
would mend it; a finding refutes every level that makes the broken promise, and all above it.

>>> from collections import Counter
>>> report = GradeReport("process", 1, cases=1, at_stake={Level.PAGE_CACHE: Counter({Clause.CLOSE_DRAINS: 1})})
>>> told = judged(Level.PAGE_CACHE, [report], FLOORS["quick"])
>>> told.status, told.why
('not-judged', 'no SIGKILL put an answered ack to the test; no power loss put a flushed ack to the test')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import Factory, frozen

from ackcheck.findings import FAULTS, Finding, GradeReport
from ackmodel import Clause, Level

Status = Literal["kept", "broken", "not-judged"]

DEFINING: Mapping[Level, tuple[Clause, ...]] = {
    Level.MEMORY: (Clause.CLOSE_DRAINS,),
    Level.PAGE_CACHE: (Clause.SURVIVES_PROCESS_CRASH, Clause.SURVIVES_POWER_LOSS),
    Level.DISK: (Clause.SURVIVES_POWER_LOSS,),
}
"""The clauses that make a level what it is: a clean restart; a crash, and power loss after a barrier; power loss."""

Floor = Mapping[Clause, int]
"""In how many faults each defining clause must have been at stake, at least."""

FLOORS: Mapping[str, Floor] = {
    "quick": {Clause.CLOSE_DRAINS: 1, Clause.SURVIVES_PROCESS_CRASH: 3, Clause.SURVIVES_POWER_LOSS: 2},
    "standard": {Clause.CLOSE_DRAINS: 2, Clause.SURVIVES_PROCESS_CRASH: 20, Clause.SURVIVES_POWER_LOSS: 8},
    "deep": {Clause.CLOSE_DRAINS: 10, Clause.SURVIVES_PROCESS_CRASH: 400, Clause.SURVIVES_POWER_LOSS: 60},
}
"""By profile."""

FAULT_NAMES = {
    Clause.CLOSE_DRAINS: "clean restart",
    Clause.SURVIVES_PROCESS_CRASH: "SIGKILL",
    Clause.SURVIVES_POWER_LOSS: "power loss",
}


@frozen
class LevelVerdict:
    """What is said of one level. `tested` says in how many faults each defining clause could have failed."""

    level: Level
    status: Status
    why: str = ""
    mend: str = ""
    tested: Mapping[Clause, int] = Factory(dict)
    floor: Floor = Factory(dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as `ackcheck run --json` writes it."""
        at_stake = {
            clause.value: {"times": times, "floor": self.floor[clause]} for clause, times in self.tested.items()
        }
        return {
            "level": self.level.value,
            "status": self.status,
            "why": self.why,
            "mend": self.mend,
            "at_stake": at_stake,
        }


def judged(level: Level, reports: Sequence[GradeReport], floor: Floor, *, barrier: bool = True) -> LevelVerdict:
    """Return what may be said of a level. Without a `barrier` nothing flushed is promised to survive below DISK."""
    needed = [clause for clause in DEFINING[level] if _is_promised(clause, level, barrier=barrier)]
    tested = {clause: sum(report.tested(level, clause) for report in reports) for clause in needed}
    broken = [finding for report in reports for finding in report.findings if level in finding.refutes]
    if broken:
        return LevelVerdict(level, "broken", _refuted(broken), "", tested, floor)
    short = [clause for clause in needed if tested[clause] < floor[clause]]
    if not short:
        return LevelVerdict(level, "kept", "", "", tested, floor)
    whys, mends = zip(*(_short(clause, level, tested[clause], floor[clause], reports) for clause in short), strict=True)
    return LevelVerdict(level, "not-judged", "; ".join(whys), "; ".join(dict.fromkeys(mends)), tested, floor)


def _is_promised(clause: Clause, level: Level, *, barrier: bool) -> bool:
    return barrier or level is not Level.PAGE_CACHE or clause is not Clause.SURVIVES_POWER_LOSS


def _refuted(broken: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.clause.value for finding in broken))


def _short(clause: Clause, level: Level, times: int, floor: int, reports: Sequence[GradeReport]) -> tuple[str, str]:
    """Return why a clause was not at stake often enough, and what would mend it."""
    fault = FAULT_NAMES[clause]
    what = "a flushed ack" if clause is Clause.SURVIVES_POWER_LOSS and level is Level.PAGE_CACHE else "an answered ack"
    if times:
        return (
            f"only {times} of the {floor} that the profile asks for: {fault} with {what} at stake",
            "choose a larger --profile",
        )
    why = f"no {fault} put {what} to the test"
    missed = _missed(clause, reports)
    if missed:
        return f"{why}: {missed}", missed.partition(": ")[2] or missed
    tried = [report for report in reports if report.ran[fault] or (report.grade == "sim" and report.cases)]
    if not tried:
        grade = {"power loss": "power", "SIGKILL": "process", "clean restart": "process"}[fault]
        return why, f"run it with --faults {grade}"
    if what == "a flushed ack":
        return (
            f"{why}: no barrier was answered OK before one",
            'answer `flush` OK, or state the promise barrier = "none"',
        )
    return f"{why}: none was answered OK before one, and seen after it", "choose a larger --profile, or answer acks OK"


def _missed(clause: Clause, reports: Sequence[GradeReport]) -> str:
    """Return why the fault did not hit, or could not be tried; empty where it did."""
    for report in reports:
        for fault in FAULTS.get(clause, ()):
            if reasons := report.hits.reasons(fault):
                return "; ".join(reasons)
    if clause is Clause.SURVIVES_POWER_LOSS:
        return next((report.not_judged for report in reports if report.grade == "power" and report.not_judged), "")
    return ""
