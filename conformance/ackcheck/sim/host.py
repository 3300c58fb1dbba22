"""What a stepped target lives in: a simulated disk, a clock, its clients' operations, and the oracle that watches.

`Host` carries the target's I/O to the disk and back, and everything there is to see to the oracle. It decides nothing:
what happens when, `ackcheck.sim.simulation` says.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import cast

from attrs import Factory, define, field, frozen

from ackcheck.history import History
from ackcheck.panel import Panel
from ackcheck.sim.disk import Disk, SyncBegun
from ackcheck.sim.holdings import Holdings
from ackcheck.sim.target import BecameDurable, Ended, Extended, Io, Outcome, SteppedTarget
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.observe.broken import Broken, Key
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import IoCounts, Sighting
from ackmodel.observe.oracle import Delivered

QUEUES = ("orders/billing/0", "orders/billing/1")
MESSAGES = 6
"""How many messages each queue holds to begin with."""

MOST_MESSAGES = 12
"""How many it is made to hold."""

SHORT, LONG = 5.0, 60.0
"""Seconds that a popped message stays invisible: less, or more, than a run usually takes."""

HANGING = 2.0
"""Seconds after which a sync counts as timed out."""

OK = Outcome()


@define(eq=False)
class Pending:
    """An I/O that the target wants done, since when, and what it covers if it is a sync."""

    io: Io
    since: float
    begun: SyncBegun | None
    writes_before: int
    covers: frozenset[Key] = frozenset()
    timed_out: bool = False


@frozen
class Asked:
    """An operation that has not ended: what it is, its receipts, and the I/O done when it was asked."""

    kind: str
    queue: str = ""
    receipts: tuple[str, ...] = ()
    io: IoCounts = Factory(IoCounts)


@define(eq=False)
class Host:
    """A target with its surroundings. `make` gives a fresh target each time the store is opened."""

    make: Callable[[], SteppedTarget]
    levels: tuple[Level, ...]
    commit: CommitPolicy = CommitPolicy.ACK
    disk: Disk = Factory(Disk)
    panel: Panel = field(init=False)
    history: History = Factory(History)
    now: float = 1_000.0
    target: SteppedTarget = field(init=False)
    pending: list[Pending] = Factory(list)
    asked: dict[int, Asked] = Factory(dict)
    given: list[Delivered] = Factory(list)
    ends: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, MESSAGES))
    """How many messages each queue holds."""
    counts: IoCounts = Factory(IoCounts)
    _acks: dict[int, tuple[str, ...]] = Factory(dict)
    _accepted: dict[str, Key] = Factory(dict)
    _where: dict[str, Key] = Factory(dict)
    _replies: dict[int, Reply] = Factory(dict)
    _offsets: dict[str, Sighting] = Factory(dict)
    _failing: bool = False
    """The last I/O failed or hung, so that the store may pause before it tries again."""
    _handed_out: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, 0))
    """Below which message of each queue all have been handed out, or passed by a reset."""
    _held: Holdings = Factory(Holdings)
    _full: Outcome = OK
    """What becomes of the next write that is done at once."""
    _ops: int = 0
    _asked_since_open: int = 0
    _latest: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.target = self.make()
        self.panel = Panel(self.levels, getattr(self.target, "max_attempts", None))
        for queue, end in self.ends.items():
            self.panel.each(lambda oracle: oracle.published(queue, end))
        self._open()

    def can(self, method: str) -> bool:
        """Tell whether the target has this method, which it may have or not."""
        return hasattr(self.target, method)

    def write_now(self, io: Io) -> Outcome:
        """Do a write at once, for a target that does not wait for it."""
        self.history.add("store", f"does at once: {io.describe()}")
        outcome, self._full = self._full, OK
        most = max(0, len(io.data) - 1)
        pending = Pending(io, self.now, None, self.counts.writes)
        outcome = self._apply(pending, Outcome(outcome.error, min(outcome.written, most)))
        if not outcome.ok:
            self.panel.each(lambda oracle: oracle.write_failed())
        return outcome

    @property
    def extended(self) -> Extended:
        """The target, when it has the method that is asked for."""
        return cast("Extended", self.target)

    @property
    def syncing(self) -> bool:
        """Whether a sync is pending."""
        return any(pending.io.syncs for pending in self.pending)

    @property
    def writing(self) -> bool:
        """Whether anything else is pending."""
        return any(not pending.io.syncs for pending in self.pending)

    @property
    def operations(self) -> int:
        """How many operations clients have asked for."""
        return self._ops

    @property
    def at_stake(self) -> bool:
        """Whether anything was handed out since the store was last opened."""
        return self._asked_since_open > 0

    def look(self) -> None:
        """Show the oracle what the store shows of itself."""
        look = self.target.look(list(self._accepted))
        for queue, now in (look.offsets or {}).items():
            if self._offsets.get(queue) != now:
                self._offsets[queue] = now
                self.history.add("offset", f"{queue}: {now.committed}, on the disk {now.persisted}")
            unflushed = None
            if self.commit is CommitPolicy.ACK and look.flushed is not None:
                held = look.flushed
                unflushed = [
                    key[1] for receipt, key in self._accepted.items() if key[0] == queue and not held.get(receipt, True)
                ]
            self.panel.each(lambda oracle: oracle.saw_offset(queue, now, unflushed))
        self.panel.each(
            lambda oracle: oracle.saw_flushed(receipt for receipt, flushed in (look.flushed or {}).items() if flushed)
        )
        self.panel.each(lambda oracle: oracle.saw_memory(look.outstanding, look.limits))

    def _ask(self, asked: Asked, text: str) -> int:
        self._ops += 1
        self._asked_since_open += 1
        self.asked[self._ops] = asked
        self.history.add("client", f"{text}  (operation {self._ops})")
        return self._ops

    def _publish(self, queue: str, end: int) -> None:
        self.history.add("client", f"publish {queue}: it holds [0..{end - 1}]")
        self.ends[queue] = end
        self.panel.each(lambda oracle: oracle.published(queue, end))
        self.target.publish(queue, end, self.now)
        self._take()

    def _pop(self, queue: str, count: int, invisible: float) -> int:
        op = self._ask(Asked("pop", queue), f"pop {count} of {queue}, invisible {invisible:g} s")
        self._latest = max(self._latest, self.now + invisible)
        self.panel.each(lambda oracle: oracle.pop_asked(op, queue, deadline=self.now + invisible))
        self.target.pop(op, queue, count, invisible, self.now)
        self._take()
        return op

    def _ack(self, receipts: list[str]) -> int:
        names = ", ".join(self._name(receipt) for receipt in receipts)
        op = self._ask(Asked("ack", receipts=tuple(receipts), io=self.counts), f"ack {names}")
        self.panel.each(lambda oracle: oracle.ack_asked(op, receipts, at=self.now))
        self._acks[op] = tuple(receipts)
        lent = list(receipts)
        self.target.ack(op, lent, self.now)
        lent.clear()  # the client's list is its own again (clause submitted-is-written)
        self._take()
        return op

    def _renew(self, receipt: str, invisible: float) -> int:
        op = self._ask(
            Asked("renew", receipts=(receipt,)), f"renew {self._name(receipt)}, invisible {invisible:g} s more"
        )
        self._latest = max(self._latest, self.now + invisible)
        self.panel.each(lambda oracle: oracle.renew_asked(op, receipt, at=self.now, deadline=self.now + invisible))
        self.extended.renew(op, receipt, invisible, self.now)
        self._take()
        return op

    def _release(self, receipt: str) -> int:
        op = self._ask(Asked("release", receipts=(receipt,)), f"release {self._name(receipt)}")
        self.panel.each(lambda oracle: oracle.release_asked(op, receipt, at=self.now))
        self.extended.release(op, receipt, self.now)
        self._take()
        return op

    def _reset(self, queue: str, offset: int) -> int:
        op = self._ask(Asked("reset", queue), f"reset {queue} to {offset}")
        self._accepted = {receipt: key for receipt, key in self._accepted.items() if key[0] != queue}
        self.panel.each(lambda oracle: oracle.reset_asked(op, queue, offset))
        self._handed_out[queue] = offset
        self.extended.reset(op, queue, offset, self.now)
        self._take()
        return op

    def _is_busy(self, queue: str, *kinds: str) -> bool:
        """Tell whether an operation on a queue is under way, of one of these kinds, if any are named."""
        return any(
            queue in {asked.queue, *(self._where[receipt][0] for receipt in asked.receipts if receipt in self._where)}
            for asked in self.asked.values()
            if not kinds or asked.kind in kinds
        )

    def _flush(self) -> int:
        op = self._ask(Asked("flush"), "flush")
        self.panel.each(lambda oracle: oracle.barrier_asked(op))
        self.target.flush(op, self.now)
        self._take()
        return op

    def _name(self, receipt: str) -> str:
        if receipt not in self._where:
            return repr(receipt)
        queue, offset = self._where[receipt]
        return f"{queue}[{offset}]"

    def _take(self) -> None:
        """Take up what the target wants done, and what it has answered."""
        for told in self.target.take():
            match told:
                case Io():
                    self._begin(told)
                case Ended():
                    self._ended(told)
                case BecameDurable(op):
                    self.history.add("client", f"operation {op} is durable")
                    keys = {self._where[receipt] for receipt in self._acks[op] if receipt in self._where}
                    self.panel.each(lambda oracle: oracle.called_back(keys, at=self.now))

    def _begin(self, io: Io) -> None:
        begun = None
        if io.syncs:
            begun = self.disk.begin_sync(io.file if io.action == "sync" else None)
        self.history.add("store", f"asks: {io.describe()}")
        covers = self._held.begin(io.file)
        self.pending.append(Pending(io, self.now, begun, self.counts.writes, covers))

    def _ended(self, ended: Ended) -> None:
        self.history.add("client", f"operation {ended.op} is answered {ended.reply.value}" + _items(ended))
        asked = self.asked.pop(ended.op, None)
        self._replies[ended.op] = ended.reply
        if asked is None:
            again = f"operation {ended.op} was answered again, {ended.reply.value}"
            self.panel.broke(Broken(Clause.REPLY_EXACTLY_ONCE, again))
        if asked.kind == "pop" and ended.reply is Reply.OK:
            for seen in ended.deliveries:
                self._where[seen.receipt] = (asked.queue, seen.offset)
                self._handed_out[asked.queue] = max(self._handed_out[asked.queue], seen.offset + 1)
            self.given.extend(ended.deliveries)
            self.panel.each(lambda oracle: oracle.popped(ended.op, asked.queue, ended.deliveries, at=self.now))
        elif asked.kind == "pop":
            self.panel.each(lambda oracle: oracle.pop_refused(ended.op, ended.reply))
        elif asked.kind == "flush":
            self.panel.each(lambda oracle: oracle.barrier_answered(ended.op, ended.reply))
        elif asked.kind == "ack":
            self._ack_ended(ended, asked)
        elif asked.kind == "reset":
            self.panel.each(lambda oracle: oracle.reset_answered(ended.op, ended.reply))
        elif asked.kind in ("renew", "release"):
            self.panel.each(lambda oracle: oracle.change_answered(ended.op, ended.reply, at=self.now))

    def _ack_ended(self, ended: Ended, asked: Asked) -> None:
        replies = ended.replies or (ended.reply,) * len(asked.receipts)
        for receipt, reply in zip(asked.receipts, replies, strict=False):
            if reply is Reply.OK and receipt in self._where:
                self._accepted[receipt] = self._where[receipt]
                self.panel.each(lambda oracle: oracle.saw_reply(asked.io, self.counts))
        self.panel.each(lambda oracle: oracle.ack_answered(ended.op, replies, at=self.now))

    def _finish(self, pending: Pending, outcome: Outcome, *, lost_since: bool = False) -> None:
        """Complete one I/O: on the disk, for the oracle, and for the target."""
        self.pending.remove(pending)
        outcome = self._apply(pending, outcome, lost_since=lost_since)
        if pending.io.action == "sync" and not pending.timed_out:
            self.panel.each(lambda oracle: oracle.sync_ended("ok" if outcome.ok else "failed"))
        elif not outcome.ok and pending.io.action == "write":
            self.panel.each(lambda oracle: oracle.write_failed())
        self.target.finish(pending.io.id, outcome, self.now)
        self._take()

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
            elif outcome.ok and io.action == "unlink":
                disk.unlink(io.file)
        except FileNotFoundError:
            outcome = Outcome(errno.ENOENT)
        self.history.add("disk" if io.syncs else "page cache", f"{io.describe()}: {outcome.describe()}")
        self._failing = not outcome.ok or (self._failing and not io.syncs)
        if io.acks is not None and (outcome.ok or outcome.written):
            acks = io.acks
            self.panel.each(lambda oracle: oracle.wrote(acks))
        if outcome.ok:
            self._note_held(io, pending.covers)
        if outcome.ok and io.action == "write":
            self.counts = IoCounts(self.counts.writes + 1, self.counts.covered)
        elif outcome.ok and io.action == "sync":
            self.counts = IoCounts(self.counts.writes, max(self.counts.covered, pending.writes_before))
        return outcome

    def _note_held(self, io: Io, covers: frozenset[Key]) -> None:
        """Note of which messages there is a record in a file, and tell when the last of one is removed."""
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
            self.now = max(self.now, tick)
            self._note_hanging()
            self.target.tick(self.now)
            self._take()
            if self.target.next_tick() == tick:
                break  # a timer that only I/O can satisfy
        self.now = max(self.now, until)
        self._note_hanging()
        self.target.tick(self.now)
        self._take()

    def _note_hanging(self) -> None:
        for pending in self.pending:
            if pending.io.action == "sync" and not pending.timed_out and self.now - pending.since >= HANGING:
                pending.timed_out = self._failing = True
                self.history.add("disk", f"{pending.io.describe()}: hangs")
                self.panel.each(lambda oracle: oracle.sync_ended("timed out"))

    def _open(self) -> None:
        self._asked_since_open = 0
        if self.can("write_now"):
            self.extended.write_now = self.write_now
        self.target.open(self.disk, self.now)
        for queue, end in self.ends.items():
            self.target.publish(queue, end, self.now)
        self._take()

    def _restart(self, event: ProcessCrashed | PowerLost | Restarted) -> None:
        self.history.add(
            "store", {ProcessCrashed: "the process dies", PowerLost: "the power goes"}.get(type(event), "closed")
        )
        self.pending.clear()
        self.asked.clear()
        self._acks.clear()
        self._accepted.clear()  # what an earlier process held for flushed, the new one may have yet to prove
        if isinstance(event, PowerLost):
            self._held.restarted(self.disk.names())
        self.panel.stopped(event)
        self.history.add("store", "opens the directory")
        self.target = self.make()
        try:
            self._open()
        except Exception as error:  # whatever it is: it cannot be opened
            self.panel.broke(self.panel.strictest.cannot_open(event, error))


def _items(ended: Ended) -> str:
    """Return the items of an answer in the words of a history."""
    if ended.deliveries:
        return ": " + ", ".join(f"[{seen.offset}] until {seen.deadline:g}" for seen in ended.deliveries)
    return ": " + ", ".join(reply.value for reply in ended.replies) if ended.replies else ""
