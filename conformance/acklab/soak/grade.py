"""The soak as a grade of the suite (entry point `ackcheck.grades`): the reference store only, in this process."""

from __future__ import annotations

from attrs import evolve

from ackcheck.findings import GradeReport
from ackcheck.grade import Grade, Job
from acklab.soak.campaign import run_soak

NO_THREADS = "threads, memory and a failing disk are put under the reference store only, in this process"


def judge(job: Job) -> GradeReport:
    """Soak for as many seconds as the job says."""
    if not job.subject.ours:
        return GradeReport("soak", job.seed, not_judged=NO_THREADS)
    if not job.effort:
        return GradeReport("soak", job.seed, not_judged="no time was given to it")

    def done(report: GradeReport) -> None:
        job.watch(min(int(report.seconds), job.effort), job.effort)

    report = run_soak(job.level, seed=job.seed, seconds=job.effort, progress=done)
    report.findings = [evolve(finding, refutes=job.levels) for finding in report.findings]
    return report


SOAK = Grade("soak", judge, counts="seconds", effort={"quick": 2, "standard": 30, "deep": 600})
