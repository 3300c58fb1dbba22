"""The survey: that a store which is not ready is waited for, and no longer than that."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from ackcheck.broken import Broken
from ackcheck.soak.clients import SERIAL_QUEUES, Clock, Floor
from ackcheck.soak.judge import Judge
from ackcheck.soak.survey import Survey, answered
from ackmodel import Clause, Level
from ackmodel.events import Reply
from ackstore.errors import StoreClosed

Q = SERIAL_QUEUES[0]


def test_what_a_call_raises_is_raised() -> None:
    def closed() -> None:
        raise StoreClosed("closed")

    with pytest.raises(StoreClosed):
        answered("a call", closed, patience=60.0)


def test_a_call_that_does_not_return_is_given_up() -> None:
    with pytest.raises(Broken, match="pop has had no answer"):
        answered("pop", lambda: time.sleep(5.0), patience=0.05)


def undecided(replies: list[Reply], patience: float = 60.0) -> tuple[Survey, list[Any]]:
    judge = Judge(Level.PAGE_CACHE, [Q], serial=[Q])
    judge.published(Q, 3)
    judge.reset_asked(Q, 1000, 0)
    judge.reset_answered(Q, 1000, 0, Reply.UNKNOWN)
    floor = Floor(judge, Clock(), lambda broken: pytest.fail(str(broken)))
    asked: list[Any] = []

    def reset(name: str, offset: int, timeout: float) -> Reply:
        asked.append((name, offset))
        return replies.pop(0) if len(replies) > 1 else replies[0]

    floor.store = SimpleNamespace(reset=reset)  # type: ignore[assignment]
    return Survey(floor, patience), asked


def test_a_reset_of_unknown_outcome_is_decided_by_another() -> None:
    survey, asked = undecided([Reply.BUSY, Reply.UNKNOWN, Reply.OK])
    survey._decide(Q)
    assert asked == [(Q, 0)] * 3
    assert survey.floor.judge.undecided(Q) is None
    survey._decide(Q)
    assert len(asked) == 3


def test_a_store_that_never_takes_one_does_not_answer_again() -> None:
    survey, _ = undecided([Reply.BUSY], patience=0.3)
    with pytest.raises(Broken) as caught:
        survey._decide(Q)
    assert caught.value.clause is Clause.FLUSH_DEGRADES
