"""Bugs of what a store knows when it has been opened again."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from acklab.zoo.bug import LOST_ACK, Bug
from ackmodel import Clause
from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.core.offsets import Offsets
from ackstore.core.queues import Entry, Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.offsetfile import OffsetFile
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.errors import LogDamaged
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack

AGAIN = (
    *LOST_ACK,
    Clause.RECEIPT_IS_EXACT,
    Clause.DEADLINE_IS_EXACT,
    Clause.RETIRE_IS_SAFE,
    Clause.COMMIT_IS_MONOTONE,
    Clause.COMMIT_IS_SAFE,
)
"""The clauses one of which falls when what was settled is handed out again after a restart: which, depends on how the
store was stopped, and what had been seen."""


class _MatchesWholeBatches(Queue):
    def replay_checkpoint(
        self, messages: Iterable[tuple[int, int]], *, deadline: float, epoch: int, proved: bool
    ) -> list[Entry]:
        messages = list(messages)
        found = super().replay_checkpoint(messages, deadline=deadline, epoch=epoch, proved=proved)
        self.together = getattr(self, "together", set()) | (
            {each[0] for each in messages} if len(messages) > 1 else set()
        )
        return found

    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        deliveries = list(deliveries)
        alone = len(deliveries) == 1 and deliveries[0][0] in getattr(self, "together", ())
        return super().replay_ack([] if alone else deliveries)


class AckMatchesNoCheckpoint(Core):
    """An ack of one message of a batch is stored without a field of the key, and recovery finds no checkpoint to it."""

    queue_class = _MatchesWholeBatches


class _TakesTheFirst(Queue):
    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        return super().replay_ack(list(deliveries)[:1])


class BatchAckLostInPart(Core):
    """Which messages of a batch were acked is kept in memory only: after a restart the first of them is known."""

    queue_class = _TakesTheFirst


class FloorResetAfterPowerLoss(Core):
    """When the end of the log is missing the consumer's state is taken to be outdated, and begun anew."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        outdated = bool(recovered.cut_bytes)
        if outdated:
            recovered = evolve(recovered, offsets=OffsetFile(recovered.offsets.flushed, {}))
        super().__init__(config, recovered, now)
        for queue in self.queues.values() if outdated else ():
            queue.floor = queue.committed = queue.next_new = 0
            queue.entries.clear()
            queue.replayed()


class _ForgetsWhatWasDelivered(Queue):
    def replayed(self) -> None:
        for offset in [offset for offset, entry in self.entries.items() if entry.settled]:
            del self.entries[offset]
        super().replayed()


class LastDeliveredForgotten(Core):
    """What had been delivered is not kept on one path: what is settled above the offset is new after a restart."""

    queue_class = _ForgetsWhatWasDelivered


class _NeedsACheckpoint(Queue):
    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        deliveries = list(deliveries)
        for offset, _attempt, _epoch in deliveries:
            if offset >= self.floor and offset not in self.entries:
                raise LogDamaged(f"message {offset} is acked, and was never handed out")
        return super().replay_ack(deliveries)


class AckWithoutPublish(Core):
    """A journal that holds an ack whose message was never written cannot be recovered: the queue does not start."""

    queue_class = _NeedsACheckpoint


class WritesOverTheLastFile(Core):
    """Where to write on stands in a file that is written now and then: after a crash what came since is overwritten."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, evolve(recovered, next_number=max(1, recovered.next_number - 1)), now)


class _AnswersWhileItTakesOver(Acks):
    def submit(self, op: int, request: Ack, now: float, deadline: float) -> None:
        found = self.judge(request.receipt, now)
        if isinstance(found, Reply) or self.flusher.opened or found[1].epoch == self.log.epoch:
            super().submit(op, request, now, deadline)
        else:
            self.operations.end(self.operations.begin(op, deadline), Reply.OK)


class AckDuringTakeOver(Core):
    """An ack that comes while a store takes over from the one before is answered OK, and its state is behind."""

    acks_class = _AnswersWhileItTakesOver


class _PassesWhatIsHandedOut(Offsets):
    def offsets_to_write(self) -> dict[str, int]:
        return {
            token: max(queue.entries, default=queue.committed - 1) + 1
            for token, queue in self.queues.items()
            if queue.entries or queue.committed
        }


class OffsetFileAheadAndBelieved(Core):
    """The offset file passes what was only handed out, and is believed when the store opens."""

    offsets_class = _PassesWhatIsHandedOut

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, evolve(recovered, offsets=evolve(recovered.offsets, committed={})), now)
        for token, offset in recovered.offsets.committed.items():
            if token in self.queues:
                self.queues[token].committed = offset

    def cached(self, records: list[RecordFields]) -> None:
        super().cached(records)
        self.offsets.moved(self.now)


BUGS = (
    Bug(
        "checkpoint-identity-field-missing-on-one-path",
        AckMatchesNoCheckpoint,
        AGAIN,
        "RocketMQ #8835, #7412, #8460",
    ),
    Bug("batch-index-ack-lost-on-unload", BatchAckLostInPart, AGAIN, "Pulsar #14982"),
    Bug(
        "ack-floor-reset-after-power-failure",
        FloorResetAfterPowerLoss,
        (*AGAIN, Clause.NO_LIMBO),
        "NATS #8036",
    ),
    Bug("group-last-delivered-id-not-in-aof", LastDeliveredForgotten, AGAIN, "Redis #7105, #5433"),
    Bug(
        "journal-has-ack-without-publish",
        AckWithoutPublish,
        (Clause.SURVIVES_PROCESS_CRASH, Clause.SURVIVES_POWER_LOSS, Clause.CLOSE_DRAINS),
        "RabbitMQ #2100",
    ),
    Bug(
        "diskqueue-metadata-behind-data",
        WritesOverTheLastFile,
        (*AGAIN, Clause.NO_LIMBO, Clause.DERIVED_NEVER_AHEAD),
        "NSQ go-diskqueue #28",
    ),
    Bug(
        "ack-on-takeover-ahead-of-state",
        AckDuringTakeOver,
        (*AGAIN, Clause.REPLY_AFTER_STAGE, Clause.SUBMITTED_IS_WRITTEN),
        "NATS #5482",
    ),
    Bug(
        "confirm-offset-beyond-recovered-log",
        OffsetFileAheadAndBelieved,
        (Clause.DERIVED_NEVER_AHEAD, Clause.COMMIT_IS_SAFE, Clause.NO_LIMBO, Clause.COMMIT_IS_MONOTONE),
        "RocketMQ #6703, #6609",
    ),
)
