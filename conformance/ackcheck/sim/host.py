"""What a stepped target lives in: a simulated disk, a clock, its clients' operations, and the oracle that watches.

`Host` carries the target's I/O to the disk and back, and everything there is to see to the oracle. It decides nothing:
what happens when, `ackcheck.sim.simulation` says.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from attrs import Factory, define, field, frozen

from ackcheck.history import History
from ackcheck.oracle import Broken, Key, Oracle, Seen
from ackcheck.sim.disk import Disk, SyncBegun
from ackcheck.sim.target import BecameDurable, Ended, Io, Outcome, SteppedTarget
from ackmodel import Clause, CommitPolicy, Level
from ackmodel.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.monitors import IoCounts, Sighting

QUEUES = ("orders/billing/0", "orders/billing/1")
MESSAGES = 6
"""How many messages each queue holds."""

SHORT, LONG = 5.0, 60.0
"""Seconds that a popped message stays invisible: less, or more, than a run usually takes."""

HANGING = 2.0
"""Seconds after which a sync counts as timed out."""

PATIENCE = 400
"""Rounds of finishing everything and waiting for the next timer, after which a store is said not to come to rest."""

OK = Outcome()


@define(eq=False)
class Pending:
    """An I/O that the target wants done, since when, and what it covers if it is a sync."""

    io: Io
    since: float
    begun: SyncBegun | None
    writes_before: int
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
    level: Level
    commit: CommitPolicy = CommitPolicy.ACK
    disk: Disk = Factory(Disk)
    oracle: Oracle = field(init=False)
    history: History = Factory(History)
    now: float = 1_000.0
    target: SteppedTarget = field(init=False)
    pending: list[Pending] = Factory(list)
    asked: dict[int, Asked] = Factory(dict)
    given: list[Seen] = Factory(list)
    counts: IoCounts = Factory(IoCounts)
    _acks: dict[int, tuple[str, ...]] = Factory(dict)
    _accepted: dict[str, Key] = Factory(dict)
    _where: dict[str, Key] = Factory(dict)
    _replies: dict[int, Reply] = Factory(dict)
    _offsets: dict[str, Sighting] = Factory(dict)
    _failing: bool = False
    """The last I/O failed or hung, so that the store may pause before it tries again."""
    _ops: int = 0
    _asked_since_open: int = 0
    _latest: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.oracle = Oracle(self.level)
        for queue in QUEUES:
            self.oracle.published(queue, MESSAGES)
        self._open()

    @property
    def syncing(self) -> bool:
        """Whether a sync is pending."""
        return any(pending.io.syncs for pending in self.pending)

    @property
    def writing(self) -> bool:
        """Whether anything else is pending."""
        return any(not pending.io.syncs for pending in self.pending)

    @property
    def at_stake(self) -> bool:
        """Whether anything was handed out since the store was last opened."""
        return self._asked_since_open > 0

    def rest(self, idle: float = 1.0) -> None:
        """Let a working disk finish everything, until the store has been idle for a while; then all is flushed."""
        self._finish_everything(idle)
        look = self.target.look([])
        if look.unflushed is not None and not self._failing:
            self.oracle.saw_idle(look.unflushed, idle=idle, interval=idle / 2)

    def _finish_everything(self, idle: float = 1.0) -> None:
        """Let I/O succeed and timers run until nothing is due for a while."""
        for _ in range(PATIENCE):
            while self.pending:
                self._finish(self.pending[0], OK)
            tick = self.target.next_tick()
            if tick is None or tick > self.now + idle:
                break
            self._wait(max(tick, self.now))
        else:
            raise Broken(Clause.QUIESCENCE_IS_ZERO, f"the store did not come to rest in {PATIENCE} rounds")

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
            self.oracle.saw_offset(queue, now, unflushed)
        self.oracle.saw_flushed(receipt for receipt, flushed in (look.flushed or {}).items() if flushed)
        self.oracle.saw_memory(look.outstanding, look.limits)

    def _ask(self, asked: Asked, text: str) -> int:
        self._ops += 1
        self._asked_since_open += 1
        self.asked[self._ops] = asked
        self.history.add("client", f"{text}  (operation {self._ops})")
        return self._ops

    def _pop(self, queue: str, count: int, invisible: float) -> int:
        op = self._ask(Asked("pop", queue), f"pop {count} of {queue}, invisible {invisible:g} s")
        self._latest = max(self._latest, self.now + invisible)
        self.oracle.pop_asked(op, queue, deadline=self.now + invisible)
        self.target.pop(op, queue, count, invisible, self.now)
        self._take()
        return op

    def _ack(self, receipts: list[str]) -> int:
        names = ", ".join(self._name(receipt) for receipt in receipts)
        op = self._ask(Asked("ack", receipts=tuple(receipts), io=self.counts), f"ack {names}")
        self.oracle.ack_asked(op, receipts, at=self.now)
        self._acks[op] = tuple(receipts)
        lent = list(receipts)
        self.target.ack(op, lent, self.now)
        lent.clear()  # the client's list is its own again (clause submitted-is-written)
        self._take()
        return op

    def _flush(self) -> int:
        op = self._ask(Asked("flush"), "flush")
        self.oracle.barrier_asked(op)
        self.target.flush(op, self.now)
        self._take()
        return op

    def _survey(self) -> None:
        self.rest()
        self._wait_working(max(self._latest, self.now) + 1.0)
        for queue in QUEUES:
            self._drain(queue)

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
                    self.oracle.durable(keys, "callback")

    def _begin(self, io: Io) -> None:
        begun = None
        if io.syncs:
            begun = self.disk.begin_sync(io.file if io.action == "sync" else None)
        self.history.add("store", f"asks: {io.describe()}")
        self.pending.append(Pending(io, self.now, begun, self.counts.writes))

    def _ended(self, ended: Ended) -> None:
        self.history.add("client", f"operation {ended.op} is answered {ended.reply.value}" + _items(ended))
        asked = self.asked.pop(ended.op, None)
        self._replies[ended.op] = ended.reply
        if asked is None:
            raise Broken(Clause.REPLY_EXACTLY_ONCE, f"operation {ended.op} was answered again, {ended.reply.value}")
        if asked.kind == "pop" and ended.reply is Reply.OK:
            for seen in ended.deliveries:
                self._where[seen.receipt] = (asked.queue, seen.offset)
            self.given.extend(ended.deliveries)
            self.oracle.popped(ended.op, asked.queue, ended.deliveries, at=self.now)
        elif asked.kind == "pop":
            self.oracle.pop_refused(ended.op, ended.reply)
        elif asked.kind == "flush":
            self.oracle.barrier_answered(ended.op, ended.reply)
        elif asked.kind == "ack":
            self._ack_ended(ended, asked)

    def _ack_ended(self, ended: Ended, asked: Asked) -> None:
        replies = ended.replies or (ended.reply,) * len(asked.receipts)
        for receipt, reply in zip(asked.receipts, replies, strict=False):
            if reply is Reply.OK and receipt in self._where:
                self._accepted[receipt] = self._where[receipt]
                self.oracle.saw_reply(asked.io, self.counts)
        self.oracle.ack_answered(ended.op, replies, at=self.now)

    def _finish(self, pending: Pending, outcome: Outcome, *, lost_since: bool = False) -> None:
        """Complete one I/O: on the disk, for the oracle, and for the target."""
        self.pending.remove(pending)
        outcome = self._apply(pending, outcome, lost_since=lost_since)
        if pending.io.action == "sync" and not pending.timed_out:
            self.oracle.sync_ended("ok" if outcome.ok else "failed")
        elif not outcome.ok and pending.io.action == "write":
            self.oracle.write_failed()
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
            self.oracle.wrote(io.acks)
        if outcome.ok and io.action == "write":
            self.counts = IoCounts(self.counts.writes + 1, self.counts.covered)
        elif outcome.ok and io.action == "sync":
            self.counts = IoCounts(self.counts.writes, max(self.counts.covered, pending.writes_before))
        return outcome

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
                self.oracle.sync_ended("timed out")

    def _wait_working(self, until: float) -> None:
        """Let time pass on a disk that works."""
        while self.now < until:
            tick = self.target.next_tick()
            self._wait(until if tick is None else min(until, max(tick, self.now + 0.01)))
            self.rest()

    def _answered(self, op: int) -> bool:
        """Wait, on a disk that works, for the answer to an operation; return whether it came."""
        for _ in range(20):
            self.rest()
            tick = self.target.next_tick()
            if op not in self.asked or tick is None:
                break
            self._wait(max(tick, self.now))  # the store may be pausing after a failure
        return op not in self.asked

    def _open(self) -> None:
        self._asked_since_open = 0
        self.target = self.make()
        self.target.open(self.disk, self.now)
        for queue in QUEUES:
            self.target.publish(queue, MESSAGES, self.now)
        self._take()

    def _restart(self, event: ProcessCrashed | PowerLost | Restarted) -> None:
        self.history.add(
            "store", {ProcessCrashed: "the process dies", PowerLost: "the power goes"}.get(type(event), "closed")
        )
        self.pending.clear()
        self.asked.clear()
        self._acks.clear()
        self._accepted.clear()  # what an earlier process held for flushed, the new one may have yet to prove
        self.oracle.stopped(event)
        self.history.add("store", "opens the directory")
        try:
            self._open()
        except Exception as error:  # whatever it is: it cannot be opened
            raise self.oracle.cannot_open(event, error) from error

    def _close(self) -> Reply:
        op = self._ask(Asked("close"), "close")
        self.target.close(op, self.now)
        self._take()
        self._finish_everything()
        if op in self.asked:
            raise Broken(Clause.CLOSE_DRAINS, "close was not answered, on a disk that works")
        self.oracle.closed(self._replies[op], self.target.look([]).unflushed or 0)
        return self._replies[op]

    def _drain(self, queue: str) -> None:
        """Pop a queue until it is empty."""
        came: set[int] = set()
        refused: Reply | None = None
        for _ in range(PATIENCE):
            before = len(self.given)
            op = self._pop(queue, 4, LONG)
            if not self._answered(op):
                raise Broken(Clause.REPLY_EXACTLY_ONCE, f"the pop {op} was not answered, on a disk that works")
            new = self.given[before:]
            came.update(seen.offset for seen in new)
            refused = None if self._replies[op] is Reply.OK else self._replies[op]
            if refused:
                self._wait_working(self.now + 1.0)
            elif not new:
                break
        self.oracle.saw_answers_again(refused)
        self.oracle.drained(queue, came, at=self.now)


def _items(ended: Ended) -> str:
    """Return the items of an answer in the words of a history."""
    if ended.deliveries:
        return ": " + ", ".join(f"[{seen.offset}] until {seen.deadline:g}" for seen in ended.deliveries)
    return ": " + ", ".join(reply.value for reply in ended.replies) if ended.replies else ""
