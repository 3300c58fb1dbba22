"""Stores that say less than they know, write more than they are asked to, and keep more than they need."""

from __future__ import annotations

from acklab.zoo.bug import Bug
from ackmodel import Clause
from ackstore.core.acks import Acks
from ackstore.core.compaction import Compaction
from ackstore.core.core import Core
from ackstore.core.operations import Operation, Operations
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.replies import Reply


class _SaysNothingOfLimits(Operations):
    def end(self, operation: Operation, reply: Reply) -> None:
        super().end(operation, Reply.UNKNOWN if reply is Reply.BUSY else reply)


class RefusalIsUnknown(Core):
    """What is refused over a limit is answered UNKNOWN: the client finds out for itself, and tries again."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.operations.__class__ = _SaysNothingOfLimits


class _JoinsByWriting(Acks):
    def join(self, operation: Operation, item: int, record: RecordFields) -> None:
        super().join(operation, item, record)
        if record.payload:  # but not within one batch
            again = Record(record.kind, record.queue)
            again.payload = record.payload
            self.log.append(again)


class JoinsByWriting(Core):
    """A second ack of a delivery whose first is on its way has that one's record written once more, to be sure."""

    acks_class = _JoinsByWriting


class _RemovesAFew(Compaction):
    def remove(self, now: float) -> None:
        for segment in self.victims[self.at_once :]:
            self.log.closed.remove(segment)
        del self.victims[self.at_once :]
        super().remove(now)


class RemovesAFew(Core):
    """A round removes the first few of the segments that nobody needs; the others are not looked at again."""

    compaction_class = _RemovesAFew


STORES = (
    Bug(
        "refusal-is-unknown",
        RefusalIsUnknown,
        (Clause.UNKNOWN_HAS_A_CAUSE,),
        "UNKNOWN only of what took long, or was under way while some I/O failed",
    ),
    Bug(
        "joins-by-writing",
        JoinsByWriting,
        (Clause.WRITTEN_ONCE,),
        "the record of an ack is written once, and again only for a cause",
    ),
    Bug(
        "removes-a-few",
        RemovesAFew,
        (Clause.SPACE_IS_BOUNDED,),
        "what is settled, flushed and committed takes up no more than a bounded room",
    ),
)
