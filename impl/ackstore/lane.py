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
from ackstore.payloads import encode_one_ack
from ackstore.queues import Queue
from ackstore.records import ACK, encode_record
from ackstore.replies import Reply


class Lane:
    """The short way, for one core. `counts` are its answers by kind."""

    __slots__ = ("counts", "flusher", "log", "queues")

    def __init__(self, log: Log, flusher: Flusher, queues: dict[str, Queue], counts: dict[str, int]) -> None:
        self.log = log
        self.flusher = flusher
        self.queues = queues
        self.counts = counts

    def ack(self, receipt: str, now: float, write: Callable[[str, int, bytes], Result]) -> Reply | None:
        """Settle one delivery, with `write` to perform the write at once; None, and nothing done, if it takes more."""
        log, flusher = self.log, self.flusher
        segment = log.current
        if segment is None or log.busy or log.fresh or log.rewrites or log.stuck or log.condemned:
            return None
        if not 0 < segment.size < log.config.segment_bytes or flusher.hurry or flusher.wanted > log.flushed:
            return None  # a new file is due, or somebody waits for the disk
        parsed = parse_receipt(receipt)
        queue = self.queues.get(parsed[0]) if parsed is not None else None
        if parsed is None or queue is None or not flusher.answers_when_cached():  # nor would it be refused, then
            return None
        _, offset, attempt, epoch = parsed
        entry = queue.judge(offset, attempt, epoch, now, log.epoch)
        if isinstance(entry, Reply) or entry.ack is not None:
            return None
        record = entry.ack = Record(ACK, queue)
        record.entries = (entry,)
        record.payload = encode_one_ack(queue.prefix, offset, attempt, epoch)
        record.lsn = log.last + 1
        data = record.data = encode_record(ACK, record.payload, record.lsn, log.flushed)
        log.submitted += 1
        log.unflushed += 1
        log.unflushed_bytes += len(data)
        result = write(segment.file, segment.size, data)
        if result is not DONE:
            log.ended(record, result, now)
        else:
            segment.dirty = True
            segment.size += len(data)
            if log.dirty_since is None:
                log.dirty_since = now
            log.tail.append(record)
            log.last = record.lsn
            log.resolved += 1
        reply = Reply.OK if entry.ack is record else Reply.FAILED
        self.counts[reply._name_] += 1
        return reply
