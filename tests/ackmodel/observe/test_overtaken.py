"""What is under way while a queue is reset comes before it, or after it: each answer that fits either is right."""

from __future__ import annotations

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply
from ackmodel.observe.oracle import Delivered, Oracle

LEVELS = list(Level)


def oracle_of(level: Level, *, messages: int = 2) -> Oracle:
    """Return an oracle that has seen message 0 popped, with receipt r0, until 30."""
    oracle = Oracle(level)
    oracle.published("q", messages)
    oracle.pop_asked(1, "q", 30.0)
    oracle.popped(1, "q", [Delivered("r0", 0, 30.0, 1)], at=0.0)
    return oracle


def reset(oracle: Oracle, offset: int, reply: Reply = Reply.OK) -> None:
    oracle.reset_asked(50, "q", offset)
    oracle.reset_answered(50, reply)


def comes(oracle: Oracle, receipt: str, offset: int, *, op: int = 60, at: float = 5.0, attempt: int = 1) -> None:
    oracle.pop_asked(op, "q", at + 30.0)
    oracle.popped(op, "q", [Delivered(receipt, offset, at + 30.0, attempt)], at=at)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("reply", [Reply.OK, Reply.EXPIRED, Reply.BUSY, Reply.FAILED, Reply.UNKNOWN])
def test_an_ack_under_way_may_be_answered_as_before_or_after(level: Level, reply: Reply) -> None:
    oracle = oracle_of(level)
    oracle.ack_asked(2, ["r0"], at=1.0)
    reset(oracle, 0)
    oracle.ack_answered(2, [reply], at=2.0)
    comes(oracle, "r1", 0)  # whatever was answered, it is as never handed out


def test_but_it_settles_nothing_that_is_as_never_handed_out() -> None:
    oracle = oracle_of(Level.DISK)
    oracle.ack_asked(2, ["r0"], at=1.0)
    reset(oracle, 0)
    oracle.ack_answered(2, [Reply.OK], at=2.0)
    with pytest.raises(Broken, match="the reset of the offset did not stick") as broken:
        oracle.drained("q", [1], at=99.0)
    assert broken.value.clause is Clause.COMMIT_IS_MONOTONE


def test_an_answer_that_was_right_at_no_time_is_wrong() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    comes(oracle, "r1", 0, at=40.0, attempt=2)
    oracle.ack_asked(2, ["r0"], at=41.0)  # of an earlier delivery
    reset(oracle, 0)
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.OK], at=42.0)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT


def test_nor_is_an_ack_overtaken_that_was_asked_for_afterwards() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    reset(oracle, 0)
    oracle.ack_asked(2, ["r0"], at=1.0)
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.OK], at=2.0)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT


def test_nor_by_a_reset_that_was_refused() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    comes(oracle, "r1", 0, at=40.0, attempt=2)
    oracle.ack_asked(2, ["r1"], at=41.0)
    reset(oracle, 0, Reply.BUSY)
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.EXPIRED], at=42.0)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT


@pytest.mark.parametrize("reply", [Reply.OK, Reply.EXPIRED, Reply.BUSY])
def test_a_renewal_under_way_too(reply: Reply) -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.renew_asked(2, "r0", at=1.0, deadline=90.0)
    reset(oracle, 0)
    oracle.change_answered(2, reply, at=2.0)
    comes(oracle, "r1", 0)
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)


def test_what_a_pop_under_way_brings_may_be_void_or_not() -> None:
    for void in (True, False):
        oracle = oracle_of(Level.PAGE_CACHE)
        oracle.pop_asked(2, "q", 60.0)
        reset(oracle, 1)
        oracle.popped(2, "q", [Delivered("r1", 1, 60.0, 1)], at=2.0)
        oracle.ack_asked(3, ["r1"], at=3.0)
        oracle.ack_answered(3, [Reply.EXPIRED if void else Reply.OK], at=3.0)
        if void:
            comes(oracle, "r2", 1)
        else:
            oracle.drained("q", [], at=99.0)


def test_and_brings_nothing_that_was_settled_before_and_after() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.ack_asked(2, ["r0"], at=1.0)
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.pop_asked(3, "q", 60.0)
    reset(oracle, 1)
    with pytest.raises(Broken) as broken:
        oracle.popped(3, "q", [Delivered("r1", 0, 60.0, 2)], at=2.0)
    assert broken.value.clause is Clause.COMMIT_IS_MONOTONE


def test_what_is_answered_beside_a_reset_no_barrier_speaks_of() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.ack_asked(2, ["r0"], at=1.0)
    oracle.reset_asked(50, "q", 0)
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.barrier_asked(3)
    oracle.reset_answered(50, Reply.OK)
    oracle.barrier_answered(3, Reply.OK)
    comes(oracle, "r1", 0)


def test_what_is_published_beside_a_reset_may_be_handed_out_before_it_and_after() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.reset_asked(50, "q", 0)
    oracle.published("q", 3)
    comes(oracle, "r1", 2, op=3, at=1.0)
    oracle.reset_answered(50, Reply.OK)
    comes(oracle, "r2", 2, op=4, at=2.0)


def test_a_stop_ends_all_that_was_under_way() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.ack_asked(2, ["r0"], at=1.0)
    reset(oracle, 0)
    oracle.stopped(ProcessCrashed())
    comes(oracle, "r1", 0)
    oracle.reset_asked(51, "q", 0)
    oracle.reset_answered(51, Reply.OK)
    comes(oracle, "r2", 0, op=61)


def test_what_a_power_loss_undoes_may_have_ended_a_delivery_of_after_the_reset() -> None:
    oracle = oracle_of(Level.PAGE_CACHE)
    oracle.reset_asked(50, "q", 0)
    comes(oracle, "r1", 0)  # the reset has taken effect, and is not answered yet
    oracle.release_asked(70, "r1", at=6.0)
    oracle.change_answered(70, Reply.OK, at=6.0)
    oracle.reset_answered(50, Reply.OK)
    oracle.stopped(PowerLost())
    oracle.ack_asked(80, ["r1"], at=7.0)
    oracle.ack_answered(80, [Reply.OK], at=7.0)
