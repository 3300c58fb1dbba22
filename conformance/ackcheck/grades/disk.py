"""The disk grade: a disk whose every fault is certain, and of each power cut not one state but many.

The target works on a file system on a disk of our own (`ackcheck.disk`): ext4, XFS and Btrfs in turn, as far as they
are there. In each case something is done to the disk first, by seed (`PRELUDES`). Then the power is cut, at a moment of
our choosing or by the n-th flush, and everything that the cut may have left is an *image*: the file system is mounted
from each of them, the target opened on it and asked for all it has, and a copy of what we know of it judges that.
Images that hold the same where anything was read are judged once. From one of them the target goes on.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

from ackcheck.disk import BadFault, Cut, Disk, Fault, Folder, Image, ImageNotMounted
from ackcheck.disk.available import missing
from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.filesystem import named
from ackcheck.disk.kept import keep
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
)
from ackcheck.grades.giving_up import believe_syncs, doubt_syncs
from ackcheck.grades.reached import CHANGED, REFUSED
from ackcheck.grades.rounds import FAILING, LONG_SEGMENT, LONGEST, MANY, REQUESTS
from ackcheck.grades.session import Session
from ackcheck.grades.spares import Spares
from ackcheck.grades.stalled import HELD, hold, kill_while_held, lost_by
from ackcheck.grades.unusable import opens_at_its_first_pop
from ackcheck.grades.workload import Call
from ackcheck.hits import Fault as Hurt
from ackcheck.promises import Promises
from ackcheck.rig.child import Child
from ackcheck.rig.errors import FileSystemDead, TargetDied
from ackcheck.rig.killpoint import AfterDelay, AfterReplies, choose_kill
from ackcheck.rig.replaced import Changes
from ackcheck.rig.witness import unwritten
from ackmodel import CommitPolicy, Level
from ackmodel.observe.events import PowerLost, Reply

FILESYSTEMS: Final = ("ext4", "xfs", "btrfs", "ext4-writeback", "ext4-journal")
"""In turn, case by case; where one is missing, ext4 takes its turn."""

IMAGES: Final = 12
"""Images of one cut, at most; all of them where there are no more."""

FLUSHES: Final = 30
"""Flushes, at most, before the one at which the power is cut."""

SLOW: Final = 0.3
"""How often the flushes are slow where nothing else is done to the disk."""

LATENCY: Final = 0.05
"""Seconds that a slow flush takes."""

GROWING: Final = 64
"""Blocks behind those of a file that it is likely to grow into."""

SLICES: Final = 5
WAITING: Final = 6 * BLOCK
"""Bytes that wait to be written when the writes are refused, if it does not take too long."""

WANTED: Final = 30
"""Writes that are to be refused, and how many times `FAILING` is given to it, at most: on a busy machine a target makes
few in that time, and what it writes afterwards, into the same blocks, heals them."""

SPENT: Final = "seconds spent on crash images"
"""The name of a figure of the report: mounting them, opening the target on them, and asking it for all it has."""

GIVING_UP: Final = 5.0
"""Seconds for which a barrier is waited for whose sync the disk holds: a store that gives a sync up after a time may
have another to give up before it answers."""

SOON: Final = 3
"""Flushes, at most, between a change of a file and the cut."""

Prelude = Literal["nothing", "held", "writes", "a flush", "at a flush", "at a change"]

PRELUDES: Final[tuple[Prelude, ...]] = tuple(
    prelude for last in ("held", "a flush", "at a flush", "nothing") for prelude in ("at a change", "writes", last)
)
"""What is done to the disk before the cut, in turn. The power is cut by one of the next flushes after a file was made,
opened, renamed or removed; the writes of the target's files are refused for a while; its flushes are held while the
process is killed, and again, with a barrier asked for, until the power is cut; one flush is refused; the power is cut
by a flush itself; nothing, or its flushes are slow. Three in a row have the first two of these among them."""


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
    blind = prelude == "writes" and name == "btrfs"  # which does not tell where its files lie
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
        if self.prelude != "writes":  # which does so itself, with long files
            self._fill()
        if self.prelude == "held":
            kill_while_held(self.session, self.disk)
            self._ask_while_held()
        elif self.prelude in ("writes", "a flush"):
            self._refuse()
        else:
            self._work()
        cut = self._cut()
        good = self._judge(cut)
        cut.adopt(self.session.random.choice(good))
        self.session.note("disk", "is mounted again, from one of the images")
        self.session.open(PowerLost())
        self.session.survey()

    def _fill(self) -> None:
        """Have some of the store's files filled while no flush ends, then let them end, and ask for a barrier.

        What comes from here to the cut may be next to nothing, by seed. And a store that forgets the sync of a full
        file has one to forget only where that is not synced yet: on a slow machine each record is, before the next.
        """
        self.session.run(AfterReplies(REQUESTS // 2))
        self.disk.disarm(self._hold())
        self.session.flush()
        self.session.look()

    def _work(self) -> None:
        random = self.session.random
        if self.prelude == "at a flush":
            self.session.run(AfterReplies(REQUESTS // 2))
            at = random.randrange(FLUSHES)
            self.session.note("disk", f"loses its power at the flush after {at} more, if it comes to that")
            self.disk.arm(Fault(on="flush", do="cut", after=at))
            self.session.run(AfterDelay(HELD))
        elif self.prelude == "at a change":
            self._cut_after_a_change()
        else:
            if random.random() < SLOW:
                self.session.note("disk", f"takes {LATENCY:g} s for each flush")
                self.disk.arm(Fault(on="flush", do="slow", seconds=LATENCY))
            self.session.run(choose_kill(random, requests=REQUESTS, longest=LONGEST))

    def _cut_after_a_change(self) -> None:
        """Have the power cut by one of the next flushes once a file was made, opened, renamed or removed."""
        after = self.session.random.randrange(SOON)
        self.session.run(AfterReplies(REQUESTS // 2))
        self.session.note(
            "disk", f"loses its power {after} flushes after the next change of a file, if it comes to that"
        )
        with contextlib.ExitStack() as stack:
            try:
                changes = stack.enter_context(Changes(self.disk.directory))
            except OSError as error:  # others have all that the kernel gives
                self.session.note("disk", f"hears of no change ({error.strerror}), and loses its power a while later")
                self.session.run(AfterDelay(HELD))
                return
            self.session.traffic.reached.should({CHANGED})
            waiting = threading.Thread(target=self._arm_at, args=(changes, after), daemon=True)
            waiting.start()
            self.session.run(AfterDelay(HELD))
            waiting.join()

    def _arm_at(self, changes: Changes, after: int) -> None:
        if changes.come(HELD):
            self.disk.arm(Fault(on="flush", do="cut", after=after))
            self.session.traffic.reached.came_to(CHANGED)

    def _ask_while_held(self) -> None:
        """Have the flushes held until the power is cut, and a barrier asked for: whoever says OK meanwhile is wrong.

        A store that gives up a sync after a time, and takes it for one that has ended well, is seen through so.
        """
        session, traffic = self.session, self.session.traffic
        traffic.forgiving = True
        try:
            hold(session, self.disk)
            began = session.now
            if session.promises.barrier != "none":
                traffic.ask(Call("flush", "flush"))
            while traffic.under_way and session.now < began + GIVING_UP:
                traffic.take(session.child.poll(HELD))
        except TargetDied:
            self._has_ended("at a sync that did not end")

    def _refuse(self) -> None:
        """Refuse writes or a flush while the target works; then the disk is well, and a barrier is asked for."""
        session = self.session
        session.run(AfterReplies(REQUESTS // 2))
        session.publish(MANY // 2)  # else all may be acked before a write is refused
        session.flush()
        session.look()
        refusing = self._refusing()  # while the disk holds something, the kernel may not tell where files lie
        holding = self._hold() if self.prelude == "writes" else None
        doubt_syncs(session, self.disk.filesystem.name)
        fault = self.disk.arm(refusing)
        session.note("disk", f"refuses {self.prelude} from here on")
        session.traffic.forgiving = True
        session.traffic.reached.opens(REFUSED)
        if holding is not None:
            self.disk.disarm(holding)
        hits = 0
        try:
            for _ in range(SLICES if self.prelude == "writes" else 1):
                session.run(AfterDelay(FAILING))
                hits = self.disk.hits(fault)
                if hits >= WANTED:
                    break
            self.disk.disarm()
            session.traffic.reached.closes(hit=hits > 0)
            session.note("disk", f"is well again; it has refused {hits}")
            session.ran[f"refused {self.prelude}"] += hits
            if self.disk.has_given_up():
                believe_syncs(session, gave_up=True)
                return
            session.run(AfterReplies(REQUESTS // 2))
            session.traffic.settle()
            believe_syncs(session, gave_up=self.disk.has_given_up())
            barrier = session.flush()
            if hits:
                session.panel.each(lambda oracle: oracle.sync_ended("failed"))
                if barrier is Reply.OK:
                    session.panel.each(lambda oracle: oracle.sync_ended("ok"))
        except TargetDied:
            self._has_ended("at a failed sync")
            believe_syncs(session, gave_up=self.disk.has_given_up())

    def _has_ended(self, when: str) -> None:
        self.session.note("store", "ended its process")
        self.session.ran[f"the target ended {when}"] += 1

    def _hold(self) -> int:
        """Hold the flushes until some blocks wait to be written, or for a while; return by which fault.

        A store that answers meanwhile fills whole blocks, all of which the sync after that has to write. Where only one
        is refused, and what comes next goes into it too, it is written again as a whole, and that mends what a wrong
        store has lost.
        """
        self.session.note("disk", "holds every flush")
        holding = self.disk.arm(Fault(on="flush", do="stall"))
        before = -1
        for _ in range(SLICES):
            self.session.run(AfterDelay(HELD))
            waiting = unwritten(self.disk.directory)
            if waiting is None or waiting >= WAITING or waiting == before:
                break
            before = waiting
        return holding

    def _refusing(self) -> Fault:
        """Return which writes are refused: those of the target's files, where the file system says where they lie."""
        after = self.session.random.randrange(6)
        if self.prelude == "a flush":
            return Fault(on="flush", do="eio", after=after, times=1)
        try:
            near = tuple((first, count + GROWING) for first, count in self.disk.blocks_of())
        except BadFault:
            return Fault(on="write", do="eio", after=after, times=1)
        return Fault(on="write", do="eio", blocks=near)

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
        with self.campaign.judging_a_copy(self.session, child, folders) as twin, opens_at_its_first_pop(twin):
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
