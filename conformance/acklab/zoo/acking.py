"""Bugs between the ack and its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from acklab.zoo.bug import LOST_ACK, Bug
from ackmodel import Clause
from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.core.log import Log
from ackstore.core.queues import Entry, Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.records import ACK
from ackstore.words.replies import Reply
from ackstore.words.requests import AckMany


class _AnswersOkAnyway(Acks):
    def failed(self, record: RecordFields) -> None:
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


class _ReusesOneBuffer(Log):
    def append(self, record: RecordFields) -> None:
        super().append(record)
        if record.kind == ACK:
            for waiting in self.fresh:
                if waiting.kind == ACK:
                    waiting.payload = record.payload


class BufferReadWhenWritten(Core):
    """A commit keeps a reference to what it was called with; what is written is what stands there by then."""

    log_class = _ReusesOneBuffer


class _ForgetsToCountDown(Log):
    def _write_failed(self, lost: list[RecordFields], now: float) -> None:
        before = self.unflushed_bytes
        super()._write_failed(lost, now)
        self.unflushed_bytes = before


class CounterLeaksOnFailure(Core):
    """A counter of what is in progress is not counted down where a write fails."""

    log_class = _ForgetsToCountDown


class _StaysSettled(Queue):
    def unsettle(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            entry.ack = None
            entry.moving = True  # in nobody's hands: neither acked nor handed out


class SettledBeforePersisted(Core):
    """The message leaves the pending set when the ack is accepted; when the write fails, nothing puts it back."""

    queue_class = _StaysSettled


class _ForgetsRedeliveredAcks(Queue):
    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        return super().replay_ack([each for each in deliveries if each[1] == 1])


class AckOfTheSecondOwnerIsLost(Core):
    """A message redelivered to another consumer, and acked by that one, is pending again after a restart."""

    queue_class = _ForgetsRedeliveredAcks


class _AcceptsLateAcks(Queue):
    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        found = super().judge(offset, attempt, epoch, now, current)
        return Reply.OK if found is Reply.EXPIRED else found


class LateAckIgnored(Core):
    """An ack after the deadline is answered as if it counted, and dropped: a slow consumer never gets rid of it."""

    queue_class = _AcceptsLateAcks


BUGS = (
    Bug(
        "ack-success-despite-put-failure",
        SuccessDespitePutFailure,
        (
            Clause.REPLY_AFTER_STAGE,
            *LOST_ACK,
            Clause.RECEIPT_IS_EXACT,  # its consumer may still renew or release what was answered OK
        ),
        "RocketMQ #4806; rocketmq-rust",
    ),
    Bug(
        "shared-index-list-cleared-before-callback",
        SharedListClearedBeforeCallback,
        # Where the write fails its items stay as if their ack were on its way: they are SETTLED to whoever asks.
        (Clause.COMMIT_PROGRESSES, Clause.QUIESCENCE_IS_ZERO, Clause.RECEIPT_IS_EXACT),
        "RocketMQ #10256",
    ),
    Bug(
        "async-commit-captures-mutable-offsets",
        BufferReadWhenWritten,
        # Another's bytes stand where its own should: that one is written once too often.
        (Clause.SUBMITTED_IS_WRITTEN, Clause.WRITTEN_ONCE, *LOST_ACK),
        "Kafka KAFKA-19351",
    ),
    Bug(
        "ack-persist-fallback-missing-then-counter-leak",
        CounterLeaksOnFailure,
        (Clause.QUIESCENCE_IS_ZERO,),
        "Pulsar #22662",
    ),
    Bug(
        "ack-state-mutated-before-persist",
        SettledBeforePersisted,
        (
            Clause.NO_LIMBO,
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_NEVER_FALSE,
            Clause.COMMIT_PROGRESSES,
            Clause.DEADLINE_IS_EXACT,
            Clause.NO_RETURN,  # it is passed over as if it were settled, and is back after a restart
            Clause.SURVIVES_POWER_LOSS,  # the next ack is EXPIRED, so one before a power loss seems to have survived it
        ),
        "Pulsar #25528",
    ),
    Bug(
        "ack-credited-to-wrong-owner",
        AckOfTheSecondOwnerIsLost,
        LOST_ACK,
        "NATS Streaming #72, #626",
    ),
    Bug(
        "late-ack-ignored-forever",
        LateAckIgnored,
        (
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_AFTER_STAGE,
            Clause.SUBMITTED_IS_WRITTEN,
            Clause.DEADLINE_IS_EXACT,  # OK to a delivery that a power loss took: it seems to have survived that
        ),
        "Google Pub/Sub google-cloud-java #4242",
    ),
)
