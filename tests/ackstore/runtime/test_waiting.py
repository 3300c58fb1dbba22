"""Threads that wait for answers: who tells them what, and for how long what nobody tells of is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ackstore.core.effects import Answer
from ackstore.runtime.waiting import Waiter, Waiting, unsubmitted, wait_until
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack, AckMany, Close, Flush, Pop, Publish, Request


class Clock:
    """Time that goes on only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(
    ("so", "waits"),
    [
        (lambda _now: True, 0.0),
        (lambda now: now >= 101.0, 1.0),
        (lambda _now: False, 5.0),
    ],
)
def test_it_waits_until_it_is_so_or_time_is_up(
    monkeypatch: pytest.MonkeyPatch, so: Callable[[float], bool], waits: float
) -> None:
    clock = Clock(monkeypatch)
    wait_until(lambda: so(clock.now), 5.0)
    assert clock.now - 100.0 == pytest.approx(waits, abs=0.03)
    assert max(clock.slept, default=0.0) <= 0.02  # soon, once it is so


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (AckMany(["a", "b", "c"]), (Reply.UNKNOWN,) * 3),
        (AckMany([]), ()),
        (Pop("q", 1, 1.0), ()),
        (Ack("a", None, False), None),
        (Publish("q", 1), None),
        (Flush(), None),
        (Close(), None),
    ],
)
def test_what_is_not_submitted_is_answered_item_by_item(request_: Any, value: Any) -> None:
    assert unsubmitted(request_, Reply.UNKNOWN) == Answer(0, Reply.UNKNOWN, value)


def test_an_answer_is_given_once_and_to_whom_it_belongs() -> None:
    waiting = Waiting()
    first, second = waiting.add(1, Flush()), waiting.add(2, AckMany(["a", "b"]))
    assert not first.wait(0.0)
    waiting.tell(Answer(3, Reply.OK))  # nobody waits for it
    waiting.tell(Answer(1, Reply.OK))
    waiting.tell(Answer(1, Reply.FAILED))  # nor for this any more
    assert (first.wait(0.0), first.answer) == (True, Answer(1, Reply.OK))
    assert (second.wait(0.0), second.answer) == (False, None)
    assert (waiting.drop(1), waiting.drop(2), waiting.drop(2)) == (False, True, False)
    waiting.tell(Answer(2, Reply.OK))
    assert (second.wait(0.0), second.answer) == (False, None)


def test_all_are_told_that_there_is_no_answer() -> None:
    waiting = Waiting()
    requests: list[Request] = [Flush(), AckMany(["a", "b"]), Pop("q", 1, 1.0)]
    found = [waiting.add(op, request) for op, request in enumerate(requests)]
    waiting.tell_all(Reply.UNKNOWN)
    assert [waiter.wait(0.0) for waiter in found] == [True] * 3
    assert [waiter.answer for waiter in found] == [unsubmitted(request, Reply.UNKNOWN) for request in requests]
    assert waiting.by_op == {}


def test_a_waiter_waits_as_long_as_it_is_told() -> None:
    waiter = Waiter(Flush())
    assert not waiter.wait(-5.0)
    waiter.tell(Answer(1, Reply.OK))
    assert waiter.wait(float("inf"))
