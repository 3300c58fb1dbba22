"""The survey: that a store which is not ready is waited for, and no longer than that."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from acklab.soak.clients import SERIAL_QUEUES, Clock, Common
from acklab.soak.survey import Survey, answered
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply
from ackmodel.observe.options import OracleOptions
from ackmodel.observe.oracle import Delivered, Oracle
from ackmodel.observe.survey import drain
from ackstore import QueueId
from ackstore import Reply as StoreReply
from ackstore.core.effects import Answer
from ackstore.words.errors import StoreClosed

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
    oracle = Oracle(Level.PAGE_CACHE, options=OracleOptions(forget=True))
    oracle.published(Q, 3)
    oracle.reset_asked(1000, Q, 0)
    oracle.reset_answered(1000, Reply.UNKNOWN)
    common = Common(oracle, Clock(), lambda broken: pytest.fail(str(broken)))
    asked: list[Any] = []

    def reset(name: str, offset: int, timeout: float) -> Reply:
        asked.append((name, offset))
        return replies.pop(0) if len(replies) > 1 else replies[0]

    common.store = SimpleNamespace(reset=reset)  # type: ignore[assignment]
    return Survey(common, patience), asked


def test_a_reset_of_unknown_outcome_is_decided_by_another() -> None:
    survey, asked = undecided([Reply.BUSY, Reply.UNKNOWN, Reply.OK])
    survey._decide(Q)
    assert asked == [(Q, 0)] * 3
    assert survey.judge.may_reset(Q)
    survey._decide(Q)
    assert len(asked) == 3


def test_a_store_that_never_takes_one_does_not_answer_again() -> None:
    survey, _ = undecided([Reply.BUSY], patience=0.3)
    with pytest.raises(Broken) as caught:
        survey._decide(Q)
    assert caught.value.clause is Clause.FLUSH_DEGRADES


class Burying:
    """A store whose only dead letter is flushed, and listed, when that is asked for the third time."""

    asked = 0

    def try_pop(self, *_: object) -> Answer:
        return Answer(1, StoreReply.OK, ())

    def dead(self, _queue: QueueId) -> list[Any]:
        self.asked += 1
        return [SimpleNamespace(offset=0)] if self.asked >= 3 else []

    def stats(self, *, count: bool) -> Any:
        found = SimpleNamespace(dead=int(self.asked >= 3))
        return SimpleNamespace(unflushed_records=int(self.asked < 3), queues={QueueId.parse(Q): found})


def test_what_is_not_listed_while_something_is_unflushed_may_still_be_a_dead_letter() -> None:
    """A message whose ack a power loss took, and whose dead letter is on its way, is not taken for a settled one."""
    oracle = Oracle(Level.PAGE_CACHE, max_attempts=1, options=OracleOptions(forget=True))
    oracle.published(Q, 1)
    oracle.pop_asked(1, Q, deadline=30.0)
    oracle.popped(1, Q, [Delivered("r1", 0, deadline=30.0)], at=0.0)
    oracle.ack_asked(2, ["r1"], at=1.0)
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.stopped(PowerLost())
    common = Common(oracle, Clock(), lambda broken: pytest.fail(str(broken)))
    common.store = Burying()  # type: ignore[assignment]
    survey = Survey(common, patience=60.0)
    drain(survey, Q)
    assert survey.dead == 1
    oracle.stopped(ProcessCrashed())
    drain(survey, Q)
