"""What a stepped target's I/O meets: a simulated disk, a clock, and the faults that wait for their moment.

`Devices` carries the target's I/O to the disk and back, and what there is to see of it to the oracle. Its clients are
in `ackcheck.sim.host`.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from typing import cast

from attrs import Factory, define, evolve, field, frozen

from ackcheck.history import History
from ackcheck.panel import Panel
from ackcheck.rig.spoilt import State
from ackcheck.sim.aims import MIDDLE, RESET_SYNC, Aim, Aims
from ackcheck.sim.disk import Disk, SyncBegun
from ackcheck.sim.last_records import LastRecords
from ackcheck.sim.target import Extended, Io, Outcome, SteppedTarget
from ackmodel import CommitPolicy, Level
from ackmodel.observe.broken import Key
from ackmodel.observe.monitors import SLOW, IoCounts

QUEUES = ("orders/billing/0", "orders/billing/1")
MESSAGES = 6
"""How many messages each queue holds to begin with."""

MOST_MESSAGES = 12
"""How many it is made to hold."""

SHORT, LONG = 5.0, 60.0
"""Seconds that a popped message stays invisible: less, or more, than a run usually takes."""

HANGING = 2.0
"""Seconds after which a sync counts as timed out."""

PROMPT, LATE, LATER = 3, 0.05, 8
"""Timers that bring nothing so many times in a row run late after that, by so many seconds, and by twice as many each
time, so many times: a store at rest may look for work many times a second, and minutes pass in a run."""

OK = Outcome()


@frozen
class Asked:
    """An operation that has not ended: what it is, its receipts, when it was asked, and the I/O that had been done, and
    how often some had been in trouble, by then."""

    kind: str
    queue: str = ""
    receipts: tuple[str, ...] = ()
    io: IoCounts = Factory(IoCounts)
    trouble: int = 0
    since: float = 0.0


@define(eq=False)
class Pending:
    """An I/O that the target wants done, since when, and what it covers if it is a sync."""

    io: Io
    since: float
    begun: SyncBegun | None
    writes_before: int
    covers: frozenset[Key] = frozenset()
    trouble: int = 0
    """How often some I/O had been in trouble when it was asked for, and was so no more."""
    timed_out: bool = False
    slow: bool = False
    aim: Aim | None = None
    """The fault that waited for it."""

    @property
    def hangs(self) -> bool:
        """Whether it will not end before the disk is healed."""
        return self.aim is not None and self.aim.how == "hangs"


@define(eq=False)
class Devices:
    """A target with a disk and a clock. `make` gives a fresh target each time the store is opened."""

    make: Callable[[], SteppedTarget]
    levels: tuple[Level, ...]
    commit: CommitPolicy = CommitPolicy.ACK
    logs: int = 1
    disk: Disk = Factory(Disk)
    panel: Panel = field(init=False)
    history: History = Factory(History)
    now: float = 1_000.0
    target: SteppedTarget = field(init=False)
    pending: list[Pending] = Factory(list)
    counts: IoCounts = Factory(IoCounts)
    aims: Aims = Factory(Aims)
    in_play: Counter[str] = Factory(Counter)
    """How often a fault was met that had been aimed, and how often each step was taken while it was in play."""
    says_purposes: bool = False
    """Whether the target says what its I/O is for, so that faults can be aimed at it."""
    _failed_at: float | None = None
    """When the last I/O failed or hung, if no sync has succeeded since: the store may pause before it tries again."""
    _trouble: int = 0
    _ran_late: float = float("-inf")
    """When timers of the store last ran so late that its clients may have been waiting for that alone."""
    """How often an I/O failed, or took long."""
    _held: LastRecords = Factory(LastRecords)
    _with_resets: set[str] = Factory(set)
    """The files to which a reset was written since they were synced."""
    _synced: bool = False
    """Whether a sync of a log has succeeded since the store was opened."""
    _replaced: set[str] = Factory(set)
    """The files that are replaced as a whole."""
    _opened: set[State] = Factory(set)
    """What the directory was like each time that it was opened: damage that leaves it so again no store could see."""
    _in_vain: int = 0
    """How often in a row timers have run that brought nothing."""
    _full: Outcome = OK
    """What becomes of the next write that is done at once."""

    def can(self, method: str) -> bool:
        """Whether the target has this method, which it may have or not."""
        return hasattr(self.target, method)

    @property
    def extended(self) -> Extended:
        """The target, when it has the method that is asked for."""
        return cast("Extended", self.target)

    def _take(self) -> None:
        """Take up what the target wants done, and what it has answered."""
        raise NotImplementedError

    # --- aimed faults -----------------------------------------------------------------------------------------------

    def _wait_for(self, aim: Aim) -> None:
        """Have a fault wait for its moment; what is pending may be it."""
        self.history.add("disk", f"the next {aim.at} {aim.how}")
        self.aims.wait_for(aim)
        for pending in self.pending:
            self._meet(pending)

    def _meet(self, pending: Pending) -> None:
        if self.aims.waiting and pending.aim is None:
            pending.aim = self._aimed_at(pending.io)
            if pending.hangs:
                self._met(pending.aim)

    def _aimed_at(self, io: Io) -> Aim | None:
        if not self.aims.waiting:
            return None
        return self.aims.take(io.purposes or (io.action,), io.messages or (), may_lie=self._may_lie)

    @property
    def _may_lie(self) -> bool:
        """Whether a sync may lie. Not before each log was synced since the store was opened: what tells this open from
        the next would be lost, and no store could tell its receipts from later ones. Of several logs it is not known
        which sync is whose."""
        return self._synced and self.logs == 1

    def _met(self, aim: Aim | None) -> None:
        if aim is not None:
            self.aims.met(aim)
            self.in_play[aim.describe()] += 1

    def _heal(self, *, late: Outcome = OK) -> None:
        """Have the disk work again; what hung ends now, like this."""
        self.aims.healed()
        for pending in [each for each in self.pending if each.aim is not None]:
            hung, pending.aim = pending.hangs, None
            if hung and pending in self.pending:
                self._finish(pending, late if pending.io.action != "write" or late.ok else Outcome(errno.ENOSPC))

    @property
    def ready(self) -> list[Pending]:
        """What is pending and does not hang."""
        return [pending for pending in self.pending if not pending.hangs]

    @property
    def syncing(self) -> bool:
        """Whether a sync is pending."""
        return any(pending.io.syncs for pending in self.pending)

    @property
    def writing(self) -> bool:
        """Whether anything else is pending."""
        return any(not pending.io.syncs for pending in self.pending)

    # --- I/O, from its beginning to its end -------------------------------------------------------------------------

    def _begin(self, io: Io) -> None:
        begun = None
        if io.action == "sync" and io.file in self._with_resets:
            io = evolve(io, purposes=(*(io.purposes or (io.action,)), RESET_SYNC))
        if io.syncs:
            begun = self.disk.begin_sync(io.file if io.action == "sync" else None)
        self.history.add("store", f"asks: {io.describe()}")
        self.says_purposes = self.says_purposes or bool(io.purposes)
        covers = self._held.begin(io.file)
        self.pending.append(Pending(io, self.now, begun, self.counts.writes, covers, self._trouble_over))
        self._meet(self.pending[-1])

    def write_now(self, io: Io) -> Outcome:
        """Do a write at once, for a target that does not wait for it."""
        self.history.add("store", f"does at once: {io.describe()}")
        outcome, self._full = self._full, OK
        most = max(0, len(io.data) - 1)
        outcome = Outcome(outcome.error, min(outcome.written, most))
        aim = self._aimed_at(io)
        if aim is not None:
            self._met(aim)
            outcome = _outcome_of(aim, io)
        outcome = self._apply(Pending(io, self.now, None, self.counts.writes, trouble=self._trouble_over), outcome)
        if not outcome.ok:
            self._in_trouble()
            self.panel.each(lambda oracle: oracle.write_failed())
        return outcome

    def _finish(self, pending: Pending, outcome: Outcome, *, lost_since: bool = False) -> None:
        """Complete one I/O: on the disk, for the oracle, and for the target."""
        self.pending.remove(pending)
        if pending.aim is not None:
            self._met(pending.aim)
            outcome, lost_since = _outcome_of(pending.aim, pending.io), pending.aim.wider
            if pending.aim.how == "lies":
                self._give_up()
        outcome = self._apply(pending, outcome, lost_since=lost_since)
        if pending.slow or not outcome.ok:
            self._in_trouble()
        if pending.io.action == "sync" and not pending.timed_out:
            self.panel.each(lambda oracle: oracle.sync_ended("ok" if outcome.ok else "failed"))
        elif not outcome.ok and pending.io.action == "write":
            self.panel.each(lambda oracle: oracle.write_failed())
        self.target.finish(pending.io.id, outcome, self.now)
        self._take()

    def _give_up(self) -> None:
        """Let nothing reach the disk any more, though every sync says OK: what that promises is in doubt."""
        self.history.add("disk", "has given up: it says OK to every sync, and keeps nothing more until the power goes")
        self.disk.given_up = True
        self.panel.each(lambda oracle: oracle.doubt_syncs())

    def _apply(self, pending: Pending, outcome: Outcome, *, lost_since: bool = False) -> Outcome:
        """Do one I/O on the simulated disk, and count it."""
        io, disk = pending.io, self.disk
        try:
            if pending.begun is not None:
                disk.end_sync(pending.begun, ok=outcome.ok, lost_since=lost_since)
            elif io.action == "write":
                disk.write(io.file, io.at, io.data if outcome.ok else io.data[: outcome.written])
            elif outcome.ok and io.action == "create":
                disk.create(io.file)
            elif outcome.ok and io.action == "rename":
                disk.rename(io.file, io.target)
                self._replaced.add(io.target)
            elif outcome.ok and io.action == "unlink":
                disk.unlink(io.file)
        except FileNotFoundError:
            outcome = Outcome(errno.ENOENT)
        self.history.add("disk" if io.syncs else "page cache", f"{io.describe()}: {outcome.describe()}")
        if not outcome.ok:
            self._failed_at = self.now
        elif io.syncs:
            self._failed_at = None
        if io.acks is not None and (outcome.ok or outcome.written):
            acks, since = io.acks, self._trouble - pending.trouble
            self.panel.each(lambda oracle: oracle.wrote(acks, trouble=since))
        if outcome.ok:
            self._note_held(io, pending.covers)
        if io.action == "write" and (outcome.ok or outcome.written):  # whole records may be in what was written
            self.counts = IoCounts(self.counts.writes + 1, self.counts.covered)
        elif outcome.ok and io.action == "sync":
            self.counts = IoCounts(self.counts.writes, max(self.counts.covered, pending.writes_before))
        return outcome

    def _note_held(self, io: Io, covers: frozenset[Key]) -> None:
        """Note of which messages there is a record in a file, and tell when the last of one is removed."""
        if "reset" in io.purposes:
            self._with_resets.add(io.file)
        elif io.action == "sync":
            self._with_resets.discard(io.file)
            self._synced = self._synced or not io.purposes or io.action in io.purposes
        if self.disk.given_up:
            return  # none of it is so on the disk
        if io.action == "write":
            self._held.wrote(io.file, io.messages or ())
        elif io.action == "sync":
            self._held.synced(io.file, covers)
        elif io.action == "unlink":
            removed = self._held.removed(io.file)
            self.panel.each(lambda oracle: oracle.discarded(removed, io.file))

    def _wait(self, until: float) -> None:
        """Let time pass without I/O; timers run when they are due."""
        while (tick := self.target.next_tick()) is not None and tick <= until:
            self._come_to(max(self.now, min(tick + self._lateness, until)), tick)
            self._in_vain += 1
            self.target.tick(self.now)
            self._take()
            if self.target.next_tick() == tick:
                break  # a timer that only I/O can satisfy
        self._come_to(max(self.now, until), self.target.next_tick())
        self.target.tick(self.now)
        self._take()

    def _come_to(self, time: float, due: float | None) -> None:
        """Let it be so late, before a timer runs that was due then."""
        self.now = time
        if due is not None and time - due >= SLOW:
            self._ran_late = time
        self._note_hanging()

    @property
    def _lateness(self) -> float:
        """By how many seconds the next timer may run late, as none of those before brought anything."""
        if self._in_vain < PROMPT or self.pending:
            return 0.0
        return LATE * 2.0 ** min(self._in_vain - PROMPT, LATER)

    @property
    def _trouble_over(self) -> int:
        """How often some I/O was in trouble that is over. One that hangs the store may give up at any time, and write
        again what it was asked to write meanwhile."""
        return self._trouble - sum(pending.slow for pending in self.pending)

    def _in_trouble(self) -> None:
        self._trouble += 1
        self.panel.each(lambda oracle: oracle.io_in_trouble())

    def _note_hanging(self) -> None:
        for pending in self.pending:
            if not pending.slow and self.now - pending.since >= SLOW:
                pending.slow = True
                self._in_trouble()
            if pending.io.action == "sync" and not pending.timed_out and self.now - pending.since >= HANGING:
                pending.timed_out, self._failed_at = True, self.now
                self.history.add("disk", f"{pending.io.describe()}: hangs")
                self.panel.each(lambda oracle: oracle.sync_ended("timed out"))


def _outcome_of(aim: Aim, io: Io) -> Outcome:
    """Return how an I/O ends that a fault was waiting for."""
    if aim.how == "lies":
        return OK
    if io.action != "write":
        return Outcome(errno.ENOSPC if io.action == "create" else errno.EIO)
    written = len(io.data) // 2 if aim.written == MIDDLE else aim.written
    return Outcome(errno.ENOSPC, written=min(written, max(0, len(io.data) - 1)))
