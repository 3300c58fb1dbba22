"""A wall clock that is set between two opens. The files' times are set as the system would have set them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ackstore import Config, Reply, Store

TICK = 0.05
"""Seconds by which the time that a file system notes of a write may be behind the clock."""
HOUR = 3600.0


@contextmanager
def clock_ahead(by: float, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The system's clock is ahead, and so are the times of what is written."""
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + by)
        yield
    for file in path.iterdir():
        written = file.stat().st_mtime + by
        os.utime(file, (written, written))


def left(store: Store) -> float:
    """Seconds until the first message comes back."""
    (queue,) = store._driver.core.queues.values()
    return queue.expiring[0][0] - store._driver.clock()


def test_set_back_it_hides_no_message_for_longer_than_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_ahead(HOUR, tmp_path, monkeypatch), Store(tmp_path) as store:
        store.publish("q", 1)
        (delivery,) = store.pop("q", 1, 30.0)
        assert delivery.deadline > time.time() + 25.0
    with Store(tmp_path) as again:
        assert 0.0 < left(again) <= 30.0 + TICK
        assert again.ack(delivery.receipt) is Reply.OK


def test_while_it_is_ahead_the_lock_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_ahead(HOUR, tmp_path, monkeypatch), Store(tmp_path) as store:
        store.publish("q", 1)
        store.pop("q", 1, 30.0)
    with Store(tmp_path, Config(flush_interval=0.01)) as again:
        again.publish("q", 2)
        assert again.pop("q", 1, 30.0)[0].deadline > time.time() + HOUR
        assert again.flush() is Reply.OK
    for file in tmp_path.glob("[!l]*"):
        os.utime(file)
    for file in tmp_path.glob("log-*"):  # as if compaction had removed those of the first life
        os.utime(file)
    assert (tmp_path / "lock").stat().st_mtime > time.time() + HOUR - 60.0
    with Store(tmp_path) as third:
        assert 0.0 < left(third) <= 30.0 + TICK


def test_set_forward_messages_come_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        store.publish("q", 1)
        (delivery,) = store.pop("q", 1, 30.0)
    with clock_ahead(HOUR, tmp_path, monkeypatch), Store(tmp_path) as later:
        assert later.ack(delivery.receipt) is Reply.EXPIRED
        assert [each.attempt for each in later.pop("q")] == [2]


def test_a_clock_that_goes_on_as_it_should_is_the_system_s(tmp_path: Path) -> None:
    for _ in range(3):
        with Store(tmp_path) as store:
            assert abs(store._driver.clock() - time.time()) < 60.0
            assert store._driver._note_at == float("inf")
