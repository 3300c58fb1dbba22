"""The fast path as the threaded store calls it, compiled and in Python: the lock, the clock, the timer, which log."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore.core.effects import Failed
from ackstore.fastpath import calls as compiled_calls
from ackstore.fastpath.path import FastPath
from ackstore.fastpath.plain import calls as plain_calls
from ackstore.words.placement import log_of
from ackstore.words.replies import Reply

QUIET = {"flush_interval": 1000.0, "offset_interval": 1000.0}
NOW = 1000.0

pytestmark = pytest.mark.parametrize("calls", [compiled_calls, plain_calls], ids=["compiled", "plain"])

Open = Callable[..., tuple[Any, Any, list[str]]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a store: itself, its driver, and receipts of 4 messages that are flushed."""
    stores: list[ackstore.Store] = []

    def start(queue: str = "q", **settings: Any) -> tuple[Any, Any, list[str]]:
        config = ackstore.Config(**{**QUIET, **settings})
        store = ackstore.Store(tmp_path / str(len(stores)), config, clock=lambda: NOW)
        stores.append(store)
        store.publish(queue, 4)
        receipts = [delivery.receipt for delivery in store.pop(queue, 4)]
        store.flush()
        return store, store._driver, receipts

    yield start
    for store in stores:
        store.close()


class Watched:
    """Stands before the lock, and notes how this thread asks for it; the first `taken` times somebody has it."""

    def __init__(self, lock: Any, taken: int = 0) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.acquire, self.taken, self.thread = lock.acquire, taken, threading.get_ident()
        lock.acquire = self

    def __call__(self, *how: Any, **named: Any) -> bool:
        if threading.get_ident() != self.thread:
            return bool(self.acquire(*how, **named))  # the timer, or what ends a sync
        self.asked.append(how)
        return len(self.asked) > self.taken and self.acquire(*how, **named)


@pytest.mark.parametrize("logs", [1, 2, 3])
def test_an_ack_goes_to_the_log_that_its_queue_is_in(opened: Open, calls: Any, logs: int) -> None:
    queues = {log_of(f"q{number}/default/0", logs): f"q{number}" for number in range(20)}
    store, driver, _ = opened(logs=logs)
    assert set(queues) == set(range(logs))
    for queue in queues.values():
        store.publish(queue, 3)
    receipts = {queue: [delivery.receipt for delivery in store.pop(queue, 3)] for queue in queues.values()}
    store.flush()
    for first, *others in receipts.values():
        assert calls.ack(driver, first) is Reply.OK
        assert calls.ack_many(driver, others) == [Reply.OK] * 2


def test_the_lock_is_asked_for_without_waiting_and_then_in_turns(opened: Open, calls: Any) -> None:
    _, driver, receipts = opened()
    free = Watched(driver.lock)
    assert calls.ack(driver, receipts[0]) is Reply.OK
    assert free.asked == [(False,)]
    busy = Watched(driver.lock, taken=3)
    assert calls.ack(driver, receipts[1]) is Reply.OK
    assert busy.asked == [(False,)] * 4


def test_while_it_writes_the_lock_says_so_and_then_it_is_free(
    opened: Open, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, driver, receipts = opened()
    seen: list[tuple[bool, bool]] = []

    class Disk:
        def write(self, *_: Any) -> Failed:
            seen.append((driver.lock.inside, driver.lock.owned()))
            return Failed(28)

    monkeypatch.setattr(driver, "writes", Disk())
    assert calls.ack(driver, receipts[0]) is Reply.FAILED
    assert seen == [(True, True)]
    assert driver.lock.inside is False
    assert not driver.lock.owned()


def test_of_a_write_that_failed_the_core_hears_the_time_and_what_follows_is_done(
    opened: Open, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, driver, receipts = opened()
    core = driver.core
    told: list[Any] = []

    class Disk:
        def write(self, *_: Any) -> Failed:
            core.effects.append((0, None))
            return Failed(28)

    def failed(_path: Any, _record: Any, _result: Any, now: float) -> Reply:
        told.append(now)
        return Reply.FAILED

    def performed(_driver: Any, now: float) -> None:
        told.append(("perform", now))
        core.effects.clear()

    monkeypatch.setattr(driver, "writes", Disk())
    monkeypatch.setattr(FastPath, "failed", failed)
    monkeypatch.setattr(type(driver), "perform", performed)
    core.now = 0.0
    assert calls.ack(driver, receipts[0]) is Reply.FAILED
    assert told == [NOW, ("perform", NOW)]
    assert core.now == NOW


@pytest.mark.parametrize("why", ["broken", "closing"])
def test_a_store_that_is_broken_or_closing_takes_the_long_way(opened: Open, calls: Any, why: str) -> None:
    _, driver, receipts = opened()
    holder, name = (driver, "broken") if why == "broken" else (driver.core, "closing")
    setattr(holder, name, ValueError("why"))
    assert calls.ack(driver, receipts[0]) is None
    assert calls.ack_many(driver, receipts) is None
    setattr(holder, name, None)
    assert calls.ack(driver, receipts[0]) is Reply.OK


def test_a_timer_that_sleeps_is_woken_once(opened: Open, calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, driver, receipts = opened()
    woken: list[int] = []
    monkeypatch.setattr(driver.wake, "notify", lambda: woken.append(1))
    driver.asleep = True
    assert calls.ack(driver, receipts[0]) is Reply.OK
    assert (woken, driver.asleep) == ([1], False)
    assert calls.ack(driver, receipts[1]) is Reply.OK
    assert woken == [1]
    assert driver.asleep is False


def test_nothing_but_the_limit_bounds_a_batch(opened: Open, calls: Any) -> None:
    _, driver, receipts = opened(max_batch=4)
    assert calls.ack_many(driver, [*receipts, receipts[0]]) is None
    assert calls.ack_many(driver, receipts) == [Reply.OK] * 4


def test_at_its_deadline_a_delivery_is_over(opened: Open, calls: Any) -> None:
    store, driver, _ = opened()
    store.publish("q", 6)
    [delivery] = store.pop("q", 1, invisible=1.0)
    store.flush()
    for late, reply in ((1e-3, None), (0.0, None), (-1e-3, Reply.OK)):
        driver.clock = lambda late=late: delivery.deadline + late
        assert calls.ack(driver, delivery.receipt) is reply
