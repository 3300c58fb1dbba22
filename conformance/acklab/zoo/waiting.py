"""Bugs of who waits: for a lock, or for a message that is on its way to somebody else."""

from __future__ import annotations

from acklab.zoo.bug import FALSE_FLUSH, LIMBO, LOST_ACK, STUCK, Bug
from ackmodel import Clause
from ackstore.core.core import Core
from ackstore.core.entries import RELEASED
from ackstore.core.pops import Pops
from ackstore.core.queues import Queue
from ackstore.core.renewals import Renewals
from ackstore.fields.classes import RecordFields
from ackstore.format.records import RENEW
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.replies import Reply
from ackstore.words.requests import Pop, Release


class _KeepsTheLock(Pops):
    def submit(self, op: int, request: Pop, now: float, deadline: float) -> None:
        locked: set[str] = self.__dict__.setdefault("locked", set())
        token = request.queue.token
        if token in locked:
            self.check(request)
            operation = self.operations.begin(op, deadline)
            operation.deliveries = ()
            self.operations.end(operation, Reply.BUSY)
            return
        super().submit(op, request, now, deadline)
        if self.flusher.refuses() and op not in self.operations.live:
            locked.add(token)


class LockKeptOnEarlyReturn(Core):
    """A pop that is refused returns before it gives back the lock of its queue: nobody can pop it any more."""

    pops_class = _KeepsTheLock


class _ReleasesAtOnce(Renewals):
    def release(self, op: int, request: Release, now: float, deadline: float) -> None:
        found = self.acks.judge(request.receipt, now)
        super().release(op, request, now, deadline)
        if not isinstance(found, Reply) and found[1].renewing:
            found[0].renewed([found[1]], RELEASED)


class AcquiredInTransition(Core):
    """A message whose release is still being stored is handed to somebody else; then storing may fail."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.renewals = self._parts[RENEW] = _ReleasesAtOnce(self.acks)
        self._submit[Release] = self.renewals.release


class _KeepsTheOldEpoch(Queue):
    def reset(self, offset: int, generation: int, lsn: int) -> None:
        before = dict(self.entries)
        super().reset(offset, generation, lsn)
        self.entries.update({at: entry for at, entry in before.items() if at >= offset and not entry.settled})
        self.next_new = max([self.next_new, *(at + 1 for at in self.entries)])
        self.replayed()


class OldDeliveriesOutliveTheQueue(Core):
    """A queue is begun anew, and what was in consumers' hands before goes on being retried."""

    queue_class = _KeepsTheOldEpoch


class DroppedWhenIdle(Core):
    """What a queue keeps is dropped when nobody has popped it for a while, in hand or not: its consumer has gone."""

    popped_at: float | None = None

    def _pop(self, op: int, request: Pop, now: float, deadline: float) -> None:
        self.popped_at = now
        super()._pop(op, request, now, deadline)

    def tick(self, now: float) -> None:
        if self.popped_at is not None and now - self.popped_at > 50.0 and not self.log.unflushed:
            for queue in self.queues.values():
                queue.entries.clear()
                queue.floor = queue.committed = queue.next_new
                queue.free.clear()
            self.offsets.moved(now)
            self.popped_at = None
        super().tick(now)


class _ForgetsWhoGaveUp(Pops):
    def cached(self, record: RecordFields, prompt: bool) -> None:
        gave_up = record.waiters is not None and all(operation.ended for operation, _, _ in record.waiters)
        super().cached(record, prompt)
        if gave_up:
            for claim in record.claims:
                claim.entry.moving = True


class DeliveredToNobody(Core):
    """A delivery whose client gave up before it was stored belongs to no consumer, and never ends."""

    pops_class = _ForgetsWhoGaveUp


BUGS = (
    Bug("lock-not-released-on-early-return", LockKeptOnEarlyReturn, STUCK, "RocketMQ #5813, #8601, #10827"),
    Bug(
        "acquire-ignores-inflight-transition",
        AcquiredInTransition,
        (*LOST_ACK, *LIMBO, Clause.RECEIPT_IS_EXACT, Clause.REPLY_AFTER_STAGE),
        "Kafka KAFKA-18084",
    ),
    Bug(
        "infinite-revive-of-deleted-epoch",
        OldDeliveriesOutliveTheQueue,
        (*LIMBO, *FALSE_FLUSH),
        "RocketMQ #8479",
    ),
    Bug(
        "gc-drops-uncommitted-offset-queue",
        DroppedWhenIdle,
        (*LIMBO, Clause.RECEIPT_IS_EXACT, Clause.RETIRE_IS_SAFE),
        "RocketMQ #9318",
    ),
    Bug(
        "orphaned-unacked-after-leader-change",
        DeliveredToNobody,
        (
            *LIMBO,
            Clause.COMMIT_IS_MONOTONE,  # what a reset had made as new, and never comes: as if it did not stick
            Clause.NO_RETURN,  # a reset that may have settled it had no answer; it does not come, and then it does
        ),
        "RabbitMQ #15473",
    ),
)
