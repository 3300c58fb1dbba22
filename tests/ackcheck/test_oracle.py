"""The oracle: it tells the contracts and the monitors what was seen, and names the clause that broke."""

import pytest

from ackcheck.oracle import Broken, Oracle, Seen
from ackmodel import Clause, Level
from ackmodel.events import PowerLost, ProcessCrashed, Reply
from ackmodel.monitors import Sighting


@pytest.fixture
def oracle() -> Oracle:
    """An oracle that has seen one message popped, with receipt r1, hidden until 30."""
    seen = Oracle(Level.PAGE_CACHE)
    seen.published("q", 2)
    seen.pop_asked(1, "q", deadline=30.0)
    seen.popped(1, "q", [Seen("r1", 0, 30.0)], at=0.0)
    return seen


def ack(oracle: Oracle, op: int = 2, receipt: str = "r1", reply: Reply = Reply.OK) -> None:
    oracle.ack_asked(op, [receipt], at=1.0)
    oracle.ack_answered(op, [reply], at=1.0)


def returns(oracle: Oracle, op: int = 9) -> None:
    oracle.pop_asked(op, "q", deadline=200.0)
    oracle.popped(op, "q", [Seen(f"r{op}", 0, 200.0)], at=100.0)


def clause_of(broken: pytest.ExceptionInfo[Broken]) -> Clause:
    return broken.value.clause


def test_an_acknowledged_message_that_returns(oracle: Oracle) -> None:
    ack(oracle)
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.NO_RETURN


def test_one_that_was_refused_may_return(oracle: Oracle) -> None:
    ack(oracle, reply=Reply.FAILED)
    returns(oracle)


def test_a_barrier_covers_what_was_answered_before_it_was_asked(oracle: Oracle) -> None:
    ack(oracle)
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.SURVIVES_POWER_LOSS


def test_a_barrier_does_not_cover_what_was_answered_later(oracle: Oracle) -> None:
    oracle.barrier_asked(3)
    ack(oracle)
    oracle.barrier_answered(3, Reply.OK)
    oracle.stopped(PowerLost())
    returns(oracle)


def test_after_a_power_loss_a_barrier_covers_only_what_is_acknowledged_anew(oracle: Oracle) -> None:
    ack(oracle)
    oracle.stopped(PowerLost())
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)
    returns(oracle)


def test_after_a_process_crash_it_covers_what_was_acknowledged_before(oracle: Oracle) -> None:
    ack(oracle)
    oracle.stopped(ProcessCrashed())
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.RECOVERED_IS_CACHED


def test_a_receipt_is_issued_once(oracle: Oracle) -> None:
    oracle.pop_asked(5, "q", deadline=30.0)
    with pytest.raises(Broken) as broken:
        oracle.popped(5, "q", [Seen("r1", 1, 30.0)], at=0.0)
    assert clause_of(broken) is Clause.RECEIPT_IS_EXACT


def test_a_receipt_that_was_never_issued_settles_nothing(oracle: Oracle) -> None:
    with pytest.raises(Broken) as broken:
        ack(oracle, receipt="made up", reply=Reply.OK)
    assert clause_of(broken) is Clause.RECEIPT_IS_EXACT


@pytest.mark.parametrize("reply", [Reply.INVALID, Reply.EXPIRED, Reply.SETTLED])
def test_and_may_be_answered_that_it_does_not(oracle: Oracle, reply: Reply) -> None:
    ack(oracle, receipt="made up", reply=reply)


def test_a_batch_gets_a_reply_an_item(oracle: Oracle) -> None:
    oracle.ack_asked(2, ["r1", "r1"], at=1.0)
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.OK], at=1.0)
    assert clause_of(broken) is Clause.RECEIPT_IS_EXACT


def test_a_message_in_limbo_that_the_offset_has_passed_is_the_offsets_fault(oracle: Oracle) -> None:
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), None)
    with pytest.raises(Broken) as broken:
        oracle.drained("q", [1], at=100.0)
    assert clause_of(broken) is Clause.COMMIT_IS_SAFE


def test_and_else_it_is_limbo(oracle: Oracle) -> None:
    with pytest.raises(Broken) as broken:
        oracle.drained("q", [1], at=100.0)
    assert clause_of(broken) is Clause.NO_LIMBO


def test_the_offset_may_go_back_to_what_was_on_the_disk_by_a_restart_only(oracle: Oracle) -> None:
    ack(oracle)
    oracle.saw_offset("q", Sighting(committed=1, persisted=0), [])
    oracle.stopped(ProcessCrashed())
    oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    assert clause_of(broken) is Clause.COMMIT_IS_MONOTONE


def test_an_offset_that_comes_up_ahead_of_what_was_acknowledged() -> None:
    oracle = Oracle(Level.PAGE_CACHE)
    oracle.published("q", 2)
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    assert clause_of(broken) is Clause.DERIVED_NEVER_AHEAD


def test_what_is_shown_flushed_is_held_to_it(oracle: Oracle) -> None:
    ack(oracle)
    oracle.saw_flushed(["r1"])
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.FLUSH_IS_REAL
