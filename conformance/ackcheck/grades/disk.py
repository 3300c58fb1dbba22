"""The disk grade: a disk whose every fault is certain, and of each power cut not one state but many.

The target works on a file system on a disk of our own (`ackcheck.disk`): ext4, XFS and Btrfs in turn, as far as they
are there. In each case something is done to the disk first, by seed (`PRELUDES`). Then the power is cut, at a moment of
our choosing or by the n-th flush, and everything that the cut may have left is an *image*: the file system is mounted
from each of them, the target opened on it and asked for all it has, and a copy of what we know of it judges that.
Images that hold the same where anything was read are judged once. From one of them the target goes on.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from ackcheck.disk import Cut, Disk, Folder, Image, ImageNotMounted
from ackcheck.disk.available import missing
from ackcheck.disk.filesystem import named
from ackcheck.disk.kept import keep
from ackcheck.findings import GradeReport
from ackcheck.grade import ON_FILES, REPLY_TIMEOUT, Grade, Job
from ackcheck.grades.before_cut import PRELUDES, BeforeCut, Prelude
from ackcheck.grades.campaign import (
    Campaign,
    Progress,
    Target,
    begin_round,
    close_and_reopen,
    judged_on_files,
    no_progress,
)
from ackcheck.grades.rounds import LONG_SEGMENT, MANY
from ackcheck.grades.session import Session
from ackcheck.grades.spares import Spares
from ackcheck.grades.stalled import ask_while_held, kill_while_held, lost_by
from ackcheck.grades.unusable import opens_once_it_is_used
from ackcheck.hits import Fault as Hurt
from ackcheck.promises import Promises
from ackcheck.rig.child import Child
from ackcheck.rig.errors import FileSystemDead
from ackmodel import CommitPolicy, Level
from ackmodel.observe.events import PowerLost

FILESYSTEMS: Final = ("ext4", "xfs", "btrfs", "ext4-writeback", "ext4-journal")
"""In turn, case by case; where one is missing, ext4 takes its turn."""

IMAGES: Final = 12
"""Images of one cut, at most; all of them where there are no more."""

SPENT: Final = "seconds spent on crash images"
"""The name of a figure of the report: mounting them, opening the target on them, and asking it for all it has."""


def run_disk_grade(  # noqa: PLR0913 - an argument an option
    target: Target,
    levels: Level | tuple[Level, ...],
    *,
    seed: int = 0,
    rounds: int = 3,
    progress: Progress = no_progress,
    reply_timeout: float = REPLY_TIMEOUT,
    only: int | None = None,
    only_round: int | None = None,  # noqa: ARG001 - a case is one round
    disk_bytes: int | None = None,
    stop_at_first: bool = False,
    evidence: Path | None = None,
    promises: Promises | None = None,
    filesystem: str | None = None,
    images: int = IMAGES,
    commit: CommitPolicy = CommitPolicy.ACK,
) -> GradeReport:
    """Cut the power `rounds` times, and judge what the target remembers on up to `images` images of each cut.

    `filesystem` is the one to use in every case, `commit` what lets the store's offset pass a message. Where the
    machine cannot have such a disk the report says so (`not_judged`). Raises as `run_process_grade` does, and
    `DiskFailed`.
    """
    campaign = Campaign(
        target,
        levels,
        "disk",
        seed,
        commit,
        reply_timeout,
        progress=progress,
        only=only,
        stop_at_first=stop_at_first,
        evidence=evidence,
        promises=promises,
    )
    if reason := missing(filesystem or FILESYSTEMS[0]):
        campaign.report.not_judged = reason
        return campaign.report
    campaign.report.figures[SPENT] = 0.0
    for number in range(cases(rounds)):
        if not campaign.due():
            continue
        prelude = PRELUDES[(seed + number) % len(PRELUDES)]
        name = filesystem or _in_turn(number, prelude)
        with (
            tempfile.TemporaryDirectory(prefix="ackcheck-") as folder,
            Disk(Path(folder), name, size=_size(name, disk_bytes)) as disk,
            campaign.case(disk.directory, segment_bytes=LONG_SEGMENT if prelude == "writes" else None) as session,
            disk.well_at_the_end(),  # a finding may come while the target waits for a flush
        ):
            session.ran[f"case on {name}"] += 1
            session.note("disk", f"carries {name}, mounted with {','.join(disk.filesystem.options)}")
            session.open(more=MANY)
            with Spares(session.child) as spares:
                _Round(campaign, session, disk, prelude, spares, images).run()
            campaign.tell()
            close_and_reopen(session)
        if campaign.over:
            break
    return campaign.report


def cases(rounds: int) -> int:
    """Return how many cases this many cuts are."""
    return rounds


def _size(filesystem: str, wanted: int | None) -> int | None:
    """Return how large a disk is to be, as small as its file system can be made at the least."""
    return None if wanted is None else max(wanted, named(filesystem).smallest)


def _in_turn(number: int, prelude: Prelude) -> str:
    name = FILESYSTEMS[number % len(FILESYSTEMS)]
    blind = name == "btrfs" and prelude in ("writes", "full")  # it does not tell where files lie, nor when it has room
    return FILESYSTEMS[0] if blind or missing(name) else name


@frozen
class _Round:
    """One power cut, and what is done to the disk before it."""

    campaign: Campaign
    session: Session
    disk: Disk
    prelude: Prelude
    spares: Spares
    images: int

    def run(self) -> None:
        """Work, hurt the disk, cut its power, judge the images, and go on from one of them."""
        begin_round(self.session)
        self.session.traffic.causes.disk_fails()
        BeforeCut(self.session, self.disk, self.prelude).run()
        if self.prelude == "held":
            kill_while_held(self.session, self.disk)
            ask_while_held(self.session, self.disk)
        cut = self._cut()
        good = self._judge(cut)
        cut.adopt(self.session.random.choice(good))
        self.session.note("disk", "is mounted again, from one of the images")
        self.session.open(PowerLost())
        self.session.survey()

    def _cut(self) -> Cut:
        session = self.session
        session.note_end("disk", "loses its power")
        session.ran["power cut"] += 1
        refused = self.disk.drive.counts()["refused"]
        killed, cut = self.disk.cut(session.child)
        assert killed is not None
        session.hit(killed, Hurt.POWER_LOSS, lost=lost_by(killed, cut))
        if self.prelude in ("writes", "a flush"):
            session.hit(killed, Hurt.FAILED_SYNC, refused=refused)
        session.stopped(killed, PowerLost())  # some of what it had answered is read only now
        session.traffic.forgiving = False
        return cut

    def _judge(self, cut: Cut) -> list[Image]:
        """Judge the images; return those on which nothing broke, or all of them if there are none."""
        session, ran = self.session, self.session.ran
        plan = cut.plan(seed=f"{session.seed}/{session.random.random()}", most=self.images)
        folder, good, began = Folder(), [], time.monotonic()
        ran["images there are"] += min(plan.total, 1 << 40)
        ran["images equal to another"] += plan.equal
        for image in plan.images:
            if folder.folds(image):
                ran["images folded: equal in what was read"] += 1
                continue
            folders: list[Path] = []
            try:
                with cut.shown(image):
                    ran["images judged"] += 1
                    ran["images judged with a torn block"] += image.torn
                    good += [image] * self._holds(image, self.spares.take(), folders)
            except (ImageNotMounted, FileSystemDead):
                ran["images on which no file system works"] += 1
                continue
            finally:
                for kept in folders:
                    keep(self.disk, image, kept)
            folder.judged(image, cut.read)
        figures = self.campaign.report.figures
        figures[SPENT] = round(figures[SPENT] + time.monotonic() - began, 3)
        return good or list(plan.images)

    def _holds(self, image: Image, child: Child, folders: list[Path]) -> bool:
        """Open the target on an image that is mounted, and survey it; return whether nothing broke.

        `child` is the target's process. Where a finding is kept, `folders` hears of its folder.
        """
        with self.campaign.judging_a_copy(self.session, child, folders) as twin, opens_once_it_is_used(twin):
            twin.note("disk", f"is mounted again, from an image ({image.kind})")
            twin.open(PowerLost(), more=0)
            twin.survey()
        return twin.panel.standing.keys() == self.session.panel.standing.keys()


def judge(job: Job) -> GradeReport:
    """Cut the power as often as the job says."""
    judging = partial(
        run_disk_grade,
        disk_bytes=None if job.disk_mib is None else job.disk_mib << 20,
        filesystem=job.filesystem,
    )
    return judged_on_files("disk", judging, ("power cut",), job)


DISK = Grade(
    "disk",
    judge,
    counts="power cuts",
    effort={"quick": 3, "standard": 30, "deep": 400},
    cases=cases,
    heeds=ON_FILES - {"round"} | {"disk_mib", "filesystem"},
)
