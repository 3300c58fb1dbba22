"""Bugs on the way of a failure: what is forgotten, counted twice, or held for done."""

from __future__ import annotations

from collections.abc import Iterable

from acklab.zoo.bug import FALSE_FLUSH, LIMBO, STUCK, Bug
from ackmodel import Clause, Level
from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.offsets import Offsets
from ackstore.core.queues import Claim, Entry, Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.records import ACK
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack


class _SpendsTheTimer(Queue):
    def unsettle(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            entry.ack = None  # its timer runs, if it has not run out meanwhile


class AcquiredWithoutTimer(Core):
    """The deadline passes while an ack is stored; that fails, and the timer that was to release it is spent."""

    queue_class = _SpendsTheTimer


class _StaysInTransition(Queue):
    def unclaim(self, claims: Iterable[Claim]) -> None:
        claims = list(claims)
        super().unclaim([claim for claim in claims if claim.before is None])


class RedeliveryResultIgnored(Core):
    """The record of a redelivery is written with its result ignored, while the delivery before it is retired."""

    queue_class = _StaysInTransition


class _CountsDownTwice(Log):
    def _write_failed(self, lost: list[RecordFields], now: float) -> None:
        super()._write_failed(lost, now)
        self.unflushed -= len(lost)


class CountedDownTwice(Core):
    """What is in flight is counted down where a write fails, and once more where that is told."""

    log_class = _CountsDownTwice


class _Dies(Flusher):
    def due(self) -> float | None:
        return None if self.log.write_failures else super().due()


class FlushThreadDies(Core):
    """The thread that flushes ends at the first error, and the process lives on: nothing is flushed any more."""

    flusher_class = _Dies


class _IsCleanWhenSent(Offsets):
    def fail(self, now: float) -> None:
        before = self.dirty_since
        super().fail(now)
        self.dirty_since = before


class CleanWhenSent(Core):
    """The offsets count as clean when their commit is sent: one that fails is not made again before they move."""

    offsets_class = _IsCleanWhenSent


class _DropsWhatItHasSeen(Acks):
    def submit(self, op: int, request: Ack, now: float, deadline: float) -> None:
        seen: set[str] = self.__dict__.setdefault("seen", set())
        found = self.judge(request.receipt, now)
        if request.receipt in seen and not isinstance(found, Reply) and found[1].ack is None:
            self.operations.end(self.operations.begin(op, deadline), Reply.SETTLED)
            return
        super().submit(op, request, now, deadline)
        if not isinstance(found, Reply) and found[1].ack is not None:
            seen.add(request.receipt)


class DuplicateBeforeStored(Core):
    """An ack is remembered as given before it is stored; when storing fails, the next one is dropped as a duplicate."""

    acks_class = _DropsWhatItHasSeen


class _IgnoresTheError(Flusher):
    def sync_failed(self, _now: float) -> None:
        self._end()
        self.covered_since = None
        self.sync_failures += 1


class ErrorIgnoredInTheBackground(Core):
    """Nobody looks at the error of a sync in the background: the next success counts for what it was to cover."""

    flusher_class = _IgnoresTheError


class _SaysFailed(Flusher):
    def sync_failed(self, now: float) -> None:
        for record in [record for record in self.log.tail if record.kind == ACK]:
            waiters, record.waiters = record.waiters, None
            for operation, item, _reply in waiters or ():
                operation.deadline = now
                if operation.replies is None:
                    self._operations.end(operation, Reply.FAILED)
                else:
                    self._operations.reply(operation, item, Reply.FAILED)
        super().sync_failed(now)

    @property
    def _operations(self):  # type: ignore[no-untyped-def]
        return self.host.operations  # type: ignore[attr-defined]


class FailedForUnknown(Core):
    """A flush that failed is answered as if nothing had been stored, and what was stored takes effect later."""

    flusher_class = _SaysFailed


class _FlushesAheadOfTheCopy(Flusher):
    def sync_succeeded(self, now: float) -> None:
        self.covers = max(self.covers - 1, self.log.flushed)
        super().sync_succeeded(now)


class FlushesAheadOfTheCopy(Core):
    """The flush comes before the copy into the file: whoever waits for the newest record waits in vain."""

    flusher_class = _FlushesAheadOfTheCopy


BUGS = (
    Bug(
        "acquired-without-timer-after-failed-persist",
        AcquiredWithoutTimer,
        # Answered FAILED, and never back: as if it had taken effect, or as if a late ack had settled it.
        (*LIMBO, Clause.REPLY_NEVER_FALSE, Clause.NO_RETURN),
        "Kafka KAFKA-19476",
    ),
    Bug(
        "reput-checkpoint-result-ignored",
        RedeliveryResultIgnored,
        (*LIMBO, Clause.RECEIPT_IS_EXACT, Clause.REPLY_NEVER_FALSE),
        "RocketMQ, read in its code",
    ),
    Bug(
        "inflight-counter-decrement-on-failed-put",
        CountedDownTwice,
        (
            Clause.QUIESCENCE_IS_ZERO,
            Clause.MEMORY_IS_BOUNDED,
            Clause.CLOSE_DRAINS,
            Clause.FLUSH_WHEN_IDLE,
            Clause.UNKNOWN_HAS_A_CAUSE,  # nothing seems to be left to flush, and the close waits for it
        ),
        "RocketMQ; rocketmq-rust #4657",
    ),
    Bug(
        "journal-thread-dies-process-lives",
        FlushThreadDies,
        (Clause.FLUSH_WHEN_IDLE, *STUCK),
        "BookKeeper #2879",
    ),
    Bug(
        "dirty-flag-cleared-at-send-not-at-ack",
        CleanWhenSent,
        STUCK,
        "parallel-consumer #248, #470",
    ),
    Bug(
        "duplicate-client-dedupe-before-persist",
        DuplicateBeforeStored,
        (
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_NEVER_FALSE,
            Clause.REPLY_AFTER_STAGE,
            Clause.NO_RETURN,
            Clause.SURVIVES_PROCESS_CRASH,
            Clause.SURVIVES_POWER_LOSS,
            Clause.CLOSE_DRAINS,
        ),
        "Pulsar #7683",
    ),
    Bug(
        "fsync-error-ignored-in-background-thread",
        ErrorIgnoredInTheBackground,
        # A close waits for a sync that nobody asks for any more, and ends UNKNOWN with a disk that works.
        (*FALSE_FLUSH, Clause.FLUSH_WHEN_IDLE, Clause.CLOSE_DRAINS, Clause.UNKNOWN_HAS_A_CAUSE),
        "Redis #8347, #8419",
    ),
    Bug(
        "wrong-failure-code-and-late-success",
        FailedForUnknown,
        # What was answered FAILED, and settles the message all the same, is passed by the offset too.
        (
            Clause.REPLY_NEVER_FALSE,
            Clause.RECEIPT_IS_EXACT,
            Clause.NO_LIMBO,
            Clause.COMMIT_IS_SAFE,
            Clause.DERIVED_NEVER_AHEAD,
        ),
        "RocketMQ #1895",
        level=Level.DISK,
    ),
    Bug(
        "sync-flush-always-times-out-with-write-buffer",
        FlushesAheadOfTheCopy,
        (Clause.FLUSH_WHEN_IDLE, *STUCK),
        "RocketMQ #7523",
        level=Level.DISK,
    ),
)
