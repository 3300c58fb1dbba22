"""The damage grade: what is on the disk rots while the store is closed, and it is seen what the store makes of it.

The store is closed in order, which is answered OK, with some of its messages acked and some in hand; then a copy of its
directory is damaged in each of a few ways (`ackcheck.rig.spoilt`), and the store opened on that. It owes what it owed,
or refuses, at the opening or when it is asked for something, with an error that names a file. A store that goes on
without what the damage took, in silence, breaks `survives-power-loss`, and so does one that refuses without a name.
From the whole directory it then goes on.

A target that does not promise to notice damage says so (`damage = "unnoticed"`), and is not judged by this grade.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

from ackcheck.findings import GradeReport
from ackcheck.grade import ON_FILES, REPLY_TIMEOUT, Grade, Job
from ackcheck.grades.campaign import (
    Campaign,
    Progress,
    Target,
    begin_round,
    close_and_reopen,
    judged_on_files,
    no_progress,
    restart_and_judge,
)
from ackcheck.grades.rounds import work
from ackcheck.grades.session import Session
from ackcheck.hits import Fault
from ackcheck.promises import Promises
from ackcheck.rig.errors import TargetDied, TargetError
from ackcheck.rig.exchange import Killed
from ackcheck.rig.spoilt import KINDS, Contents, Damage, contents, damage
from ackmodel import Clause, Level
from ackmodel.observe.broken import CannotOpen
from ackmodel.observe.events import PowerLost, Reply, Restarted

CLOSED: Final = "closed, to be damaged"
COUNTED: Final = "damaged and opened"
"""What is counted of each close, and of each damage that was done."""

CLOSES_A_CASE: Final = 4
"""How often a directory is closed, and damaged in each way, before another case begins."""

PROMISED_LESS: Final = "its promise is damage = 'unnoticed': it does not say that it notices what rots on its disk"
NOTHING_TO_DAMAGE: Final = (
    "no file was there that could be damaged so that a store could see it: the target kept nothing in its directory, "
    "was not closed with OK, or keeps more than 64 MiB there"
)


def run_damage_grade(  # noqa: PLR0913 - an argument an option
    target: Target,
    levels: Level | tuple[Level, ...],
    *,
    seed: int = 0,
    rounds: int = 3,
    progress: Progress = no_progress,
    reply_timeout: float = REPLY_TIMEOUT,
    only: int | None = None,
    only_round: int | None = None,
    stop_at_first: bool = False,
    evidence: Path | None = None,
    promises: Promises | None = None,
) -> GradeReport:
    """Close the target `rounds` times, and damage its directory in a few ways each time.

    Raises as `run_process_grade` does.
    """
    campaign = Campaign(
        target,
        levels,
        "damage",
        seed,
        reply_timeout=reply_timeout,
        progress=progress,
        only=only,
        only_round=only_round,
        counts=CLOSED,
        stop_at_first=stop_at_first,
        evidence=evidence,
        promises=promises,
    )
    for closes in campaign.shares(rounds, CLOSES_A_CASE):
        with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder, contextlib.ExitStack() as kept:
            directory = Path(folder) / "store"
            directory.mkdir()
            with campaign.case(directory) as session:
                session.open()
                if session.promises.damage == "unnoticed":
                    campaign.report.not_judged = PROMISED_LESS
                    return campaign.report
                older = Contents()
                for _ in campaign.rounds_of(session, closes, ("unflushed",)):
                    older = close_and_damage(campaign, session, older, kept)
                if campaign.ends(session):
                    close_and_reopen(session)
    if not campaign.report.ran[COUNTED]:
        campaign.report.not_judged = NOTHING_TO_DAMAGE
    return campaign.report


def cases(rounds: int) -> int:
    """Return how many cases this many closes are, at most: a case ends early when no level is left standing."""
    return rounds


def close_and_damage(campaign: Campaign, session: Session, older: Contents, kept: contextlib.ExitStack) -> Contents:
    """Close the store, judge it on damaged copies, go on from the whole; return what was there, its files `kept`."""
    begin_round(session)
    work(session, "unflushed")
    session.ran[CLOSED] += 1
    closed = session.close()
    now = contents(session.directory, kept) if closed is Reply.OK else None
    if now is None:
        restart_and_judge(session, closed)
        return older
    killed, peers = session.end()
    session.hit(killed, Fault.CLEAN_RESTART, peers=peers)
    for kind in KINDS:
        done = damage(now.files, older.files, older.replaced_in(now), kind, session.random, older.earlier)
        if done is not None:
            _Copy(campaign, session, killed, done).judge()
    session.fault = Fault.CLEAN_RESTART
    session.stopped(killed, Restarted())
    session.ran["clean restart"] += 1
    session.open(Restarted())
    session.survey()
    return now.after(older)


@frozen
class _Copy:
    """A damaged copy of the directory of a store that is closed."""

    campaign: Campaign
    session: Session
    killed: Killed
    done: Damage

    def judge(self) -> None:
        """Put the copy in the place of the directory, and judge a twin of the target on it."""
        directory = self.session.directory
        whole = directory.with_name("whole")
        directory.rename(whole)
        try:
            shutil.copytree(whole, directory, symlinks=True)
            self.done.do(directory)
            self._judge_twin()
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            whole.rename(directory)
            self.campaign.tell()

    def _judge_twin(self) -> None:
        with self.campaign.judging_a_copy(self.session, self.session.child.another()) as twin:
            twin.hit(self.killed, Fault.DAMAGE)
            self.session.hits = twin.hits
            self.session.ran[COUNTED] += 1
            self.session.ran[f"damaged: {self.done.kind}"] += 1
            twin.note("disk", str(self.done))
            twin.panel.each(lambda oracle: oracle.damaged(self.done.file))
            twin.stopped(Killed(answered=(), unanswered=()), PowerLost())
            self._open_and_survey(twin)

    def _open_and_survey(self, twin: Session) -> None:
        try:
            twin.start()
            twin.come_up(PowerLost(), more=0)
            twin.survey()
        except (TargetError, TargetDied) as error:
            self._refused(twin, f"{error} {twin.child.last_words()}")
        else:
            self.session.ran["opened, and owes what it owed"] += 1

    def _refused(self, twin: Session, said: str) -> None:
        """Judge how a target refuses a damaged directory: by the name of a file."""
        names = {Path(self.done.file).name, *(path.name for path in twin.directory.rglob("*"))}
        if names_one_of(names, said.replace(str(twin.directory), "")):
            self.session.ran["refused by name"] += 1
        else:
            why = f"{self.done}; it is refused, and no file is named: {said.strip()}"
            twin.panel.broke(CannotOpen(Clause.SURVIVES_POWER_LOSS, why))


def names_one_of(names: Iterable[str], said: str) -> bool:
    """Tell whether a text has one of these names as a word of its own.

    >>> names_one_of({"log", "index.2"}, "cannot be read: /index.2"), names_one_of({"log"}, "a logical error")
    (True, False)
    """
    words = "|".join(map(re.escape, names))
    return bool(words) and re.search(rf"(?<![\w.-])(?:{words})(?![\w-])", said) is not None


def judge(job: Job) -> GradeReport | None:
    """Damage as often as the job says; of a store with modes in the first only, as a close is the same in all."""
    if job.subject.ours and not job.first:
        return None
    return judged_on_files("damage", run_damage_grade, (CLOSED,), job)


DAMAGE = Grade(
    "damage",
    judge,
    counts="closes",
    effort={"quick": 3, "standard": 12, "deep": 100},
    cases=cases,
    rounds=lambda rounds, _: min(rounds, CLOSES_A_CASE),
    heeds=ON_FILES,
)
