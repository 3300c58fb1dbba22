"""What the adapters of brokers share, with a clock that only a sleep moves."""

from types import SimpleNamespace

import pytest

from ackcheck.brokers import client
from ackcheck.brokers.client import WithoutBarrier


class Clock:
    """A clock that counts the sleeps."""

    def __init__(self) -> None:
        self.now, self.sleeps = 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1


class Connected(WithoutBarrier):
    """A client that waits long."""

    waiting = 300.0

    def ack(self, receipt: str) -> str:
        return receipt


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    return clock


def ready_at(clock: Clock, seconds: float) -> float:
    """Return when a client was connected to a server that is ready then."""

    def connect() -> float:
        if clock.now < seconds:
            raise ConnectionRefusedError
        return clock.now

    return Connected().connected(connect)


def test_a_server_that_starts_for_minutes_is_tried_a_hundred_times_and_not_ten_thousand(clock: Clock) -> None:
    assert 100.0 <= ready_at(clock, 100.0) <= 111.0
    assert clock.sleeps < 120


def test_one_that_starts_quickly_is_known_at_once(clock: Clock) -> None:
    assert ready_at(clock, 0.05) < 0.065


def test_one_that_does_not_start_is_given_up(clock: Clock) -> None:
    with pytest.raises(ConnectionRefusedError):
        ready_at(clock, 1000.0)
    assert clock.now < 1.11 * Connected.waiting
