"""Fuzzing of recovery as a grade of the suite (entry point `ackcheck.grades`), on files of the reference store."""

from __future__ import annotations

import time

from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import Grade, Job
from ackcheck.needs import NEEDS
from acklab.fuzz.missing import AtherisMissing
from acklab.fuzz.runner import run_atheris
from ackmodel import Clause

NO_FORMAT = "only the files of the reference store are known"


def judge(job: Job) -> GradeReport | None:
    """Fuzz for as many seconds as the job says; no level makes a difference to it."""
    if not job.effort or not job.first:
        return None
    report = GradeReport("fuzz", job.seed, lacks=set(NEEDS))
    if not job.subject.ours:
        report.not_judged = NO_FORMAT
        return report
    began = time.monotonic()
    try:
        seen, broke = run_atheris(seed=job.seed, seconds=job.effort)
    except AtherisMissing as missing:
        report.not_judged = str(missing)
        return report
    report.cases, report.seconds = seen.total(), time.monotonic() - began
    report.ran.update(seen)
    report.checked[Clause.SURVIVES_POWER_LOSS] += report.cases
    if broke:
        report.found(Finding(Clause.SURVIVES_POWER_LOSS, broke, "fuzz", job.seed, refutes=job.levels))
    return report


FUZZ = Grade("fuzz", judge, counts="seconds", effort={"quick": 0, "standard": 0, "deep": 300})
