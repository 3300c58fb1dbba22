"""What a stepped target lives in: its devices (`ackcheck.sim.devices`), its clients' operations, and the oracle.

`Host` carries the clients' operations to the target and back, and everything there is to see to the oracle. It decides
nothing: what happens when, `ackcheck.sim.simulation` says.
"""

from __future__ import annotations

from attrs import Factory, define, evolve

from ackcheck.panel import Panel
from ackcheck.rig.spoilt import state_of
from ackcheck.sim.damage import contents
from ackcheck.sim.devices import MESSAGES, QUEUES, Asked, Devices
from ackcheck.sim.disk import Disk
from ackcheck.sim.target import BecameDurable, Ended, Io
from ackmodel import Clause, CommitPolicy
from ackmodel.observe.broken import Broken, Key
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered

HOW_IT_STOPS = {ProcessCrashed: "the process dies", PowerLost: "the power goes", Restarted: "closed"}
"""What a history says of a stop."""


@define(eq=False)
class Host(Devices):
    """A target with its devices, its clients, and the oracle that watches."""

    asked: dict[int, Asked] = Factory(dict)
    given: list[Delivered] = Factory(list)
    ends: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, MESSAGES))
    """How many messages each queue holds."""
    _acks: dict[int, tuple[str, ...]] = Factory(dict)
    _accepted: dict[str, Key] = Factory(dict)
    _where: dict[str, Key] = Factory(dict)
    _replies: dict[int, Reply] = Factory(dict)
    _offsets: dict[str, Sighting] = Factory(dict)
    _handed_out: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, 0))
    """Below which message of each queue all have been handed out, or passed by a reset."""
    _doubted: int | None = None
    """How many deliveries there had been when the store was opened on a disk that has given up, if it was."""
    _ops: int = 0
    _asked_since_open: int = 0
    _latest: float = 0.0
    _deadlines: dict[str, float] = Factory(dict)
    """Until when each delivery is hidden, as its consumer was told."""
    _renewing: dict[int, tuple[str, float]] = Factory(dict)
    _hands: dict[int, list[str]] = Factory(dict)
    """What each consumer was handed since it came."""
    _by: dict[int, int] = Factory(dict)
    """Which consumer asked for a pop, or leaves."""
    _leaving: dict[int, tuple[int, ...]] = Factory(dict)
    """Of a consumer that leaves, the operations by which each of its deliveries is given back."""
    _first: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, 0))
    """The message that each queue begins with."""
    _perhaps_out: dict[str, int] = Factory(lambda: dict.fromkeys(QUEUES, 0))
    """Below which message of each queue any may have been handed out."""

    def __attrs_post_init__(self) -> None:
        self.target = self.make()
        self.panel = Panel(self.levels, getattr(self.target, "max_attempts", None))
        for queue, end in self.ends.items():
            self.panel.each(lambda oracle: oracle.published(queue, end))
        self._open()

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
        flushed = [receipt for receipt, survives in (look.flushed or {}).items() if survives]
        if flushed:
            self.panel.each(lambda oracle: oracle.saw_flushed(flushed))
        self.panel.each(lambda oracle: oracle.saw_memory(look.outstanding, look.limits))

    def _ask(self, asked: Asked, text: str) -> int:
        self._ops += 1
        self._asked_since_open += 1
        self.asked[self._ops] = evolve(asked, trouble=self._trouble, since=self.now)
        self.history.add("client", f"{text}  (operation {self._ops})")
        return self._ops

    def _publish(self, queue: str, end: int) -> None:
        self.history.add("client", f"publish {queue}: it holds [0..{end - 1}]")
        self.ends[queue] = end
        self.panel.each(lambda oracle: oracle.published(queue, end))
        self.target.publish(queue, end, self.now)
        self._take()

    def _withdraw(self, queue: str, end: int) -> None:
        """Lose the messages from `end` on, of which none was handed out, with the power."""
        self.ends[queue] = end
        self.history.add("client", f"{queue} holds [0..{end - 1}]: what came after it is lost")
        self.panel.each(lambda oracle: oracle.withdrawn(queue, end))

    def _pop(self, queue: str, count: int, invisible: float, consumer: int = 0) -> int:
        op = self._ask(Asked("pop", queue), f"pop {count} of {queue}, invisible {invisible:g} s")
        self._by[op] = consumer
        self._perhaps_out[queue] = max(self._perhaps_out[queue], self._handed_out[queue]) + count
        self._latest = max(self._latest, self.now + invisible)
        self.panel.each(lambda oracle: oracle.pop_asked(op, queue, deadline=self.now + invisible))
        if self.can("pop_as"):
            self.extended.pop_as(op, f"consumer-{consumer}", queue, count, invisible, self.now)
        else:
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
        self._renewing[op] = (receipt, self.now + invisible)
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

    def _begin_at(self, queue: str, offset: int) -> None:
        """Have a queue begin with this message, as one that has been used for long."""
        self._first[queue] = self._handed_out[queue] = self._perhaps_out[queue] = offset
        self.panel.each(lambda oracle: oracle.begins(queue, offset))
        self._publish(queue, offset + MESSAGES)
        self._reset(queue, offset)

    def _leave(self, consumer: int) -> None:
        """Have a consumer go: what it has in hand is given back, each delivery as by a release, and nothing else."""
        receipts = self._hands.pop(consumer, [])
        op = self._ask(Asked("leave", receipts=tuple(receipts)), f"consumer-{consumer} leaves")
        self._leaving[op] = tuple(range(self._ops + 1, self._ops + 1 + len(receipts)))
        self._ops += len(receipts)
        for each, receipt in zip(self._leaving[op], receipts, strict=True):
            self.panel.each(lambda oracle: oracle.release_asked(each, receipt, at=self.now))
        self.extended.leave(op, f"consumer-{consumer}", self.now)
        self._take()

    def _reset(self, queue: str, offset: int) -> int:
        op = self._ask(Asked("reset", queue), f"reset {queue} to {offset}")
        self._accepted = {receipt: key for receipt, key in self._accepted.items() if key[0] != queue}
        self._void_acks(queue)
        self.panel.each(lambda oracle: oracle.reset_asked(op, queue, offset))
        self._perhaps_out[queue] = max(self._perhaps_out[queue], self._handed_out[queue], offset)
        self._handed_out[queue] = offset
        self.extended.reset(op, queue, offset, self.now)
        self._take()
        return op

    def _void_acks(self, queue: str) -> None:
        """Have the acks that were asked for say nothing of this queue any more, if they are said to be durable."""
        for op, receipts in self._acks.items():
            self._acks[op] = tuple(receipt for receipt in receipts if self._where.get(receipt, ("",))[0] != queue)

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
            self._in_vain = 0
            match told:
                case Io():
                    self._begin(told)
                case Ended():
                    self._ended(told)
                case BecameDurable(op):
                    self.history.add("client", f"operation {op} is durable")
                    keys = {self._where[receipt] for receipt in self._acks[op] if receipt in self._where}
                    self.panel.each(lambda oracle: oracle.called_back(keys, at=self.now))

    def _ended(self, ended: Ended) -> None:
        self.history.add("client", f"operation {ended.op} is answered {ended.reply.value}" + _items(ended))
        asked = self.asked.pop(ended.op, None)
        self._replies[ended.op] = ended.reply
        if asked is None:
            again = f"operation {ended.op} was answered again, {ended.reply.value}"
            self.panel.broke(Broken(Clause.REPLY_EXACTLY_ONCE, again))
        if Reply.UNKNOWN in (ended.reply, *ended.replies):
            hung = self._trouble > asked.trouble or any(pending.slow for pending in self.pending)
            trouble = hung or self._ran_late >= asked.since
            self.panel.each(lambda oracle: oracle.saw_unknown(f"operation {ended.op}", trouble=trouble))
        if asked.kind == "pop" and ended.reply is Reply.OK:
            for seen in ended.deliveries:
                self._where[seen.receipt] = (asked.queue, seen.offset)
                self._deadlines[seen.receipt] = seen.deadline
                self._hands.setdefault(self._by.get(ended.op, 0), []).append(seen.receipt)
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
            self._void_acks(asked.queue)
            self.panel.each(lambda oracle: oracle.reset_answered(ended.op, ended.reply))
        elif asked.kind in ("renew", "release"):
            if asked.kind == "renew" and ended.reply is Reply.OK:
                self._deadlines.update([self._renewing[ended.op]])
            self.panel.each(lambda oracle: oracle.change_answered(ended.op, ended.reply, at=self.now))
        elif asked.kind == "leave":
            self._left(ended, asked)

    def _ack_ended(self, ended: Ended, asked: Asked) -> None:
        replies = ended.replies or (ended.reply,) * len(asked.receipts)
        for receipt, reply in zip(asked.receipts, replies, strict=False):
            if reply is Reply.OK and receipt in self._where:
                self._accepted[receipt] = self._where[receipt]
                self.panel.each(lambda oracle: oracle.saw_reply(asked.io, self.counts))
        self.panel.each(lambda oracle: oracle.ack_answered(ended.op, replies, at=self.now))

    def _left(self, ended: Ended, asked: Asked) -> None:
        replies = ended.replies or (ended.reply,) * len(asked.receipts)
        if len(replies) != len(asked.receipts):
            why = f"a consumer left that had {len(asked.receipts)} deliveries in hand, and got {len(replies)} replies"
            self.panel.broke(Broken(Clause.RECEIPT_IS_EXACT, why))
        for each, reply in zip(self._leaving.pop(ended.op), replies, strict=True):
            self.panel.each(lambda oracle: oracle.change_answered(each, reply, at=self.now))

    def _open(self) -> None:
        self._asked_since_open = 0
        if self.can("write_now"):
            self.extended.write_now = self.write_now
        self.target.open(self.disk, self.now)
        for queue, end in self.ends.items():
            if end:
                self.target.publish(queue, end, self.now)
        self._take()

    def _restart(self, event: ProcessCrashed | PowerLost | Restarted, clock: float = 0.0, how: str = "") -> None:
        """Open the store again after this has happened to it; the clock was set by so many seconds meanwhile."""
        self._stopped(event, clock, how)
        self._open_or_broken(event)

    def _open_or_broken(self, event: ProcessCrashed | PowerLost | Restarted) -> None:
        self._opened.add(state_of(contents(self.disk)))
        try:
            self._open()
        except Exception as error:  # whatever it is: it cannot be opened
            self.panel.broke(self.panel.strictest.cannot_open(event, error))

    def _stopped(self, event: ProcessCrashed | PowerLost | Restarted, clock: float, how: str = "") -> None:
        self.history.add("store", how or HOW_IT_STOPS[type(event)])
        if clock:
            self.history.add("store", f"the clock is set {'forward' if clock > 0 else 'back'} by {abs(clock):g} s")
        self.now = max(self.now + clock, 1.0)
        for forgotten in (self.pending, self.aims.open, self.asked, self._leaving, self._hands, self._acks):
            forgotten.clear()
        self._accepted.clear()  # what an earlier process held for flushed, the new one may have yet to prove
        self._failed_at = None
        if isinstance(event, PowerLost):
            self._discard_doubted()
        elif self.disk.given_up and self._doubted is None:
            self._doubted = len(self.given)
        self._with_resets.clear()
        self._synced = False
        if isinstance(event, PowerLost):
            self._held.restarted(self.disk.names())
        self.panel.stopped(event)
        if clock < 0:
            self.panel.each(lambda oracle: oracle.clock_set_back(self.now))
        self.history.add("store", "opens the directory")
        self.target = self.make()

    def _discard_doubted(self) -> None:
        """Have no client use a receipt again that was issued by a store which the disk knows nothing of: no store could
        tell them from those that it issues now."""
        if self._doubted is not None:
            del self.given[self._doubted :]
        self._doubted = None

    def _open_damaged(self, hurt: str, whole: Disk) -> None:
        """Open a directory in which this file was damaged after it had been synced.

        A store that refuses it by name, that file's or another's that tells of it, is given the whole one, and nothing
        was damaged; one that opens it owes what it owed before.
        """
        self._stopped(PowerLost(), 0.0, "is shut down")
        try:
            self._open()
        except Exception as error:  # whatever it is: it refuses
            if not any(name in str(error) for name in (hurt, *whole.names())):
                self.panel.broke(self.panel.strictest.cannot_open(PowerLost(), error))
            self.history.add("store", f"refuses: {error}")
            self.disk, self.target = whole, self.make()
            self._open_or_broken(PowerLost())
        else:
            self.panel.each(lambda oracle: oracle.damaged(hurt))


def _items(ended: Ended) -> str:
    """Return the items of an answer in the words of a history."""
    if ended.deliveries:
        return ": " + ", ".join(f"[{seen.offset}] until {seen.deadline:g}" for seen in ended.deliveries)
    return ": " + ", ".join(reply.value for reply in ended.replies) if ended.replies else ""
