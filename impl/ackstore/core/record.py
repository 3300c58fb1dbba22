"""A record on its way into the log: what it says, of which queue, and who waits for it.

>>> from ackstore.format.records import ACK
>>> from ackstore.words.identity import QueueId
>>> queue = Queue(QueueId.parse("orders"), commits_checkpoints=False)
>>> record = Record(ACK, queue)
>>> record.lsn, record.waiters, len(record.entries)
(0, None, 0)
"""

from __future__ import annotations

from collections.abc import Sequence

from ackstore.core.entries import Claim, Entry
from ackstore.core.operations import Operation
from ackstore.core.queues import Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.records import ACK
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply

__all__ = ["ACK", "QueueId", "Record"]


class Record(RecordFields):
    """One record on its way to the disk, and who waits for it."""

    __slots__ = ()

    value: float
    """The deadline that a RENEW gives, the time of a DEAD, the offset of a RESET; other kinds have none."""

    def __init__(self, kind: int, queue: Queue, entries: Sequence[Entry] = (), lsn: int = 0, data: bytes = b"") -> None:
        self.kind = kind
        self.queue = queue
        self.payload = b""
        self.claims: Sequence[Claim] = ()
        """What a CHECKPOINT hands out."""
        self.entries = entries
        """What an ACK or DEAD settles, or a RENEW renews."""
        self.waiters: list[tuple[Operation, int, Reply]] | None = None
        """Operations to resolve at the stage they were promised: which item, and the reply if all
        goes well. None when nobody waits any more."""
        self.durables: list[Operation] | None = None
        """Operations to tell that their ack is FLUSHED."""
        self.lsn = lsn
        """0 until its write begins."""
        self.data = data
        """Its bytes, kept until it is FLUSHED."""
