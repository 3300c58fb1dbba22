"""What the oracle is told, and when: however late answers come, nothing a right store may do is held against it."""

import time
from collections import Counter
from contextlib import nullcontext
from random import Random
from typing import Any, cast

import pytest
from tests.ackcheck.grades.wires import QUEUE, Wire, ack, delivery, given, pop

from ackcheck.grades.traffic import CLOCKS, Traffic
from ackcheck.grades.workload import LONG, SHORT, Call
from ackcheck.panel import Panel
from ackcheck.promises import Promises, promises_of
from ackcheck.rig import Child, Killed, TargetError
from ackcheck.rig.exchange import SecondAnswer
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import ProcessCrashed, Reply


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def test_an_ack_in_the_time_that_a_late_pop_leaves_open_may_be_answered_ok(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.5)  # the deadline is between 1.25 and 1.75
    wire.answer(wire.ask(ack("r1"), 1.7), "OK", 1.71)


def test_and_it_may_be_answered_expired(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.5)
    wire.answer(wire.ask(ack("r1"), 1.24), "EXPIRED", 1.3)


def test_expired_before_the_earliest_deadline_is_a_finding(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    with pytest.raises(Broken) as caught:
        wire.answer(wire.ask(ack("r1"), 1.02), "EXPIRED", 1.25 - 2 * CLOCKS)
    assert caught.value.clause is Clause.RECEIPT_IS_EXACT
    assert caught.value.key == (QUEUE, 0)


def test_ok_after_the_latest_deadline_is_a_finding(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    with pytest.raises(Broken) as caught:
        wire.answer(wire.ask(ack("r1"), 1.26 + 2 * CLOCKS), "OK", 1.31)
    assert caught.value.clause is Clause.RECEIPT_IS_EXACT


def test_a_message_may_return_at_the_earliest_deadline(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.2)
    given(wire, "r2", sent=1.21, received=1.25)


def test_a_message_that_returns_before_it_is_a_finding(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.2)
    with pytest.raises(Broken) as caught:
        given(wire, "r2", sent=1.21, received=1.25 - 2 * CLOCKS)
    assert caught.value.clause is Clause.DEADLINE_IS_EXACT


def test_an_ack_under_way_may_take_effect_before_it_is_answered(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    first, second = wire.ask(ack("r1"), 1.02), wire.ask(ack("r1"), 1.02)
    wire.answer(second, "SETTLED", 1.03)  # the first has settled it, and its answer is on the way
    wire.answer(first, "OK", 1.04)


def test_a_pop_without_an_answer_hides_until_the_kill_and_its_invisible_time(wire: Wire) -> None:
    wire.traffic.work._popping[QUEUE] = [SHORT]
    wire.ask(pop(), 1.0)
    wire.now = 3.0  # killed
    wire.traffic.cut_off(Killed(answered=(), unanswered=(wire.sent[0],)))
    oracle = wire.traffic.panel.strictest
    oracle.stopped(ProcessCrashed())
    oracle.drained(QUEUE, [], at=3.0 + SHORT)
    with pytest.raises(Broken) as caught:
        oracle.drained(QUEUE, [], at=3.0 + SHORT + 2 * CLOCKS)
    assert caught.value.clause is Clause.NO_LIMBO
    assert wire.traffic.back_at == pytest.approx(3.0 + SHORT + CLOCKS)
    assert wire.traffic.ran["calls without an answer"] == 1


def test_what_a_pop_without_an_answer_took_may_come_again_once_its_time_from_the_asking_is_over(wire: Wire) -> None:
    """The store took it at once, and was killed two seconds later, while its disk held a sync."""
    given(wire, "r1", sent=0.1, received=0.11)
    wire.traffic.work._popping[QUEUE] = [SHORT]
    wire.ask(pop(), 1.0)
    wire.now = 3.0  # killed
    wire.traffic.cut_off(Killed(answered=(), unanswered=(wire.sent[1],)))
    wire.traffic.panel.stopped(ProcessCrashed())
    wire.traffic.work._popping[QUEUE].append(SHORT)
    wire.answer(wire.ask(pop(), 3.01), [{**delivery("r3"), "attempt": 3}], 3.02)


def test_answers_that_were_in_the_pipe_at_the_kill_count(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    number = wire.ask(ack("r1"), 1.02)
    killed = Killed(answered=(wire.answered(number, "OK", 1.05),), unanswered=())
    wire.traffic.cut_off(killed)
    wire.traffic.panel.stopped(ProcessCrashed())
    with pytest.raises(Broken) as caught:
        given(wire, "r2", sent=2.0, received=2.01)
    assert caught.value.clause is Clause.SURVIVES_PROCESS_CRASH


def test_a_long_pop_does_not_keep_the_survey_waiting(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01, invisible=LONG)
    assert wire.traffic.back_at == 0.0


def test_a_call_that_raises_is_an_error_of_the_target(wire: Wire) -> None:
    with pytest.raises(TargetError, match="'ack' raised KeyError: r1"):
        wire.answer(wire.ask(ack("r1"), 1.0), None, 1.1, error=("KeyError", "r1"))


def test_but_has_an_unknown_outcome_while_the_disk_is_failing(wire: Wire) -> None:
    error = ("OSError", "no space left on device")
    wire.traffic.forgiving = True
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(ack("r1"), 1.02), None, 1.03, error=error)
    wire.answer(wire.ask(Call("flush", "flush"), 1.04), None, 1.05, error=error)
    assert wire.traffic.barrier is Reply.UNKNOWN
    wire.traffic.work._popping[QUEUE] = [SHORT]
    wire.answer(wire.ask(pop(), 1.06), None, 1.07, error=error)
    assert wire.traffic.ran["calls that raised"] == 3
    oracle = wire.traffic.panel.strictest
    oracle.drained(QUEUE, [], at=1.07 + SHORT)  # [1] is perhaps hidden, and [0] settled or hidden
    given(wire, "r2", sent=2.0, received=2.01)  # the ack had no effect: that is possible too


def test_an_unknown_outcome_is_not_settled_for_certain(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(ack("r1"), 1.02), "UNKNOWN", 1.03)
    told = wire.traffic.panel.strictest.contract((QUEUE, 0))
    assert not told.certainly_settled
    assert not told.certainly_unsettled


def renew(receipt: str, invisible: float = LONG) -> Call:
    return Call("renew", "renew", receipts=(receipt,), invisible=invisible)


def release(receipt: str) -> Call:
    return Call("release", "release", receipts=(receipt,))


RESET = Call("reset", "reset", queue=QUEUE, offset=1, queues=(QUEUE,))
DEAD = Call("dead", "dead", queue=QUEUE)


def broken_by(wire: Wire, receipt: str, *, sent: float) -> Clause:
    """Return the clause that falls when message 0 is handed out again."""
    with pytest.raises(Broken) as caught:
        given(wire, receipt, sent=sent, received=sent + 0.01)
    return caught.value.clause


def test_a_renewed_deadline_lies_between_asking_and_answer(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(renew("r1", SHORT), 1.1), "OK", 1.3)
    assert wire.traffic.back_at == pytest.approx(1.3 + SHORT + 2 * CLOCKS)
    wire.answer(wire.ask(ack("r1"), 1.5), "OK", 1.51)  # the deadline is between 1.35 and 1.55
    assert wire.traffic.slack == pytest.approx(0.2 + CLOCKS)


def test_before_it_nothing_comes(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(renew("r1", SHORT), 1.1), "OK", 1.11)
    assert broken_by(wire, "r2", sent=1.35 - 4 * CLOCKS) is Clause.DEADLINE_IS_EXACT


def test_a_renewal_without_an_answer_may_have_moved_it(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    number = wire.ask(renew("r1", SHORT), 1.1)
    wire.now = 1.2
    wire.traffic.cut_off(Killed(answered=(), unanswered=(wire.sent[number],)))
    assert wire.traffic.back_at == pytest.approx(1.2 + SHORT + CLOCKS)
    assert wire.traffic.slack == pytest.approx(0.1)
    wire.traffic.panel.stopped(ProcessCrashed())
    given(wire, "r2", sent=1.26, received=1.27)  # the old deadline has passed, and the renewal had no effect


def test_while_a_renewal_is_under_way_nothing_comes_too_late_for_the_deadline_that_it_may_just_have_moved(
    wire: Wire,
) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    first = wire.ask(renew("r1", SHORT), 1.1)
    settles, second = wire.ask(ack("r1"), 1.42), wire.ask(renew("r1"), 1.43)
    wire.answer(first, "OK", 1.5)  # it waited for a thread, and took effect at 1.2: the deadline was 1.45
    wire.answer(second, "SETTLED", 1.51)
    wire.answer(settles, "OK", 1.52)


def test_once_it_is_answered_or_for_another_message_it_may_come_too_late(wire: Wire) -> None:
    wire.traffic.work._popping[QUEUE] = [LONG]
    wire.answer(wire.ask(pop(LONG), 0.9), [delivery("r1"), delivery("r1", offset=1) | {"receipt": "r2"}], 0.91)
    wire.answer(wire.ask(renew("r1", SHORT), 1.1), "OK", 1.11)
    wire.ask(renew("r2"), 1.2)
    with pytest.raises(Broken, match="it was asked for at") as caught:
        wire.answer(wire.ask(ack("r1"), 1.6), "OK", 1.61)
    assert caught.value.clause is Clause.RECEIPT_IS_EXACT


def test_a_release_is_due_at_once_and_its_receipt_is_over(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01, invisible=LONG)
    wire.answer(wire.ask(release("r1"), 1.02), "OK", 1.03)
    with pytest.raises(Broken) as caught:
        wire.answer(wire.ask(ack("r1"), 1.04), "OK", 1.05)
    assert caught.value.clause is Clause.RECEIPT_IS_EXACT
    assert "operation 3 was answered OK" in caught.value.why
    given(wire, "r2", sent=1.06, received=1.07)


def test_an_answer_to_a_release_may_come_after_the_next_delivery(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01, invisible=LONG)
    number = wire.ask(release("r1"), 1.02)
    given(wire, "r2", sent=1.03, received=1.04)
    wire.answer(number, "OK", 1.05)


def test_a_reset_sticks(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(RESET, 1.02), "OK", 1.03)
    wire.traffic.panel.stopped(ProcessCrashed())
    assert broken_by(wire, "r2", sent=2.0) is Clause.COMMIT_IS_MONOTONE


def test_one_that_had_no_answer_may(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    number = wire.ask(RESET, 1.02)
    wire.traffic.cut_off(Killed(answered=(), unanswered=(wire.sent[number],)))
    wire.traffic.panel.stopped(ProcessCrashed())
    assert not wire.traffic.panel.strictest.may_reset(QUEUE)
    given(wire, "r2", sent=2.0, received=2.01)


def test_a_dead_letter_is_one_only_after_its_last_deadline(wire: Wire) -> None:
    oracle = wire.traffic.panel.strictest
    oracle.says_attempts(1)
    oracle.queues.clear()
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(DEAD, 1.1), [], 1.11)
    wire.answer(wire.ask(DEAD, 1.24), [0], 1.26)  # listed between the question and the answer
    assert wire.traffic.dead == {QUEUE: {0}}
    given_late = wire.ask(pop(), 1.3)
    wire.traffic.work._popping[QUEUE] = [SHORT]
    with pytest.raises(Broken) as caught:
        wire.answer(given_late, [delivery("r2")], 1.31)
    assert caught.value.clause is Clause.NO_LIMBO


def test_listed_before_it_is_a_finding(wire: Wire) -> None:
    wire.traffic.panel.strictest.says_attempts(1)
    wire.traffic.panel.strictest.queues.clear()
    given(wire, "r1", sent=1.0, received=1.01)
    with pytest.raises(Broken, match="a dead letter at") as caught:
        wire.answer(wire.ask(DEAD, 1.1), [0], 1.11)
    assert caught.value.clause is Clause.NO_LIMBO


def test_a_pop_that_is_refused_took_nothing(wire: Wire) -> None:
    wire.traffic.work._popping[QUEUE] = [SHORT, SHORT]
    wire.answer(wire.ask(pop(), 1.0), "BUSY", 1.01)
    assert wire.traffic.refused is Reply.BUSY
    with pytest.raises(Broken):
        wire.traffic.panel.strictest.drained(QUEUE, [], at=1.02)
    wire.answer(wire.ask(pop(), 1.03), [], 1.04)
    assert wire.traffic.refused is None


def test_one_whose_outcome_is_unknown_may_have(wire: Wire) -> None:
    wire.traffic.work._popping[QUEUE] = [SHORT]
    wire.answer(wire.ask(pop(), 1.0), "UNKNOWN", 1.01)
    wire.traffic.panel.strictest.drained(QUEUE, [], at=1.02)
    assert wire.traffic.ran["pops refused"] == 1


@pytest.mark.parametrize("call", [renew("r1"), release("r1"), RESET])
def test_a_change_that_raises_while_the_disk_is_failing_may_have_happened(wire: Wire, call: Call) -> None:
    wire.traffic.forgiving = True
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(call, 1.02), None, 1.03, error=("OSError", "no space left on device"))
    given(wire, "r2", sent=1.3, received=1.31)


def test_a_second_answer_is_a_finding_also_where_it_comes_with_the_kill(wire: Wire) -> None:
    given(wire, "r1", sent=0.0, received=0.01, invisible=LONG)
    number = wire.ask(ack("r1"), 0.1)
    wire.second_answers.append(SecondAnswer(number, "SETTLED"))
    with pytest.raises(Broken) as caught:
        wire.traffic.cut_off(Killed(answered=(wire.answered(number, "OK", 0.2),), unanswered=()))
    assert (caught.value.clause, caught.value.key) == (Clause.REPLY_EXACTLY_ONCE, (QUEUE, 0))
    assert wire.traffic.history.lines[-1].text == "operation 2, ack, is answered a second time: SETTLED"


def test_what_was_read_from_a_dead_target_is_told_as_that(wire: Wire) -> None:
    given(wire, "r1", sent=0.0, received=0.01, invisible=LONG)
    number, later = wire.ask(ack("r1"), 0.1), wire.ask(ack("r1"), 0.15)
    wire.answer(number, "OK", 0.2)
    wire.traffic.ended_at = 0.25
    wire.now = 0.3
    wire.traffic.cut_off(Killed(answered=(wire.answered(later, "SETTLED", 0.3),), unanswered=()))
    texts = [line.text for line in wire.traffic.history.lines[-2:]]
    assert texts == [
        "operation 2 is answered OK, at 0.200 s",
        "operation 3 is answered SETTLED, before that: it was read from its pipe afterwards",
    ]


def test_so_are_a_pop_a_barrier_and_a_refusal_that_were_read_from_it(wire: Wire) -> None:
    asked = [wire.ask(pop(), 0.0), wire.ask(Call("flush", "flush"), 0.1), wire.ask(pop(), 0.15)]
    wire.traffic.work._popping[QUEUE] = [SHORT, SHORT]
    wire.traffic.ended_at, wire.now = 0.25, 0.3
    results = ([delivery("r1")], "UNKNOWN", "BUSY")
    answered = tuple(wire.answered(one, result, 0.3) for one, result in zip(asked, results, strict=True))
    wire.traffic.cut_off(Killed(answered=answered, unanswered=()))
    texts = [line.text for line in wire.traffic.history.lines[-3:]]
    assert [text.partition(", before")[2] for text in texts] == [" that: it was read from its pipe afterwards"] * 3


def test_the_history_names_deliveries_and_not_receipts(wire: Wire) -> None:
    given(wire, "r1", sent=1.0, received=1.01)
    wire.answer(wire.ask(renew("r1"), 1.02), "OK", 1.03)
    texts = [line.text for line in wire.traffic.history.of((QUEUE, 0))]
    assert f"renew {QUEUE}[0]#1, invisible {LONG:g} s from now  (operation 2)" in texts
    assert any(text.startswith("operation 1 gives [0]#1 of ") for text in texts)


@pytest.mark.parametrize(("stated", "broken"), [({"delivery": "at-least-once"}, False), ({}, True)])
def test_what_may_come_twice_may_come_twice_in_one_answer(wire: Wire, stated: dict[str, Any], broken: bool) -> None:
    wire.traffic.promised(promises_of(stated))
    wire.traffic.lenient.before_a_stop(wire.traffic.panel, "SIGKILL")
    number = wire.ask(wire.traffic.work.pop(QUEUE, 3, LONG), at=1.0)
    twice = [delivery("r1"), delivery("r3", offset=1), delivery("r2")]
    with pytest.raises(Broken) if broken else nullcontext():
        wire.answer(number, twice, at=1.1)
    if not broken:
        assert list(wire.traffic.where.values()) == [(QUEUE, 0), (QUEUE, 1), (QUEUE, 0)]
        wire.answer(wire.ask(ack("r2"), at=1.2), "OK", at=1.3)


def test_time_is_counted_from_the_beginning() -> None:
    began = time.monotonic()
    fresh = Traffic(cast(Child, None), Panel((Level.DISK,)), Random(1), Counter())
    assert 0.0 <= fresh.now <= time.monotonic() - began


def test_an_ack_may_settle_what_a_pop_had_taken_whose_answer_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch)
    wire.traffic.promised(promises_of({"receipts": "of-the-message", "late_acks": "may-settle"}))
    pop = Call("pop", "pop", queue=QUEUE, count=1, invisible=SHORT, queues=(QUEUE,))
    again = {"receipt": "m0", "offset": 0, "deadline": 0.0}
    wire.traffic.work.pop(QUEUE, 1, SHORT)
    wire.answer(wire.ask(pop, at=0.0), [again | {"attempt": 1}], at=0.01)
    wire.traffic.work.pop(QUEUE, 1, SHORT)
    second = wire.ask(pop, at=1.0)
    wire.answer(wire.ask(Call("ack", "ack", receipts=("m0",)), at=1.0), "OK", at=1.1)
    wire.answer(second, [again | {"attempt": 2}], at=1.2)
    wire.traffic.work.pop(QUEUE, 1, SHORT)
    third = wire.ask(pop, at=2.0)
    with pytest.raises(Broken, match="handed out again"):  # the ack was told after the second delivery, and settled it
        wire.answer(third, [again | {"attempt": 3}], at=2.1)


def test_the_history_numbers_deliveries_as_the_target_does(wire: Wire) -> None:
    for number, receipt in enumerate(("r3", "r4", "r4")):
        wire.traffic.lenient.promises = Promises(delivery="at-least-once")  # or the panel would end it
        wire.traffic.work._popping.setdefault(QUEUE, []).append(SHORT)
        given = delivery(receipt) | {"receipt": f"{receipt}/{number}"}
        wire.answer(wire.ask(pop(), 1.0 + number), [given], 1.01 + number)
    told = [line.text for line in wire.traffic.history.lines if "gives" in line.text]
    assert [text.partition(" of ")[0].partition("gives ")[2] for text in told] == [
        "[0]#3",
        "[0]#4",
        "[0]#4 (given 2 times)",
    ]
