"""A file system that may have given up says OK to a sync of what is lost: an OK promises less until that is known."""

from collections.abc import Callable

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered, Oracle
from one_popped import ack


@pytest.fixture
def oracle() -> Oracle:
    """Of a store at level DISK, with one message in hand."""
    made = Oracle(Level.DISK)
    made.pop_asked(1, "q", deadline=30.0)
    made.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    return made


def comes_again(oracle: Oracle, at: float = 100.0) -> None:
    oracle.pop_asked(9, "q", deadline=at + 100)
    oracle.popped(9, "q", [Delivered("r9", 0, at + 100)], at=at)


def released(oracle: Oracle) -> None:
    oracle.release_asked(2, "r1", at=1.0)
    oracle.change_answered(2, Reply.OK, at=1.0)


def barrier(oracle: Oracle) -> None:
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)


def closed(oracle: Oracle) -> None:
    oracle.closed(Reply.OK)


def called_back(oracle: Oracle) -> None:
    oracle.called_back([("q", 0)], at=2.0)


def shown_as_flushed(oracle: Oracle) -> None:
    oracle.saw_flushed(["r1"])


def nothing(_: Oracle) -> None:
    pass


@pytest.mark.parametrize("promises", [nothing, barrier, closed, called_back, shown_as_flushed])
def test_what_is_answered_meanwhile_may_be_lost_with_the_power(
    oracle: Oracle, promises: Callable[[Oracle], None]
) -> None:
    oracle.doubt_syncs()
    ack(oracle)
    promises(oracle)
    oracle.stopped(PowerLost())
    comes_again(oracle)
    assert oracle.checked[Clause.SURVIVES_POWER_LOSS] == 0


@pytest.mark.parametrize("promises", [nothing, barrier, closed])
def test_what_was_answered_before_may_not(oracle: Oracle, promises: Callable[[Oracle], None]) -> None:
    ack(oracle)
    promises(oracle)
    oracle.doubt_syncs()
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        comes_again(oracle)
    assert broken.value.clause in (Clause.SURVIVES_POWER_LOSS, Clause.CLOSE_DRAINS)


def test_nor_may_it_once_the_file_system_is_seen_to_work(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    ack(oracle)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    with pytest.raises(Broken, match="though its ack was answered OK before the power was lost") as broken:
        comes_again(oracle)
    assert broken.value.clause is Clause.SURVIVES_POWER_LOSS


def test_a_weaker_level_promised_nothing_then_and_does_not_later() -> None:
    oracle = Oracle(Level.PAGE_CACHE)
    oracle.pop_asked(1, "q", deadline=30.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    oracle.doubt_syncs()
    ack(oracle)
    barrier(oracle)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    comes_again(oracle)


def test_what_is_answered_after_the_power_came_back_is_judged_as_ever(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    oracle.stopped(PowerLost())
    ack(oracle)
    oracle.stopped(PowerLost())
    with pytest.raises(Broken):
        comes_again(oracle)


def test_a_delivery_may_be_lost_too(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    oracle.pop_asked(4, "q", deadline=30.0)
    oracle.popped(4, "q", [Delivered("r4", 1, 30.0)], at=0.0)
    oracle.stopped(PowerLost())
    oracle.pop_asked(5, "q", deadline=30.0)
    oracle.popped(5, "q", [Delivered("r5", 1, 30.0)], at=1.0)


def test_and_is_not_lost_once_the_file_system_is_seen_to_work(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    oracle.pop_asked(4, "q", deadline=30.0)
    oracle.popped(4, "q", [Delivered("r4", 1, 30.0)], at=0.0)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    oracle.pop_asked(5, "q", deadline=30.0)
    with pytest.raises(Broken):
        oracle.popped(5, "q", [Delivered("r5", 1, 30.0)], at=1.0)


def test_a_release_may_be_undone(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    released(oracle)
    oracle.stopped(PowerLost())
    oracle.drained("q", [], at=10.0)  # hidden still


def test_and_is_not_undone_once_the_file_system_is_seen_to_work(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    released(oracle)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    with pytest.raises(Broken):
        oracle.drained("q", [], at=10.0)


def test_a_reset_is_confirmed_by_no_such_answer(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    oracle.reset_asked(2, "q", 1)
    oracle.reset_answered(2, Reply.OK)
    oracle.stopped(PowerLost())
    comes_again(oracle)


def test_an_offset_that_is_shown_meanwhile_is_on_no_disk(oracle: Oracle) -> None:
    oracle.doubt_syncs()
    ack(oracle)
    oracle.saw_offset("q", Sighting(committed=1, persisted=1), unflushed=[])
    oracle.stopped(PowerLost())
    oracle.saw_offset("q", Sighting(committed=0, persisted=0), unflushed=[])


def test_to_believe_what_was_never_doubted_changes_nothing(oracle: Oracle) -> None:
    ack(oracle)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    with pytest.raises(Broken):
        comes_again(oracle)


def reset_in_doubt(oracle: Oracle) -> None:
    """Have the only message settled and covered by a barrier, and then a reset that a lying sync makes durable."""
    ack(oracle)
    barrier(oracle)
    oracle.doubt_syncs()
    oracle.reset_asked(4, "q", 0)
    oracle.reset_answered(4, Reply.OK)


def test_a_clean_restart_proves_no_reset_that_is_in_doubt(oracle: Oracle) -> None:
    reset_in_doubt(oracle)
    oracle.closed(Reply.OK)
    oracle.stopped(Restarted())
    comes_again(oracle, at=100.0)
    oracle.stopped(PowerLost())
    oracle.drained("q", [], at=400.0)  # what settled it before is on the disk, and the reset is not


def test_what_is_issued_by_a_store_that_was_opened_in_doubt_may_be_issued_anew_after_a_power_loss(
    oracle: Oracle,
) -> None:
    oracle.doubt_syncs()
    oracle.stopped(ProcessCrashed())
    comes_again(oracle, at=100.0)
    oracle.stopped(ProcessCrashed())
    oracle.stopped(PowerLost())
    assert oracle.unsettled("q") == ["r1"]
    comes_again(oracle, at=400.0)
    assert oracle.unsettled("q") == ["r9"]


@pytest.mark.parametrize("believed", [True, False])
def test_but_not_where_it_was_not_or_what_it_did_is_on_the_disk(oracle: Oracle, believed: bool) -> None:
    if believed:
        oracle.doubt_syncs()
        oracle.stopped(ProcessCrashed())
    comes_again(oracle, at=100.0)
    oracle.syncs_were_real()
    oracle.stopped(PowerLost())
    with pytest.raises(Broken) as broken:
        comes_again(oracle, at=400.0)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT
