"""Bugs between a record and its end: compaction, and the buffer whose records never reach the log."""

from __future__ import annotations

from acklab.zoo.bug import LOST_DELIVERY, Bug
from ackmodel import Clause, Level
from ackstore.core.compaction import Compaction
from ackstore.core.core import Core
from ackstore.core.queues import Queue
from ackstore.core.states import DELIVERED, Item
from ackstore.fields.classes import RecordFields
from ackstore.words.requests import Close

GONE = (
    Clause.RETIRE_IS_SAFE,
    Clause.DEADLINE_IS_EXACT,
    Clause.SURVIVES_POWER_LOSS,
    Clause.SURVIVES_PROCESS_CRASH,
    Clause.RECEIPT_IS_EXACT,
    Clause.REPLY_NEVER_FALSE,
    Clause.NO_LIMBO,
)
"""The clauses one of which falls when a record is discarded that still counted: which, what was done next decides.

An ack of a delivery that was forgotten is answered EXPIRED: `receipt-is-exact`, or `reply-never-false` where an ack
before it, whose record was lost, may have taken effect.
"""


class _CopiesOnlyWhatIsSettled(Compaction):
    @staticmethod
    def item(queue: Queue, offset: int) -> Item | tuple[()] | None:
        item = Compaction.item(queue, offset)
        return () if item and item[0] == DELIVERED else item


class LiveCheckpointsRemoved(Core):
    """A file goes when it has been read to its end, though something in it is still in a consumer's hands."""

    compaction_class = _CopiesOnlyWhatIsSettled


class _RemovesAtOnce(Compaction):
    def state_cached(self, record: RecordFields) -> None:
        super().state_cached(record)
        if self.phase == "state":
            self.phase = "remove"


class RemovedBeforeTheCopyIsOnDisk(Core):
    """A journal is rewritten, and the old one removed when the new one is written: written, and not yet on the disk."""

    compaction_class = _RemovesAtOnce


class _ForgetsDeadlines(Compaction):
    @staticmethod
    def item(queue: Queue, offset: int) -> Item | tuple[()] | None:
        item = Compaction.item(queue, offset)
        return (*item[:4], 0.0) if item and item[0] == DELIVERED else item


class CopyDropsPendingState(Core):
    """The compacted log says less than the log did: that a message is in hand, but not until when."""

    compaction_class = _ForgetsDeadlines


class BufferClearedAtClose(Core):
    """The buffer is cleared when the store closes, with deliveries and acks in it that are nowhere else."""

    def _close(self, op: int, request: Close, now: float, deadline: float) -> None:
        self.merge.shares.clear()
        super()._close(op, request, now, deadline)


BUGS = (
    Bug(
        "retention-removes-unprocessed-file",
        LiveCheckpointsRemoved,
        (*GONE, *LOST_DELIVERY),  # a delivery is gone after any stop, and with it how many there were
        "NSQ #1354; ActiveMQ AMQ-1479",
    ),
    Bug(
        "non-atomic-ack-journal-rewrite",
        RemovedBeforeTheCopyIsOnDisk,
        (*GONE, Clause.COMMIT_IS_MONOTONE),  # the RESET is gone that tells which offsets of the file are newer
        "Kestrel #1",
    ),
    Bug("aof-rewrite-drops-pending-state", CopyDropsPendingState, GONE, "Redis #5426, #15729"),
    Bug(
        "role-switch-drops-buffered-acks",
        BufferClearedAtClose,
        (*GONE, Clause.CLOSE_DRAINS, Clause.NO_RETURN),
        "RocketMQ, read in its code",
        level=Level.MEMORY,
    ),
)
