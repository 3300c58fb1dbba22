"""The short way of an ack, or of a batch of them for one queue: judged, written and answered in one go.

The long way through the core exists for whatever may come between: a write that is outstanding, a sync that fails
meanwhile, an answer that has to wait. When none of that is so (async mode, the log at rest, a driver that can write at
once) an ack needs no operation, no effect and no completion of its own. This module does to the log and the queue what
the long way does, byte for byte (a test holds the one against the other). Where anything is out of the ordinary it
hands over: before the write by doing nothing, after a failed one through the log's own handling.

For the plainest of these cases there is a compiled form, which hands over to this one likewise (see
`ackstore.fastpath.fast`).

>>> from ackstore.config import Config
>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> Core(Config(), Recovered(), now=0.0).lane.ack("no receipt", 0.0, print) is None     # the long way answers it
True
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.core.effects import DONE, Result
from ackstore.core.flusher import Flusher
from ackstore.core.identity import parse_receipt, parse_receipts
from ackstore.core.log import Log, Record
from ackstore.core.merge import MergeBuffer
from ackstore.core.queues import Entry, Queue
from ackstore.core.replies import Reply
from ackstore.core.segment import Segment
from ackstore.fastpath.fast import LaneFields
from ackstore.format.payloads import encode_flat_ack
from ackstore.format.records import ACK, DELIVERY_BYTES, RECORD_BYTES, encode_ack_record, encode_record

OK = Reply.OK

#: Performs a write at once: of these bytes, to this file, at this byte.
Writer = Callable[[str, int, bytes], Result]


class Lane(LaneFields):
    """The short way, for one core. `counts` are its answers by kind."""

    __slots__ = ()

    def __init__(
        self, log: Log, flusher: Flusher, queues: dict[str, Queue], counts: dict[str, int], merge: MergeBuffer
    ) -> None:
        self.log = log
        self.flusher = flusher
        self.queues = queues
        self.counts = counts
        self.merge = merge
        self.ok = OK
        self.most_items = log.config.max_batch
        self.most_segment = log.config.segment_bytes

    def segment(self) -> Segment | None:
        """Where an ack could be written at once; None if it takes more than that."""
        log, flusher = self.log, self.flusher
        segment = log.current
        if segment is None or log.busy or log.fresh or log.rewrites or log.stuck or log.condemned:
            return None
        if not segment.size or log.full(segment) or flusher.hurry or flusher.wanted > log.flushed:
            return None  # a new file is due, or somebody waits for the disk
        return segment

    def ack(self, receipt: str, now: float, write: Writer) -> Reply | None:
        """Settle one delivery, with `write` to perform the write at once; None, and nothing done, if it takes more."""
        parsed = parse_receipt(receipt)
        if parsed is None:
            return None
        token, offset, attempt, epoch = parsed
        queue = self.queues.get(token)
        log = self.log
        entry = queue.judge(offset, attempt, epoch, now, log.epoch) if queue is not None else Reply.INVALID
        if queue is None or isinstance(entry, Reply) or entry.ack is not None:
            return None
        if entry.held:
            return self.merged(queue, [entry])
        segment = self.segment()
        if segment is None or not self.flusher.would_answer(1, RECORD_BYTES + len(queue.prefix) + DELIVERY_BYTES):
            return None  # nor would it be refused, if it may be answered
        lsn = log.last + 1
        data = encode_ack_record(queue.prefix, offset, attempt, epoch, lsn, log.flushed)
        record = entry.ack = Record(ACK, queue, (entry,), lsn, data)
        return self.stored(segment, record, now, write)

    def ack_many(self, receipts: tuple[str, ...], now: float, write: Writer) -> list[Reply] | None:
        """Settle several deliveries of one queue, likewise, if all of them can be."""
        parsed = parse_receipts(receipts)
        if parsed is None or len(receipts) > self.log.config.max_batch:
            return None
        token, fields = parsed
        queue = self.queues.get(token)
        entries = queue.judge_all(fields, now) if queue is not None else None
        if queue is None or entries is None:
            return None
        if any(entry.held for entry in entries):
            reply = self.merged(queue, entries)
            return None if reply is None else [reply] * len(entries)
        payload = encode_flat_ack(queue.prefix, fields)
        segment = self.segment()
        if segment is None or not self.flusher.would_answer(1, RECORD_BYTES + len(payload)):
            return None
        log = self.log
        lsn = log.last + 1
        record = Record(ACK, queue, entries, lsn)
        record.data = encode_record(ACK, payload, lsn, log.flushed)
        for entry in entries:
            entry.ack = record
        return [self.stored(segment, record, now, write)] * len(entries)

    def merged(self, queue: Queue, entries: list[Entry]) -> Reply | None:
        """Settle deliveries in the merge buffer; None, and nothing done, if that is not for all of them."""
        merge = self.merge
        if not all(entry.held for entry in entries) or not merge.takes_acks():
            return None
        for entry in entries:
            merge.settle(queue, entry)
        self.counts["OK"] += len(entries)
        return OK

    def stored(self, segment: Segment, record: Record, now: float, write: Writer) -> Reply:
        """Write a record; its reply, each of its deliveries' own."""
        log = self.log
        data = record.data
        size = len(data)
        at = segment.size
        result = write(segment.file, at, data)
        if result is not DONE:
            return self.failed(record, result, now)
        segment.dirty = True
        segment.size = at + size
        if log.dirty_since is None:
            log.dirty_since = now
        log.tail.append(record)
        log.last = record.lsn
        log.submitted += 1
        log.resolved += 1
        log.unflushed += 1
        log.unflushed_bytes += size
        self.counts["OK"] += len(record.entries)
        return OK

    def failed(self, record: Record, result: Result, now: float) -> Reply:
        """The write did not do: have the log sort out what of it is in the file."""
        log = self.log
        record.payload = record.data[RECORD_BYTES:]
        log.submitted += 1
        log.unflushed += 1
        log.unflushed_bytes += len(record.data)
        log.ended(record, result, now)
        reply = OK if record.entries[0].ack is record else Reply.FAILED
        self.counts[reply.name] += len(record.entries)
        return reply
