"""Bugs between the record and the consumer offset."""

from __future__ import annotations

from functools import partial

from acklab.zoo.bug import Bug
from ackmodel import Clause, CommitPolicy
from ackstore.core.core import Core
from ackstore.core.effects import Create, Failed, Result, Unlink, Write
from ackstore.core.offsets import Offsets
from ackstore.core.queues import Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.offsetfile import encode_offsets
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config


class _PassesWhatIsCached(Queue):
    def safe(self) -> int:
        offset = max(self.floor, self.committed)
        while (entry := self.entries.get(offset)) is not None and not entry.moving:
            offset += 1
        return offset


class OffsetBeforeFlush(Core):
    """The offset moves past a message as soon as its checkpoint is in the page cache."""

    queue_class = _PassesWhatIsCached

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        super().__init__(config, recovered, now)
        self.offsets.moved(now)

    def cached(self, records: list[RecordFields]) -> None:
        super().cached(records)
        for queue in {record.queue.token: record.queue for record in records}.values():
            if queue.advance():
                self.offsets.moved(self.now)


class _WritesInPlace(Offsets):
    def start(self, _now: float) -> None:
        self.step = "rename"
        self.overdue_at = None
        self.host.request(Unlink(self.names.offsets), _whatever)
        self.host.request(Create(self.names.offsets), partial(self._created, self.attempt))

    def _created(self, of_attempt: int, result: Result, now: float) -> None:
        if of_attempt != self.attempt or isinstance(result, Failed):
            self.fail(now)
            return
        data = encode_offsets(self.taken, self.taken_lsn)
        self.host.request(Write(self.names.offsets, 0, data), self._written)

    def _written(self, result: Result, now: float) -> None:
        if isinstance(result, Failed):
            self.fail(now)
        else:
            self.succeed()


def _whatever(_result: Result, _now: float) -> None:
    """There may be no old file."""


class OffsetFileReplacedInPlace(Core):
    """The old offset file is removed and a new one written under its name, without a sync."""

    offsets_class = _WritesInPlace


BUGS = (
    Bug(
        "premature-offset-commit-before-record-flush",
        OffsetBeforeFlush,
        (Clause.COMMIT_IS_SAFE, Clause.NO_LIMBO, Clause.SURVIVES_POWER_LOSS),
        "RocketMQ #9626",
        commit=CommitPolicy.CHECKPOINT,
    ),
    Bug(
        "offset-file-replaced-non-atomically",
        OffsetFileReplacedInPlace,
        (Clause.COMMIT_IS_MONOTONE, Clause.SURVIVES_POWER_LOSS, Clause.SURVIVES_PROCESS_CRASH),
        "RocketMQ #3401, #5905, #9412, #9705",
    ),
)
