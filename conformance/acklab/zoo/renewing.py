"""Bugs between one delivery and the next: renewals, releases, attempts, resets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from acklab.zoo.bug import LOST_ACK, LOST_DELIVERY, Bug
from ackmodel import Clause
from ackstore.core.core import Core
from ackstore.core.entries import RELEASED
from ackstore.core.queues import Entry, Queue
from ackstore.fields.plain.settling import Timer
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply


class _KeepsTheFirstTimer(Queue):
    def renewed(self, entries: Iterable[Entry], deadline: float) -> None:
        super().renewed(entries, min([deadline, *(entry.deadline for entry in entries)]))


class RenewalLeavesTheTimer(Core):
    """The clock of a delivery starts when it is handed out, and whoever asks for more time is told OK and gets none."""

    queue_class = _KeepsTheFirstTimer


class _AcksADeadHandle(Queue):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rotated: set[tuple[int, int]] = set()

    def renewed(self, entries: Iterable[Entry], deadline: float) -> None:
        entries = list(entries)
        self.rotated.update((entry.offset, entry.attempt) for entry in entries if deadline != RELEASED)
        super().renewed(entries, deadline)

    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        found = super().judge(offset, attempt, epoch, now, current)
        return Reply.OK if isinstance(found, Entry) and (offset, attempt) in self.rotated else found


class AckAfterRenewalIsLost(Core):
    """A renewal makes a new handle; an ack with the one that the consumer has is answered OK, and hits nothing."""

    queue_class = _AcksADeadHandle


class _KeepsTheOldHandle(Queue):
    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        entry = self.entries.get(offset)
        given_back = entry is not None and entry.deadline == RELEASED and entry.attempt == attempt
        return super().judge(offset, attempt, epoch, -1.0 if given_back else now, current)


class ReleaseKeepsTheReceipt(Core):
    """Giving back takes two steps, and the second, which ends the old handle, is left out: it settles the message."""

    queue_class = _KeepsTheOldHandle


class _ForgetsWhoseLastItWas(Queue):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.uncounted: set[int] = set()

    def replayed(self) -> None:
        self.uncounted = set(self.entries)
        super().replayed()

    def _timers(self, entry: Entry) -> list[Timer]:
        return self.expiring if entry.offset in self.uncounted else super()._timers(entry)


class AttemptsForgottenByRecovery(Core):
    """That a message has had all of its attempts is not kept: after a restart it is handed out again and again."""

    queue_class = _ForgetsWhoseLastItWas


class _DropsTheExhausted(Queue):
    def exhausted(self, now: float, most: int) -> list[Entry]:
        self.settle(super().exhausted(now, most))
        self.advance()
        return []


class OffsetPassesTheExhausted(Core):
    """The offset passes at once what has had its attempts; that it be written elsewhere first is not waited for."""

    queue_class = _DropsTheExhausted


class _ForgetsResets(Queue):
    open = False

    def replayed(self) -> None:
        self.open = True
        super().replayed()

    def reset(self, offset: int, generation: int, lsn: int) -> None:
        if self.open:
            super().reset(offset, generation, lsn)


class ResetForgottenByRecovery(Core):
    """A reset changes one of the two places where an offset is kept, and after a restart the other one counts."""

    queue_class = _ForgetsResets

    _recovered = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recovered = True

    def _new_queue(self, queue: QueueId) -> Queue:
        made = super()._new_queue(queue)
        if self._recovered:
            made.replayed()  # it is new: no reset of it is read from a log
        return made


class _NarrowsOffsets(Queue):
    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        return super().judge(offset & 3, attempt, epoch, now, current)


class AckOffsetNarrowed(Core):
    """An offset is cast to fewer bits on the way of an ack, which then settles another message."""

    queue_class = _NarrowsOffsets


BUGS = (
    Bug(
        "delay-longer-than-visibility-duplicates",
        RenewalLeavesTheTimer,
        (Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT, Clause.NO_LIMBO),
        "Celery #3270; kombu #337",
    ),
    Bug(
        "renew-and-ack-concurrent-handle-rotation",
        AckAfterRenewalIsLost,
        (
            Clause.REPLY_AFTER_STAGE,
            Clause.SUBMITTED_IS_WRITTEN,
            Clause.RECEIPT_IS_EXACT,
            Clause.DEADLINE_IS_EXACT,
            *LOST_ACK,
        ),
        "RocketMQ #4938, #9583",
    ),
    Bug(
        "nack-half-applied",
        ReleaseKeepsTheReceipt,
        (
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_NEVER_FALSE,  # the ack was answered UNKNOWN at its timeout, and told to be durable later
            Clause.COMMIT_IS_SAFE,  # the process died before it answered the ack, and the offset passes
        ),
        "RocketMQ, read in its code",
    ),
    Bug(
        "max-delivered-state-inconsistent-on-restart",
        AttemptsForgottenByRecovery,
        (Clause.NO_LIMBO, *LOST_DELIVERY),
        "NATS #4427",
    ),
    Bug(
        "revive-progress-committed-before-async-revive-done",
        OffsetPassesTheExhausted,
        (
            Clause.NO_LIMBO,
            Clause.COMMIT_IS_SAFE,
            Clause.DEADLINE_IS_EXACT,  # as no-limbo, of a message whose last delivery was renewed
            Clause.RETIRE_IS_SAFE,  # its records were compacted away: it is held to be settled, and no record says so
        ),
        "RocketMQ #10985",
    ),
    Bug(
        "stale-async-offset-read-by-next-pop",
        ResetForgottenByRecovery,
        (
            Clause.COMMIT_IS_MONOTONE,
            Clause.COMMIT_IS_SAFE,  # the offset keeps what the reset said, and the messages do not
            Clause.DERIVED_NEVER_AHEAD,
            Clause.RECEIPT_IS_EXACT,
            Clause.NO_LIMBO,
            Clause.NO_RETURN,  # it was seen to be settled below the offset, which stands, and came again
            Clause.SURVIVES_PROCESS_CRASH,
            Clause.SURVIVES_POWER_LOSS,
            Clause.CLOSE_DRAINS,  # what it wrote at its close it refuses itself: the offset is ahead of the log
        ),
        "RocketMQ #9369, #9695",
    ),
    Bug(
        "ack-offset-narrowed-or-out-of-range",
        AckOffsetNarrowed,
        (
            Clause.SUBMITTED_IS_WRITTEN,
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_AFTER_STAGE,
            Clause.COMMIT_PROGRESSES,
            *LOST_ACK,  # another message is settled, and its own comes back
        ),
        "RocketMQ #11180, #6012",
    ),
)
