"""Handing messages out: a pop, its CHECKPOINT record, and what becomes of both.

A pop is answered when its checkpoint has reached the stage that the mode promises, and never before
this open's epoch is on disk: the receipts name the epoch, and an epoch that power loss erased would
be given again, with equal receipts for different deliveries (clause `receipt-is-exact`).
"""

from __future__ import annotations

from ackstore.core.entries import epoch_of
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.merge import MergeBuffer
from ackstore.core.operations import Operations, check_invisible
from ackstore.core.queues import Claim, Queue
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_checkpoint
from ackstore.format.records import CHECKPOINT
from ackstore.words.config import Config
from ackstore.words.errors import CountOutOfRange, QueueUnknown, shown
from ackstore.words.identity import Delivery, receipt_text
from ackstore.words.replies import Reply
from ackstore.words.requests import Pop


class Pops:
    """Pops, and the checkpoints they write."""

    merge: MergeBuffer | None = None
    """Where a checkpoint may stay in memory."""

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
        self.gated: list[RecordFields] = []
        """CACHED checkpoints that wait only for the epoch."""

    def check(self, request: Pop) -> None:
        """Raise what is wrong with the call itself."""
        most = self.config.max_batch
        if type(request.count) is not int or not 1 <= request.count <= most:
            raise CountOutOfRange(f"cannot pop {shown(request.count)} messages: ask for 1 to {most}")
        check_invisible(request.invisible)
        if request.queue.token not in self.queues:
            raise QueueUnknown(
                f"queue {request.queue} holds no messages: publish some first, "
                f"for example publish({str(request.queue)!r}, 100)"
            )

    def submit(self, op: int, request: Pop, now: float, deadline: float) -> None:
        """Take messages, and write down that they are taken."""
        self.check(request)
        queue = self.queues[request.queue.token]
        operation = self.operations.begin(op, deadline)
        operation.deliveries = ()
        if self.flusher.refuses() or queue.resetting is not None:
            self.operations.end(operation, Reply.BUSY)
            return
        until = now + request.invisible
        epoch = epoch_of(queue.generation, self.log.epoch)
        claims = queue.claim(
            request.count,
            now=now,
            deadline=until,
            epoch=epoch,
            limit=0 if self.flusher.short else self.config.max_outstanding,
        )
        if not claims:
            self.operations.end(operation, Reply.BUSY if queue.has_new() else Reply.OK)
            return
        operation.deliveries = tuple(self.delivery(queue, claim) for claim in claims)
        if self.merge is not None and self.merge.hold(queue, claims, now):
            self.operations.end(operation, Reply.OK)
            return
        record = Record(CHECKPOINT, queue)
        record.claims = claims
        record.waiters = [(operation, 0, Reply.OK)]
        record.payload = encode_checkpoint(
            queue.prefix,
            until,
            epoch,
            [(claim.entry.offset, claim.entry.attempt) for claim in claims],
        )
        self.log.append(record)

    @staticmethod
    def delivery(queue: Queue, claim: Claim) -> Delivery:
        """Return what the client gets."""
        entry = claim.entry
        receipt = receipt_text(queue.token, entry.offset, entry.attempt, entry.epoch)
        return Delivery(queue.id, entry.offset, entry.attempt, receipt, entry.deadline)

    def cached(self, record: RecordFields, prompt: bool) -> None:
        """Note that the checkpoint is CACHED; `prompt` says that this is enough for an answer."""
        record.queue.stored(record.claims)
        if not prompt:
            self.flusher.want(record.lsn)
        elif not self.flusher.opened:
            self.gated.append(record)
        else:
            self.answer(record, Reply.OK)

    def failed(self, record: RecordFields) -> None:
        """Note that the checkpoint was certainly not stored: nobody has the messages."""
        record.queue.unclaim(record.claims)
        self.answer(record, Reply.FAILED)

    def flushed(self, record: RecordFields) -> None:
        """Note that the checkpoint is FLUSHED."""
        record.queue.saved(record.claims)
        self.answer(record, Reply.OK)

    def open_gate(self) -> None:
        """Let pops through: the epoch is on disk."""
        gated, self.gated = self.gated, []
        for record in gated:
            self.answer(record, Reply.OK)

    def answer(self, record: RecordFields, reply: Reply) -> None:
        """End the pop, if it still waits."""
        waiters, record.waiters = record.waiters, None
        for operation, item, _ in waiters or ():
            self.operations.reply(operation, item, reply)
