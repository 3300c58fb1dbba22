"""When the store waits, refuses and tries again, by the figures; and what is counted of the cycles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ackstore import Config
from ackstore.core.effects import Create, Failed, Sync, Write
from ackstore.core.flusher import pause

EIO = Failed(5)


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 1.0), (0.5, 1.25), (1.0, 1.5)])
def test_a_pause_is_longer_by_up_to_its_jitter(drawn: float, seconds: float) -> None:
    config = Config(retry_first=1.0, retry_jitter=0.5)
    assert pause(1, config, cast("Any", SimpleNamespace(random=lambda: drawn))) == seconds


@pytest.mark.parametrize("failures", [1, 2, 5, 64, 65, 66, 5000])
def test_a_pause_doubles_up_to_its_limit(failures: int) -> None:
    config = Config(retry_first=0.25, retry_limit=3.0, retry_jitter=0.0)
    expected = {1: 0.25, 2: 0.5}.get(failures, 3.0)
    assert pause(failures, config, cast("Any", SimpleNamespace(random=lambda: 0.5))) == expected


def held_up(popped: Any, records: int, size: int) -> Any:
    """The flusher of a log with this many unflushed records, of this many bytes, of 10 and 1000 that there may be."""
    store, _ = popped(1, max_unflushed_records=10, max_unflushed_bytes=1000)
    store.core.log.unflushed, store.core.log.unflushed_bytes = records, size
    return store.core.flusher


@pytest.mark.parametrize(
    ("records", "size", "shown"),
    [
        (0, 0, "async"),
        (4, 0, "async"),
        (5, 0, "sync"),
        (9, 0, "sync"),
        (10, 0, "refuse"),
        (0, 499, "async"),
        (0, 500, "sync"),
        (0, 999, "sync"),
        (0, 1000, "refuse"),
    ],
)
def test_answers_wait_from_half_of_a_limit_on_and_at_it_are_busy(
    popped: Any, records: int, size: int, shown: str
) -> None:
    flusher = held_up(popped, records, size)
    assert flusher.shown == shown
    assert flusher.refuses() == (shown == "refuse")
    assert flusher.answers_when_cached() == (shown == "async")


@pytest.mark.parametrize(
    ("records", "size", "prompt"), [(1, 0, True), (2, 0, False), (0, 199, True), (0, 200, False), (1, 199, True)]
)
def test_what_comes_next_is_counted_in(popped: Any, records: int, size: int, prompt: bool) -> None:
    assert held_up(popped, 3, 300).would_answer(records, size) is prompt


def test_what_returns_late_shortens_no_pause_while_others_could_sync(popped: Any) -> None:
    store, (receipt, *_) = popped(1, flush_threads=2, sync_timeout=1.0, retry_first=5.0, offset_interval=100.0)
    store.ack(receipt)
    store.finish(Write)
    store.wait(0.1)
    io = store.hold(Sync)
    store.wait(1.0)
    store.settle()
    due = store.core.next_tick()
    assert due == store.now + 5.0
    store.release(io)
    assert (store.core.next_tick(), store.waiting(Sync)) == (due, [])
    store.rest()
    assert store.stats.unflushed_records == 0


def test_every_cycle_is_counted_and_timed(popped: Any) -> None:
    store, receipts = popped(9, sync_timeout=1.0, retry_first=0.25, retry_limit=0.25)
    before = store.stats
    assert (before.retries, before.sync_failures, before.sync_timeouts, before.write_failures) == (0, 0, 0, 0)
    store.ack(receipts[0])
    store.finish(Write, Failed(28))
    store.ack(receipts[0])
    store.finish(Write, Failed(28))
    store.ack(receipts[0])
    store.ack(receipts[1])
    for _ in range(2):
        store.finish(Write)
    store.wait(0.1)
    for how in ("fails", "fails", "hangs", "hangs"):
        if how == "fails":
            store.wait(0.5)
            store.finish(Sync, EIO)
        else:
            store.hold(Sync)
            store.wait(1.0)
        store.settle()
        store.wait(0.25)
    store.wait(0.75)
    store.settle()
    after = store.stats
    assert (after.retries, after.sync_failures, after.sync_timeouts, after.write_failures) == (4, 4, 2, 2)
    assert after.syncs == before.syncs + 1
    assert after.flush_seconds.sum - before.flush_seconds.sum == pytest.approx(0.75)
    assert after.flush_failed_seconds.sum == pytest.approx(0.5 + 0.5 + 1.0 + 1.0)
    assert after.flush_records.sum - before.flush_records.sum == 2
    assert after.flushed == before.flushed + 2
    assert (before.rewritten, after.rewritten) == (0, 4 * 2)
    assert not store.waiting(Create)
