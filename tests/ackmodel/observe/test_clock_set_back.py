"""A clock that is set back while the store is closed: an earlier delivery may be in time again, the newest lost."""

import pytest

from ackmodel import Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.oracle import Delivered, Oracle

Stop = PowerLost | ProcessCrashed | Restarted


def handed_out_twice(level: Level) -> Oracle:
    """Return the oracle of a store that handed a message out with r1, until 5, and with r2, until 66."""
    oracle = Oracle(level)
    for op, receipt, deadline, at in ((1, "r1", 5.0, 0.0), (2, "r2", 66.0, 6.0)):
        oracle.pop_asked(op, "q", deadline=deadline)
        oracle.popped(op, "q", [Delivered(receipt, 0, deadline)], at=at)
    return oracle


def stops(oracle: Oracle, event: Stop, clock: float | None = None) -> None:
    oracle.stopped(event)
    if clock is not None:
        oracle.clock_set_back(clock)


def acked(oracle: Oracle, receipt: str, at: float = 2.0) -> None:
    oracle.ack_asked(3, [receipt], at=at)
    oracle.ack_answered(3, [Reply.OK], at=at)


@pytest.mark.parametrize(
    "life",
    [
        [(PowerLost(), 1.0)],
        [(ProcessCrashed(), 1.0), (PowerLost(), None)],
        [(PowerLost(), None), (Restarted(), 1.0)],
    ],
    ids=["with-it", "before", "after"],
)
def test_it_is_where_a_power_loss_takes_the_newest(life: list[tuple[Stop, float | None]]) -> None:
    oracle = handed_out_twice(Level.PAGE_CACHE)
    for event, clock in life:
        stops(oracle, event, clock)
    acked(oracle, "r1")


def test_it_is_at_level_memory_where_a_crash_took_the_newest() -> None:
    oracle = handed_out_twice(Level.MEMORY)
    stops(oracle, ProcessCrashed(), clock=1.0)
    acked(oracle, "r1")


def test_it_is_where_the_newest_was_never_answered() -> None:
    oracle = Oracle(Level.DISK)
    oracle.pop_asked(1, "q", deadline=5.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 5.0)], at=0.0)
    oracle.pop_asked(2, "q", deadline=66.0)
    stops(oracle, PowerLost(), clock=1.0)
    acked(oracle, "r1")


@pytest.mark.parametrize(
    ("level", "event"), [(Level.DISK, PowerLost()), (Level.PAGE_CACHE, ProcessCrashed()), (Level.MEMORY, Restarted())]
)
def test_it_is_not_where_the_newest_survives(level: Level, event: Stop) -> None:
    oracle = handed_out_twice(level)
    stops(oracle, event, clock=1.0)
    with pytest.raises(Broken):
        acked(oracle, "r1")


def test_it_is_not_where_its_time_is_over_all_the_same() -> None:
    oracle = handed_out_twice(Level.PAGE_CACHE)
    stops(oracle, PowerLost(), clock=5.5)
    with pytest.raises(Broken):
        acked(oracle, "r1", at=5.6)


def test_it_is_not_where_a_barrier_covers_the_newest() -> None:
    oracle = handed_out_twice(Level.PAGE_CACHE)
    oracle.barrier_asked(4)
    oracle.barrier_answered(4, Reply.OK)
    stops(oracle, PowerLost(), clock=1.0)
    with pytest.raises(Broken):
        acked(oracle, "r1")


def test_it_is_not_where_it_was_given_back_and_no_fault_took_that() -> None:
    oracle = Oracle(Level.PAGE_CACHE)
    oracle.pop_asked(1, "q", deadline=5.0)
    oracle.popped(1, "q", [Delivered("r1", 0, 5.0)], at=0.0)
    oracle.release_asked(2, "r1", at=1.0)
    oracle.change_answered(2, Reply.OK, at=1.0)
    stops(oracle, ProcessCrashed(), clock=0.5)
    with pytest.raises(Broken):
        acked(oracle, "r1")
