"""The judge of a soak: what it forgets, what it never forgets, and what it can be told out of order."""

from __future__ import annotations

import re

import pytest

from acklab.soak.judge import Judge
from acklab.soak.survey import Letters
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import MadeDurable, PowerLost, ProcessCrashed, ReleaseAsked, RenewAsked, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered

Q = "q"
NONE = Letters(frozenset(), complete=True)


@pytest.fixture
def judge() -> Judge:
    return Judge(Level.PAGE_CACHE, [Q])


def popped(judge: Judge, offset: int, receipt: str, *, at: float = 0.0, deadline: float = 30.0) -> None:
    judge.popped(Q, [Delivered(receipt, offset, deadline)], at)


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
        judge.drained(Q, {1}, 99.0, NONE)


def test_a_message_that_was_never_handed_out_must_come_too(judge: Judge) -> None:
    judge.published(Q, 1)
    with broken(Clause.NO_LIMBO):
        judge.drained(Q, set(), 99.0, NONE)


def test_a_pop_whose_answer_is_unknown_may_have_hidden_anything(judge: Judge) -> None:
    judge.published(Q, 2)
    judge.pop_unknown(Q, 50.0)
    judge.drained(Q, set(), 49.0, NONE)
    with broken(Clause.NO_LIMBO):
        judge.drained(Q, {0}, 51.0, NONE)


def test_what_a_barrier_covers_survives_power_loss(judge: Judge) -> None:
    popped(judge, 0, "r0")
    acked(judge, 1, 0, "r0")
    assert judge.acknowledged() == [(Q, 0)]
    judge.durable(judge.acknowledged(), MadeDurable("barrier"))
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


def test_under_policy_checkpoint_what_is_only_handed_out_is_not_done_with(judge: Judge) -> None:
    judge.checkpoint = True
    popped(judge, 0, "r0")
    popped(judge, 1, "r1")
    judge.saw(Q, Sighting(2, 2), floor=0)
    popped(judge, 0, "again", at=99.0, deadline=120.0)
    acked(judge, 1, 0, "again", at=99.5)
    judge.saw(Q, Sighting(2, 2), floor=1)
    with broken(Clause.NO_RETURN):
        popped(judge, 0, "once more", at=200.0)
    with broken(Clause.COMMIT_IS_SAFE):
        judge.saw(Q, Sighting(2, 2), floor=2)


def test_what_was_refused_leaves_no_history(judge: Judge) -> None:
    popped(judge, 0, "r0")
    before = list(judge.queues[Q].contracts[0].history)
    for op in range(1, 100, 2):
        acked(judge, op, 0, "r0", Reply.BUSY)
        judge.change_asked((Q, 0), RenewAsked(op + 1, "r0", 1.0, 60.0))
        judge.change_answered((Q, 0), op + 1, Reply.BUSY, 1.0)
    assert judge.queues[Q].contracts[0].history == before
    acked(judge, 101, 0, "r0")
    assert judge.acknowledged() == [(Q, 0)]


class TestDeadLetters:
    @pytest.fixture
    def judge(self) -> Judge:
        return Judge(Level.PAGE_CACHE, [Q], max_attempts=2)

    def test_what_had_its_attempts_is_one(self, judge: Judge) -> None:
        judge.published(Q, 1)
        popped(judge, 0, "r0")
        popped(judge, 0, "r1", at=40.0, deadline=70.0)
        assert judge.misses(Q, set(), 99.0, NONE)
        assert not judge.misses(Q, set(), 99.0, Letters(frozenset(), complete=False))
        with broken(Clause.NO_LIMBO):
            judge.drained(Q, set(), 99.0, NONE)

    def test_and_does_not_come_again(self, judge: Judge) -> None:
        judge.published(Q, 1)
        popped(judge, 0, "r0")
        popped(judge, 0, "r1", at=40.0, deadline=70.0)
        judge.drained(Q, set(), 99.0, Letters(frozenset({0}), complete=True))
        judge.saw(Q, Sighting(1, 0))
        with broken(Clause.NO_LIMBO):
            popped(judge, 0, "r2", at=99.0)

    def test_an_ack_that_met_one_may_be_told_that_it_is_durable(self, judge: Judge) -> None:
        popped(judge, 0, "r0")
        popped(judge, 0, "r1", at=40.0, deadline=70.0)
        with broken(Clause.REPLY_NEVER_FALSE):
            judge.durable([(Q, 0)], MadeDurable("callback", at=69.9))
        judge.durable([(Q, 0)], MadeDurable("callback", at=70.0))
        popped(judge, 1, "s0")
        with broken(Clause.REPLY_NEVER_FALSE):
            judge.durable([(Q, 1)], MadeDurable("callback", at=99.0))

    def test_what_came_is_none(self, judge: Judge) -> None:
        judge.published(Q, 1)
        popped(judge, 0, "r0")
        with broken(Clause.NO_LIMBO):
            judge.drained(Q, {0}, 99.0, Letters(frozenset({0}), complete=True))


class TestResets:
    @pytest.fixture
    def judge(self) -> Judge:
        judge = Judge(Level.PAGE_CACHE, [Q], serial=[Q])
        judge.published(Q, 50)
        for offset in range(40):
            popped(judge, offset, f"r{offset}")
            acked(judge, offset, offset, f"r{offset}")
        judge.saw(Q, Sighting(40, 40))
        popped(judge, 40, "r40")
        return judge

    def reset(self, judge: Judge, offset: int, reply: Reply = Reply.OK, op: int = 100) -> None:
        judge.reset_asked(Q, op, offset)
        judge.reset_answered(Q, op, offset, reply)

    def test_back_over_what_was_done_with(self, judge: Judge) -> None:
        assert judge.may_reset(Q) == (20, 50)
        self.reset(judge, 30)
        judge.saw(Q, Sighting(30, 30))
        popped(judge, 30, "new", at=2.0)
        with broken(Clause.NO_RETURN):
            popped(judge, 29, "again", at=2.0)

    def test_what_it_brings_back_must_come(self, judge: Judge) -> None:
        self.reset(judge, 30)
        with broken(Clause.COMMIT_IS_MONOTONE):
            judge.drained(Q, set(range(31, 50)), 99.0, NONE)

    def test_forward_it_settles_and_no_old_receipt_counts(self, judge: Judge) -> None:
        self.reset(judge, 41)
        with broken(Clause.NO_RETURN):
            popped(judge, 40, "again", at=99.0)
        popped(judge, 41, "r41")
        self.reset(judge, 41, op=101)
        with broken(Clause.RECEIPT_IS_EXACT):
            acked(judge, 200, 41, "r41")

    def test_it_sticks(self, judge: Judge) -> None:
        self.reset(judge, 45)
        judge.stopped(PowerLost())
        with broken(Clause.COMMIT_IS_MONOTONE):
            judge.saw(Q, Sighting(44, 44))

    def test_one_that_was_refused_changed_nothing(self, judge: Judge) -> None:
        self.reset(judge, 30, Reply.BUSY)
        with broken(Clause.COMMIT_IS_MONOTONE):
            popped(judge, 35, "again", at=99.0)

    @pytest.mark.parametrize("took", [True, False])
    def test_of_one_whose_outcome_is_unknown_either_may_be_seen(self, judge: Judge, took: bool) -> None:
        self.reset(judge, 30, Reply.UNKNOWN)
        assert (judge.may_reset(Q), judge.undecided(Q)) == (None, 30)
        judge.saw(Q, Sighting(30, 30))  # not judged
        came = set(range(30 if took else 40, 50))
        for offset in came:
            popped(judge, offset, f"new{offset}", at=99.0, deadline=120.0)
        judge.drained(Q, came, 99.0, NONE)

    def test_another_one_decides_it(self, judge: Judge) -> None:
        self.reset(judge, 30, Reply.UNKNOWN)
        self.reset(judge, 30, Reply.BUSY, op=101)
        assert judge.undecided(Q) == 30
        self.reset(judge, 30, op=102)
        assert judge.undecided(Q) is None
        with broken(Clause.COMMIT_IS_MONOTONE):
            judge.saw(Q, Sighting(29, 29))

    def test_so_does_a_clean_restart(self, judge: Judge) -> None:
        self.reset(judge, 30, Reply.UNKNOWN)
        judge.stopped(ProcessCrashed())
        assert judge.undecided(Q) == 30
        judge.stopped(Restarted())
        assert judge.undecided(Q) is None
        judge.saw(Q, Sighting(30, 30))
