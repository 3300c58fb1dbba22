"""Settling deliveries: acks, their ACK records, and what becomes of both.

Each receipt of a batch is judged by itself. Those to be stored are collected into one record a
queue, which holds its own list of them from the start: nobody else can change or clear it (clause
`submitted-is-written`). Outcomes go back item by item.
"""

from __future__ import annotations

from ackstore.core.merge import MergeBuffer
from ackstore.core.operations import Awaited, Operation
from ackstore.core.queues import Entry, Queue
from ackstore.core.receipts import Receipts
from ackstore.core.record import Record
from ackstore.format.payloads import encode_ack, encode_one_ack
from ackstore.format.records import ACK
from ackstore.words.errors import CountOutOfRange
from ackstore.words.identity import QueueId, parse_receipt
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack, AckMany


class Acks(Receipts):
    """Acks, and the records they write."""

    merge: MergeBuffer | None = None
    """Where an ack may meet its checkpoint in memory."""

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
