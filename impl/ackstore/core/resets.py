"""Beginning again at an offset: resets, and their RESET records.

A reset is on its way until its RESET record is FLUSHED. Until then the queue hands nothing out and settles nothing
(BUSY), so that no record of the new generation can outlive the RESET. Then, at once, all that came before counts no
more: messages below the offset are settled, the others as if never handed out, and every receipt is EXPIRED. It is
answered OK, at every level, only when the offset file says so too: a reset sticks (clause `commit-is-monotone`).
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.core.entries import MAX_GENERATION
from ackstore.core.operations import Operation
from ackstore.core.queues import Queue
from ackstore.core.receipts import Receipts
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_reset
from ackstore.format.records import RESET
from ackstore.words.errors import CountOutOfRange, QueueUnknown, ResetsExhausted, shown
from ackstore.words.replies import Reply
from ackstore.words.requests import Reset


class Resets:
    """Resets, and the records they write."""

    def __init__(self, acks: Receipts, take_back: Callable[[Queue], None]) -> None:
        self.acks = acks
        self.take_back = take_back
        """Has the merge buffer let go of all that it has of a queue."""
        self.queues = acks.queues
        self.log = acks.log
        self.flusher = acks.flusher
        self.operations = acks.operations
        self.waiting: list[tuple[Operation, int]] = []
        """Operations whose RESET is FLUSHED, with its LSN: they wait for the offset file."""
        self.applied = False
        """Some RESET took effect since this was last looked at."""

    def submit(self, op: int, request: Reset, _now: float, deadline: float) -> None:
        """Begin again at an offset."""
        queue = self.queues.get(request.queue.token)
        if queue is None:
            raise QueueUnknown(f"queue {request.queue} holds no messages: publish some first, then reset it")
        if type(request.offset) is not int or not 0 <= request.offset <= queue.end:
            raise CountOutOfRange(
                f"queue {request.queue} cannot begin again at {shown(request.offset)}: "
                f"give an integer from 0 to {queue.end}"
            )
        if queue.generation >= MAX_GENERATION:
            raise ResetsExhausted(
                f"queue {request.queue} was reset {queue.generation} times, and receipts can tell no more generations "
                "apart: publish its messages to a queue of another name"
            )
        operation = self.operations.begin(op, deadline)
        if queue.resetting is not None or self.flusher.refuses():
            self.operations.end(operation, Reply.BUSY)
            return
        record = queue.resetting = Record(RESET, queue)
        record.value = request.offset
        record.waiters = [(operation, 0, Reply.OK)]
        record.payload = encode_reset(queue.prefix, request.offset, queue.generation + 1)
        self.log.append(record)

    def cached(self, record: RecordFields, _prompt: bool) -> None:
        """Do nothing: that a RESET is CACHED is enough for nobody."""
        self.flusher.want(record.lsn)

    def failed(self, record: RecordFields) -> None:
        """Note that the RESET was certainly not stored."""
        record.queue.resetting = None
        self.acks.refuse(record)

    def flushed(self, record: RecordFields) -> None:
        """Reset the queue, as the RESET is FLUSHED: now it counts."""
        self.take_back(record.queue)
        record.queue.reset(int(record.value), record.queue.generation + 1, record.lsn)
        self.applied = True
        waiters, record.waiters = record.waiters, None
        self.waiting += [(operation, record.lsn) for operation, _item, _reply in waiters or ()]

    def persisted(self, lsn: int) -> None:
        """Note that the offset file on disk derives from everything up to `lsn`."""
        for operation, reset_at in self.waiting:
            if reset_at <= lsn:
                self.operations.end(operation, Reply.OK)
        self.waiting = [each for each in self.waiting if each[1] > lsn]
