"""The short way of one ack: judged, written and answered in one go.

The long way through the core exists for whatever may come between: a write that is outstanding, a sync that fails
meanwhile, an answer that has to wait. When none of that is so (async mode, the log at rest, a driver that can write at
once) an ack needs no operation, no effect and no completion of its own. This module does to the log and the queue what
the long way does, byte for byte (a test holds the one against the other). Where anything is out of the ordinary it
hands over: before the write by doing nothing, after a failed one through the log's own handling.

>>> from ackstore.config import Config
>>> from ackstore.core import Core
>>> from ackstore.recovery import Recovered
>>> Core(Config(), Recovered(), now=0.0).lane.ack("no receipt", 0.0, print) is None     # the long way answers it
True
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.effects import DONE, Result
from ackstore.flusher import Flusher
from ackstore.identity import parse_receipt
from ackstore.log import Log, Record
from ackstore.queues import Queue
from ackstore.records import ACK, RECORD_BYTES, encode_ack_record
from ackstore.replies import Reply

OK = Reply.OK

#: Performs a write at once: of these bytes, to this file, at this byte.
Writer = Callable[[str, int, bytes], Result]


class Lane:
    """The short way, for one core. `counts` are its answers by kind."""

    __slots__ = ("counts", "flusher", "log", "queues")

    def __init__(self, log: Log, flusher: Flusher, queues: dict[str, Queue], counts: dict[str, int]) -> None:
        self.log = log
        self.flusher = flusher
        self.queues = queues
        self.counts = counts

    def ack(self, receipt: str, now: float, write: Writer) -> Reply | None:
        """Settle one delivery, with `write` to perform the write at once; None, and nothing done, if it takes more."""
        log, flusher = self.log, self.flusher
        segment = log.current
        if segment is None or log.busy or log.fresh or log.rewrites or log.stuck or log.condemned:
            return None
        at = segment.size
        if not 0 < at < log.config.segment_bytes or flusher.hurry or flusher.wanted > log.flushed:
            return None  # a new file is due, or somebody waits for the disk
        parsed = parse_receipt(receipt)
        if parsed is None or not flusher.answers_when_cached():  # nor would it be refused, then
            return None
        token, offset, attempt, epoch = parsed
        queue = self.queues.get(token)
        if queue is None:
            return None
        entry = queue.judge(offset, attempt, epoch, now, log.epoch)
        if isinstance(entry, Reply) or entry.ack is not None:
            return None
        lsn = log.last + 1
        data = encode_ack_record(queue.prefix, offset, attempt, epoch, lsn, log.flushed)
        record = entry.ack = Record(ACK, queue, (entry,), lsn, data)
        result = write(segment.file, at, data)
        if result is not DONE:
            return self.failed(record, result, now)
        size = len(data)
        segment.dirty = True
        segment.size = at + size
        if log.dirty_since is None:
            log.dirty_since = now
        log.tail.append(record)
        log.last = lsn
        log.submitted += 1
        log.resolved += 1
        log.unflushed += 1
        log.unflushed_bytes += size
        self.counts["OK"] += 1
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
        self.counts[reply.name] += 1
        return reply
