"""The fast path of one core: what `ackstore.fastpath.plain.acks` needs at hand.

>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> from ackstore.words.config import Config
>>> path = FastPath(Core(Config(), Recovered(), now=0.0))
>>> path.latest is None, path.ok
(True, <Reply.OK: 'OK'>)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ackstore.core.effects import Result
from ackstore.core.log import Log
from ackstore.core.operations import Operations
from ackstore.core.queues import Queue
from ackstore.fields.classes import FlusherFields, MergeFields, PathFields, RecordFields
from ackstore.format.records import RECORD_BYTES
from ackstore.words.config import Config
from ackstore.words.replies import Reply


class Parts(Protocol):
    """What it takes of a core."""

    config: Config
    now: float
    log: Log
    queues: dict[str, Queue]
    operations: Operations

    def collect(self) -> None:
        """Take up what the cores ask for, where they are others than this."""

    @property
    def flusher(self) -> FlusherFields:
        """When it syncs, and how it answers."""

    @property
    def merge(self) -> MergeFields:
        """Where acks may meet their checkpoints in memory."""


class FastPath(PathFields):
    """See `ackstore.fastpath.plain.acks`."""

    __slots__ = ()

    def __init__(self, core: Parts) -> None:
        self.core = core
        self.log = core.log
        self.flusher = core.flusher
        self.queues = core.queues
        self.merge = core.merge
        self.counts = core.operations.replies
        """Answers by kind."""
        self.latest: Queue | None = None
        """The queue of the ack before."""
        self.then: Callable[[], None] = core.collect
        """Takes up the effects of the core, where it is one of several."""
        self.ok = Reply.OK
        self.most_items = core.config.max_batch
        self.most_segment = core.config.segment_bytes

    def failed(self, record: RecordFields, result: Result, now: float) -> Reply:
        """Have the log sort out what of a write that did not succeed is in the file."""
        log = self.log
        record.payload = record.data[RECORD_BYTES:]
        log.submitted += 1
        log.unflushed += 1
        log.unflushed_bytes += len(record.data)
        log.ended(record, result, now)
        reply = self.ok if record.entries[0].ack is record else Reply.FAILED
        self.counts[reply.name] += len(record.entries)
        self.then()
        return reply
