"""Bugs between the page cache and the disk."""

from __future__ import annotations

from acklab.zoo.bug import FALSE_FLUSH, Bug
from ackmodel import Clause, Level
from ackstore.core.core import Core
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.segment import Segment
from ackstore.words.replies import Reply


class _FailureIsSuccess(Flusher):
    def sync_failed(self, now: float) -> None:
        self.sync_failures += 1
        self.sync_succeeded(now)


class WatermarkAdvancesOnError(Core):
    """The error of fsync is caught and logged, and the flushed watermark moves all the same."""

    flusher_class = _FailureIsSuccess


class _TimeoutIsSuccess(Flusher):
    def sync_timed_out(self, now: float) -> None:
        self.sync_timeouts += 1
        self.sync_succeeded(now)


class TimeoutTreatedAsStored(Core):
    """A flush that timed out is counted among the successes, though nobody knows how it will end."""

    flusher_class = _TimeoutIsSuccess


class _SyncsTheSameFilesAgain(Flusher):
    def sync_failed(self, now: float) -> None:
        segments, since = self.segments, self.covered_since
        self._end()
        self.sync_failures += 1
        self._pause(now)
        for segment in segments:
            segment.dirty = True
        self.log.unsynced_entry = True
        if self.log.dirty_since is None:
            self.log.dirty_since = since if since is not None else now


class RetriedSyncReportsSuccess(Core):
    """After EIO the same file is synced again; the kernel has marked its pages clean, so that succeeds."""

    flusher_class = _SyncsTheSameFilesAgain


class _ForgetsTheOldSegment(Log):
    def rotate(self, segment: Segment) -> None:
        if self.current is not None:
            self.current.dirty = False
        super().rotate(segment)


class OldSegmentNotSynced(Core):
    """When a segment is full, the next sync goes to the new one only: the old one's tail is never synced."""

    log_class = _ForgetsTheOldSegment


class _NeverWaitsForTheDisk(Flusher):
    def answers_when_cached(self) -> bool:
        return True


class AnswersBeforeDeferredSync(Core):
    """Records are synced now and then, and answered at once, though the documentation says they are persisted."""

    flusher_class = _NeverWaitsForTheDisk


class _ResetsTheClock(Flusher):
    def sync_succeeded(self, now: float) -> None:
        super().sync_succeeded(now)
        self.log.dirty_since = None


class ClockResetWithoutFlush(Core):
    """The flush clock is reset at the end of a sync, also for what was written while it ran, and was not synced."""

    flusher_class = _ResetsTheClock


class _NeverRefuses(Flusher):
    def refuses(self) -> bool:
        return False


class UnboundedBuffer(Core):
    """While the disk takes nothing, the buffer takes everything: no limit is looked at on that path."""

    flusher_class = _NeverRefuses


class WorkerAbortedOnShutdown(Core):
    """Close aborts the flush worker: requests that wait for it never end, and the last records are not flushed."""

    def _drain(self, _now: float) -> None:
        assert self.closing is not None
        self.operations.end(self.closing, Reply.OK)
        self.closed = True


BUGS = (
    Bug(
        "flushed-watermark-advances-on-fsync-error",
        WatermarkAdvancesOnError,
        (*FALSE_FLUSH, Clause.REPLY_AFTER_STAGE),
        "RocketMQ #2706, #5235, #3129, #9713",
    ),
    Bug(
        "retry-fsync-after-eio-reports-success",
        RetriedSyncReportsSuccess,
        FALSE_FLUSH,
        "PostgreSQL fsyncgate; beanstalkd #477; RocketMQ",
    ),
    Bug(
        "flush-timeout-treated-as-stored",
        TimeoutTreatedAsStored,
        FALSE_FLUSH,
        "RocketMQ #4806",
    ),
    Bug(
        "old-segment-not-fsynced-on-rotation",
        OldSegmentNotSynced,
        FALSE_FLUSH,
        "Redis #11004; Artemis ARTEMIS-2414",
    ),
    Bug(
        "deferred-fsync-acks-before-durable",
        AnswersBeforeDeferredSync,
        (Clause.REPLY_AFTER_STAGE, *FALSE_FLUSH),
        "NATS #7564",
        level=Level.DISK,
    ),
    Bug(
        "flush-clock-updated-without-flush",
        ClockResetWithoutFlush,
        # What waits for the sync of what came meanwhile, as a close does, waits in vain, and ends UNKNOWN.
        (Clause.FLUSH_WHEN_IDLE, Clause.CLOSE_DRAINS, Clause.UNKNOWN_HAS_A_CAUSE),
        "Redis #8612",
    ),
    Bug(
        "unbounded-buffer-when-store-unwritable",
        UnboundedBuffer,
        (Clause.MEMORY_IS_BOUNDED,),
        "RocketMQ #6598, #10052",
    ),
    Bug(
        "worker-aborted-on-shutdown",
        WorkerAbortedOnShutdown,
        (Clause.CLOSE_DRAINS,),
        "rocketmq-rust #7236, #7240",
    ),
)
