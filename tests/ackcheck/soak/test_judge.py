"""The judge of a soak: what it forgets, what it never forgets, and what it can be told out of order."""

from __future__ import annotations

import re

import pytest

from ackcheck.oracle import Broken, Seen
from ackcheck.soak.judge import Judge
from ackmodel import Clause, Level
from ackmodel.events import PowerLost, ProcessCrashed, ReleaseAsked, RenewAsked, Reply, Restarted
from ackmodel.monitors import Sighting

Q = "q"


@pytest.fixture
def judge() -> Judge:
    return Judge(Level.PAGE_CACHE, [Q])


def popped(judge: Judge, offset: int, receipt: str, *, at: float = 0.0, deadline: float = 30.0) -> None:
    judge.popped(Q, [Seen(receipt, offset, deadline)], at)


def acked(judge: Judge, op: int, offset: int, receipt: str, reply: Reply = Reply.OK, at: float = 1.0) -> None:
    items = [(op, Q, offset, receipt)]
    judge.ack_answered(items, [reply], at, judge.ack_asked(items, at))


def broken(clause: Clause) -> pytest.RaisesExc[Broken]:
    return pytest.raises(Broken, match=f"^{re.escape(clause.value)}")


def test_what_the_offset_has_passed_is_forgotten_but_may_not_come_again(judge: Judge) -> None:
    for offset in range(50):
        popped(judge, offset, f"r{offset}")
        acked(judge, offset, offset, f"r{offset}")
    judge.saw(Q, Sighting(50, 40))
    queue = judge.queues[Q]
    assert sorted(queue.contracts) == list(range(40, 50))
    assert len(queue.receipts) == len(queue.acknowledged) == 10
    with broken(Clause.NO_RETURN):
        popped(judge, 39, "again", at=99.0)


def test_an_ack_of_what_is_done_with_is_not_answered_ok(judge: Judge) -> None:
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    judge.saw(Q, Sighting(1, 1))
    acked(judge, 2, 0, "r0", Reply.SETTLED)
    with broken(Clause.RECEIPT_IS_EXACT):
        acked(judge, 3, 0, "r0", Reply.OK)


def test_an_ack_that_was_asked_for_before_the_offset_passed_may_be_answered_ok_after(judge: Judge) -> None:
    popped(judge, 0, "r0")
    items = [(1, Q, 0, "r0")]
    live = judge.ack_asked(items, 1.0)
    judge.saw(Q, Sighting(1, 1))
    judge.ack_answered(items, [Reply.OK], 1.0, live)


def test_an_offset_beyond_what_nobody_acked(judge: Judge) -> None:
    popped(judge, 0, "r0")
    with broken(Clause.COMMIT_IS_SAFE):
        judge.saw(Q, Sighting(1, 0))


def test_an_offset_beyond_what_was_never_handed_out(judge: Judge) -> None:
    judge.published(Q, 5)
    with broken(Clause.COMMIT_IS_SAFE):
        judge.saw(Q, Sighting(1, 0))


def test_an_offset_that_goes_back(judge: Judge) -> None:
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    judge.saw(Q, Sighting(1, 0))
    with broken(Clause.COMMIT_IS_MONOTONE):
        judge.saw(Q, Sighting(0, 0))
    judge.stopped(ProcessCrashed())
    judge.saw(Q, Sighting(0, 0))


def test_an_offset_that_comes_up_too_far(judge: Judge) -> None:
    popped(judge, 0, "r0")
    judge.stopped(PowerLost())
    with broken(Clause.DERIVED_NEVER_AHEAD):
        judge.saw(Q, Sighting(1, 1))


def test_what_must_come_back_and_does_not(judge: Judge) -> None:
    judge.published(Q, 3)
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    popped(judge, 2, "r2")
    judge.stopped(Restarted())
    popped(judge, 1, "r1", at=99.0, deadline=199.0)
    with broken(Clause.NO_LIMBO):
        judge.drained(Q, {1}, at=99.0)


def test_a_message_that_was_never_handed_out_must_come_too(judge: Judge) -> None:
    judge.published(Q, 1)
    with broken(Clause.NO_LIMBO):
        judge.drained(Q, set(), at=99.0)


def test_a_pop_whose_answer_is_unknown_may_have_hidden_anything(judge: Judge) -> None:
    judge.published(Q, 2)
    judge.pop_unknown(Q, 50.0)
    judge.drained(Q, set(), at=49.0)
    with broken(Clause.NO_LIMBO):
        judge.drained(Q, {0}, at=51.0)


def test_what_a_barrier_covers_survives_power_loss(judge: Judge) -> None:
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    assert judge.acknowledged() == [(Q, 0)]
    judge.durable(judge.acknowledged(), "barrier")
    judge.stopped(PowerLost())
    assert judge.acknowledged() == []
    with broken(Clause.SURVIVES_POWER_LOSS):
        popped(judge, 0, "again", at=99.0)


def test_what_no_barrier_covered_may_come_back(judge: Judge) -> None:
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    judge.stopped(PowerLost())
    popped(judge, 0, "again", at=99.0, deadline=120.0)


def test_a_receipt_that_was_issued_before(judge: Judge) -> None:
    popped(judge, 0, "r0")
    with broken(Clause.RECEIPT_IS_EXACT):
        popped(judge, 1, "r0")


def test_a_batch_that_is_answered_short(judge: Judge) -> None:
    popped(judge, 0, "r0")
    items = [(1, Q, 0, "r0")]
    with broken(Clause.RECEIPT_IS_EXACT):
        judge.ack_answered(items, [], 1.0, judge.ack_asked(items, 1.0))


def test_a_message_that_was_given_back_comes_before_its_deadline(judge: Judge) -> None:
    popped(judge, 0, "r0")
    assert judge.may_change((Q, 0))
    judge.change_asked((Q, 0), ReleaseAsked(1, "r0", 1.0))
    judge.change_answered((Q, 0), 1, Reply.OK, 1.0)
    popped(judge, 0, "r1", at=2.0)
    with broken(Clause.DEADLINE_IS_EXACT):
        popped(judge, 0, "r2", at=3.0)


def test_no_more_changes_than_can_be_judged(judge: Judge) -> None:
    assert not judge.may_change((Q, 0))
    popped(judge, 0, "r0")
    for op in (1, 2):
        assert judge.may_change((Q, 0))
        judge.change_asked((Q, 0), RenewAsked(op, "r0", 1.0, 60.0 + op))
        judge.change_answered((Q, 0), op, Reply.UNKNOWN, 1.0)
    assert not judge.may_change((Q, 0))


def test_at_rest_the_offset_is_at_the_end(judge: Judge) -> None:
    judge.published(Q, 3)
    judge.saw_at_rest(Q, Sighting(3, 3))
    with broken(Clause.COMMIT_PROGRESSES):
        judge.saw_at_rest(Q, Sighting(3, 2))
