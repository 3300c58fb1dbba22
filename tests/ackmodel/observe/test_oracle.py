"""The oracle: it tells the contracts and the monitors what was seen, and names the clause that broke."""

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import IoCounts, Sighting
from ackmodel.observe.oracle import Delivered, Oracle
from one_popped import ack


def returns(oracle: Oracle, op: int = 9) -> None:
    oracle.pop_asked(op, "q", deadline=200.0)
    oracle.popped(op, "q", [Delivered(f"r{op}", 0, 200.0)], at=100.0)


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
        oracle.popped(5, "q", [Delivered("r1", 1, 30.0)], at=0.0)
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


def test_what_is_shown_flushed_of_before_a_reset_says_nothing_of_after_it(oracle: Oracle) -> None:
    ack(oracle)
    oracle.reset_asked(3, "q", 0)
    oracle.reset_answered(3, Reply.OK)
    oracle.pop_asked(4, "q", deadline=90.0)
    oracle.popped(4, "q", [Delivered("r4", 0, 90.0)], at=2.0)
    oracle.ack_asked(5, ["r4"], at=3.0)
    oracle.ack_answered(5, [Reply.OK], at=3.0)
    oracle.saw_flushed(["r1"])
    oracle.stopped(PowerLost())
    returns(oracle)


# --- renewals, releases, resets, dead letters ----------------------------------------------------------------------


def renew(oracle: Oracle, op: int = 3, reply: Reply = Reply.OK, receipt: str = "r1") -> None:
    oracle.renew_asked(op, receipt, at=1.0, deadline=500.0)
    oracle.change_answered(op, reply, at=1.0)


def barrier(oracle: Oracle, op: int = 8) -> None:
    oracle.barrier_asked(op)
    oracle.barrier_answered(op, Reply.OK)


def test_a_renewed_message_that_returns_at_its_first_deadline(oracle: Oracle) -> None:
    renew(oracle)
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.DEADLINE_IS_EXACT


def test_a_renewal_is_lost_with_the_power_unless_a_barrier_covered_it(oracle: Oracle) -> None:
    renew(oracle)
    oracle.stopped(PowerLost())
    returns(oracle)


def test_a_barrier_covers_a_renewal_that_was_answered_before_it(oracle: Oracle) -> None:
    renew(oracle)
    barrier(oracle)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.DEADLINE_IS_EXACT


def test_a_barrier_does_not_cover_a_renewal_that_was_answered_later(oracle: Oracle) -> None:
    oracle.barrier_asked(8)
    renew(oracle)
    oracle.barrier_answered(8, Reply.OK)
    oracle.stopped(PowerLost())
    returns(oracle)


def test_the_receipt_of_a_released_delivery_settles_nothing(oracle: Oracle) -> None:
    oracle.release_asked(3, "r1", at=1.0)
    oracle.change_answered(3, Reply.OK, at=1.0)
    with pytest.raises(Broken) as broken:
        ack(oracle)
    assert clause_of(broken) is Clause.RECEIPT_IS_EXACT


def test_a_receipt_that_was_never_issued_is_not_renewed(oracle: Oracle) -> None:
    renew(oracle, op=3, receipt="made up", reply=Reply.INVALID)
    with pytest.raises(Broken) as broken:
        renew(oracle, op=4, receipt="made up")
    assert clause_of(broken) is Clause.RECEIPT_IS_EXACT


def test_a_renewal_is_answered_once(oracle: Oracle) -> None:
    oracle.renew_asked(4, "r1", at=1.0, deadline=500.0)
    oracle.change_answered(4, Reply.OK, at=1.0)
    with pytest.raises(Broken) as broken:
        oracle.change_answered(4, Reply.OK, at=1.0)
    assert clause_of(broken) is Clause.REPLY_EXACTLY_ONCE


def reset(oracle: Oracle, offset: int, reply: Reply | None = Reply.OK, op: int = 6) -> None:
    oracle.reset_asked(op, "q", offset)
    if reply is not None:
        oracle.reset_answered(op, reply)


def test_a_reset_may_take_the_offset_back_and_then_it_sticks(oracle: Oracle) -> None:
    ack(oracle)
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    reset(oracle, 0)
    oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    oracle.stopped(ProcessCrashed())
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    assert clause_of(broken) is Clause.COMMIT_IS_MONOTONE, "it is not that an index was ahead: the reset was undone"


def test_a_reset_forward_is_not_taken_back(oracle: Oracle) -> None:
    reset(oracle, 2)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    assert clause_of(broken) is Clause.COMMIT_IS_MONOTONE


@pytest.mark.parametrize("reply", [None, Reply.UNKNOWN])
def test_a_reset_without_an_answer_lets_the_offset_be_anywhere(oracle: Oracle, reply: Reply | None) -> None:
    ack(oracle)
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    reset(oracle, 0, reply)
    oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    oracle.stopped(ProcessCrashed())
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    oracle.stopped(Restarted())
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])
    assert clause_of(broken) is Clause.COMMIT_IS_MONOTONE, "after a clean restart it is one or the other"


def test_a_reset_that_failed_leaves_the_offset_alone(oracle: Oracle) -> None:
    ack(oracle)
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), [])
    reset(oracle, 0, Reply.FAILED)
    with pytest.raises(Broken):
        oracle.saw_offset("q", Sighting(committed=0, persisted=0), [])


def test_a_message_that_does_not_come_though_it_was_reset(oracle: Oracle) -> None:
    ack(oracle)
    barrier(oracle)
    reset(oracle, 0)
    with pytest.raises(Broken) as broken:
        oracle.drained("q", [1], at=100.0)
    assert clause_of(broken) is Clause.COMMIT_IS_MONOTONE


def test_close_answers_renewals_and_resets_too(oracle: Oracle) -> None:
    oracle.renew_asked(3, "r1", at=1.0, deadline=500.0)
    reset(oracle, 0, None)
    with pytest.raises(Broken, match="2 operations were not"):
        oracle.closed(Reply.OK)


def dying(attempts: int) -> Oracle:
    """An oracle that has seen message 0 handed out so often, of a store that says to dead-letter after two."""
    oracle = Oracle(Level.PAGE_CACHE, max_attempts=2)
    oracle.published("q", 1)
    for number in range(attempts):
        oracle.pop_asked(number, "q", deadline=10.0 * number + 5.0)
        oracle.popped(number, "q", [Delivered(f"r{number}", 0, 10.0 * number + 5.0)], at=10.0 * number)
    return oracle


def test_a_dead_letter_after_its_last_attempt() -> None:
    oracle = dying(2)
    oracle.drained("q", [], at=99.0, dead=[0])
    oracle.saw_dead("q", [0], at=99.0)


@pytest.mark.parametrize(("attempts", "dead"), [(1, [0]), (2, [])])
def test_too_early_or_never(attempts: int, dead: list[int]) -> None:
    with pytest.raises(Broken) as broken:
        dying(attempts).drained("q", [], at=99.0, dead=dead)
    assert clause_of(broken) is Clause.NO_LIMBO


def test_a_dead_letter_that_was_handed_out_just_now() -> None:
    with pytest.raises(Broken) as broken:
        dying(2).drained("q", [0], at=12.0, dead=[0])
    assert clause_of(broken) is Clause.NO_LIMBO


def test_a_third_attempt_of_two() -> None:
    with pytest.raises(Broken) as broken:
        dying(3)
    assert clause_of(broken) is Clause.NO_LIMBO


def test_at_level_memory_nothing_need_have_been_written() -> None:
    oracle = Oracle(Level.MEMORY)
    oracle.pop_asked(1, "q", deadline=30.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    oracle.wrote([])
    ack(oracle)
    oracle.saw_reply(IoCounts(), IoCounts())
    oracle.stopped(ProcessCrashed())
    returns(oracle)


def test_at_level_memory_a_barrier_does_not_cover_what_a_crash_took() -> None:
    oracle = Oracle(Level.MEMORY)
    oracle.pop_asked(1, "q", deadline=30.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    ack(oracle)
    oracle.stopped(ProcessCrashed())
    barrier(oracle)
    oracle.stopped(PowerLost())
    returns(oracle)


# --- what could not have failed is not counted ----------------------------------------------------------------------


def test_a_power_loss_without_a_barrier_puts_no_ack_to_the_test_where_it_may_be_lost() -> None:
    for level, times in ((Level.PAGE_CACHE, 0), (Level.DISK, 1)):
        oracle = Oracle(level)
        oracle.pop_asked(1, "q", deadline=30.0)
        oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
        oracle.ack_asked(2, ["r1"], at=1.0)
        oracle.ack_answered(2, [Reply.OK], at=1.0)
        oracle.stopped(PowerLost())
        oracle.drained("q", [], at=99.0)
        assert oracle.checked[Clause.SURVIVES_POWER_LOSS] == times, level


def test_answering_again_is_asked_only_after_the_disk_has_failed(oracle: Oracle) -> None:
    oracle.saw_answers_again(None)
    assert Clause.FLUSH_DEGRADES not in +oracle.checked
    oracle.disk_failed()
    oracle.saw_answers_again(None)
    assert oracle.checked[Clause.FLUSH_DEGRADES] == 1


def test_an_offset_at_the_beginning_cannot_go_back_nor_pass_anything() -> None:
    oracle = Oracle(Level.PAGE_CACHE)
    oracle.saw_offset("q", Sighting(0, 0), ())
    oracle.saw_offset("q", Sighting(0, 0), ())
    oracle.saw_memory({"records": 3.0}, {})
    oracle.saw_quiescence({})
    assert not +oracle.checked


def test_what_is_broken_is_counted_too() -> None:
    oracle = Oracle(Level.DISK)
    oracle.published("q", 1)
    with pytest.raises(Broken):
        oracle.drained("q", [], at=9.0)
    assert oracle.checked[Clause.NO_LIMBO] == 1


def test_a_close_that_is_answered_ok_is_a_barrier(oracle: Oracle) -> None:
    ack(oracle)
    oracle.closed(Reply.OK)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        returns(oracle)
    assert clause_of(broken) is Clause.CLOSE_DRAINS


def test_a_close_that_is_not_promises_nothing(oracle: Oracle) -> None:
    ack(oracle)
    oracle.closed(Reply.UNKNOWN)
    oracle.stopped(PowerLost())
    returns(oracle)


@pytest.mark.parametrize(
    ("event", "clause"),
    [
        (Restarted(), Clause.CLOSE_DRAINS),
        (ProcessCrashed(), Clause.SURVIVES_PROCESS_CRASH),
        (PowerLost(), Clause.SURVIVES_POWER_LOSS),
    ],
)
def test_a_store_that_cannot_be_opened(
    oracle: Oracle, event: ProcessCrashed | PowerLost | Restarted, clause: Clause
) -> None:
    assert oracle.cannot_open(event, ValueError("torn")).clause is clause


@pytest.mark.parametrize(
    ("acked", "again", "why"),
    [
        (15.0, False, "came too late: it was asked for at 15.0, and the deadline was 10.0"),
        (25.0, True, "its receipt is of an earlier delivery: the message has been handed out again"),
    ],
)
def test_why_a_receipt_was_over_is_told(acked: float, again: bool, why: str) -> None:
    oracle = Oracle(Level.DISK)
    oracle.pop_asked(1, "q", deadline=10.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 10.0)], at=0.0)
    if again:
        oracle.pop_asked(2, "q", deadline=40.0)
        oracle.popped(2, "q", [Delivered("r2", 0, 40.0)], at=20.0)
    oracle.ack_asked(3, ["r1"], at=acked)
    with pytest.raises(Broken, match=why):
        oracle.ack_answered(3, [Reply.OK], at=acked + 1.0)
