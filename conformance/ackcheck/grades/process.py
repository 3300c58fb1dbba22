"""The process grade: SIGKILL with calls under way, at a seeded point, and a restart on the same directory.

What was written is in the page cache and stays; what was only in memory is gone. Some kills come while the store is
still opening, so that recovery is interrupted too. Each case ends with restarts in order. In the last cases the target
works on a disk of our own, and is killed while that holds its syncs (`ackcheck.grades.stalled`), where the machine can
have one.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

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
    restart_and_judge,
)
from ackcheck.grades.orders import BURSTS
from ackcheck.grades.rounds import OPENING, RESTARTS, Kind, work
from ackcheck.grades.rounds import PROCESS as PROCESS_ROUNDS
from ackcheck.grades.session import Session
from ackcheck.grades.stalled import CALLED, FILESYSTEM, STALLS_A_CASE, kill_while_held
from ackcheck.promises import Promises
from ackcheck.rig.loop import MIB
from ackmodel import CommitPolicy, Level
from ackmodel.observe.events import ProcessCrashed

KILLS_A_CASE = 10

TWICE = 0.2
"""How often a store is killed again while it opens."""


def run_process_grade(  # noqa: PLR0913 - an argument an option
    target: Target,
    levels: Level | tuple[Level, ...],
    *,
    seed: int = 0,
    rounds: int = 10,
    progress: Progress = no_progress,
    commit: CommitPolicy = CommitPolicy.ACK,
    reply_timeout: float = REPLY_TIMEOUT,
    only: int | None = None,
    only_round: int | None = None,
    stop_at_first: bool = False,
    evidence: Path | None = None,
    promises: Promises | None = None,
    stalls: int = 0,
    filesystem: str = FILESYSTEM,
    disk_bytes: int | None = None,
) -> GradeReport:
    """Kill the target `rounds` times, and judge for all these levels at once what it remembers.

    It is killed `stalls` times more while the disk holds its syncs; `filesystem` and `disk_bytes` are that disk's.
    `only` is the number of the one case to run, from 1 to `cases`, `only_round` that of the one round in it; without
    them all are run.
    `commit` says what lets the store's offset pass a message. Raises a `RigError` where the target does not work:
    `TargetNotStarted`, `TargetHung`, `TargetDied`, `TargetError`, `ProtocolError`, `QueueNeverEmpty`.
    """
    campaign = Campaign(
        target,
        levels,
        "process",
        seed,
        commit,
        reply_timeout,
        progress,
        only,
        only_round,
        "SIGKILL",
        stop_at_first,
        evidence,
        promises,
    )
    for kills in campaign.shares(rounds if only is None or only <= rounds else 0, KILLS_A_CASE):
        with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder, campaign.case(Path(folder)) as session:
            begin_case(session)
            for kind, left in campaign.rounds_of(session, kills, PROCESS_ROUNDS):
                kill_and_judge(session, kind, may_repeat=left > 1)
            if campaign.ends(session):
                for kind in RESTARTS:
                    leave_and_restart(session, kind)
                close_and_reopen(session)
    campaign.skip_to(rounds)
    syncs = Stalls(stalls, STALLS_A_CASE, filesystem, disk_bytes)
    hurt_while_held(campaign, syncs, kill_while_held, CALLED[kill_while_held])
    return campaign.report


def cases(rounds: int) -> int:
    """Return how many cases this many rounds are, at most: a case ends early when no level is left standing."""
    return rounds + stalled.cases(rounds)


def rounds_of(rounds: int, case: int) -> int:
    """Return how many rounds a case has, at most, of so many in all."""
    return min(rounds, KILLS_A_CASE) if case <= rounds else stalled.rounds_of(rounds, case - rounds)


def kill_and_judge(session: Session, kind: Kind, *, may_repeat: bool = False) -> None:
    """Work, kill, perhaps kill again while it opens, open again and judge."""
    begin_round(session)
    twice = session.random.random() < TWICE and may_repeat
    work(session, kind, BURSTS)
    session.kill()
    if twice:
        session.begin_open()
        time.sleep(session.random.uniform(0.0, OPENING))
        session.ran["SIGKILL while opening"] += 1
        session.kill()
    session.open(ProcessCrashed())
    session.survey()


def leave_and_restart(session: Session, kind: Kind) -> None:
    """Leave something to the close, close the store in order, open it again, and judge."""
    begin_round(session)
    closed = work(session, kind)
    restart_and_judge(session, session.close() if closed is None else closed)


def judge(job: Job) -> GradeReport:
    """Kill as often as the job says."""
    name = job.filesystem or FILESYSTEM
    size = None if job.disk_mib is None else max(job.disk_mib * MIB, named(name).smallest)
    judging = partial(run_process_grade, stalls=stalled.stalls(job.effort), filesystem=name, disk_bytes=size)
    return judged_on_files("process", judging, ("SIGKILL",), job)


PROCESS = Grade(
    "process",
    judge,
    counts="SIGKILLs",
    effort={"quick": 6, "standard": 60, "deep": 2_000},
    cases=cases,
    rounds=rounds_of,
    heeds=ON_FILES | {"disk_mib", "filesystem"},
)
