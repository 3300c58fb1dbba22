"""What a receipt is worth, and what becomes of a record that settles, or changes, the deliveries that receipts name.

Acks, renewals, dead letters and resets rest on this: a receipt is judged, whoever comes second shares the outcome of
what is on its way, and whoever waits hears of it, once the record is at the stage that was promised.
"""

from __future__ import annotations

from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.operations import Operation, Operations
from ackstore.core.queues import Entry, Queue
from ackstore.fields.classes import RecordFields
from ackstore.words.config import Config
from ackstore.words.identity import QueueId, parse_receipt
from ackstore.words.replies import Reply


class Receipts:
    """Judges receipts, and tells those who wait."""

    def __init__(
        self,
        config: Config,
        queues: dict[str, Queue],
        log: Log,
        flusher: Flusher,
        operations: Operations,
    ) -> None:
        self.config = config
        self.queues = queues
        self.log = log
        self.flusher = flusher
        self.operations = operations

    def judge(self, receipt: str, now: float, only: QueueId | None = None) -> tuple[Queue, Entry] | Reply:
        """Return what this receipt asks for: a delivery to settle, or the reply it gets at once. With
        `only`, it has to be a receipt of that queue."""
        parsed = parse_receipt(receipt)
        if parsed is None:
            return Reply.INVALID
        token, offset, attempt, epoch = parsed
        queue = self.queues.get(token)
        if queue is None or (only is not None and only != queue.id):
            return Reply.INVALID
        found = queue.judge(offset, attempt, epoch, now, self.log.epoch)
        return found if isinstance(found, Reply) else (queue, found)

    def join(self, operation: Operation, item: int, record: RecordFields) -> None:
        """Share the outcome of the message's ack that is on its way: this one settles nothing new."""
        if operation.durable:
            record.durables = [*(record.durables or ()), operation]
        if record.waiters is not None:
            record.waiters.append((operation, item, Reply.SETTLED))
        elif self.flusher.answers_when_cached():
            self.operations.reply(operation, item, Reply.SETTLED)
        else:
            record.waiters = [(operation, item, Reply.SETTLED)]
            self.flusher.want(record.lsn)

    def cached(self, record: RecordFields, prompt: bool) -> None:
        """Note that what settles is CACHED; `prompt` says that this is enough for an answer."""
        if prompt:
            self.answer(record)
        else:
            self.flusher.want(record.lsn)

    def failed(self, record: RecordFields) -> None:
        """Note that it was certainly not stored: the deliveries are as before."""
        record.queue.unsettle(record.entries)
        self.refuse(record)

    def refuse(self, record: RecordFields) -> None:
        """Tell everybody who waits that the record was certainly not stored."""
        waiters, record.waiters = record.waiters, None
        for operation, item, _ in waiters or ():
            self.operations.reply(operation, item, Reply.FAILED)

    def flushed(self, record: RecordFields) -> None:
        """Note that what settles is FLUSHED."""
        record.queue.settle(record.entries)
        if record.waiters is not None:
            self.answer(record)
        if record.durables is not None:
            for operation in record.durables:
                self.operations.durable(operation)

    def answer(self, record: RecordFields) -> None:
        """Tell everybody who waits that all went well."""
        waiters, record.waiters = record.waiters, None
        operations = self.operations
        for operation, item, reply in waiters or ():
            if operation.replies is None:
                operations.end(operation, reply)
            else:
                operations.reply(operation, item, reply)
