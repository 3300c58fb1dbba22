"""The offsets that a store shows: where they must have come to, and from where they must not go back."""

import pytest

from ackmodel import Clause
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import ProcessCrashed, Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Oracle
from one_popped import ack


def test_the_offset_comes_to_the_first_that_is_open(oracle: Oracle) -> None:
    """Message 0 is settled and flushed, message 1 in nobody's hands."""
    ack(oracle)
    oracle.saw_caught_up("q", Sighting(0, 0))  # not flushed, as far as is known
    oracle.barrier_asked(3)
    oracle.barrier_answered(3, Reply.OK)
    oracle.saw_caught_up("q", Sighting(1, 1))
    for behind in (Sighting(0, 0), Sighting(1, 0)):
        assert oracle.lags("q", behind)
        with pytest.raises(Broken) as broken:
            oracle.saw_caught_up("q", behind)
        assert broken.value.clause is Clause.COMMIT_PROGRESSES


def test_what_is_on_the_disk_is_proved_anew_after_a_crash_and_goes_back_in_no_run(oracle: Oracle) -> None:
    oracle.saw_offset("q", Sighting(1, 1), None)
    oracle.stopped(ProcessCrashed())
    oracle.saw_offset("q", Sighting(1, 0), None)
    oracle.saw_offset("q", Sighting(1, 1), None)
    with pytest.raises(Broken) as broken:
        oracle.saw_offset("q", Sighting(1, 0), None)
    assert broken.value.clause is Clause.COMMIT_IS_MONOTONE
