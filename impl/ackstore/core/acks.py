"""Settling deliveries: acks, their ACK records, and what becomes of both.

Each receipt of a batch is judged by itself. Those to be stored are collected into one record a
queue, which holds its own list of them from the start: nobody else can change or clear it (clause
`submitted-is-written`). Outcomes go back item by item.
"""

from __future__ import annotations

from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.merge import MergeBuffer
from ackstore.core.operations import Awaited, Operation, Operations
from ackstore.core.queues import Entry, Queue
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_ack, encode_one_ack
from ackstore.format.records import ACK
from ackstore.words.config import Config
from ackstore.words.errors import CountOutOfRange
from ackstore.words.identity import QueueId, parse_receipt
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack, AckMany


class Acks:
    """Acks, and the records they write."""

    merge: MergeBuffer | None = None
    """Where an ack may meet its checkpoint in memory."""

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

    def submit(self, op: int, request: Ack, now: float, deadline: float) -> None:
        """Settle one delivery."""
        only = request.queue
        if isinstance(only, str):
            only = QueueId.parse(only)
        operation = self.operations.begin(op, deadline)
        operation.durable = request.durable
        found = self.judge(request.receipt, now, only)
        if isinstance(found, Reply):
            self.settled_before(operation, 0, found, request.receipt)
            return
        queue, entry = found
        if entry.ack is not None:
            self.join(operation, 0, entry.ack)
        elif self.merge is not None and self.merge.settle(queue, entry, operation):
            self.operations.end(operation, Reply.OK)
        elif self.flusher.refuses():
            self.operations.end(operation, Reply.BUSY)
        else:
            record = Record(ACK, queue)
            record.entries = [entry]
            record.waiters = [(operation, 0, Reply.OK)]
            if operation.durable:
                record.durables = [operation]
            record.payload = encode_one_ack(queue.prefix, entry.offset, entry.attempt, entry.epoch)
            entry.ack = record
            self.log.append(record)

    def submit_many(self, op: int, request: AckMany, now: float, deadline: float) -> None:
        """Settle several deliveries, each by itself."""
        receipts = request.receipts
        most = self.config.max_batch
        if len(receipts) > most:
            raise CountOutOfRange(f"cannot ack {len(receipts)} receipts at once: give up to {most}")
        operation = self.operations.begin(op, deadline, items=len(receipts))
        if not receipts:
            self.operations.end(operation, Reply.OK)
            return
        refused = self.flusher.refuses()
        accepted: dict[str, tuple[Record, list[Entry]]] = {}
        for item, receipt in enumerate(receipts):
            found = self.judge(receipt, now)
            if isinstance(found, Reply):
                self.settled_before(operation, item, found, receipt)
            elif found[1].ack is not None:
                self.join(operation, item, found[1].ack)
            elif self.merge is not None and self.merge.settle(*found, operation):
                self.operations.reply(operation, item, Reply.OK)
            elif refused:
                self.operations.reply(operation, item, Reply.BUSY)
            else:
                self.accept(accepted, *found, (operation, item, Reply.OK))
        for record, entries in accepted.values():
            record.entries = entries
            record.payload = encode_ack(
                record.queue.prefix, [(entry.offset, entry.attempt, entry.epoch) for entry in entries]
            )
            self.log.append(record)

    @staticmethod
    def accept(accepted: dict[str, tuple[Record, list[Entry]]], queue: Queue, entry: Entry, waiter: Awaited) -> None:
        """Add a delivery to the record of its queue."""
        if queue.token not in accepted:
            accepted[queue.token] = Record(ACK, queue), []
        record, entries = accepted[queue.token]
        entries.append(entry)
        entry.ack = record
        if record.waiters is None:
            record.waiters = []
        record.waiters.append(waiter)

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

    def settled_before(self, operation: Operation, item: int, reply: Reply, receipt: str) -> None:
        """Answer what needs no record. What was settled before is FLUSHED, so it is durable too; but for what only a
        STATE settles that recovery has read, and that is on its way to be FLUSHED again."""
        self.operations.reply(operation, item, reply)
        if reply is not Reply.SETTLED or not operation.durable:
            return
        token, offset, _attempt, _epoch = parse_receipt(receipt) or ("", 0, 0, 0)
        record = self.queues[token].settled_by(offset)
        if record is None:
            self.operations.durable(operation)
        else:
            record.durables = [*(record.durables or ()), operation]

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

    def cached(self, record: Record, prompt: bool) -> None:
        """Note that the ack is CACHED; `prompt` says that this is enough for an answer."""
        if prompt:
            self.answer(record)
        else:
            self.flusher.want(record.lsn)

    def failed(self, record: Record) -> None:
        """Note that the ack was certainly not stored: the deliveries are as before."""
        record.queue.unsettle(record.entries)
        self.refuse(record)

    def refuse(self, record: Record) -> None:
        """Tell everybody who waits that the record was certainly not stored."""
        waiters, record.waiters = record.waiters, None
        for operation, item, _ in waiters or ():
            self.operations.reply(operation, item, Reply.FAILED)

    def flushed(self, record: Record) -> None:
        """Note that the ack is FLUSHED."""
        record.queue.settle(record.entries)
        if record.waiters is not None:
            self.answer(record)
        if record.durables is not None:
            for operation in record.durables:
                self.operations.durable(operation)

    def answer(self, record: Record) -> None:
        """Tell everybody who waits that all went well."""
        waiters, record.waiters = record.waiters, None
        operations = self.operations
        for operation, item, reply in waiters or ():
            if operation.replies is None:
                operations.end(operation, reply)
            else:
                operations.reply(operation, item, reply)
