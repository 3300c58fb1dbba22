"""The thread that tells a store the time: whatever is still to be done, it has a time at which it looks."""

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ackstore import Config, Reply, Store
from ackstore.core.effects import Effect, Rename, Result, Sync
from ackstore.runtime.files import RealDisk
from disks import HangingDisk

QUICK = Config(flush_interval=0.005, offset_interval=0.005, retry_first=0.005)


class FailsOnce(HangingDisk):
    """A disk on which what hangs fails in the end, once."""

    failed = False

    def perform(self, effect: Effect) -> Result:
        result = super().perform(effect)
        if isinstance(effect, self.kinds) and not self.failed:
            self.failed = True
            raise OSError(errno.EIO, "as the test wants it")
        return result


def comes(what: Callable[[], bool]) -> bool:
    """Whether it does, without any call of the store but to look at it."""
    until = time.monotonic() + 60.0
    while not what() and time.monotonic() < until:
        time.sleep(0.002)
    return what()


@pytest.mark.parametrize("kind", [HangingDisk, FailsOnce])
def test_an_offset_that_moves_while_the_file_is_replaced_is_written_though_nobody_calls(
    tmp_path: Path, kind: type[HangingDisk]
) -> None:
    disk = kind(tmp_path / "store", Rename)
    disk.go_on.clear()
    with Store(tmp_path / "store", QUICK, disk=disk) as store:
        store.publish("q", 2)
        first, second = store.pop("q", 2)
        assert store.ack(first.receipt) is Reply.OK
        assert comes(disk.hangs.is_set)
        assert store.ack(second.receipt) is Reply.OK
        assert store.flush() is Reply.OK
        assert comes(lambda: store._driver.asleep)  # there is nothing that it could do now
        disk.go_on.set()
        assert comes(lambda: not store.stats(count=False).offsets_dirty)
        (queue,) = store.stats().queues.values()
        assert queue.persisted == 2


def test_a_sync_of_the_offset_file_that_hangs_is_given_up_though_nobody_calls(tmp_path: Path) -> None:
    class Held(HangingDisk):
        def perform(self, effect: Effect) -> Result:
            if isinstance(effect, Sync) and not effect.file.startswith("offsets"):
                return RealDisk.perform(self, effect)
            return super().perform(effect)

    disk = Held(tmp_path / "store")
    disk.go_on.clear()
    with Store(tmp_path / "store", Config(offset_interval=0.005, sync_timeout=0.02), disk=disk) as store:
        store.publish("q", 1)
        assert store.ack(store.pop("q")[0].receipt) is Reply.OK
        assert comes(lambda: store.stats(count=False).offset_failures > 0)
        disk.go_on.set()
        assert comes(lambda: not store.stats(count=False).offsets_dirty)


class Weather(RealDisk):
    """A disk of which one sync and one rename in four fail."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        super().__init__(path)
        self.pick = Random(1)

    def perform(self, effect: Effect) -> Result:
        if isinstance(effect, Sync | Rename) and self.pick.random() < 0.25:
            raise OSError(errno.EIO, "the weather")
        return super().perform(effect)


def test_whoever_leaves_the_store_with_something_due_leaves_a_timer_that_is_awake(tmp_path: Path) -> None:
    asleep: list[str] = []
    with Store(tmp_path / "store", QUICK, disk=Weather(tmp_path / "store")) as store:
        driver = store._driver
        leave = driver.lock.leave

        def looks_first() -> None:
            if driver.lock.owned() and driver.asleep and driver.core.next_tick() is not None:
                asleep.append(threading.current_thread().name)
            leave()

        driver.lock.leave = looks_first  # type: ignore[method-assign]
        store.publish("q", 1000)
        for _ in range(30):
            for delivery in store.pop("q", 3):
                store.ack(delivery.receipt, timeout=60.0)
            store.flush(timeout=60.0)
            time.sleep(0.01)  # so that it sometimes has nothing to do
        comes(lambda: not store.stats(count=False).offsets_dirty)
    assert not asleep


def test_it_has_a_name_that_says_what_it_is(tmp_path: Path) -> None:
    before = {*threading.enumerate()}
    with Store(tmp_path / "store"):
        assert "ackstore-timer" in {thread.name for thread in {*threading.enumerate()} - before}


def test_the_next_open_is_told_the_time_once_a_second_where_the_clock_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store", clock=lambda: 100.0) as store:
        driver, told = store._driver, list[float]()

        def ticks() -> list[float]:
            with monkeypatch.context() as patch:
                patch.setattr(driver._directory_lock, "note", told.append)
                patch.setattr(driver, "_note_at", 100.0)
                for now in (99.9, 100.0, 100.9, 101.0, 101.1):
                    patch.setattr(driver, "clock", lambda now=now: now)
                    driver._tick()
            return told

        assert driver.lock.run(60.0, ticks) == [100.0, 101.0]
        driver.wake.notify()
