"""What may be the work of a pop that has no answer yet is told after it, and judged then."""

from typing import Any

import pytest
from tests.ackcheck.grades.wires import QUEUE, Wire, ack, delivery, pop

from ackcheck.grades.workload import SHORT, Call
from ackcheck.rig import Killed
from ackmodel import Clause
from ackmodel.observe.broken import Broken


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def buried_under_a_pop(wire: Wire, request: Call) -> tuple[int, int]:
    """A pop may hand out message 2 for the second and last time, and is not answered for long; meanwhile something is
    asked with the receipt of the first time. Return both."""
    wire.traffic.panel.each(lambda oracle: oracle.says_attempts(2))
    wire.traffic.panel.each(lambda oracle: oracle.published(QUEUE, 3))
    wire.traffic.work._popping[QUEUE] = [SHORT]
    wire.answer(wire.ask(pop(), 1.0), [delivery("r1", 2)], 1.01)
    wire.traffic.work._popping[QUEUE] = [SHORT]
    late, about_the_first = wire.ask(pop(), 1.5), wire.ask(request, 1.6)
    return late, about_the_first


@pytest.mark.parametrize(
    ("request_", "settled"),
    [
        (ack("r1"), "SETTLED"),
        (Call("renew", "renew", receipts=("r1",)), "SETTLED"),
        (Call("ack_many", "ack_many", receipts=("r1",)), ["SETTLED"]),
    ],
)
def test_a_message_may_be_a_dead_letter_by_the_time_that_its_last_pop_is_answered(
    wire: Wire, request_: Call, settled: Any
) -> None:
    late, about_the_first = buried_under_a_pop(wire, request_)
    wire.answer(about_the_first, settled, 3.0)
    wire.answer(late, [delivery("r2", 2)], 3.01)


def test_so_may_one_whose_last_pop_is_never_answered(wire: Wire) -> None:
    late, about_the_first = buried_under_a_pop(wire, ack("r1"))
    wire.answer(about_the_first, "SETTLED", 3.0)
    wire.traffic.cut_off(Killed(answered=(), unanswered=(wire.sent[late],)))


@pytest.mark.parametrize("given_by_it", [[], [delivery("r2", 2)]])
def test_but_settled_is_a_finding_where_that_pop_had_nothing_to_do_with_it(
    wire: Wire, given_by_it: list[dict[str, Any]]
) -> None:
    late, about_the_first = buried_under_a_pop(wire, ack("r1"))
    wire.answer(about_the_first, "SETTLED", 1.61)  # its time cannot be over yet
    with pytest.raises(Broken) as caught:
        wire.answer(late, given_by_it, 1.62)
    assert caught.value.clause is Clause.RECEIPT_IS_EXACT


def test_an_offset_that_passed_it_is_judged_once_that_pop_is_answered(wire: Wire) -> None:
    passed = {"queues": {QUEUE: {"committed": 3, "persisted": 0}}}
    late, looked = buried_under_a_pop(wire, Call("stats", "stats"))
    wire.answer(looked, passed, 3.0)
    wire.answer(late, [delivery("r2", 2)], 3.01)
    with pytest.raises(Broken) as caught:
        wire.answer(wire.ask(Call("stats", "stats"), 3.02), passed, 3.03)
    assert caught.value.clause is Clause.DERIVED_NEVER_AHEAD
