"""Threads that find another in the store stay aside, and in the end sleep."""

import pytest

from ackstore.fastpath import turns as rule
from ackstore.fastpath.turns import take_turns


@pytest.mark.parametrize("free_after", [0, 3, rule.TURNS, rule.TURNS + 1])
def test_a_thread_stays_aside_before_it_sleeps_on_a_lock(free_after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)

    def acquire(*how: object) -> bool:
        asked.append(how)
        return len(asked) > free_after

    assert take_turns(acquire) is (free_after <= rule.TURNS)
    turns = min(free_after + 1, rule.TURNS)
    assert asked == [(False,)] * turns + [(True, rule.SLEEP)] * (free_after >= rule.TURNS)
    assert naps == [rule.NAP] * min(free_after, rule.TURNS)
