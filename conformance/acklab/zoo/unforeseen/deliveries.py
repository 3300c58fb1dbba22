"""Stores that hand out too early, too late, or never."""

from __future__ import annotations

from collections.abc import Iterable

from acklab.zoo.bug import Bug
from ackmodel import Clause
from ackstore.core.core import Core
from ackstore.core.queues import Claim, Entry, Queue
from ackstore.words.replies import Reply


class _LosesTheTimer(Queue):
    def unclaim(self, claims: Iterable[Claim]) -> None:
        claims = list(claims)
        super().unclaim(claims)
        again = {claim.entry.offset for claim in claims if claim.before is not None}
        self.expiring = sorted(timer for timer in self.expiring if timer[1] not in again)


class RedeliveryThatFailsIsLost(Core):
    """A redelivery whose checkpoint cannot be stored has no timer any more: nobody gets the message."""

    queue_class = _LosesTheTimer


class _TakesTheLaterDeadline(Queue):
    def replay_checkpoint(
        self, messages: Iterable[tuple[int, int]], *, deadline: float, epoch: int, proved: bool
    ) -> list[Entry]:
        messages = list(messages)
        before = {
            offset: entry.deadline
            for offset, attempt in messages
            if (entry := self.entries.get(offset)) is not None and entry.attempt == attempt
        }
        found = super().replay_checkpoint(messages, deadline=deadline, epoch=epoch, proved=proved)
        for entry in found:
            entry.deadline = max(entry.deadline, before.get(entry.offset, 0.0))
        return found


class RecoveryTakesTheLaterDeadline(Core):
    """Of the deadlines that a delivery was given, recovery takes the latest: a release is undone by a restart."""

    queue_class = _TakesTheLaterDeadline


class _TakesAcksOnTheDeadline(Queue):
    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        return super().judge(offset, attempt, epoch, now - 1e-6, current)


class AckOnTheDeadlineCounts(Core):
    """A deadline is taken to be inclusive: an ack at that very moment counts."""

    queue_class = _TakesAcksOnTheDeadline


class _WaitsPastTheDeadline(Queue):
    def claim(self, count: int, *, now: float, deadline: float, epoch: int, limit: int) -> list[Claim]:
        return super().claim(count, now=now - 1e-6, deadline=deadline, epoch=epoch, limit=limit)


class PopOnTheDeadlineGetsNothing(Core):
    """A deadline is taken to be inclusive: a pop at that very moment does not get the message."""

    queue_class = _WaitsPastTheDeadline


class _CountsFailedPops(Queue):
    def unclaim(self, claims: Iterable[Claim]) -> None:
        claims = list(claims)
        super().unclaim(claims)
        for claim in claims:
            if claim.before is not None:
                claim.entry.attempt += 1


class AFailedPopTakesAnAttempt(Core):
    """A pop that was answered FAILED counts as an attempt, and the receipt of the delivery before it fits no more."""

    queue_class = _CountsFailedPops


STORES = (
    Bug(
        "redelivery-that-fails-is-lost",
        RedeliveryThatFailsIsLost,
        (Clause.NO_LIMBO,),
        "every message that was handed out and not settled is handed out again",
    ),
    Bug(
        "recovery-takes-the-later-deadline",
        RecoveryTakesTheLaterDeadline,
        (Clause.DEADLINE_IS_EXACT,),
        "a crash or a restart changes no deadline",
    ),
    Bug(
        "ack-on-the-deadline-counts",
        AckOnTheDeadlineCounts,
        (Clause.RECEIPT_IS_EXACT,),
        "a deadline is exclusive: an ack at that moment is late",
    ),
    Bug(
        "pop-on-the-deadline-gets-nothing",
        PopOnTheDeadlineGetsNothing,
        (Clause.NO_LIMBO,),
        "handed out again, once its deadline has passed",
    ),
    Bug(
        "a-failed-pop-takes-an-attempt",
        AFailedPopTakesAnAttempt,
        (Clause.NO_LIMBO,),
        "a pop that was answered FAILED is as if it had not been",
    ),
)
