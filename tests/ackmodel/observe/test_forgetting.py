"""An oracle that forgets: what it forgets, what it never does, and what it can be told out of order by threads."""

from __future__ import annotations

import re
import threading

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.options import OracleOptions
from ackmodel.observe.oracle import Delivered, Oracle

Q = "q"
OP = 10_000
"""The number of an operation that ends at once."""
NONE = frozenset[int]()
FORGETS = OracleOptions(forget=True, locking=True)


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(Level.PAGE_CACHE, options=FORGETS)


def popped(oracle: Oracle, offset: int, receipt: str, *, at: float = 0.0, deadline: float = 30.0) -> None:
    oracle.pop_asked(OP, Q, deadline)
    oracle.popped(OP, Q, [Delivered(receipt, offset, deadline)], at)


def acked(oracle: Oracle, op: int, receipt: str, reply: Reply = Reply.OK, at: float = 1.0) -> None:
    oracle.ack_asked(op, [receipt], at)
    oracle.ack_answered(op, [reply], at)


def saw(oracle: Oracle, committed: int, persisted: int) -> None:
    oracle.saw_offset(Q, Sighting(committed, persisted), ())


def flushed(oracle: Oracle) -> None:
    oracle.barrier_asked(OP)
    oracle.barrier_answered(OP, Reply.OK)


def broken(clause: Clause) -> pytest.RaisesExc[Broken]:
    return pytest.raises(Broken, match=f"^{re.escape(clause.value)}")


def test_what_the_offset_has_passed_is_forgotten_but_may_not_come_again(oracle: Oracle) -> None:
    for offset in range(50):
        popped(oracle, offset, f"r{offset}")
        acked(oracle, offset, f"r{offset}")
    saw(oracle, 50, 40)
    queue = oracle.queues[Q]
    assert sorted(queue.contracts) == list(range(40, 50))
    assert len(queue.receipts) == len(queue.acknowledged) == 10
    with broken(Clause.NO_RETURN):
        popped(oracle, 39, "again", at=99.0)


def test_an_ack_of_what_is_done_with_is_not_answered_ok(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    saw(oracle, 1, 1)
    acked(oracle, 2, "r0", Reply.SETTLED)
    with broken(Clause.RECEIPT_IS_EXACT):
        acked(oracle, 3, "r0", Reply.OK)


def test_an_ack_that_was_asked_for_before_the_offset_passed_may_be_answered_ok_after(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    oracle.ack_asked(1, ["r0"], 1.0)
    saw(oracle, 1, 1)
    oracle.ack_answered(1, [Reply.OK], 1.0)


def test_an_offset_beyond_what_nobody_acked(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    saw(oracle, 0, 0)
    with broken(Clause.COMMIT_IS_SAFE):
        saw(oracle, 1, 0)


def test_an_offset_beyond_what_was_never_handed_out(oracle: Oracle) -> None:
    oracle.published(Q, 5)
    saw(oracle, 0, 0)
    with broken(Clause.COMMIT_IS_SAFE):
        saw(oracle, 1, 0)


def test_an_offset_that_goes_back(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    saw(oracle, 1, 0)
    with broken(Clause.COMMIT_IS_MONOTONE):
        saw(oracle, 0, 0)
    oracle.stopped(ProcessCrashed())
    saw(oracle, 0, 0)


def test_an_offset_that_comes_up_too_far(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    oracle.stopped(PowerLost())
    with broken(Clause.DERIVED_NEVER_AHEAD):
        saw(oracle, 1, 1)


def test_what_must_come_back_and_does_not(oracle: Oracle) -> None:
    oracle.published(Q, 3)
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    popped(oracle, 2, "r2")
    oracle.stopped(Restarted())
    popped(oracle, 1, "r1", at=99.0, deadline=199.0)
    with broken(Clause.NO_LIMBO):
        oracle.drained(Q, {1}, 99.0, NONE)


def test_a_message_that_was_never_handed_out_must_come_too(oracle: Oracle) -> None:
    oracle.published(Q, 1)
    with broken(Clause.NO_LIMBO):
        oracle.drained(Q, set(), 99.0, NONE)


def test_a_pop_whose_answer_is_unknown_may_have_hidden_anything(oracle: Oracle) -> None:
    oracle.published(Q, 2)
    oracle.pop_asked(1, Q, 50.0)
    oracle.pop_refused(1, Reply.UNKNOWN)
    oracle.drained(Q, set(), 49.0, NONE)
    with broken(Clause.NO_LIMBO):
        oracle.drained(Q, {0}, 51.0, NONE)


def test_what_a_barrier_covers_survives_power_loss(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    flushed(oracle)
    oracle.stopped(PowerLost())
    with broken(Clause.SURVIVES_POWER_LOSS):
        popped(oracle, 0, "again", at=99.0)


def test_what_no_barrier_covered_may_come_back(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    oracle.stopped(PowerLost())
    popped(oracle, 0, "again", at=99.0, deadline=120.0)


def test_a_receipt_that_was_issued_before(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    with broken(Clause.RECEIPT_IS_EXACT):
        popped(oracle, 1, "r0")


def test_a_batch_that_is_answered_short(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    oracle.ack_asked(1, ["r0"], 1.0)
    with broken(Clause.RECEIPT_IS_EXACT):
        oracle.ack_answered(1, [], 1.0)


def test_a_message_that_was_given_back_comes_before_its_deadline(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    oracle.release_asked(1, "r0", 1.0)
    oracle.change_answered(1, Reply.OK, 1.0)
    popped(oracle, 0, "r1", at=2.0)
    with broken(Clause.DEADLINE_IS_EXACT):
        popped(oracle, 0, "r2", at=3.0)


def test_no_more_changes_than_can_be_judged(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    for op in (1, 2):
        assert oracle.may_change("r0")
        oracle.renew_asked(op, "r0", 1.0, 60.0 + op)
        oracle.change_answered(op, Reply.UNKNOWN, 1.0)
    assert not oracle.may_change("r0")


def test_at_rest_the_offset_is_at_the_end(oracle: Oracle) -> None:
    oracle.published(Q, 3)
    oracle.saw_all_settled(Q, Sighting(3, 3))
    with broken(Clause.COMMIT_PROGRESSES):
        oracle.saw_all_settled(Q, Sighting(3, 2))


def test_under_policy_checkpoint_what_is_only_handed_out_is_not_done_with(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    popped(oracle, 1, "r1")
    oracle.saw_offset(Q, Sighting(2, 2), None, floor=0)
    popped(oracle, 0, "again", at=99.0, deadline=120.0)
    acked(oracle, 1, "again", at=99.5)
    oracle.saw_offset(Q, Sighting(2, 2), None, floor=1)
    with broken(Clause.NO_RETURN):
        popped(oracle, 0, "once more", at=200.0)
    with broken(Clause.COMMIT_IS_SAFE):
        oracle.saw_offset(Q, Sighting(2, 2), None, floor=2)


def test_what_was_refused_leaves_no_history(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    before = list(oracle.queues[Q].contracts[0].history)
    for op in range(1, 100, 2):
        acked(oracle, op, "r0", Reply.BUSY)
        oracle.renew_asked(op + 1, "r0", 1.0, 60.0)
        oracle.change_answered(op + 1, Reply.BUSY, 1.0)
    assert oracle.queues[Q].contracts[0].history == before
    acked(oracle, 101, "r0")
    assert list(oracle.queues[Q].acknowledged) == [0]


class TestDeadLetters:
    @pytest.fixture
    def oracle(self) -> Oracle:
        return Oracle(Level.PAGE_CACHE, max_attempts=2, options=FORGETS)

    def test_what_had_its_attempts_is_one(self, oracle: Oracle) -> None:
        oracle.published(Q, 1)
        popped(oracle, 0, "r0")
        popped(oracle, 0, "r1", at=40.0, deadline=70.0)
        assert oracle.misses(Q, set(), 99.0, NONE)
        oracle.drained(Q, set(), 99.0, NONE, all_listed=False)
        with broken(Clause.NO_LIMBO):
            oracle.drained(Q, set(), 99.0, NONE)

    def test_and_does_not_come_again(self, oracle: Oracle) -> None:
        oracle.published(Q, 1)
        popped(oracle, 0, "r0")
        popped(oracle, 0, "r1", at=40.0, deadline=70.0)
        oracle.drained(Q, set(), 99.0, {0})
        saw(oracle, 1, 0)
        with broken(Clause.NO_LIMBO):
            popped(oracle, 0, "r2", at=99.0)

    def test_an_ack_that_met_one_may_be_told_that_it_is_durable(self, oracle: Oracle) -> None:
        popped(oracle, 0, "r0")
        popped(oracle, 0, "r1", at=40.0, deadline=70.0)
        with broken(Clause.REPLY_NEVER_FALSE):
            oracle.called_back([(Q, 0)], 69.9)
        oracle.called_back([(Q, 0)], 70.0)
        popped(oracle, 1, "s0")
        with broken(Clause.REPLY_NEVER_FALSE):
            oracle.called_back([(Q, 1)], 99.0)

    def test_what_came_is_none(self, oracle: Oracle) -> None:
        oracle.published(Q, 1)
        popped(oracle, 0, "r0")
        with broken(Clause.NO_LIMBO):
            oracle.drained(Q, {0}, 99.0, {0})


class TestResets:
    @pytest.fixture
    def oracle(self) -> Oracle:
        oracle = Oracle(Level.PAGE_CACHE, options=FORGETS)
        oracle.published(Q, 50)
        for offset in range(40):
            popped(oracle, offset, f"r{offset}")
            acked(oracle, offset, f"r{offset}")
        saw(oracle, 40, 40)
        popped(oracle, 40, "r40")
        return oracle

    def reset(self, oracle: Oracle, offset: int, reply: Reply = Reply.OK, op: int = 100) -> None:
        oracle.reset_asked(op, Q, offset)
        oracle.reset_answered(op, reply)

    def test_back_over_what_was_done_with(self, oracle: Oracle) -> None:
        assert oracle.may_reset(Q)
        self.reset(oracle, 30)
        saw(oracle, 30, 30)
        popped(oracle, 30, "new", at=2.0)
        with broken(Clause.NO_RETURN):
            popped(oracle, 29, "again", at=2.0)

    def test_what_it_brings_back_must_come(self, oracle: Oracle) -> None:
        self.reset(oracle, 30)
        with broken(Clause.COMMIT_IS_MONOTONE):
            oracle.drained(Q, set(range(31, 50)), 99.0, NONE)

    def test_forward_it_settles_and_no_old_receipt_counts(self, oracle: Oracle) -> None:
        self.reset(oracle, 41)
        with broken(Clause.NO_RETURN):
            popped(oracle, 40, "again", at=99.0)
        popped(oracle, 41, "r41")
        self.reset(oracle, 41, op=101)
        with broken(Clause.RECEIPT_IS_EXACT):
            acked(oracle, 200, "r41")

    def test_it_sticks(self, oracle: Oracle) -> None:
        self.reset(oracle, 45)
        oracle.stopped(PowerLost())
        with broken(Clause.COMMIT_IS_MONOTONE):
            saw(oracle, 44, 44)

    def test_one_that_was_refused_changed_nothing(self, oracle: Oracle) -> None:
        self.reset(oracle, 30, Reply.BUSY)
        with broken(Clause.COMMIT_IS_MONOTONE):
            popped(oracle, 35, "again", at=99.0)

    @pytest.mark.parametrize("took", [True, False])
    def test_of_one_whose_outcome_is_unknown_either_may_be_seen(self, oracle: Oracle, took: bool) -> None:
        self.reset(oracle, 30, Reply.UNKNOWN)
        assert not oracle.may_reset(Q)
        saw(oracle, 30, 30)  # not judged
        came = set(range(30 if took else 40, 50))
        for offset in came:
            popped(oracle, offset, f"new{offset}", at=99.0, deadline=120.0)
        oracle.drained(Q, came, 99.0, NONE)

    def test_another_one_decides_it(self, oracle: Oracle) -> None:
        self.reset(oracle, 30, Reply.UNKNOWN)
        self.reset(oracle, 30, Reply.BUSY, op=101)
        assert not oracle.may_reset(Q)
        self.reset(oracle, 30, op=102)
        assert oracle.may_reset(Q)
        with broken(Clause.COMMIT_IS_MONOTONE):
            saw(oracle, 29, 29)

    def test_so_does_a_clean_restart(self, oracle: Oracle) -> None:
        self.reset(oracle, 30, Reply.UNKNOWN)
        oracle.stopped(ProcessCrashed())
        assert not oracle.may_reset(Q)
        oracle.stopped(Restarted())
        assert oracle.may_reset(Q)
        saw(oracle, 30, 30)


def test_a_barrier_does_not_cover_a_later_ack_of_what_was_reset_meanwhile(oracle: Oracle) -> None:
    popped(oracle, 0, "r0")
    acked(oracle, 1, "r0")
    oracle.barrier_asked(2)
    oracle.reset_asked(3, Q, 0)
    oracle.reset_answered(3, Reply.OK)
    popped(oracle, 0, "r1", at=2.0, deadline=30.0)
    acked(oracle, 4, "r1", at=3.0)
    oracle.barrier_answered(2, Reply.OK)
    oracle.stopped(PowerLost())
    popped(oracle, 0, "r2", at=99.0)


def test_threads_may_tell_of_their_calls(oracle: Oracle) -> None:
    """Each of its own messages; what is counted is what one alone would have counted."""
    oracle.published(Q, 400)

    def client(number: int) -> None:
        for offset in range(number, 400, 4):
            op, receipt = 10 * offset, f"r{offset}"
            oracle.pop_asked(op, Q, 30.0)
            oracle.popped(op, Q, [Delivered(receipt, offset, 30.0)], 0.0)
            acked(oracle, op + 1, receipt)
            oracle.barrier_asked(op + 2)
            oracle.barrier_answered(op + 2, Reply.OK)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert oracle.is_settled(Q)
    assert oracle.checked[Clause.REPLY_EXACTLY_ONCE] == 3 * 400
    saw(oracle, 400, 400)
    assert (oracle.queues[Q].contracts, oracle._receipts) == ({}, {})
