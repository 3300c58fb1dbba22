"""What a store may do only for a cause: answer UNKNOWN, write an ack again, take up more room than it says."""

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import ProcessCrashed, Reply
from ackmodel.observe.oracle import Delivered, Oracle


@pytest.fixture
def oracle() -> Oracle:
    """An oracle that has seen one message popped, with receipt r1, and an ack of it asked for, as operation 2."""
    seen = Oracle(Level.PAGE_CACHE)
    seen.pop_asked(1, "q", deadline=30.0)
    seen.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    seen.ack_asked(2, ["r1"], at=1.0)
    return seen


def test_unknown_needs_trouble(oracle: Oracle) -> None:
    oracle.saw_unknown("operation 2", trouble=True)
    with pytest.raises(Broken) as broken:
        oracle.saw_unknown("operation 2", trouble=False)
    assert broken.value.clause is Clause.UNKNOWN_HAS_A_CAUSE


def test_an_ack_is_written_once(oracle: Oracle) -> None:
    oracle.wrote(["r1"])
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    with pytest.raises(Broken) as broken:
        oracle.wrote(["r1"])
    assert broken.value.clause is Clause.WRITTEN_ONCE


def test_twice_before_it_was_answered_is_twice_too(oracle: Oracle) -> None:
    oracle.wrote(["r1"])
    oracle.wrote(["r1"])
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.OK], at=1.0)
    assert broken.value.clause is Clause.WRITTEN_ONCE


def test_and_again_for_each_cause(oracle: Oracle) -> None:
    oracle.io_in_trouble()  # before anything was written, which explains nothing
    oracle.wrote(["r1"])
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.io_in_trouble()
    oracle.wrote(["r1"])
    oracle.stopped(ProcessCrashed())
    oracle.wrote(["r1"])
    with pytest.raises(Broken):
        oracle.wrote(["r1"])


def test_what_was_being_written_meanwhile_may_be_written_again(oracle: Oracle) -> None:
    oracle.io_in_trouble()
    oracle.wrote(["r1"], trouble=1)
    oracle.ack_answered(2, [Reply.OK], at=1.0)
    oracle.wrote(["r1"])


def test_no_more_room_than_is_said(oracle: Oracle) -> None:
    oracle.saw_space(100, 100)
    with pytest.raises(Broken) as broken:
        oracle.saw_space(101, 100)
    assert broken.value.clause is Clause.SPACE_IS_BOUNDED
