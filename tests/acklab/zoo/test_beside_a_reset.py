"""Acks under way when a queue is reset: the reference store keeps to either order, and a wrong one does not."""

import pytest

from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import begin, replay
from acklab.reference.simulated import ReferenceSetup
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

SCRIPT: list[Step] = [
    ("finish_all", {}),
    ("pop", {"count": 2}),
    ("finish_all", {}),
    ("ack", {"which": 0}),
    ("reset", {"queue": 0, "offset": 0}),
    ("ack", {"which": 1}),
    ("finish_all", {}),
    ("survey", {}),
]


@pytest.mark.parametrize("level", [Level.PAGE_CACHE, Level.DISK])
def test_an_ack_before_a_reset_counts_no_more_after_it(level: Level) -> None:
    run = replay(begin(ReferenceSetup((level,))), SCRIPT)
    told = [line.text for line in run.history.lines]
    assert "operation 2 is answered OK" in told
    assert "operation 3 is answered OK" in told


def test_a_store_in_which_it_does_is_found() -> None:
    with pytest.raises(Broken, match="the offset is 1, and message 0 is not acknowledged") as broken:
        replay(begin(ReferenceSetup((Level.DISK,), core=UNFORESEEN["acks-outlive-a-reset"].core)), SCRIPT)
    assert broken.value.clause is Clause.COMMIT_IS_SAFE
