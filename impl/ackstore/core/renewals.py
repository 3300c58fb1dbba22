"""Moving deadlines: renewals and releases, and their RENEW records.

A renewal gives a delivery another deadline; its receipt stays current. A release is a renewal with a deadline that is
always past: the message can be handed out again at once, and the receipt is late from then on, after a restart too.
The new deadline counts once its record is CACHED. Until then the message is in transition: it is neither handed out nor
settled, and a second request for it is BUSY. If the record fails the old deadline holds.

A RENEW names its delivery in full, as a CHECKPOINT does, and the later record counts: so deadlines are the same after a
restart, also when neither was FLUSHED and both are written again (clause `deadline-is-exact`).
"""

from __future__ import annotations

from ackstore.core.entries import RELEASED
from ackstore.core.operations import check_invisible
from ackstore.core.receipts import Receipts
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_checkpoint
from ackstore.format.records import RENEW
from ackstore.words.replies import Reply
from ackstore.words.requests import Release, Renew


class Renewals:
    """Renewals and releases, and the records they write. `acks` knows what a receipt is worth."""

    def __init__(self, acks: Receipts) -> None:
        self.acks = acks
        self.log = acks.log
        self.flusher = acks.flusher
        self.operations = acks.operations

    def submit(self, op: int, request: Renew, now: float, deadline: float) -> None:
        """Give one delivery a deadline from now."""
        check_invisible(request.invisible)
        self._move(op, request.receipt, now + request.invisible, now, deadline)

    def release(self, op: int, request: Release, now: float, deadline: float) -> None:
        """Take one delivery back."""
        self._move(op, request.receipt, RELEASED, now, deadline)

    def _move(self, op: int, receipt: str, until: float, now: float, deadline: float) -> None:
        operation = self.operations.begin(op, deadline)
        found = self.acks.judge(receipt, now)
        if isinstance(found, Reply):
            self.operations.end(operation, found)
            return
        queue, entry = found
        if entry.ack is not None:
            self.acks.join(operation, 0, entry.ack)
        elif self.flusher.refuses():
            self.operations.end(operation, Reply.BUSY)
        else:
            record = Record(RENEW, queue)
            record.entries = (entry,)
            record.value = until
            record.waiters = [(operation, 0, Reply.OK)]
            record.payload = encode_checkpoint(queue.prefix, until, entry.epoch, [(entry.offset, entry.attempt)])
            entry.renewing = True
            self.log.append(record)

    def cached(self, record: RecordFields, prompt: bool) -> None:
        """Note that the RENEW is CACHED: the new deadline counts."""
        record.queue.renewed(record.entries, record.value)
        if prompt:
            self.acks.answer(record)
        else:
            self.flusher.want(record.lsn)

    def failed(self, record: RecordFields) -> None:
        """Note that the RENEW was certainly not stored."""
        record.queue.unrenew(record.entries)
        self.acks.refuse(record)

    def flushed(self, record: RecordFields) -> None:
        """Note that the RENEW is FLUSHED; it could bring the message back by itself."""
        for entry in record.entries:
            entry.saved = True
        self.acks.answer(record)
