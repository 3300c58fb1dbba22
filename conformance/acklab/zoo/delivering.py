"""Bugs between the message and its consumer."""

from __future__ import annotations

from acklab.zoo.bug import Bug
from ackmodel import Clause
from ackstore.core.core import Core
from ackstore.core.queues import Queue


class _RestoresAtOnce(Queue):
    def replayed(self) -> None:
        for entry in self.entries.values():
            entry.deadline = 0.0
        super().replayed()


class DeadlineIgnoredByRecovery(Core):
    """What was in a consumer's hands before a restart is handed out again at once, its deadline ignored."""

    queue_class = _RestoresAtOnce


BUGS = (
    Bug(
        "visibility-ignored-on-one-code-path",
        DeadlineIgnoredByRecovery,
        (
            Clause.DEADLINE_IS_EXACT,
            Clause.RECEIPT_IS_EXACT,
            Clause.REPLY_NEVER_FALSE,
            Clause.NO_LIMBO,
            Clause.COMMIT_IS_SAFE,  # after the last attempt, a dead letter before its time: the offset passes
        ),
        "Celery kombu #1098",
    ),
)
