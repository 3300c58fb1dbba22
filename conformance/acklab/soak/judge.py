"""What a soak is judged by: the contract of every message that is not done with, and nothing of those that are.

A message is done with when the store's offset on the disk has passed it. Then only this is kept of it: that it may
never come again. So what the judge itself needs does not grow with time.

Under the commit policy `checkpoint` the offset passes what is only handed out; then a message is done with when the
offset on the disk and the floor, below which all is settled and flushed, have both passed it. Where an offset is reset,
what it goes back over is taken up again as settled, until the reset says otherwise.

Any thread may call: a message is told of what it is asked before the store is, and of answers after they have come.
What makes that sound, though nobody sees the moment at which a call takes effect, is said in `acklab.soak.clients`.

>>> from ackmodel import Level
>>> judge = Judge(Level.PAGE_CACHE, ["q"])
>>> judge.popped("q", [Delivered("r1", 0, deadline=30.0)], at=0.0)
>>> live = judge.ack_asked([(1, "q", 0, "r1")], at=1.0)
>>> judge.ack_answered([(1, "q", 0, "r1")], [Reply.OK], at=1.0, live=live)
>>> judge.saw("q", Sighting(committed=1, persisted=1))
>>> judge.popped("q", [Delivered("r2", 0, deadline=90.0)], at=60.0)
Traceback (most recent call last):
...
ackmodel.observe.broken.Broken: no-return: q[0] was handed out again, and the offset on the disk had passed it
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from attrs import Factory, define, field

from ackmodel import Clause, Contract, ContractBroken, Level
from ackmodel.observe import monitors
from ackmodel.observe.broken import Broken, Key
from ackmodel.observe.events import (
    Absent,
    AckAnswered,
    AckAsked,
    ChangeAnswered,
    DeadLettered,
    Event,
    MadeDurable,
    Popped,
    PopUnanswered,
    PowerLost,
    ProcessCrashed,
    ReleaseAsked,
    RenewAsked,
    Reply,
    ResetAnswered,
    ResetAsked,
    Restarted,
)
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import MOST_OPEN, Delivered

Item = tuple[int, str, int, str]
"""One receipt in an ack: the number of the operation, the queue, the message's offset, the receipt."""

Stop = ProcessCrashed | PowerLost | Restarted

BACK = 20
"""Messages that a reset goes back over, of those that are done with, at most."""


class Dead(Protocol):
    """The dead letters of a queue."""

    def has(self, offset: int) -> bool | None:
        """Whether a message is among them; None where that cannot be known."""


@define(eq=False)
class Queue:
    """What is known of one queue. `passed`: the offset on the disk is there; below it no message may come any more."""

    name: str
    contracts: dict[int, Contract] = Factory(dict)
    receipts: dict[str, int] = Factory(dict)
    acknowledged: set[int] = Factory(set)
    passed: int = 0
    end: int = 0
    sighting: Sighting | None = None
    restarted: bool = False
    resets: set[int] = Factory(set)
    """Those under way, or of unknown outcome: meanwhile nobody knows from where the offset must not go back."""
    checked: Counter[Clause] = Factory(Counter)
    lock: threading.Lock = Factory(threading.Lock)


@define(eq=False)
class Judge:
    """Judges a store that claims `level`. Methods raise `Broken` at the first impossible observation.

    `max_attempts` is the number of deliveries after which it dead-letters a message; None: never. With `checkpoint`
    that is its commit policy, else it is `ack`. On the queues in `serial` one call at a time is made, so that they can
    be reset.
    """

    level: Level
    names: Collection[str]
    max_attempts: int | None = None
    checkpoint: bool = False
    serial: Collection[str] = ()
    queues: dict[str, Queue] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.queues = {name: Queue(name) for name in self.names}

    @property
    def checked(self) -> Counter[Clause]:
        """How often each clause could have failed."""
        return sum((queue.checked for queue in self.queues.values()), Counter[Clause]())

    def published(self, name: str, end: int) -> None:
        """The queue holds messages 0 to `end` - 1."""
        with self._of(name) as queue:
            queue.end = max(queue.end, end)

    def popped(self, name: str, deliveries: Iterable[Delivered], at: float) -> None:
        """A pop was answered with these messages; their deadlines are the store's."""
        with self._of(name) as queue:
            for seen in deliveries:
                back = f"{name}[{seen.offset}] was handed out again, and the offset on the disk had passed it"
                _check(queue, Clause.NO_RETURN, back if seen.offset < queue.passed else None)
                known = queue.receipts.get(seen.receipt)
                wrong = known is not None and f"the receipt of {name}[{seen.offset}] was issued before, for [{known}]"
                _check(queue, Clause.RECEIPT_IS_EXACT, wrong or None)
                queue.receipts[seen.receipt] = seen.offset
                queue.acknowledged.discard(seen.offset)
                self._observe(queue, seen.offset, Popped(seen.receipt, at=at, deadline=seen.deadline))

    def pop_unknown(self, name: str, deadline: float) -> None:
        """A pop ended without saying what it took; it is hidden until `deadline` at the earliest."""
        with self._of(name) as queue:
            for offset in range(queue.passed, queue.end):
                self._observe(queue, offset, PopUnanswered(deadline))

    def ack_asked(self, items: Iterable[Item], at: float) -> frozenset[int]:
        """An ack of these is about to be asked for; return the operations whose message is not done with."""
        live = set()
        for op, name, offset, receipt in items:
            with self._of(name) as queue:
                if self._observe_if_live(queue, offset, AckAsked(op, receipt, at)):
                    live.add(op)
        return frozenset(live)

    def ack_answered(self, items: Sequence[Item], replies: Sequence[Reply], at: float, live: frozenset[int]) -> None:
        """It was answered, item by item; `live` is what `ack_asked` returned."""
        if len(items) != len(replies):
            raise Broken(Clause.RECEIPT_IS_EXACT, f"{len(items)} receipts got {len(replies)} replies")
        for (op, name, offset, _receipt), reply in zip(items, replies, strict=True):
            with self._of(name) as queue:
                again = op not in live and reply is Reply.OK
                why = f"{name}[{offset}] was settled, and a later ack of it answered OK" if again else None
                _check(queue, Clause.RECEIPT_IS_EXACT, why)
                self._observe_if_live(queue, offset, AckAnswered(op, reply, at))
                if reply in (Reply.OK, Reply.SETTLED) and offset in queue.contracts and name not in self.serial:
                    queue.acknowledged.add(offset)
                if reply is Reply.BUSY:
                    _forget_refused(queue, offset, op)

    def may_change(self, key: Key) -> bool:
        """Whether one more renewal or release of a message can be judged, as `Oracle.may_change` has it."""
        with self._of(key[0]) as queue:
            contract = queue.contracts.get(key[1])
            worlds = contract.worlds if contract else ()
            return max((world.open_changes for world in worlds), default=MOST_OPEN) < MOST_OPEN

    def change_asked(self, key: Key, event: RenewAsked | ReleaseAsked) -> None:
        """A renewal or a release is about to be asked for."""
        with self._of(key[0]) as queue:
            self._observe_if_live(queue, key[1], event)

    def change_answered(self, key: Key, op: int, reply: Reply, at: float) -> None:
        """It was answered."""
        with self._of(key[0]) as queue:
            self._observe_if_live(queue, key[1], ChangeAnswered(op, reply, at))
            if reply is Reply.BUSY:
                _forget_refused(queue, key[1], op)

    def may_reset(self, name: str) -> tuple[int, int] | None:
        """Where a queue can be reset to, at least and at most; None while the outcome of a reset before is open."""
        with self._of(name) as queue:
            return None if queue.resets else (max(0, queue.passed - BACK), queue.end)

    def undecided(self, name: str) -> int | None:
        """Up to where a queue is done with, where the outcome of a reset is open; None elsewhere. Another reset, which
        is answered OK, decides it."""
        with self._of(name) as queue:
            return queue.passed if queue.resets else None

    def reset_asked(self, name: str, op: int, offset: int) -> None:
        """A reset is about to be asked for, and nothing else until it is answered."""
        with self._of(name) as queue:
            queue.resets.add(op)
            for again in range(offset, queue.passed):
                queue.contracts[again] = self._done_with()
            queue.passed = min(queue.passed, offset)
            for each in range(queue.passed, queue.end):
                self._observe(queue, each, ResetAsked(op, anew=each >= offset))

    def reset_answered(self, name: str, op: int, offset: int, reply: Reply) -> None:
        """It was answered; OK says that it sticks."""
        with self._of(name) as queue:
            for each in sorted(queue.contracts):
                self._observe(queue, each, ResetAnswered(op, reply))
                if reply is Reply.BUSY:
                    _forget_refused(queue, each, op)
            if reply is Reply.OK:
                queue.sighting = Sighting(offset, offset)
                queue.passed = offset
                _forget(queue)
                queue.resets.clear()
            elif reply is not Reply.UNKNOWN:
                queue.resets.discard(op)

    def _done_with(self) -> Contract:
        """What is known of a message that is done with: it is settled, or a dead letter."""
        told = Contract(self.level, max_attempts=self.max_attempts)
        for event in (ResetAsked(0, anew=False), ResetAnswered(0, Reply.OK)):
            told.observe(event)
        return told

    def acknowledged(self) -> list[Key]:
        """Return what a barrier that is asked for now covers."""
        found: list[Key] = []
        for queue in self.queues.values():
            with queue.lock:
                found.extend((queue.name, offset) for offset in queue.acknowledged)
        return found

    def durable(self, keys: Iterable[Key], told: MadeDurable) -> None:
        """The acks of these are promised to survive power loss."""
        for name, offset in keys:
            with self._of(name) as queue:
                self._observe_if_live(queue, offset, told)
                queue.acknowledged.discard(offset)  # said once, it is not to be said again

    def stopped(self, event: Stop) -> None:
        """The store stopped, and nothing is under way."""
        for queue in self.queues.values():
            with queue.lock:
                queue.restarted = True
                if queue.resets and isinstance(event, Restarted):  # they count now, or never will
                    queue.resets.clear()
                    queue.sighting = None
                if isinstance(event, PowerLost) or (isinstance(event, ProcessCrashed) and self.level is Level.MEMORY):
                    queue.acknowledged.clear()
                for offset in list(queue.contracts):
                    self._observe(queue, offset, event)

    def misses(self, name: str, came: Collection[int], at: float, dead: Dead) -> bool:
        """Whether `drained` would find that something should have come, or be a dead letter, and is not."""
        with self._of(name) as queue:
            absent = ((offset, Absent(at, dead.has(offset))) for offset in range(queue.passed, queue.end))
            new = Contract(self.level, max_attempts=self.max_attempts)
            return any(
                not queue.contracts.get(offset, new).worlds_after(event)
                for offset, event in absent
                if offset not in came
            )

    def drained(self, name: str, came: Collection[int], at: float, dead: Dead) -> None:
        """Every deadline had passed, nothing was under way, and the queue was popped until it was empty; `dead` are its
        dead letters."""
        with self._of(name) as queue:
            for offset in range(queue.passed, queue.end):
                listed = dead.has(offset)
                if offset not in came:
                    self._observe(queue, offset, Absent(at, listed))
                elif listed:
                    self._observe(queue, offset, DeadLettered(at))

    def saw(self, name: str, now: Sighting, floor: int | None = None) -> None:
        """The store showed its offset, and its floor: below it all is settled and flushed. What has passed is done
        with."""
        with self._of(name) as queue:
            if queue.resets:
                return
            before = queue.sighting
            why = monitors.commit_is_monotone(before, now, restarted=queue.restarted)
            _check(queue, Clause.COMMIT_IS_MONOTONE, why)
            settled = floor if self.checkpoint and floor is not None else now.committed
            unsettled = [offset for offset, told in queue.contracts.items() if told.certainly_unsettled]
            unsettled += [offset for offset in range(queue.passed, settled) if offset not in queue.contracts]
            clause = Clause.DERIVED_NEVER_AHEAD if queue.restarted else Clause.COMMIT_IS_SAFE
            _check(queue, clause, monitors.derived_never_ahead(Sighting(settled, settled), unsettled))
            queue.sighting = Sighting(now.committed, max(now.persisted, before.persisted if before else 0))
            queue.restarted = False
            if min(now.persisted, settled) > queue.passed:
                queue.passed = min(now.persisted, settled)
                _forget(queue)

    def saw_at_rest(self, name: str, now: Sighting) -> None:
        """Every message is settled and flushed, and nothing is left to do."""
        with self._of(name) as queue:
            _check(queue, Clause.COMMIT_PROGRESSES, monitors.commit_progresses(now, queue.end))

    def check(self, clause: Clause, why: str | None) -> None:
        """Note that a clause was put to the test; `why` says that it fell. (By one thread.)"""
        _check(next(iter(self.queues.values())), clause, why)

    @contextmanager
    def _of(self, name: str) -> Iterator[Queue]:
        queue = self.queues[name]
        with queue.lock:
            yield queue

    def _observe_if_live(self, queue: Queue, offset: int, event: Event) -> bool:
        live = offset in queue.contracts
        if live:
            self._observe(queue, offset, event)
        return live

    def _observe(self, queue: Queue, offset: int, event: Event) -> None:
        contract = queue.contracts.get(offset)
        if contract is None:
            contract = queue.contracts[offset] = Contract(self.level, max_attempts=self.max_attempts)
            queue.end = max(queue.end, offset + 1)
        queue.checked.update(contract.stakes(event))
        try:
            contract.observe(event)
        except ContractBroken as broken:
            why = str(broken).partition(": ")[2]
            raise Broken(broken.clause, f"{queue.name}[{offset}]: {why}", (queue.name, offset)) from broken


def _forget(queue: Queue) -> None:
    queue.contracts = {offset: told for offset, told in queue.contracts.items() if offset >= queue.passed}
    queue.receipts = {receipt: offset for receipt, offset in queue.receipts.items() if offset >= queue.passed}
    queue.acknowledged = {offset for offset in queue.acknowledged if offset >= queue.passed}


def _forget_refused(queue: Queue, offset: int, op: int) -> None:
    """An operation was refused, and left everything as it was: its history would only grow with every other try."""
    contract = queue.contracts.get(offset)
    if contract is not None:
        contract.history = [event for event in contract.history if getattr(event, "op", None) != op]


def _check(queue: Queue, clause: Clause, why: str | None) -> None:
    queue.checked[clause] += 1
    if why:
        raise Broken(clause, why)
