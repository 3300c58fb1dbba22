"""What is done to the disk before its power is cut: nothing, or one of the things that disks do.

Each leaves the target in a state in which a cut tells more: with a flush under way, with writes that were refused, on a
file system that was full, or right after a file was made or renamed.

>>> all({"writes", "at a change"} < {*(PRELUDES * 2)[start : start + 3]} for start in range(len(PRELUDES)))
True
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import Final, Literal

from attrs import frozen

from ackcheck.disk import BadFault, Disk, Fault
from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.full import full
from ackcheck.grades.giving_up import believe_syncs, doubt_syncs
from ackcheck.grades.reached import CHANGED, FULL, REFUSED
from ackcheck.grades.rounds import FAILING, HELD, LONGEST, MANY, REQUESTS
from ackcheck.grades.session import Session
from ackcheck.rig.errors import TargetDied
from ackcheck.rig.killpoint import AfterDelay, AfterReplies, choose_kill
from ackcheck.rig.replaced import Changes
from ackcheck.rig.witness import unwritten
from ackmodel.observe.events import Reply

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

SOON: Final = 3
"""Flushes, at most, between a change of a file and the cut."""

Prelude = Literal["nothing", "held", "full", "writes", "a flush", "at a flush", "at a change"]

LAST: Final[tuple[Prelude, ...]] = ("held", "full", "a flush", "at a flush", "nothing")

PRELUDES: Final[tuple[Prelude, ...]] = tuple(prelude for last in LAST for prelude in ("at a change", "writes", last))
"""What is done to the disk before the cut, in turn. The power is cut by one of the next flushes after a file was made,
opened, renamed or removed; the writes of the target's files are refused for a while; its flushes are held while the
process is killed, and again, with a barrier asked for, until the power is cut; the file system is full for a while; one
flush is refused; the power is cut by a flush itself; nothing, or its flushes are slow. Three in a row have the first
two of these among them."""


_REFUSED: Final = re.compile(r"^operation \d+ (raised|is answered .*(FAILED|UNKNOWN|BUSY))")


@frozen
class BeforeCut:
    """A target on a disk, and what is done to that before the power is cut."""

    session: Session
    disk: Disk
    prelude: Prelude

    def run(self) -> None:
        """Work, and hurt the disk. Where its flushes are to be held, `ackcheck.grades.stalled` goes on from here."""
        if self.prelude != "writes":  # which does so itself, with long files
            self._fill()
        if self.prelude == "held":
            return
        if self.prelude == "full" and self.disk.filesystem.kind != "btrfs":  # its room comes back some time later
            self._fill_the_file_system()
        elif self.prelude in ("writes", "a flush"):
            self._refuse()
        else:
            self._work()

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

    def _fill_the_file_system(self) -> None:
        """Leave no block free while the target works; then there is room again, and a barrier is asked for."""
        session = self.session
        session.run(AfterReplies(REQUESTS // 2))
        session.publish(MANY // 2)
        session.traffic.forgiving = True
        doubt_syncs(session, self.disk.filesystem.name)
        try:
            for _ in range(SLICES):
                self._work_while_full()
                session.run(AfterReplies(REQUESTS // 4))
            session.run(AfterReplies(REQUESTS // 2))
            session.traffic.settle()
            believe_syncs(session, gave_up=self.disk.has_given_up())
            session.flush()
        except TargetDied:
            self._has_ended("on a full disk")
            believe_syncs(session, gave_up=self.disk.has_given_up())

    def _work_while_full(self) -> None:
        session, lines = self.session, self.session.traffic.history.lines
        before = len(lines)
        with full(self.disk.mountpoint, most=self.disk.drive.size):
            session.note("disk", "has no block free from here on: writes are refused")
            session.traffic.reached.opens(FULL)
            session.run(AfterDelay(FAILING))
        refused = len([line for line in lines[before:] if _REFUSED.search(line.text)])
        session.ran["refused while the disk was full"] += refused
        session.traffic.reached.closes(hit=refused > 0)
        session.note("disk", f"has room again; of what was asked meanwhile {refused} was not answered OK")

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
