"""One directory, one store on it that is hurt again and again, its clients, and the oracle that watches.

Why the verdict is sound, though many calls are under way at once and nobody sees the moment at which one takes effect:

- *Order.* The oracle is told of a call before it is sent, and of its answer after it has arrived, so what happened lies
  between the two; telling the answer later only leaves more possible. The contract lets an ack that was asked for take
  effect at any time from then on. A receipt is known only from the answer to its pop, so no ack of a delivery can
  overtake it. Two pops that bring the same message could be told in the wrong order; so a pop with a short invisible
  time is alone in its queue, and two long ones cannot both bring a message, unless the store is wrong.
- *Time.* A delivery's deadline is in [sent + invisible, received + invisible] by our own clock; the deadline that the
  target names is in its own clock, and not used. The oracle gets the lower end. What forbids a store to do something
  before the deadline (a return, an EXPIRED) is judged at the time of the answer. What demands something after it (an
  absence, an ack that came too late) is judged at the time of the question, less `slack`: the longest that any pop
  took, and so at least as far as the upper end is from the lower. Both ways a few milliseconds are left to the clocks.
- *Crashes.* What had been answered when the process was killed is read from its pipe before the oracle hears of the
  crash; the outcome of the rest is unknown. A pop without an answer has hidden what it took until the time of the kill
  + invisible, at the latest.
- *Absence.* A queue is popped until it is empty; then what is not settled, and not hidden, must have come. A store may
  take a moment to notice a deadline: it is asked again for `PATIENCE` seconds before that is held against it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

from attrs import Factory, define, field

from ackcheck.grades.answers import Shown, deliveries_of, replies_of, reply_of, shown_by
from ackcheck.grades.story import Story
from ackcheck.grades.workload import LONG, QUEUES, SHORT, Call, Workload
from ackcheck.oracle import Key, Oracle, Seen
from ackcheck.rig import AfterReplies, Child, Exchange, Killed, RigError, TargetDied, TargetError
from ackcheck.rig.drive import KillPoint
from ackmodel import CommitPolicy, Contract, ContractBroken
from ackmodel.events import Absent, PowerLost, ProcessCrashed, Reply, Restarted

WINDOW = 16
"""Calls under way at once."""

LAST_MOMENT = 0.003
"""Seconds, at most, from the last call of a round to its end; mostly much less, so that it ends inside of something."""

FEW = 20
"""Messages published in each queue every time the store is opened."""

BATCH = 64
"""Most messages popped, and receipts acked, in one call."""

CLOCKS = 0.02
"""Seconds by which the target's clock may be off ours, over the time that a message is hidden."""

PATIENCE = 2.0
"""Seconds that a store may take to bring back a message whose deadline has passed, or to come to rest."""

DRAINING = 30.0
"""Seconds after which a queue that still is not empty never will be."""


class QueueNeverEmpty(RigError):
    """A queue could not be popped empty, so nothing can be said of what did not come."""


@define(eq=False)
class Session:
    """A target in a child process, and everything that is seen of it from an empty directory on."""

    child: Child
    directory: Path
    oracle: Oracle
    random: Random
    commit: CommitPolicy = CommitPolicy.ACK
    ran: Counter[str] = Factory(Counter)
    story: Story = Factory(Story)
    forgiving: bool = False
    """The disk is failing: a call that raises has an unknown outcome, and is no error of the target's."""
    shown: Shown = Factory(Shown)
    """What the newest `stats` showed."""
    barrier: Reply = Reply.UNKNOWN
    """How the newest barrier was answered."""
    work: Workload = field(init=False)
    slack: float = CLOCKS
    _began: float = Factory(time.monotonic)
    _under_way: dict[int, tuple[int, Call]] = Factory(dict)
    """By the number of the request: the number of the operation for the oracle, and what was asked."""
    _ops: int = 0
    _published: int = 0
    _where: dict[str, Key] = Factory(dict)
    _back_at: float = 0.0
    """When the last of the short deadlines has passed."""

    def __attrs_post_init__(self) -> None:
        self.work = Workload(self.random)

    @property
    def now(self) -> float:
        """Seconds since the session began."""
        return time.monotonic() - self._began

    # --- opening, working, and being stopped ------------------------------------------------------------------------

    def open(self, event: ProcessCrashed | PowerLost | Restarted | None = None, *, more: int = FEW) -> None:
        """Start the target on its directory, `event` being why it is not the first time; publish `more` messages.

        Raises `Broken` where the store cannot be opened again.
        """
        try:
            self.begin_open()
            self.child.receive().value()
        except (TargetError, TargetDied) as error:
            if event is None:
                raise
            raise self.oracle.cannot_open(event, error) from error
        self._published += more
        for queue in QUEUES:
            self.oracle.published(queue, self._published)
            self.child.call("publish", queue=queue, end=self._published)
            self.ran["publish"] += 1
        self.look()

    def begin_open(self) -> None:
        """Start the target and ask it to open its directory, without waiting for it."""
        self.story.note("store", f"opens the directory, at {self.now:.3f} s")
        self.ran["open"] += 1
        if self.child.pid is None:
            self.child.start()
        self.child.send("open", directory=str(self.directory))

    def run(self, until: KillPoint) -> None:
        """Keep the target busy until the point, and leave it with a burst of calls under way."""
        began, answered = time.perf_counter(), 0
        while True:
            passed = time.perf_counter() - began
            if answered >= until.count if isinstance(until, AfterReplies) else passed >= until.seconds:
                break
            if room := WINDOW - self.child.in_flight:
                self._burst(self.random.randint(1, room))
                answered += self._take(self.child.poll())
            elif isinstance(until, AfterReplies):
                answered += self._take([self.child.receive()])
            else:
                self._take(self.child.poll(min(0.01, until.seconds - passed)))
        self._last_burst()

    def _last_burst(self) -> None:
        """Fill the window while the target's process stands still, so that it gets all of it at once, and let it run.

        Raises `TargetDied` where it has ended of its own accord.
        """
        while answers := self.child.poll():
            self._take(answers)
        assert self.child.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGSTOP)
            self._burst(WINDOW - self.child.in_flight)
            os.killpg(self.child.pid, signal.SIGCONT)
        time.sleep(LAST_MOMENT * self.random.random() ** 3)

    def _burst(self, calls: int) -> None:
        for _ in range(calls):
            self._ask(self.work.choose())

    def settle(self) -> None:
        """Wait for every answer."""
        while self._under_way:
            self._take([self.child.receive()])

    def stopped(self, killed: Killed, event: ProcessCrashed | PowerLost | Restarted) -> None:
        """Tell the oracle that the store stopped, and before that which calls it had answered, and which not."""
        self._take(exchange for exchange in killed.answered if exchange.id in self._under_way)
        for op, call in self._under_way.values():
            if call.op == "pop":
                self._unanswered(op, call)
            self.work.ended(call)
            self.story.note("client", f"operation {op} has no answer", about=self._subjects(call))
        self.ran["calls without an answer"] += len(self._under_way)
        self._under_way.clear()
        self.oracle.stopped(event)
        self.story.round()

    def close(self) -> Reply:
        """Close the store in order, and end its process."""
        self.settle()
        self.ran["close"] += 1
        reply = reply_of(self.child.call("close"), "close")
        self.story.note("client", f"close is answered {reply.value}")
        self.oracle.closed(reply)
        self.child.close()
        return reply

    # --- judging ----------------------------------------------------------------------------------------------------

    def survey(self) -> None:
        """Wait until what was hidden for a short time must be back, pop every queue empty, and judge what came."""
        self.settle()
        time.sleep(max(0.0, self._back_at + self.slack - self.now))
        for queue in QUEUES:
            self._drain(queue)
        self.look()

    def settle_everything(self) -> None:
        """Ack all that is in somebody's hands, and flush: then the store comes to rest, its offsets at the end."""
        while (call := self.work.ack_everything(BATCH)) is not None:
            self._ask(call)
        self.flush()
        until = self.now + PATIENCE
        while self.look().anything and self.now < until and not self._rests():
            time.sleep(0.01)
        for queue, sighting in self.shown.offsets.items():
            if self._is_settled(queue):
                self.oracle.saw_all_settled(sighting, self._published)
        if self.shown.outstanding:
            self.oracle.saw_quiescence(self.shown.outstanding)

    def flush(self) -> Reply:
        """Ask for a barrier, and wait for its answer."""
        self._ask(Call("flush", "flush"))
        self.settle()
        return self.barrier

    def look(self) -> Shown:
        """Have the store show itself when nothing is under way."""
        self.settle()
        self._ask(self.work.look())
        self.settle()
        return self.shown

    def _drain(self, queue: str) -> None:
        """Pop a queue until it is empty, again if something is missing, and judge what did not come."""
        came: set[int] = set()
        began = self.now
        while True:
            asked = self.now
            self._ask(self.work.pop(queue, BATCH, SHORT))
            given = self._given_by_settling()
            if self.now - began > DRAINING:
                raise QueueNeverEmpty(
                    f"{queue} was popped for {DRAINING:g} s, and messages keep coming, for {SHORT} s each: the target "
                    "is too slow, or hands them out too early"
                )
            came.update(given)
            if given:
                continue
            if self.now - began > PATIENCE or not self._misses(queue, came, asked - self.slack):
                break
            time.sleep(0.02)
        self.story.note("client", f"{queue} is empty, at {asked:.3f} s")
        self.oracle.drained(queue, came, at=asked - self.slack)

    def _given_by_settling(self) -> list[int]:
        """Wait for every answer; return the offsets that were handed out meanwhile."""
        before = len(self._where)
        self.settle()
        return [offset for _, offset in list(self._where.values())[before:]]

    def _misses(self, queue: str, came: set[int], at: float) -> bool:
        """Whether a message of the queue should have come, and did not."""
        for (name, offset), contract in self.oracle.contracts.items():
            if name == queue and offset not in came:
                try:
                    Contract(contract.level, contract.worlds).observe(Absent(at))
                except ContractBroken:
                    return True
        return False

    def _is_settled(self, queue: str) -> bool:
        """Whether every message of a queue is certainly settled."""
        told = [contract for (name, _), contract in self.oracle.contracts.items() if name == queue]
        return bool(told) and all(contract.certainly_settled for contract in told)

    def _rests(self) -> bool:
        """Whether the store shows nothing outstanding, and the offsets of settled queues at the end, on the disk."""
        offsets = [seen for queue, seen in self.shown.offsets.items() if self._is_settled(queue)]
        ends = all(seen.committed == seen.persisted == self._published for seen in offsets)
        return ends and not any(self.shown.outstanding.values())

    # --- calls ------------------------------------------------------------------------------------------------------

    def _ask(self, call: Call) -> None:
        """Tell the oracle, and send."""
        self._ops += 1
        op = self._ops
        self.ran[call.kind] += 1
        match call.op:
            case "pop":
                self.oracle.pop_asked(op, call.queue, deadline=self.now + call.invisible)
            case "ack" | "ack_many":
                self.oracle.ack_asked(op, call.receipts, at=self.now - self.slack)
            case "flush":
                self.oracle.barrier_asked(op)
        if call.op != "stats":
            self.story.note("client", f"{call.describe()}  (operation {op})", about=self._subjects(call))
        self._under_way[self.child.send(call.op, **call.arguments)] = op, call

    def _take(self, exchanges: Iterable[Exchange]) -> int:
        """Tell the oracle of answers, in the order in which they came; return how many."""
        count = 0
        for exchange in exchanges:
            op, call = self._under_way.pop(exchange.id)
            self.work.ended(call)
            assert exchange.replied_ns is not None
            at = exchange.replied_ns / 1e9 - self._began + CLOCKS
            if exchange.error is not None:
                self._raised(op, call, exchange, at)
            elif call.op == "pop":
                self._popped(op, call, exchange, at)
            else:
                self._answered(op, call, exchange, at)
            count += 1
        return count

    def _answered(self, op: int, call: Call, exchange: Exchange, at: float) -> None:
        """A call other than a pop was answered."""
        match call.op:
            case "ack":
                self._acked(op, call, [reply_of(exchange.result, "ack")], at)
            case "ack_many":
                self._acked(op, call, replies_of(exchange.result), at)
            case "flush":
                self._flushed(op, reply_of(exchange.result, "flush"))
            case "stats":
                self._saw(shown_by(exchange.result))

    def _raised(self, op: int, call: Call, exchange: Exchange, at: float) -> None:
        """A call raised: its outcome is unknown where the disk is failing; else `TargetError`."""
        if not self.forgiving:
            exchange.value()
        self.ran["calls that raised"] += 1
        self.story.note("client", f"operation {op} raised {exchange.error}", about=self._subjects(call))
        match call.op:
            case "pop":
                self._unanswered(op, call)
                self.oracle.pop_refused(op, Reply.UNKNOWN)
            case "ack" | "ack_many":
                self.oracle.ack_answered(op, [Reply.UNKNOWN] * len(call.receipts), at=at)
            case "flush":
                self._flushed(op, Reply.UNKNOWN)

    def _popped(self, op: int, call: Call, exchange: Exchange, at: float) -> None:
        """A pop was answered: its messages are hidden for `invisible` seconds from when it was sent, at the earliest."""
        sent = exchange.sent_ns / 1e9 - self._began
        until = sent + call.invisible
        given = [Seen(one["receipt"], one["offset"], until) for one in deliveries_of(exchange.result)]
        if given:
            self.slack = max(self.slack, at - sent)
            self._hidden(call, at)
        keys = [(call.queue, seen.offset) for seen in given]
        what = ", ".join(f"[{offset}]" for _, offset in keys)
        self.story.note("client", f"operation {op} gives {what} of {call.queue}, until {until:.3f} s", about=keys)
        self._where.update((seen.receipt, key) for seen, key in zip(given, keys, strict=True))
        self.work.popped(call.queue, given)
        self.oracle.popped(op, call.queue, given, at=at)

    def _acked(self, op: int, call: Call, replies: list[Reply], at: float) -> None:
        told = ", ".join(reply.value for reply in replies)
        self.story.note("client", f"operation {op} is answered {told}, at {at:.3f} s", about=self._subjects(call))
        self.oracle.ack_answered(op, replies, at=at)

    def _flushed(self, op: int, reply: Reply) -> None:
        self.barrier = reply
        self.story.note("client", f"operation {op} is answered {reply.value}")
        self.oracle.barrier_answered(op, reply)

    def _saw(self, shown: Shown) -> None:
        """The store showed itself; which acks it holds for unflushed is not part of that."""
        for queue, now in shown.offsets.items():
            if now != self.shown.offsets.get(queue):
                self.story.note("offset", f"{queue}: {now.committed}, {now.persisted} on the disk")
            self.oracle.saw_offset(queue, now, () if self.commit is CommitPolicy.ACK else None)
        self.shown = shown

    def _unanswered(self, op: int, call: Call) -> None:
        """A pop will have no answer: what it took, by now at the latest, is hidden for as long as was asked."""
        self._hidden(call, self.now)
        self.oracle.pop_asked(op, call.queue, deadline=self.now + call.invisible + CLOCKS)

    def _hidden(self, call: Call, since: float) -> None:
        if call.invisible < LONG:
            self._back_at = max(self._back_at, since + call.invisible + CLOCKS)

    def _subjects(self, call: Call) -> list[Key] | None:
        """Return the messages that an ack is about; None for a flush, which is about all of them."""
        if call.op in ("pop", "stats"):
            return []
        return None if call.op == "flush" else [self._where[one] for one in call.receipts if one in self._where]
