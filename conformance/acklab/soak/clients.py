"""The clients of a soak: threads that pop, ack, renew, release, reset and flush, all of them on one store.

Why what they tell the oracle is sound, though each sees only its own calls:

- A call is told before it is made and its answer after it has come; what lies between is left open by the contract.
- Two deliveries of one message must be told in their order. In a *short* queue, where deadlines pass, one pop at a time
  is under way, and told before the next. In a *long* queue any number is: there deadlines lie an hour ahead, and a
  message comes again only when the one who has it has given it back, after telling so.
- What is answered SETTLED in a short queue is told when no pop is under way: the last delivery of a message may be one
  that is still to be told, and the message have become a dead letter since.
- In a *serial* queue one call of any kind at a time is under way. So it can be reset: what is told before a reset was
  answered before it, and what is asked for after it is new.
- The store reads the same clock as its clients do, and names its deadlines in it. What must not happen before a
  deadline is judged at the time of the answer; what must not happen after it, at the time of the question. A renewal's
  deadline is only known to lie between two times, so renewals ask for an hour, too, which never passes while threads
  run.
- A stop is told when all threads have come to rest; nothing that they are answered after the cut can have been stored.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from attrs import Factory, define, field, frozen

from ackmodel import Clause
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Delivered, Oracle
from ackstore import Delivery
from ackstore import Reply as StoreReply
from ackstore.core.effects import Answer
from ackstore.words.errors import StoreBroken, StoreClosed, StoreStalled

if TYPE_CHECKING:
    from ackstore import Store

SHORT_QUEUES = tuple(f"soak/short/{number}" for number in range(4))
LONG_QUEUES = tuple(f"soak/long/{number}" for number in range(4))
SERIAL_QUEUES = tuple(f"soak/serial/{number}" for number in range(2))
QUEUES = SHORT_QUEUES + LONG_QUEUES + SERIAL_QUEUES

SHORT, HOUR = (0.02, 0.3), 3600.0
"""Seconds that a popped message stays invisible."""

MORE = 40
"""Messages published at once when a queue is empty."""

BACK = 20
"""Messages that a reset goes back over, of those that are done with, at most."""

MOST_HELD = 12
"""Deliveries that one client has in its hands, at most: what all of them have is soon as much as it will ever be, and
so is the memory that it takes."""

KINDS = {
    "pop": 26,
    "ack": 40,
    "ack, told when durable": 6,
    "ack_many": 14,
    "ack again": 6,
    "ack nonsense": 1,
    "renew": 4,
    "release": 4,
    "flush": 2,
    "reset": 1,
}
"""What is asked, and how often."""


class Clock:
    """Seconds that only go forward, for the store and its clients; `jump` makes every deadline pass."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        """Let that many seconds pass at once."""
        self._ahead += seconds


@frozen
class Held:
    """A delivery in somebody's hands."""

    queue: str
    offset: int
    receipt: str


@define(eq=False)
class Common:
    """What the threads share: the store, which changes at every restart, the oracle, and the sign to come to rest."""

    oracle: Oracle
    clock: Clock
    failed: Callable[[Broken], None]
    store: Store = field(init=False)
    halt: bool = True
    over: bool = False
    ended: dict[str, int] = Factory(dict)
    """How many messages each queue holds."""
    turns: dict[str, threading.Lock] = Factory(lambda: {name: threading.Lock() for name in QUEUES})
    ops: itertools.count[int] = Factory(lambda: itertools.count(1))
    found: deque[Held] = Factory(deque)
    """What a drained queue gave: for whoever has room."""
    resting: threading.Condition = Factory(threading.Condition)
    at_rest: int = 0

    @contextmanager
    def turns_at(self, names: Iterable[str]) -> Iterator[None]:
        """While no other client has its turn at any of these queues."""
        with ExitStack() as stack:
            for name in sorted(set(names)):
                stack.enter_context(self.turns[name])
            yield

    @contextmanager
    def untouched(self) -> Iterator[set[str]]:
        """Return the queues that can be looked at: the serial ones only while no call is under way there."""
        free = [name for name in SERIAL_QUEUES if self.turns[name].acquire(blocking=False)]
        try:
            yield {*SHORT_QUEUES, *LONG_QUEUES, *free}
        finally:
            for name in free:
                self.turns[name].release()


def _serial(names: Iterable[str]) -> set[str]:
    return set(names).intersection(SERIAL_QUEUES)


def deliveries_in(answer: Answer) -> list[Delivered]:
    """Return what a pop handed out."""
    return [
        Delivered(one.receipt, one.offset, one.deadline, one.attempt)
        for one in answer.value or ()
        if isinstance(one, Delivery)
    ]


class Client(threading.Thread):
    """One thread, with deliveries in its hands. It runs from `Common.halt` False to True, again and again."""

    def __init__(self, number: int, common: Common, random: Random) -> None:
        super().__init__(name=f"soak-{number}", daemon=True)
        self.common = common
        self.random = random
        self.ran: Counter[str] = Counter()
        self.replies: Counter[str] = Counter()
        self.since: float | None = None
        """When the call under way was made, by `time.monotonic`."""
        self.doing = ""
        self.longest = 0.0
        """Seconds that the longest call took which has ended, its turn not counted."""
        self._held: list[Held] = []
        self._used: deque[Held] = deque(maxlen=16)

    def run(self) -> None:
        """Work until it is over."""
        common = self.common
        while not common.over:
            with common.resting:
                common.at_rest += 1
                common.resting.notify_all()
                common.resting.wait_for(lambda: not common.halt or common.over)
                common.at_rest -= 1
            try:
                while not common.halt and not common.over:
                    self._step()
            except StoreClosed:
                while not common.halt and not common.over:
                    time.sleep(0.001)
            except Broken as broken:
                common.failed(broken)
            except StoreBroken as error:
                common.failed(Broken(Clause.REPLY_EXACTLY_ONCE, f"the store broke: {error.__cause__!r}"))
            except Exception as error:
                # The thread's top: what a store raises that it has no name for is a finding, not the end of a client.
                common.failed(Broken(Clause.REPLY_EXACTLY_ONCE, f"{self.doing} raised {type(error).__name__}: {error}"))

    def _step(self) -> None:
        while self.common.found and len(self._held) < MOST_HELD:
            self._held.append(self.common.found.popleft())
        [kind] = self.random.choices(list(KINDS), list(KINDS.values()))
        if len(self._held) >= MOST_HELD and kind == "pop":
            kind = "ack_many"
        if not self._held and kind in ("ack", "ack, told when durable", "ack_many", "renew", "release"):
            kind = "pop"
        self.doing = kind
        self.since = time.monotonic()
        try:
            getattr(self, "_" + kind.replace(",", "").replace(" ", "_"))()
        finally:
            self.longest = max(self.longest, time.monotonic() - self.since)
            self.since = None
        self.ran[kind] += 1

    @contextmanager
    def _turn(self, names: Iterable[str]) -> Iterator[None]:
        """Wait until it is this client's turn at these queues; the time counts from then on."""
        self.since = None
        with self.common.turns_at(names):
            self.since = time.monotonic()
            yield

    # --- deliveries -------------------------------------------------------------------------------------------------

    def _pop(self) -> None:
        name = self.random.choice(QUEUES)
        if name in SHORT_QUEUES:
            with self._turn([name]):
                self._popped_from(name, self.random.uniform(*SHORT))
        elif name in SERIAL_QUEUES:
            with self._turn([name]):
                self._popped_from(name, HOUR)
        else:
            self._popped_from(name, HOUR)

    def _popped_from(self, name: str, invisible: float) -> None:
        common = self.common
        count = self.random.randint(1, 6)
        op = next(common.ops)
        common.oracle.pop_asked(op, name, common.clock() + invisible)
        try:
            answer = common.store.try_pop(name, count, invisible)
        except StoreClosed:
            common.oracle.pop_refused(op, Reply.BUSY)
            raise
        at = common.clock()
        reply = Reply(answer.reply.value)
        self.replies[reply.value] += 1
        if reply is not Reply.OK:
            common.oracle.pop_refused(op, reply)
            time.sleep(0.002)  # the store is full, or its disk fails: a client that goes on asking helps nobody
            return
        seen = deliveries_in(answer)
        common.oracle.popped(op, name, seen, at)
        keep = 0.75 if name in SHORT_QUEUES else 1.0
        self._held += [Held(name, one.offset, one.receipt) for one in seen if self.random.random() < keep]
        if not seen:
            self._publish(name)

    def _publish(self, name: str) -> None:
        common = self.common
        with common.resting:
            end = common.ended[name] = common.ended.get(name, 0) + MORE
        common.oracle.published(name, end)
        try:
            common.store.publish(name, end)
        except StoreStalled:
            self.replies["BUSY"] += 1  # the next life begins with all that was published
        self.ran["publish"] += 1

    # --- acks -------------------------------------------------------------------------------------------------------

    def _take(self, count: int) -> list[Held]:
        taken = [self._held.pop(self.random.randrange(len(self._held))) for _ in range(min(count, len(self._held)))]
        self._used.extend(taken)
        return taken

    def _ack(self) -> None:
        self._settle(self._take(1), one=True)

    def _ack_many(self) -> None:
        self._settle(self._take(self.random.randint(2, 8)), one=False)

    def _ack_again(self) -> None:
        if self._used:
            self._settle([self.random.choice(self._used)], one=True)

    def _ack_told_when_durable(self) -> None:
        [held] = self._take(1)
        if held.queue in SERIAL_QUEUES:  # when this is called the queue may have been reset
            self._settle([held], one=True)
            return
        oracle = self.common.oracle
        key = (held.queue, held.offset)

        def durable() -> None:
            self.ran["durable callback"] += 1
            try:
                oracle.called_back([key], self.common.clock())
            except Broken as broken:
                self.common.failed(broken)

        self._settle([held], one=True, on_durable=durable)

    def _ack_nonsense(self) -> None:
        reply = self.common.store.ack("no receipt")
        if reply.value not in ("INVALID", "BUSY", "UNKNOWN"):
            raise Broken(Clause.RECEIPT_IS_EXACT, f"what is no receipt was answered {reply.value}")

    def _settle(self, helds: Sequence[Held], *, one: bool, on_durable: Callable[[], None] | None = None) -> None:
        with self._turn(_serial(held.queue for held in helds)):
            self._settle_now(helds, one=one, on_durable=on_durable)

    def _settle_now(self, helds: Sequence[Held], *, one: bool, on_durable: Callable[[], None] | None) -> None:
        common, op, receipts = self.common, next(self.common.ops), [held.receipt for held in helds]
        common.oracle.ack_asked(op, receipts, common.clock())
        try:
            replies = [common.store.ack(receipts[0], on_durable)] if one else common.store.ack_many(receipts)
        except StoreClosed:
            common.oracle.ack_answered(op, [Reply.BUSY] * len(helds), common.clock())
            raise
        told, at = [Reply(reply.value) for reply in replies], common.clock()
        with self._turn({held.queue for held in helds if Reply.SETTLED in told and held.queue in SHORT_QUEUES}):
            common.oracle.ack_answered(op, told, at)
        self.replies.update(reply.value for reply in told)
        if Reply.FAILED in told or Reply.BUSY in told:
            self._held += [held for held, reply in zip(helds, told, strict=True) if reply in (Reply.FAILED, Reply.BUSY)]
            time.sleep(0.002)

    # --- renewals, releases, resets, barriers -----------------------------------------------------------------------

    def _renew(self) -> None:
        held = self.random.choice(self._held)
        with self._turn(_serial([held.queue])):
            if self.common.oracle.may_change(held.receipt):
                op, at = next(self.common.ops), self.common.clock()
                self.common.oracle.renew_asked(op, held.receipt, at, at + HOUR)
                self._changed(op, partial(self.common.store.renew, held.receipt, HOUR))

    def _release(self) -> None:
        held = self.random.choice(self._held)
        with self._turn(_serial([held.queue])):
            if self.common.oracle.may_change(held.receipt):
                op = next(self.common.ops)
                self.common.oracle.release_asked(op, held.receipt, self.common.clock())
                reply = self._changed(op, partial(self.common.store.release, held.receipt))
                if reply in (Reply.OK, Reply.UNKNOWN, Reply.EXPIRED):
                    self._held.remove(held)

    def _changed(self, op: int, change: Callable[[], StoreReply]) -> Reply:
        """Ask for a renewal or a release, and tell how it was answered."""
        common = self.common
        try:
            reply = Reply(change().value)
        except StoreClosed:
            common.oracle.change_answered(op, Reply.BUSY, common.clock())
            raise
        common.oracle.change_answered(op, reply, common.clock())
        self.replies[reply.value] += 1
        return reply

    def _reset(self) -> None:
        common, name = self.common, self.random.choice(SERIAL_QUEUES)
        with self._turn([name]):
            if not common.oracle.may_reset(name):
                return
            queue = common.oracle.queues[name]
            op, offset = next(common.ops), self.random.randint(max(0, queue.done_with - BACK), queue.end)
            common.oracle.reset_asked(op, name, offset)
            try:
                reply = Reply(common.store.reset(name, offset).value)
            except StoreClosed:
                common.oracle.reset_answered(op, Reply.BUSY)
                raise
            common.oracle.reset_answered(op, reply)
            self.replies[reply.value] += 1
            self.ran[f"reset, answered {reply.value}"] += 1

    def _flush(self) -> None:
        common, op = self.common, next(self.common.ops)
        common.oracle.barrier_asked(op)
        try:
            reply = Reply(common.store.flush().value)
        except StoreClosed:
            common.oracle.barrier_answered(op, Reply.BUSY)
            raise
        common.oracle.barrier_answered(op, reply)
        self.replies[reply.value] += 1
