"""Bugs of who is never told: the work was done, and the operation that waits for it hears nothing of it."""

from __future__ import annotations

from acklab.zoo.bug import Bug
from ackmodel import Clause, Level
from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.fields.classes import RecordFields


class RequestsLostInTheSwap(Core):
    """Who comes in the moment in which a sync takes over the list of those that wait is in neither list: it hears
    nothing until its time-out, though what it wrote is synced."""

    def cached(self, records: list[RecordFields]) -> None:
        super().cached(records)
        swapping = self.flusher.left and self.flusher.began == self.now
        for record in records if swapping else ():
            if record.waiters is not None and record.entries:
                record.waiters = []


class _TellsTheFirst(Acks):
    def answer(self, record: RecordFields) -> None:
        record.waiters = (record.waiters or [])[:1]
        super().answer(record)


class CompletionOfOnePath(Core):
    """The completion of an operation that shares the outcome of another is registered, and on that path never run."""

    acks_class = _TellsTheFirst


BUGS = (
    Bug(
        "group-commit-queue-swap-race",
        RequestsLostInTheSwap,
        (Clause.UNKNOWN_HAS_A_CAUSE, Clause.REPLY_EXACTLY_ONCE),
        "RocketMQ ROCKETMQ-145, #1262, #1101",
        level=Level.DISK,
    ),
    Bug(
        "completion-callback-not-run-on-one-path",
        CompletionOfOnePath,
        (Clause.UNKNOWN_HAS_A_CAUSE, Clause.REPLY_EXACTLY_ONCE),
        "RocketMQ #9611, #11172",
        level=Level.DISK,
    ),
)
