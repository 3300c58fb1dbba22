"""Stores made to break one clause, where no bug of a broker that stands in the zoo shows this very clause first.

>>> EXHIBITS["answers-twice"].seen
(<Clause.REPLY_EXACTLY_ONCE: 'reply-exactly-once'>,)
"""

from __future__ import annotations

from acklab.zoo.bug import Bug, zoo_of
from ackmodel import Clause
from ackstore.core.acks import Acks
from ackstore.core.compaction import Compaction
from ackstore.core.core import Core
from ackstore.core.effects import Answer
from ackstore.core.flusher import Flusher
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.replies import Reply
from ackstore.words.requests import Flush

SOURCE = "made for this clause"


class _AnswersAgain(Acks):
    def answer(self, record: RecordFields) -> None:
        waiting = [operation.op for operation, _, _ in record.waiters or () if operation.replies is None]
        super().answer(record)
        for op in waiting:
            self.operations.send((0, Answer(op, Reply.OK)))


class AnswersTwice(Core):
    """An ack is answered by the thread that wrote it, and by the completion that it had registered."""

    acks_class = _AnswersAgain


class _IsHandedOutAgain(Acks):
    def cached(self, record: RecordFields, prompt: bool) -> None:
        super().cached(record, prompt)
        record.queue.unsettle(record.entries)


class ForgetsWhatItAnswered(Core):
    """The ack is written and answered OK, and the timer of the delivery runs on."""

    acks_class = _IsHandedOutAgain


class BelievesWhatRecoveryRead(Core):
    """A barrier right after recovery is answered at once: what was read from the files is taken to be on the disk."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.read = self.log.submitted

    def _flush(self, op: int, request: Flush, now: float, deadline: float) -> None:
        if self.log.submitted == self.read:
            self.operations.end(self.operations.begin(op, deadline), Reply.OK)
        else:
            super()._flush(op, request, now, deadline)


class _NeverGoesBack(Flusher):
    def _count(self, failures: int) -> None:
        before = self.mode
        super()._count(failures)
        if before == "refuse":
            self.mode = before


class StaysDegraded(Core):
    """After too many failed syncs requests are refused, and no sync that succeeds ever changes that."""

    flusher_class = _NeverGoesBack


class _DoesNotSay(Acks):
    def answer(self, record: RecordFields) -> None:
        waiters = record.waiters or ()
        record.waiters = [(operation, item, Reply.UNKNOWN) for operation, item, _ in waiters]
        super().answer(record)


class AnswersUnknown(Core):
    """An ack is written, and whoever asked for it is told that nobody knows what became of it."""

    acks_class = _DoesNotSay


class _WritesItAgain(Acks):
    def flushed(self, record: RecordFields) -> None:
        super().flushed(record)
        if record.entries:
            again = Record(record.kind, record.queue)
            again.payload = record.payload
            self.log.append(again)


class AppendsAgain(Core):
    """What was stored is not noted, and appended once more when the buffer is looked through."""

    acks_class = _WritesItAgain


class _NeverBegins(Compaction):
    def _much(self) -> bool:
        return False


class KeepsEverything(Core):
    """Segments that nobody needs any more are kept for ever."""

    compaction_class = _NeverBegins


EXHIBITS = zoo_of(
    (
        Bug("answers-twice", AnswersTwice, (Clause.REPLY_EXACTLY_ONCE,), SOURCE),
        Bug("forgets-what-it-answered", ForgetsWhatItAnswered, (Clause.NO_RETURN,), SOURCE),
        Bug("believes-what-recovery-read", BelievesWhatRecoveryRead, (Clause.RECOVERED_IS_CACHED,), SOURCE),
        Bug("stays-degraded", StaysDegraded, (Clause.FLUSH_DEGRADES,), SOURCE),
        Bug("answers-unknown", AnswersUnknown, (Clause.UNKNOWN_HAS_A_CAUSE,), SOURCE),
        Bug("appends-again", AppendsAgain, (Clause.WRITTEN_ONCE,), "made for this clause, after RocketMQ #10256"),
        Bug("keeps-everything", KeepsEverything, (Clause.SPACE_IS_BOUNDED,), SOURCE),
    )
)
"""Every exhibit by its name."""
