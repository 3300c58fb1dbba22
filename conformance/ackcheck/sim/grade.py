"""The simulated grade, for a target that hands out its I/O."""

from __future__ import annotations

from ackcheck.findings import GradeReport
from ackcheck.grade import Grade, Job
from ackcheck.sim.campaign import run_sim_grade
from ackcheck.subject import target_code
from ackmodel import CommitPolicy

NO_STEPS = "the target does its own I/O: it has no `take` (see ackcheck.sim.target.SteppedTarget)"


def judge(job: Job) -> GradeReport:
    """Return one report for both commit policies."""
    if not job.subject.stepped:
        return GradeReport("sim", job.seed, not_judged=NO_STEPS)
    whole = GradeReport("sim", job.seed, simulated=True)
    most = job.effort * len(CommitPolicy)
    for number, (setup, cases) in enumerate(job.subject.setups(job.levels, job.effort)):

        def done(report: GradeReport, before: int = whole.cases) -> None:
            job.watch(min(before + report.cases, most), most)

        with target_code("step"):
            part = run_sim_grade(
                setup, seed=job.seed + number, cases=cases, progress=done, stop_at_first=job.stop_at_first
            )
        whole.add(part)
        job.tell(whole)
        if part.findings and job.stop_at_first:
            break
    job.watch(most, most)
    return whole


SIM = Grade("sim", judge, counts="runs of each commit policy", effort={"quick": 45, "standard": 700, "deep": 10_000})
"""Deep is more than a million simulated operations a level."""
