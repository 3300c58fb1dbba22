"""Shortening: what is left is needed, and no more tries are made than allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackcheck.sim.shrink import Step, shortest, simplest


@given(st.sets(st.integers(0, 29), min_size=1, max_size=5))
def test_only_the_needed_steps_are_left_and_in_their_order(needed: set[int]) -> None:
    assert shortest(list(range(30)), lambda script: needed <= set(script)) == sorted(needed)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 30))
def test_no_single_step_can_be_left_out(script: list[int], most: int) -> None:
    def still_breaks(candidate: list[int]) -> bool:
        return sum(candidate) >= min(most, sum(script))  # which steps are needed depends on the others

    short = shortest(script, still_breaks)
    assert still_breaks(short)
    assert all(len(short) == 1 or not still_breaks(short[:i] + short[i + 1 :]) for i in range(len(short)))


@pytest.mark.parametrize("tries", [0, 1, 7])
def test_the_tries_are_bounded(tries: int) -> None:
    asked: list[int] = []

    def count(script: list[int]) -> bool:
        asked.append(len(script))
        return False

    assert shortest(list(range(50)), count, tries) == list(range(50))
    assert len(asked) == tries


ARGUMENTS: list[tuple[Step, Step]] = [
    (("fail_write", {"written": 60}), ("fail_write", {"written": 0})),
    (("fail_sync", {"wider": True}), ("fail_sync", {"wider": False})),
    (("pop", {"count": 4}), ("pop", {"count": 1})),  # a pop of nothing is no pop
    (("wait", {"seconds": 0.5}), ("wait", {"seconds": 0.5})),
    (("ack_nonsense", {"text": "x"}), ("ack_nonsense", {"text": "x"})),
]


@pytest.mark.parametrize(("before", "after"), ARGUMENTS)
def test_arguments_become_as_simple_as_they_can_be(before: Step, after: Step) -> None:
    assert simplest([before], lambda _: True) == [after]


def test_an_argument_that_matters_stays() -> None:
    def still(script: list[Step]) -> bool:
        return bool(script[0][1]["which"] >= 1)

    assert simplest([("ack", {"which": 5})], still) == [("ack", {"which": 1})]
