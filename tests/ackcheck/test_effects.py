"""What a client lost is told from what was observed, and not from the words of a finding."""

from collections.abc import Callable

import pytest

from ackcheck.effects import Effect, effect_of
from ackmodel import Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, Reply
from ackmodel.observe.oracle import Delivered, Oracle


def handed_out(oracle: Oracle, op: int, at: float) -> None:
    oracle.pop_asked(op, "q", deadline=at + 30.0)
    oracle.popped(op, "q", [Delivered(f"r{op}", 0, at + 30.0)], at=at)


def an_ack_comes_back(oracle: Oracle) -> None:
    handed_out(oracle, 1, at=0.0)
    oracle.ack_asked(2, ["r1"], at=1.0)
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.stopped(PowerLost())
    handed_out(oracle, 3, at=60.0)


def it_never_comes(oracle: Oracle) -> None:
    handed_out(oracle, 1, at=0.0)
    oracle.drained("q", [], at=99.0)


def it_comes_to_two(oracle: Oracle) -> None:
    handed_out(oracle, 1, at=0.0)
    handed_out(oracle, 2, at=1.0)


def an_answer_is_false(oracle: Oracle) -> None:
    oracle.ack_asked(1, ["nothing"], at=0.0)
    oracle.ack_answered(1, [Reply.OK], at=0.0)


@pytest.mark.parametrize(
    ("shows", "effect"),
    [
        (an_ack_comes_back, Effect.RETURNED),
        (it_never_comes, Effect.LOST),
        (it_comes_to_two, Effect.DUPLICATED),
        (an_answer_is_false, Effect.OTHER),
    ],
)
def test_each_effect(shows: Callable[[Oracle], None], effect: Effect) -> None:
    oracle = Oracle(Level.DISK)
    oracle.published("q", 1)
    with pytest.raises(Broken) as broken:
        shows(oracle)
    assert effect_of(broken.value) is effect
