"""The fast path of one core: what `ackstore.fastpath.plain.acks` needs at hand.

>>> from ackstore.config import Config
>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> Core(Config(), Recovered(), now=0.0).fastpath.ack("no receipt", 0.0, None) is None     # the long way answers it
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ackstore.core.effects import Result
from ackstore.core.log import Record
from ackstore.core.queues import Queue
from ackstore.core.replies import Reply
from ackstore.fastpath import acks
from ackstore.fastpath.fields import PathFields
from ackstore.format.records import RECORD_BYTES

if TYPE_CHECKING:
    from ackstore.core.core import Core
    from ackstore.fastpath.plain.basics import Writes


class FastPath(PathFields):
    """See `ackstore.fastpath.plain.acks`."""

    __slots__ = ()

    def __init__(self, core: Core) -> None:
        self.core = core
        self.log = core.log
        self.flusher = core.flusher
        self.queues = core.queues
        self.merge = core.merge
        self.counts = core.operations.replies
        """Answers by kind."""
        self.latest: Queue | None = None
        """The queue of the ack before."""
        self.then: Callable[[], None] | None = None
        """Takes up the effects of the core, where it is one of several."""
        self.ok = Reply.OK
        self.most_items = core.config.max_batch
        self.most_segment = core.config.segment_bytes

    def ack(self, receipt: str, now: float, disk: Writes) -> Reply | None:
        """Settle one delivery, with `disk` to perform the write at once; None, and nothing done, if it takes more."""
        return acks.ack(self, receipt, now, disk)

    def ack_many(self, receipts: Sequence[str], now: float, disk: Writes) -> list[Reply] | None:
        """Settle several deliveries of one queue, likewise, if all of them can be."""
        return acks.ack_many(self, list(receipts), now, disk)

    def failed(self, record: Record, result: Result, now: float) -> Reply:
        """The write did not do: have the log sort out what of it is in the file."""
        log = self.log
        record.payload = record.data[RECORD_BYTES:]
        log.submitted += 1
        log.unflushed += 1
        log.unflushed_bytes += len(record.data)
        log.ended(record, result, now)
        reply = self.ok if record.entries[0].ack is record else Reply.FAILED
        self.counts[reply.name] += len(record.entries)
        if self.then is not None:
            self.then()
        return reply
