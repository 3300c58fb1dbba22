"""What the process and the power grade share: a case is one directory, and a campaign as many as the rounds need.

>>> child_of(["./store", "--data", "{dir}"], Path("/tmp/d"), reply_timeout=5.0).command
('./store', '--data', '/tmp/d')
>>> rounds_of_cases(25, 10)
[10, 10, 5]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from attrs import define, field

from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import REPLY_TIMEOUT, Job
from ackcheck.grades.session import Session
from ackcheck.hits import Fault
from ackcheck.rig import Child
from ackcheck.target import LOGS, MAX_ATTEMPTS, SEGMENT_BYTES
from ackcheck.verdict import NEEDS
from ackmodel import CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.oracle import Oracle

Target: TypeAlias = str | Sequence[str]
"""`module:factory` or `file.py:factory`, or a command line, in which `{dir}` stands for the directory."""

Progress: TypeAlias = Callable[[GradeReport], None]
"""Is told after every round how far the campaign is."""

THREADS = 4
"""Requests that a served Python target runs at once."""

ATTEMPTS = (None, 3, 2)
"""How many deliveries the cases ask a target to dead-letter a message after, in turn; None: no limit."""

LOGS_IN_TURN = (1, 3, 1, 1, 2, 1, 1)
"""How many logs the cases ask a target to have, in turn; more than one for those who spread records over several."""

RESETTING = 0.3
"""How often a queue is reset before the work of a round begins, and answered; others are under way at its end."""

LENGTHENING = 0.3
"""How often the deadlines that renewals have moved are waited for while the store is up."""


def no_progress(_report: GradeReport) -> None:
    """Tell nobody."""


def child_of(target: Target, directory: Path, *, reply_timeout: float) -> Child:
    """Return the child process that will serve `target` on `directory`, not started."""
    if isinstance(target, str):
        return Child.python(target, directory, threads=THREADS, reply_timeout=reply_timeout)
    command = [word.replace("{dir}", str(directory)) for word in target]
    return Child(command, directory=directory, reply_timeout=reply_timeout)


NO_FILES = "the target does no I/O of its own: it is a stepped target (see ackcheck.target.Target)"


class Judging(Protocol):
    """A grade on real files, as `run_process_grade` and `run_power_grade` are."""

    def __call__(
        self,
        target: Target,
        level: Level,
        *,
        seed: int,
        rounds: int,
        progress: Progress,
        reply_timeout: float,
        only: int | None,
    ) -> GradeReport: ...


def judged_on_files(name: str, judging: Judging, counted: tuple[str, ...], job: Job) -> GradeReport:
    """Do a job of a grade on real files; what it counts is how often each of `counted` ran."""
    if job.subject.stepped and not job.subject.ours:
        return GradeReport(name, job.seed, not_judged=NO_FILES)

    def done(report: GradeReport) -> None:
        job.watch(sum(report.ran[what] for what in counted), job.effort)

    return judging(
        job.subject.served(job.level),
        job.level,
        seed=job.seed,
        rounds=job.effort,
        progress=done,
        reply_timeout=job.reply_timeout,
        only=job.case,
    )


def rounds_of_cases(rounds: int, most: int) -> list[int]:
    """Share `rounds` out over cases of `most` each."""
    return [min(most, rounds - done) for done in range(0, rounds, most)]


@define(eq=False)
class Campaign:
    """One grade against one target. Its cases are numbered from 1 and end up in `report`; `only` is the one to run."""

    target: Target
    level: Level
    grade: str
    seed: int
    commit: CommitPolicy = CommitPolicy.ACK
    reply_timeout: float = REPLY_TIMEOUT
    progress: Progress = no_progress
    only: int | None = None
    report: GradeReport = field(init=False)
    _number: int = field(init=False, default=0)
    _began: float = field(init=False, factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        self.report = GradeReport(self.grade, self.seed, lacks=set(NEEDS))

    def due(self) -> bool:
        """Go on to the next case; return whether it is to be run."""
        self._number += 1
        return self.only is None or self._number == self.only

    @contextmanager
    def case(self, directory: Path, *, segment_bytes: int | None = None) -> Iterator[Session]:
        """Give a session on an empty directory, whose target is asked for files of the log that are so long.

        What breaks in it becomes the finding; other errors go through.
        """
        report = self.report
        report.cases += 1
        attempts = ATTEMPTS[(self.seed + self._number) % len(ATTEMPTS)]
        logs = LOGS_IN_TURN[(self.seed + self._number) % len(LOGS_IN_TURN)]
        child = child_of(self.target, directory, reply_timeout=self.reply_timeout)
        wishes = {MAX_ATTEMPTS: attempts, LOGS: logs, SEGMENT_BYTES: segment_bytes}
        child.environment.update((name, "" if wish is None else str(wish)) for name, wish in wishes.items())
        report.ran["case that asks for several logs"] += logs > 1
        seed = f"{self.seed}/{self._number}"
        session = Session(child, directory, Oracle(self.level), seed, self.commit, ran=report.ran)
        try:
            yield session
        except Broken as broken:
            lines = session.traffic.story.of(broken.key)
            report.finding = Finding(broken.clause, broken.why, self.grade, self.seed, lines, case=self._number)
        finally:
            child.kill()
            report.checked.update(session.oracle.checked)
            report.operations += session.traffic.operations
            report.hits = report.hits.plus(*session.hits.all)
            report.lacks -= session.offered.judged if session.offered else set()
            self.tell()

    def tell(self) -> None:
        """Tell how far it is."""
        self.report.seconds = time.monotonic() - self._began
        self.progress(self.report)


def begin_round(session: Session) -> None:
    """Begin a round, some with a reset that is answered, or with renewals whose old time passes."""
    session.begin_round()
    if session.random.random() < LENGTHENING:
        session.lengthen()
    if session.random.random() < RESETTING:
        session.reset()


def close_and_reopen(session: Session) -> None:
    """Settle everything, close the store in order, open it again, and judge what comes."""
    session.begin_round()
    session.settle_everything()
    reply = session.close()
    killed = session.child.kill()
    event = Restarted() if reply is Reply.OK else ProcessCrashed()
    session.stopped(killed, event)
    session.ran["clean restart"] += reply is Reply.OK
    session.open(event, more=0)
    session.survey()


def kill(session: Session, event: ProcessCrashed | PowerLost | None = None) -> None:
    """SIGKILL the target where it is; the event is what the oracle is told."""
    in_flight = session.child.in_flight
    session.note("store", f"SIGKILL, at {session.now:.3f} s, {in_flight} calls under way")
    session.ran["SIGKILL"] += 1
    killed = session.child.kill()
    session.hit(killed, Fault.PROCESS_CRASH)
    session.stopped(killed, event or ProcessCrashed())
