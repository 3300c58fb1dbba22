"""Threads that find another in the store stay aside, and in the end sleep."""

import pytest

from ackstore.fastpath import fast, plain


@pytest.mark.parametrize("free_after", [0, 3, plain.TURNS, plain.TURNS + 1])
def test_a_thread_stays_aside_before_it_sleeps_on_a_lock(free_after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)

    def acquire(*how: object) -> bool:
        asked.append(how)
        return len(asked) > free_after

    assert fast.take_turns(acquire) is (free_after <= plain.TURNS)
    turns = min(free_after + 1, plain.TURNS)
    assert asked == [(False,)] * turns + [(True, plain.SLEEP)] * (free_after >= plain.TURNS)
    assert naps == [plain.NAP] * min(free_after, plain.TURNS)
