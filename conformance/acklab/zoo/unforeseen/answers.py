"""Stores whose answers are wrong, or come too early, or not at all; and what they hold and owe as a whole."""

from __future__ import annotations

from functools import partial

from acklab.zoo.appending import Append, appending
from acklab.zoo.bug import Bug
from ackmodel import Clause, Level
from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.core.effects import DONE, Done, Effect, Failed, Handler, Rename, Result
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.operations import Operation, Operations
from ackstore.core.segment import Segment
from ackstore.fields.classes import RecordFields
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.replies import Reply
from ackstore.words.requests import AckMany, Close


class _JoinsAtOnce(Acks):
    def join(self, operation: Operation, item: int, _record: RecordFields) -> None:
        self.operations.reply(operation, item, Reply.SETTLED)


class JoinsAtOnce(Core):
    """A second ack of a message is answered SETTLED at once, though the first is still on its way."""

    acks_class = _JoinsAtOnce


class _CountsTheTornOne(Log):
    def whole_records(self, segment: Segment, batch: list[RecordFields], result: Result) -> int:
        whole = super().whole_records(segment, batch, result)
        if isinstance(result, Done) or whole == len(batch):
            return whole
        header = 0 if segment.size else self.header_bytes
        stored = sum(len(record.data) for record in batch[:whole])
        return whole + (result.written > header + stored)


class TornCountsAsStored(Core):
    """Of a write that failed midway the record that was begun counts as stored."""

    log_class = _CountsTheTornOne


class _SaysNothingWasStored(Log):
    def whole_records(self, _segment: Segment, batch: list[RecordFields], result: Result) -> int:
        return len(batch) if isinstance(result, Done) else 0


class FailedThoughStored(Core):
    """Of a write that failed midway everything is answered FAILED, also what is whole in the file."""

    log_class = _SaysNothingWasStored


class _TakesLateResults(Flusher):
    def _synced(self, of_cycle: int, file: str, result: Result, now: float) -> None:
        late = of_cycle != self.cycle or not self.left
        super()._synced(of_cycle, file, result, now)
        if late and self.left and result is DONE:
            self._returned(self.cycle, result, now)


class LateResultCounts(Core):
    """The late success of a sync that was given up counts for the one that runs now."""

    flusher_class = _TakesLateResults


def _fill_in_order(operations: Operations, operation: Operation, item: int, reply: Reply) -> None:
    if operation.replies is not None and not operation.ended:
        item = len(operation.replies) - operation.left
    Operations.reply(operations, operation, item, reply)


class RepliesInOrderOfOutcome(Core):
    """The replies of a batch come in the order in which its items were decided, not in that of its receipts."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.operations.reply = partial(_fill_in_order, self.operations)  # type: ignore[method-assign]


class _SaysOkToBoth(Acks):
    def join(self, operation: Operation, item: int, record: RecordFields) -> None:
        super().join(operation, item, record)
        if record.waiters and record.waiters[-1][0] is operation:
            record.waiters[-1] = (operation, item, Reply.OK)


class BothAreFirst(Core):
    """Two acks of one delivery are both answered OK, also in one batch: each says that it was the one."""

    acks_class = _SaysOkToBoth


class _WritesOneQueue(Acks):
    def submit_many(self, op: int, request: AckMany, now: float, deadline: float) -> None:
        seen = list[str]()

        def append_first(record: RecordFields, append: Append) -> None:
            seen.append(record.queue.token)
            if len(seen) == 1:
                append(record)
            else:
                record.queue.settle(record.entries)
                self.answer(record)

        with appending(self.log, append_first):
            super().submit_many(op, request, now, deadline)


class BatchIsOfOneQueue(Core):
    """A batch is taken to be of one queue: of what it has of others nothing is written."""

    acks_class = _WritesOneQueue


class _AlwaysHasRoom:
    def __init__(self, flusher: Flusher) -> None:
        self.want = flusher.want

    def refuses(self) -> bool:
        return False


class RenewalsAreNeverRefused(Core):
    """A renewal is taken up whatever the disk does: it was thought to be only a change of what is there."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.renewals.flusher = _AlwaysHasRoom(self.flusher)  # type: ignore[assignment]


class FailedRenameLeaks(Core):
    """What waits for a file to be renamed is not let go of when that fails."""

    def request(self, effect: Effect, then: Handler) -> int:
        def leaks(result: Result, now: float) -> None:
            if isinstance(effect, Rename) and isinstance(result, Failed):
                self._handlers[io] = then
            then(result, now)

        io = super().request(effect, leaks)
        return io


class ClosesOverAFailedSync(Core):
    """A sync that fails while the store closes ends the closing: OK, with what it was to cover unflushed."""

    failed_before = 0

    def _close(self, op: int, request: Close, now: float, deadline: float) -> None:
        self.failed_before = self.flusher.sync_failures
        super()._close(op, request, now, deadline)

    def _drain(self, now: float) -> None:
        if self.closing is not None and self.flusher.sync_failures > self.failed_before:
            self.operations.end(self.closing, Reply.OK)
            self._end()
        else:
            super()._drain(now)


class _WaitsForTheNext(Flusher):
    def due(self) -> float | None:
        waits = self.failures and not self.draining and self.log.submitted == self.seen
        return None if waits else super().due()

    seen = -1

    def _pause(self, now: float) -> None:
        super()._pause(now)
        self.seen = self.log.submitted


class RetriesWithTheNextRequest(Core):
    """After a failed sync the next one is begun by the next request: while none comes, nothing is flushed."""

    flusher_class = _WaitsForTheNext


class _PausesWithoutLimit(Flusher):
    def _pause(self, now: float) -> None:
        super()._pause(now)
        self.retry_at = now + self.config.retry_first * 4.0**self.failures


class PausesWithoutLimit(Core):
    """The pause after failed syncs grows without a limit: the disk works again, and the store does not."""

    flusher_class = _PausesWithoutLimit


STORES = (
    Bug(
        "joins-at-once",
        JoinsAtOnce,
        (Clause.REPLY_AFTER_STAGE,),
        "SETTLED, only once the record it rests on has reached the stage",
        level=Level.DISK,
    ),
    Bug(
        "torn-counts-as-stored",
        TornCountsAsStored,
        (Clause.REPLY_NEVER_FALSE,),
        "a write that failed is never answered, nor recorded, as stored",
    ),
    Bug(
        "failed-though-stored",
        FailedThoughStored,
        (Clause.REPLY_NEVER_FALSE,),
        "an ack answered FAILED must not take effect",
    ),
    Bug(
        "late-result-counts",
        LateResultCounts,
        (Clause.REPLY_EXACTLY_ONCE,),
        "a result that comes after its end changes nothing",
    ),
    Bug(
        "replies-in-order-of-outcome",
        RepliesInOrderOfOutcome,
        (Clause.RECEIPT_IS_EXACT,),
        "a batch has one reply for each receipt, in order",
    ),
    Bug(
        "both-are-first",
        BothAreFirst,
        (Clause.REPLY_AFTER_STAGE,),
        "at most one OK a delivery; the rest SETTLED",
    ),
    Bug(
        "batch-is-of-one-queue",
        BatchIsOfOneQueue,
        (Clause.SUBMITTED_IS_WRITTEN,),
        "an ack that is answered OK is among the records written",
    ),
    Bug(
        "renewals-are-never-refused",
        RenewalsAreNeverRefused,
        (Clause.MEMORY_IS_BOUNDED,),
        "limits that hold while the disk takes nothing",
    ),
    Bug(
        "failed-rename-leaks",
        FailedRenameLeaks,
        (Clause.QUIESCENCE_IS_ZERO,),
        "every counter, buffer and queue is back at zero",
    ),
    Bug(
        "closes-over-a-failed-sync",
        ClosesOverAFailedSync,
        (Clause.CLOSE_DRAINS,),
        "after OK nothing is unflushed or lost",
    ),
    Bug(
        "retries-with-the-next-request",
        RetriesWithTheNextRequest,
        (Clause.FLUSH_WHEN_IDLE,),
        "synced within the flush interval, though nothing new arrives",
    ),
    Bug(
        "pauses-without-limit",
        PausesWithoutLimit,
        (Clause.FLUSH_DEGRADES,),
        "when a sync succeeds again the store answers as configured",
    ),
)
