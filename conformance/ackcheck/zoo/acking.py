"""Bugs between the ack and its answer."""

from __future__ import annotations

from typing import ClassVar

from ackcheck.zoo.bug import Bug
from ackmodel import Clause
from ackstore.acks import Acks
from ackstore.core import Core
from ackstore.log import Record
from ackstore.queues import Entry
from ackstore.requests import AckMany


class _AnswersOkAnyway(Acks):
    def failed(self, record: Record) -> None:
        record.queue.unsettle(record.entries)
        self.answer(record)


class SuccessDespitePutFailure(Core):
    """The response is built before the write; when the write fails, that is logged, and the response sent."""

    acks_class = _AnswersOkAnyway


class _SharesOneList(Acks):
    shared: ClassVar[list[Entry]] = []
    """The items of the batch at hand, in a list that belongs to the class."""

    def submit_many(self, op: int, request: AckMany, now: float, deadline: float) -> None:
        try:
            super().submit_many(op, request, now, deadline)
        finally:
            for queue in self.queues.values():
                for entry in queue.entries.values():
                    if entry.ack is not None and len(entry.ack.entries) > 1:
                        entry.ack.entries = self.shared
            self.shared.clear()


class SharedListClearedBeforeCallback(Core):
    """The items of a batch stand in one shared list, cleared after submission, before the completion reads it."""

    acks_class = _SharesOneList


BUGS = (
    Bug(
        "ack-success-despite-put-failure",
        SuccessDespitePutFailure,
        (Clause.REPLY_NEVER_FALSE, Clause.REPLY_AFTER_STAGE),
        "RocketMQ #4806; rocketmq-rust",
    ),
    Bug(
        "shared-index-list-cleared-before-callback",
        SharedListClearedBeforeCallback,
        (Clause.COMMIT_PROGRESSES, Clause.QUIESCENCE_IS_ZERO),
        "RocketMQ #10256",
    ),
)
