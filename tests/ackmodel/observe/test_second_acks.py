"""Of the acks of one delivery one is answered OK between two faults, and the others SETTLED."""

from contextlib import nullcontext

import pytest

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.oracle import Delivered, Oracle
from one_popped import ack


def test_of_two_acks_of_one_delivery_one_is_answered_ok(oracle: Oracle) -> None:
    ack(oracle)
    ack(oracle, op=3, reply=Reply.SETTLED)
    with pytest.raises(Broken, match="two acks of one delivery") as broken:
        ack(oracle, op=4)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT


def test_and_of_a_batch_too(oracle: Oracle) -> None:
    oracle.ack_asked(2, ["r1", "r1"], at=1.0)
    with pytest.raises(Broken) as broken:
        oracle.ack_answered(2, [Reply.OK, Reply.OK], at=1.0)
    assert broken.value.clause is Clause.RECEIPT_IS_EXACT


def test_after_a_fault_the_ack_may_be_gone_and_after_a_clean_restart_it_is_not() -> None:
    for event, again in ((ProcessCrashed(), True), (PowerLost(), True), (Restarted(), False)):
        oracle = Oracle(Level.MEMORY)
        oracle.pop_asked(1, "q", deadline=30.0)
        oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
        oracle.barrier_asked(2)
        oracle.barrier_answered(2, Reply.OK)  # the delivery is on the disk, the ack that follows is not
        ack(oracle, op=3)
        oracle.stopped(event)
        with nullcontext() if again else pytest.raises(Broken):
            ack(oracle, op=4)


def test_a_store_may_promise_less_of_second_acks(oracle: Oracle) -> None:
    oracle.says_of_second_acks(settled=False)
    ack(oracle)
    ack(oracle, op=3)
