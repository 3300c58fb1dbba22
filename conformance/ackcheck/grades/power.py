"""The power grade: real power loss under the target's file system, and a sync that really fails.

A *power loss* drops what was not synced, except what the kernel is made to write back before, by seed. Now and then the
process is killed first and the power goes while it opens again, so that recovery's own writes are lost too.

A *failed sync* comes from a disk that is full behind the file system's back (`ackcheck.rig.fullback`): the sync fails,
once, and the next one says success though the bytes are gone. Calls are answered meanwhile; then there is room again
(`spared`), more calls are answered, which may be written where the sync failed, a barrier is asked for, and the target
is killed; or its journal is dead (`starved`), and it is killed as it is. A remount shows what is really on the disk;
the oracle is told of a power loss. Most of these cases ask for a log in long files: a store that goes on in the file
whose sync has failed is seen through only if it does not begin the next one meanwhile, whose sync would really be one.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

from ackcheck.disk.filesystem import named
from ackcheck.findings import GradeReport
from ackcheck.grade import ON_FILES, REPLY_TIMEOUT, Grade, Job
from ackcheck.grades import stalled
from ackcheck.grades.campaign import (
    Campaign,
    Progress,
    Stalls,
    Target,
    begin_case,
    begin_round,
    close_and_reopen,
    hurt_while_held,
    judged_on_files,
    no_progress,
)
from ackcheck.grades.giving_up import believe_syncs, doubt_syncs
from ackcheck.grades.orders import BURSTS, kill_open_and_flush, publish_less
from ackcheck.grades.reached import FULL
from ackcheck.grades.rounds import ACKING, FAILING, IN_HAND, LONG_SEGMENT, MANY, OPENING, REQUESTS, Kind, turn_of, work
from ackcheck.grades.rounds import POWER as POWER_ROUNDS
from ackcheck.grades.session import FEW, Session
from ackcheck.grades.stalled import CALLED, FILESYSTEM, STALLS_A_CASE, cut_while_held
from ackcheck.grades.workload import QUEUES, Call
from ackcheck.hits import Fault
from ackcheck.promises import Promises
from ackcheck.rig.errors import TargetDied
from ackcheck.rig.fullback import BACKED, FullBackingRig
from ackcheck.rig.killpoint import AfterDelay, AfterReplies
from ackcheck.rig.loop import MIB
from ackcheck.rig.machine import PowerRig, available
from ackcheck.rig.writeback import NOTHING, Writeback, choose_writeback
from ackmodel import CommitPolicy, Level
from ackmodel.observe.events import PowerLost, Reply

LOSSES_A_CASE = 10

SMALL_DISK, LARGE_DISK = 32 * MIB, 64 * MIB
"""Bytes of the disks that fill up, and of those that lose their power, unless it is said otherwise."""

Journal = Literal["spared", "starved"]

JOURNALS: tuple[Journal, ...] = ("spared", "starved")
"""The kinds of full disk, in turn."""

SLICES = 5
"""How many times `FAILING` a target is given to sync on a full disk: a slow machine may need more than one."""

SEGMENTS = (LONG_SEGMENT, LONG_SEGMENT, LONG_SEGMENT, LONG_SEGMENT, None, None)
"""How long the files of the log are to be, in turn; None: as the target has them."""


def run_power_grade(  # noqa: PLR0913 - an argument an option
    target: Target,
    levels: Level | tuple[Level, ...],
    *,
    seed: int = 0,
    rounds: int = 3,
    failed_syncs: int | None = None,
    progress: Progress = no_progress,
    reply_timeout: float = REPLY_TIMEOUT,
    only: int | None = None,
    only_round: int | None = None,
    disk_bytes: int | None = None,
    stop_at_first: bool = False,
    evidence: Path | None = None,
    promises: Promises | None = None,
    stalls: int = 0,
    filesystem: str = FILESYSTEM,
    commit: CommitPolicy = CommitPolicy.ACK,
) -> GradeReport:
    """Cut the target's power `rounds` times, have its syncs fail `failed_syncs` times, and judge what it remembers.

    The power is cut `stalls` times more while the disk holds its syncs; `filesystem` is that disk's. `commit` says what
    lets the store's offset pass a message.
    `failed_syncs` is a fifth of the rounds, and at least one of each kind, unless told otherwise. Where the machine
    cannot lose its power the report says so (`not_judged`). `only` is the number of the one case to run, from 1 to
    `cases`, `only_round` that of the one round of it; `disk_bytes` the size of its disks. Raises as `run_process_grade`
    does.
    """
    campaign = Campaign(
        target,
        levels,
        "power",
        seed,
        commit,
        reply_timeout,
        progress=progress,
        only=only,
        only_round=only_round,
        counts="power loss",
        stop_at_first=stop_at_first,
        evidence=evidence,
        promises=promises,
    )
    if reason := available():
        campaign.report.not_judged = f"needs root and loop devices: {reason}"
        return campaign.report
    failed = failing(rounds) if failed_syncs is None else failed_syncs
    for number in range(failed):
        if campaign.due() and not campaign.over:
            journal = JOURNALS[number % len(JOURNALS)]
            with (
                _folder() as folder,
                FullBackingRig(folder, journal=journal, size=disk_bytes or SMALL_DISK) as disk,
                campaign.case(disk.path, segment_bytes=SEGMENTS[number % len(SEGMENTS)]) as session,
            ):
                fail_sync_and_judge(session, disk, journal)
    for losses in campaign.shares(rounds if only is None or only <= failed + rounds else 0, LOSSES_A_CASE):
        with (
            _folder() as folder,
            PowerRig(folder, size=disk_bytes or LARGE_DISK) as rig,
            campaign.case(rig.path) as session,
        ):
            begin_case(session, loses_power=True)
            for kind, _ in campaign.rounds_of(session, losses, POWER_ROUNDS):
                cut_and_judge(session, rig, kind)
            if campaign.ends(session):
                close_and_reopen(session)
    campaign.skip_to(failed + rounds)
    size = None if disk_bytes is None else max(disk_bytes, named(filesystem).smallest)
    syncs = Stalls(stalls, STALLS_A_CASE, filesystem, size)
    hurt_while_held(campaign, syncs, cut_while_held, CALLED[cut_while_held])
    return campaign.report


def failing(rounds: int) -> int:
    """Return how many syncs fail beside this many power losses, unless it is said otherwise."""
    return max(len(JOURNALS), rounds // 5)


def cases(rounds: int) -> int:
    """Return how many cases this many rounds are, at most: a case ends early when no level is left standing."""
    return failing(rounds) + rounds + stalled.cases(rounds)


def rounds_of(rounds: int, case: int) -> int:
    """Return how many rounds a case has, at most, of so many in all; a full disk is of one piece."""
    held = case - failing(rounds) - rounds
    if held > 0:
        return stalled.rounds_of(rounds, held)
    return 0 if case <= failing(rounds) else min(rounds, LOSSES_A_CASE)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder:
        yield Path(folder)


def cut_and_judge(session: Session, rig: PowerRig, kind: Kind) -> None:
    """Work, lose the power, open again and judge."""
    begin_round(session)
    random, fewer = session.random, turn_of(session, 2) == 0
    if fewer and kind != "close":
        session.publish(FEW)  # and not all of it is handed out
    work(session, kind, BURSTS)
    if (kind == "single" and turn_of(session, 2)) or (kind == "burst" and random.random() < 0.4):
        kill_open_and_flush(session)
    elif kind == "burst" and random.random() < 0.2:
        session.kill()
        session.begin_open()
        time.sleep(random.uniform(0.0, OPENING))
        session.ran["power loss while opening"] += 1
    lose_power(session, rig, by_itself(kind, session.promises, random, rig.path))
    session.open(PowerLost(), first=publish_less if fewer else None)
    session.survey()


def by_itself(kind: Kind, promises: Promises, random: Random, directory: Path) -> Writeback:
    """Return what the kernel writes of its own accord before the power goes.

    Nothing, where that could hide what the store itself has not made safe: right after an answer, and where it was left
    idle for as long as it promises to need for that.
    """
    idled = kind == "long" and promises.loss_window > 0
    return NOTHING if idled or kind in ("single", "last") else choose_writeback(random, directory)


def lose_power(session: Session, rig: PowerRig, writeback: Writeback) -> None:
    """Cut the power, and bring it back; `writeback` is what the kernel wrote before by itself."""
    session.note("page cache", f"the kernel writes back: {described(writeback)}")
    session.note_end("disk", "the power goes")
    session.ran["power loss"] += 1
    killed = rig.power_loss(session.child, writeback=writeback)
    session.hit(killed, Fault.POWER_LOSS, lost=rig.lost)
    session.stopped(killed, PowerLost())


def fail_sync_and_judge(session: Session, disk: FullBackingRig, journal: Journal) -> None:
    """Work, let the disk fill up, go on, and see what a remount shows."""
    session.open(more=MANY)
    session.run(AfterReplies(REQUESTS // 2))
    session.flush()
    session.look()
    session.note("disk", f"is full from here on ({journal} journal): syncs fail")
    session.ran["full disk"] += 1
    session.traffic.forgiving = True
    session.traffic.causes.disk_fails()
    doubt_syncs(session, BACKED)
    disk.fill()
    session.traffic.reached.opens(FULL)
    try:
        for _ in range(SLICES):
            session.run(AfterDelay(FAILING))
            if disk.refused():
                break
        if journal == "spared":
            disk.relieve()
            session.note("disk", "has room again")
            session.traffic.reached.closes()
            write_on(session)
            if not disk.has_given_up():
                believe_syncs(session, gave_up=False)
            tell_syncs(session, disk, session.flush())
            session.flush()
    except TargetDied:
        session.note("store", "ended its process")
        session.ran["the target ended at a failed sync"] += 1
    session.note_end("store", "is killed")
    killed = session.child.kill()
    refused = disk.refused()
    session.ran["failed fsync"] += refused
    session.hit(killed, Fault.FAILED_SYNC, refused=refused)
    believe_syncs(session, gave_up=disk.has_given_up())
    disk.remount()
    session.note("disk", "is mounted again: only what is really on it can be read")
    session.stopped(killed, PowerLost())
    session.traffic.forgiving = False
    session.open(PowerLost(), more=0)
    session.survey()
    close_and_reopen(session)


def write_on(session: Session) -> None:
    """Have some acks answered once syncs succeed again: what is written then may lie where a sync failed."""
    session.traffic.settle()
    for queue in QUEUES:
        for receipt in session.pop(queue, IN_HAND, ACKING):
            session.ask(Call("ack", "ack", receipts=(receipt,)))


def tell_syncs(session: Session, disk: FullBackingRig, barrier: Reply) -> None:
    """Tell the oracles that syncs failed, as the rig saw, and that one has succeeded since, if a barrier says so."""
    if disk.refused():
        session.panel.each(lambda oracle: oracle.sync_ended("failed"))
        if barrier is Reply.OK:
            session.panel.each(lambda oracle: oracle.sync_ended("ok"))


def described(writeback: Writeback) -> str:
    """Return it in the words of a history."""
    parts = [f"{span.name} @{span.start}" for span in writeback.ranges]
    parts += [f"all of {name}" for name in writeback.files]
    parts += ["the journal"] if writeback.metadata else []
    return ", ".join(parts) or "nothing"


def judge(job: Job) -> GradeReport:
    """Cut the power as often as the job says."""
    judging = partial(
        run_power_grade,
        disk_bytes=None if job.disk_mib is None else job.disk_mib * MIB,
        stalls=stalled.stalls(job.effort),
        filesystem=job.filesystem or FILESYSTEM,
    )
    return judged_on_files("power", judging, ("SIGKILL", "power loss"), job)


POWER = Grade(
    "power",
    judge,
    counts="power losses",
    effort={"quick": 5, "standard": 20, "deep": 200},
    cases=cases,
    rounds=rounds_of,
    heeds=ON_FILES | {"disk_mib", "filesystem"},
)
