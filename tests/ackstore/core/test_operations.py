"""From the submission of an operation to its one answer, and what is counted of it."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore.core.effects import Answer, Durable
from ackstore.core.operations import Operations, check_timeout
from ackstore.words.errors import DurationOutOfRange
from ackstore.words.replies import Reply

OK, UNKNOWN = Reply.OK, Reply.UNKNOWN


def begun(**how: Any) -> tuple[Operations, list[Any], Any]:
    sent: list[Any] = []
    operations = Operations(sent.append)
    return operations, sent, operations.begin(7, 9.0, **how)


def test_an_answer_comes_once_and_counts_once() -> None:
    operations, sent, operation = begun()
    assert operations.live == {7: operation}
    operations.reply(operation, 0, OK)
    operations.reply(operation, 0, Reply.EXPIRED)
    operations.end(operation, UNKNOWN)
    operations.end_all()
    assert sent == [(0, Answer(7, OK, None))]
    assert operations.live == {}
    assert operations.replies == {reply.name: int(reply is OK) for reply in Reply}


def test_a_batch_is_answered_with_its_last_item_and_counts_each() -> None:
    operations, sent, batch = begun(items=3)
    operations.reply(batch, 2, OK)
    operations.reply(batch, 0, Reply.EXPIRED)
    assert sent == []
    operations.reply(batch, 1, OK)
    operations.reply(batch, 1, Reply.FAILED)  # too late
    assert sent == [(0, Answer(7, OK, (Reply.EXPIRED, OK, OK)))]
    assert (operations.replies["OK"], operations.replies["EXPIRED"], operations.replies["UNKNOWN"]) == (2, 1, 0)


def test_a_batch_whose_time_is_up_says_what_it_knows() -> None:
    operations, sent, batch = begun(items=2)
    operations.reply(batch, 1, OK)
    assert operations.next_deadline() == 9.0
    operations.expire(8.9)
    assert sent == []
    operations.expire(9.0)
    assert sent == [(0, Answer(7, UNKNOWN, (UNKNOWN, OK)))]
    assert operations.next_deadline() is None


@pytest.mark.parametrize(("reply", "value"), [(OK, ("deliveries",)), (Reply.FAILED, ()), (UNKNOWN, ())])
def test_only_a_pop_that_went_well_hands_anything_out(reply: Reply, value: Any) -> None:
    operations, sent, pop = begun()
    pop.deliveries = ("deliveries",)
    operations.end(pop, reply)
    assert sent == [(0, Answer(7, reply, value))]


def test_a_client_hears_once_that_its_ack_is_durable_and_only_if_it_wants_to() -> None:
    operations, sent, operation = begun()
    operations.durable(operation)
    assert sent == []
    operation.durable = True
    operations.durable(operation)
    operations.durable(operation)
    assert sent == [(0, Durable(7))]


def test_the_first_deadline_is_the_earliest() -> None:
    operations, _, _ = begun()
    operations.begin(8, 5.0)
    assert operations.next_deadline() == 5.0


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), True, "1", None])
def test_what_is_no_time_to_wait(timeout: Any) -> None:
    with pytest.raises(DurationOutOfRange) as caught:
        check_timeout(timeout)
    assert str(caught.value) == f"cannot wait {timeout!r} seconds: give a number above 0"


def test_any_time_above_none_can_be_waited() -> None:
    assert check_timeout(1e-9) == 1e-9
    assert check_timeout(5) == 5
