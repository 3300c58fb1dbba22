"""The simulated grade, for a target that hands out its I/O."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from ackcheck.cluster import Watch
from ackcheck.findings import GradeReport
from ackcheck.grade import Grade, Job
from ackcheck.sim.campaign import goes, run_go
from ackcheck.subject import Subject, target_code
from ackmodel import CommitPolicy, Level

NO_STEPS = "the target does its own I/O: it has no `take` (`ackcheck new stepped DIR` writes a target that has)"


@frozen
class Go:
    """A go of the campaign of one setup, by its number: what a crew is sent (`ackcheck.cluster.Share`)."""

    subject: Subject
    levels: tuple[Level, ...]
    effort: int
    number: int
    seed: int
    begun: int
    cases: int
    stop_at_first: bool

    def run(self, watch: Watch) -> GradeReport:
        """Run it; the setup is made anew, as a worker has nothing of this process."""
        setup, _ = self.subject.setups(self.levels, self.effort)[self.number]
        with target_code("step"):
            return run_go(
                setup,
                seed=self.seed + self.number,
                begun=self.begun,
                cases=self.cases,
                progress=watch,
                stop_at_first=self.stop_at_first,
            )


def shares(job: Job) -> Iterator[Go]:
    """Yield the goes of a job, in order; none where the target cannot be simulated."""
    if job.subject.stepped:
        for number, (_, runs) in enumerate(job.subject.setups(job.levels, job.effort)):
            for begun, cases in goes(runs):
                yield Go(job.subject, job.levels, job.effort, number, job.seed, begun, cases, job.stop_at_first)


def judge(job: Job) -> GradeReport:
    """Return one report for both commit policies."""
    if not job.subject.stepped:
        return GradeReport("sim", job.seed, not_judged=NO_STEPS)
    whole = GradeReport("sim", job.seed, simulated=True)
    most = job.effort * len(CommitPolicy)
    for share in shares(job):

        def done(cases: int, before: int = whole.cases) -> None:
            job.watch(min(before + cases, most), most)

        part = job.crew.report(share, done)
        whole.add(part)
        job.tell(whole)
        if part.findings and job.stop_at_first:
            break
    job.watch(most, most)
    return whole


SIM = Grade(
    "sim",
    judge,
    counts="runs of each commit policy",
    effort={"quick": 45, "standard": 700, "deep": 10_000},
    shares=shares,
)
"""Deep is more than a million simulated operations a level."""
