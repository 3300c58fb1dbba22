"""What the process and the power grade share: a case is one directory, and a campaign as many as the rounds need.

>>> child_of(["./store", "--data", "{dir}"], Path("/tmp/d"), reply_timeout=5.0).command
('./store', '--data', '/tmp/d')
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from attrs import define, field, frozen

from ackcheck.disk import Disk
from ackcheck.disk.available import missing
from ackcheck.effects import effect_of
from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import REPLY_TIMEOUT, Job
from ackcheck.grades.evidence import keep
from ackcheck.grades.failing import circumstances, why_full
from ackcheck.grades.orders import could_reach, pop_before_the_first_publish
from ackcheck.grades.rounds import MANY, Kind, kind_of, lengthen, reset
from ackcheck.grades.session import Session
from ackcheck.grades.unusable import opens_once_it_is_used
from ackcheck.hits import Fault, Hit
from ackcheck.needs import NEEDS
from ackcheck.panel import Fallen, Panel
from ackcheck.promises import Promises
from ackcheck.rig.apart import Apart, WithServer
from ackcheck.rig.child import Child
from ackcheck.rig.errors import RigError
from ackcheck.rig.nursery import Nursery
from ackcheck.rig.room import check_room
from ackcheck.target import LOGS, MAX_ATTEMPTS, SEGMENT_BYTES
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import ProcessCrashed, Reply, Restarted

Target: TypeAlias = str | Sequence[str] | WithServer
"""`module:factory` or `file.py:factory`, or a command line, in which `{dir}` stands for the directory; perhaps with the
command of a server apart from it."""

Progress: TypeAlias = Callable[[GradeReport], None]
"""Is told after every round how far the campaign is."""

THREADS = 4
"""Requests that a served Python target runs at once."""

ATTEMPTS = (None, 3, 2)
"""How many deliveries the cases ask a target to dead-letter a message after, in turn; None: no limit."""

LOGS_IN_TURN = (1, 3, 1, 1, 2, 1, 1)
"""How many logs the cases ask a target to have, in turn; more than one for those who spread records over several."""

LONG_FRACTION = re.compile(r"(\d\.\d{3})\d+")
"""Seconds to more than a thousandth."""

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
    if isinstance(target, WithServer):
        adapter = child_of(target.adapter, directory, reply_timeout=reply_timeout)
        server, repair = ([word.replace("{dir}", str(directory)) for word in words] for words in target.commands)
        return Apart(
            adapter.command,
            server=server,
            repair=repair,
            own_network=target.own_network,
            directory=directory,
            environment=adapter.environment,
            reply_timeout=reply_timeout,
        )
    command = [word.replace("{dir}", str(directory)) for word in target]
    return Child(command, directory=directory, reply_timeout=reply_timeout)


@contextmanager
def _forked(child: Child) -> Iterator[None]:
    """Have a Python target forked, from here on, from an interpreter that has imported it."""
    if not child.served:
        yield
        return
    with Nursery(child.served, child.environment) as child.nursery:
        yield


NO_FILES = "the target does no I/O of its own: it is a stepped target (see ackcheck.target.Target)"


class Judging(Protocol):
    """A grade on real files, as `run_process_grade` and `run_power_grade` are."""

    def __call__(  # noqa: PLR0913 - as many as a job has
        self,
        target: Target,
        levels: Level | tuple[Level, ...],
        *,
        seed: int,
        rounds: int,
        progress: Progress,
        reply_timeout: float,
        only: int | None,
        only_round: int | None,
        stop_at_first: bool,
        evidence: Path | None,
        promises: Promises | None,
    ) -> GradeReport: ...


def judged_on_files(name: str, judging: Judging, counted: tuple[str, ...], job: Job) -> GradeReport:
    """Do a job of a grade on real files; what it counts is how often each of `counted` ran."""
    if job.subject.stepped and not job.subject.ours:
        return GradeReport(name, job.seed, not_judged=NO_FILES)
    check_room()

    def done(report: GradeReport) -> None:
        job.watch(sum(report.ran[what] for what in counted), job.effort)
        job.tell(report)

    return judging(
        job.subject.served(job.level),
        job.levels,
        seed=job.seed,
        rounds=job.effort,
        progress=done,
        reply_timeout=job.reply_timeout,
        only=job.case,
        only_round=job.round,
        stop_at_first=job.stop_at_first,
        evidence=job.evidence,
        promises=job.promises,
    )


def _as_levels(levels: Level | tuple[Level, ...]) -> tuple[Level, ...]:
    return (levels,) if isinstance(levels, Level) else levels


@define(eq=False)
class Campaign:
    """One grade against one target, judged for some levels. Its cases are numbered from 1 and end up in `report`.

    A case ends when no level is left standing, or its rounds are over; `only` is the one case to run.
    """

    target: Target
    levels: tuple[Level, ...] = field(converter=_as_levels)
    grade: str
    seed: int
    commit: CommitPolicy = CommitPolicy.ACK
    reply_timeout: float = REPLY_TIMEOUT
    progress: Progress = no_progress
    only: int | None = None
    only_round: int | None = None
    """The one round to run of that case, from 1; 0 for the restarts at its end; None for all."""
    counts: str = ""
    """What its rounds count, of what is counted as it runs."""
    stop_at_first: bool = False
    evidence: Path | None = None
    """Where a folder is written for each finding; None: nowhere."""
    promises: Promises | None = None
    """What is promised, whatever the target says of itself."""
    report: GradeReport = field(init=False)
    _before: int = field(init=False, default=0)
    """How many cases come before those that rounds are shared out over."""
    _number: int = field(init=False, default=0)
    _began: float = field(init=False, factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        self.report = GradeReport(self.grade, self.seed, lacks=set(NEEDS))

    def due(self) -> bool:
        """Go on to the next case; return whether it is to be run."""
        self._number += 1
        return self.only is None or self._number == self.only

    @property
    def spent(self) -> int:
        """How many of the faults that its rounds count there have been."""
        return self.report.ran[self.counts]

    def skip_to(self, number: int) -> None:
        """Have the next case be the one after `number`, whatever came of those before."""
        self._number = number

    def rounds_of(self, session: Session, faults: int, kinds: tuple[Kind, ...]) -> Iterator[tuple[Kind, int]]:
        """Yield the kind of each round of a case, and how many faults are left for it: what a round does follows from
        the seed and from the numbers of case and round, so that one can be run by itself."""
        first = self._number - 1 - self._before
        if self.only_round is not None:
            if self.only_round:
                session.go_to_round(self.only_round)
                yield kind_of(first + self.only_round - 1, kinds), 1
            return
        number, end = 0, self.spent + faults
        while self.spent < end:
            number += 1
            session.go_to_round(number)
            self.tell()
            yield kind_of(first + number - 1, kinds), end - self.spent

    def ends(self, session: Session) -> bool:
        """Go on to what ends a case; return whether it is to be run."""
        session.go_to_round(0)
        return not self.only_round

    def shares(self, rounds: int, most: int) -> Iterator[int]:
        """Share `rounds` out over cases of `most` each; what a case that ended early has left is for more cases."""
        left, self._before = rounds, self._number
        if self.only is not None:
            left = rounds if self.only > self._number else 0
            self._number = max(self._number, self.only - 1)
        while left > 0 and not self.over:
            self._number += 1
            before = self.spent
            yield min(most, left)
            left = 0 if self.only is not None else left - max(self.spent - before, 1)

    @property
    def over(self) -> bool:
        """Whether no more cases are to be run, because something was found."""
        return self.stop_at_first and bool(self.report.findings)

    @contextmanager
    def case(self, directory: Path, *, segment_bytes: int | None = None) -> Iterator[Session]:
        """Give a session on an empty directory, whose target is asked for files of the log that are so long.

        What breaks in it becomes a finding; other errors go through.
        """
        check_room()
        report = self.report
        report.cases += 1
        session = self._session(directory, segment_bytes)
        try:
            with _forked(session.child), opens_once_it_is_used(session):
                yield session
        except Broken:
            pass  # told to the report when it happened; no level is left standing
        except (RigError, OSError) as error:
            raise self._failed(error, session) from error
        finally:
            session.child.end()
            session.panel.count_stakes()
            report.checked.update(session.panel.checked)
            report.add_stakes(session.panel.at_stake)
            report.operations += session.traffic.operations
            report.promises = session.promises
            for how, age in session.traffic.ages.oldest_lost.items():
                name = f"oldest ack that a {how} took, in seconds after its answer"
                report.figures[name] = round(max(age, report.figures.get(name, 0.0)), 3)
            report.hits = report.hits.plus(*session.hits.all)
            report.lacks -= session.offered.judged if session.offered else set()
            self.tell()

    def _session(self, directory: Path, segment_bytes: int | None) -> Session:
        turn = self.seed + self._number
        attempts, logs = ATTEMPTS[turn % len(ATTEMPTS)], LOGS_IN_TURN[turn % len(LOGS_IN_TURN)]
        child = child_of(self.target, directory, reply_timeout=self.reply_timeout)
        wishes = {MAX_ATTEMPTS: attempts, LOGS: logs, SEGMENT_BYTES: segment_bytes}
        child.environment.update((name, "" if wish is None else str(wish)) for name, wish in wishes.items())
        self.report.ran["case that asks for several logs"] += logs > 1
        seed = f"{self.seed}/{self._number}"
        panel, ran = Panel(self.levels), self.report.ran
        session = Session(child, directory, panel, seed, self.commit, ran, stated=self.promises, turn=turn)
        session.panel.told = lambda fallen: self.found(session, fallen)
        session.traffic.reached.states = self.report.in_play
        session.traffic.causes.own_io = not isinstance(child, Apart)
        return session

    @contextmanager
    def judging_a_copy(self, session: Session, child: Child, folders: list[Path] | None = None) -> Iterator[Session]:
        """Yield a twin of a session, to be asked in `child` what it owes on a copy of the directory, and end it.

        What breaks there is found, and ends the copy only, unless the campaign is over with it; `folders` hears where
        it is kept. How often each clause could have failed there counts for the campaign.
        """
        twin = session.twin(child)
        twin.panel.told = lambda fallen: self.found(twin, fallen, folders)
        before = twin.panel.checked
        try:
            yield twin
        except Broken:
            if self.over:
                raise
        finally:
            child.leave()
            self.report.checked.update(twin.panel.checked - before)
            session.ran.update(twin.ran)

    def found(self, session: Session, fallen: Fallen, folders: list[Path] | None = None) -> None:
        """Take in that some levels fell, with what has happened until now; `folders` hears where that is kept."""
        check_room()  # a store without room may break anything
        broken = fallen.broken
        if self._is_elsewhere(session):
            raise broken
        lines = session.traffic.history.of(broken.key)
        finding = Finding(
            broken.clause,
            LONG_FRACTION.sub(r"\1", broken.why) + _mend(session, broken),
            self.grade,
            self.seed,
            lines,
            case=self._number,
            round=session.round,
            refutes=fallen.levels,
            fault=session.fault.value if session.fault else "",
            effect=effect_of(broken).value,
        )
        if self.report.found(finding) and self.evidence is not None:
            folder = keep(finding, session, self.evidence)
            if folders is not None:
                folders.append(folder)
        self.tell()
        if self.stop_at_first:
            raise broken

    def _is_elsewhere(self, session: Session) -> bool:
        """Whether what the target keeps is in a process that the suite did not start: then nothing is found, as a new
        directory is no new store there, and no fault reached it."""
        if session.hits.wrote or session.child.traces().get("wrote"):
            return False
        peers = session.child.peers()
        if peers:
            session.hits = session.hits.plus(Hit(Fault.CLEAN_RESTART, "", peers=peers))
        return bool(peers)

    def _failed(self, error: RigError | OSError, session: Session) -> RigError:
        """Return what went wrong in a case, with what helps to see why."""
        history = [line.text for line in session.traffic.history.lines]
        case = f"case {self._number} of grade {self.grade}, seed {self.seed}"
        return circumstances(error, case, history, session.child.last_words(), why_full(session.directory))

    def tell(self) -> None:
        """Tell how far it is."""
        self.report.seconds = time.monotonic() - self._began
        self.progress(self.report)


def _mend(session: Session, broken: Broken) -> str:
    """Return what may mend a finding: of a message that did not come after a fault perhaps nobody has it any more, and
    not every store promises to notice damage."""
    if session.fault is Fault.DAMAGE:
        return '; a store that does not promise to notice that states the promise damage = "unnoticed"'
    if broken.clause is not Clause.NO_LIMBO or session.promises.publish != "durable" or not session.hits.all:
        return ""
    return '; a target whose messages are published again after a fault states the promise publish = "republished"'


def begin_case(session: Session, *, loses_power: bool = False) -> None:
    """Open the target for the first time, every second one with pops before anything is published."""
    session.open(first=pop_before_the_first_publish if session.turn % 2 != loses_power else None)
    session.traffic.reached.should(could_reach(session, loses_power=loses_power))


def begin_round(session: Session) -> None:
    """Begin a round, some with a reset that is answered, or with renewals whose old time passes."""
    session.begin_round()
    if session.random.random() < LENGTHENING:
        lengthen(session)
    if session.random.random() < RESETTING:
        reset(session)


def close_and_reopen(session: Session) -> None:
    """Settle everything, close the store in order, open it again, and judge what comes."""
    session.begin_round()
    session.settle_everything()
    restart_and_judge(session, session.close())


def restart_and_judge(session: Session, closed: Reply) -> None:
    """End a store that was closed, and answered so; open it again, and judge what comes, else as after a crash."""
    killed, peers = session.end()
    clean = closed is Reply.OK
    if clean:
        session.hit(killed, Fault.CLEAN_RESTART, peers=peers)
    else:  # what is lost now is put down to a crash, as which it is judged: no clean restart was seen
        session.fault = Fault.PROCESS_CRASH
    event = Restarted() if clean else ProcessCrashed()
    session.stopped(killed, event)
    session.ran["clean restart"] += clean
    session.open(event, more=0)
    session.survey()


@frozen
class Stalls:
    """Faults while a disk holds the target's syncs: how many, how many a case, and what that disk is like."""

    wanted: int
    a_case: int
    filesystem: str
    size: int | None = None


def hurt_while_held(campaign: Campaign, stalls: Stalls, hurt: Callable[[Session, Disk], None], called: str) -> None:
    """Run the cases in which `hurt` does that, where the machine can have such a disk."""
    if stalls.wanted and (reason := missing(stalls.filesystem)):
        campaign.report.ran[f"{called}, not tried: {reason}"] += 1
        return
    for start in range(0, stalls.wanted, stalls.a_case):
        if campaign.due() and not campaign.over:
            with (
                tempfile.TemporaryDirectory(prefix="ackcheck-") as folder,
                Disk(Path(folder), stalls.filesystem, size=stalls.size) as disk,
                campaign.case(disk.directory) as session,
                disk.well_at_the_end(),  # a finding may come while the target waits for a flush
            ):
                session.open(more=MANY)  # so that some are still handed out and acked when a sync is held
                for _ in campaign.rounds_of(session, min(stalls.a_case, stalls.wanted - start), ("burst",)):
                    begin_round(session)
                    hurt(session, disk)
                if campaign.ends(session):
                    close_and_reopen(session)
