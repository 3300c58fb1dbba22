"""The process grade: SIGKILL with calls under way, at a seeded point, and a restart on the same directory.

What was written is in the page cache and stays; what was only in memory is gone. Some kills come while the store is
still opening, so that recovery is interrupted too. Each case ends with a clean restart.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ackcheck.findings import GradeReport
from ackcheck.grade import REPLY_TIMEOUT, Grade, Job
from ackcheck.grades.campaign import (
    Campaign,
    Progress,
    Target,
    begin_round,
    close_and_reopen,
    judged_on_files,
    kill,
    no_progress,
    rounds_of_cases,
)
from ackcheck.grades.session import Session
from ackcheck.rig import choose_kill
from ackmodel import CommitPolicy, Level
from ackmodel.observe.events import ProcessCrashed

KILLS_A_CASE = 10

REQUESTS = 80
"""Most answers that are waited for before a kill."""

LONGEST = 0.05
"""Seconds that a round lasts at most, where it ends after a delay."""

OPENING = 0.3
"""Seconds, at most, after which a store that is opening is killed: about what an interpreter takes to start."""


TWICE = 0.2
"""How often a store is killed again while it opens."""


def run_process_grade(
    target: Target,
    level: Level,
    *,
    seed: int = 0,
    rounds: int = 10,
    progress: Progress = no_progress,
    commit: CommitPolicy = CommitPolicy.ACK,
    reply_timeout: float = REPLY_TIMEOUT,
    only: int | None = None,
) -> GradeReport:
    """Kill the target `rounds` times, and judge by `level` what it remembers; stop at the first finding.

    `only` is the number of the one case to run, from 1 to `cases`; without it all are run. `commit` says what lets the
    store's offset pass a message. Raises a `RigError` where the target does not work: `TargetNotStarted`, `TargetHung`,
    `TargetDied`, `TargetError`, `ProtocolError`, `QueueNeverEmpty`.
    """
    campaign = Campaign(target, level, "process", seed, commit, reply_timeout, progress, only)
    for kills in rounds_of_cases(rounds, KILLS_A_CASE):
        if not campaign.due():
            continue
        with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder, campaign.case(Path(folder)) as session:
            session.open()
            left = kills
            while left > 0:
                left -= kill_and_judge(session, may_repeat=left > 1)
                campaign.tell()
            close_and_reopen(session)
        if campaign.report.finding is not None:
            break
    return campaign.report


def cases(rounds: int) -> int:
    """Return how many cases so many rounds are."""
    return len(rounds_of_cases(rounds, KILLS_A_CASE))


def kill_and_judge(session: Session, *, may_repeat: bool = False) -> int:
    """Work, kill, perhaps kill again while it opens, open again and judge; return how often it was killed."""
    begin_round(session)
    twice = may_repeat and session.random.random() < TWICE
    session.run(choose_kill(session.random, requests=REQUESTS, longest=LONGEST))
    kill(session)
    if twice:
        session.begin_open()
        time.sleep(session.random.uniform(0.0, OPENING))
        session.ran["SIGKILL while opening"] += 1
        kill(session)
    session.open(ProcessCrashed())
    session.survey()
    return 1 + twice


def judge(job: Job) -> GradeReport:
    """Kill as often as the job says."""
    return judged_on_files("process", run_process_grade, ("SIGKILL",), job)


PROCESS = Grade("process", judge, counts="SIGKILLs", effort={"quick": 6, "standard": 60, "deep": 2_000}, cases=cases)
