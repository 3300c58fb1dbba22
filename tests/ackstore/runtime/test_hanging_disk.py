"""A disk that answers no sync: what is kept, copied and asked for stays bounded, and it is told how things are."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store
from ackstore.core.effects import Create, Effect, Failed, Result, Sync, SyncDir, Unlink, Write
from ackstore.runtime.files import RealDisk

SETTINGS = {"flush_threads": 2, "sync_timeout": 1.0, "retry_first": 0.5, "retry_limit": 2.0, "op_timeout": 1000.0}


def hang_and_retry(store: Any) -> int:
    """The sync that runs hangs, is given up, and all is written again; returns its I/O id."""
    io: int = store.hold(Sync)
    store.wait(1.0)
    while any(store.waiting(kind) for kind in (Create, Write, Unlink)):
        store.finish(next(kind for kind in (Create, Write, Unlink) if store.waiting(kind)))
    store.wait(2.0)
    return io


def hung(popped: Any, **settings: Any) -> tuple[Any, list[str], list[int]]:
    """A store both of whose flush threads hang in a sync of one acked message."""
    store, receipts = popped(10, **{**SETTINGS, **settings})
    store.ack(receipts[0])
    store.finish(Write)
    store.wait(0.1)
    return store, receipts, [hang_and_retry(store), hang_and_retry(store)]


class TestAllThreads:
    def test_nothing_is_synced_or_written_again_until_one_returns(self, popped: Any) -> None:
        store, _, (first, _) = hung(popped)
        files = sorted(store.files.cached)
        before = store.stats
        for _ in range(50):
            store.wait(5.0)
        assert [type(effect) for effect in store.pending.values()] == [SyncDir]  # that of the second cycle
        assert sorted(store.files.cached) == files
        after = store.stats
        assert (after.effects, after.rewritten, after.sync_timeouts) == (3, before.rewritten, 2)
        assert after.unflushed_records == 1
        store.release(first)
        store.rest(0.1)  # at once, not after a pause
        assert store.stats.unflushed_records == 0

    def test_what_nobody_can_begin_counts_as_a_failure(self, popped: Any) -> None:
        store, receipts, _ = hung(popped, degrade_after=4, max_sync_failures=6)
        modes = [store.stats.mode]
        for _ in range(3):
            store.wait(5.0)
            modes.append(store.stats.mode)
        assert modes == ["async", "sync", "sync", "refuse"]
        assert (store.stats.failures, store.stats.sync_failures) == (6, 2)
        assert store.reply(store.ack(receipts[1])) is Reply.BUSY

    def test_it_returns_to_async_and_to_zero(self, popped: Any) -> None:
        store, _, hanging = hung(popped, max_sync_failures=4)
        store.wait(5.0)
        store.wait(5.0)
        assert store.stats.mode == "refuse"
        for io in hanging:
            store.release(io, Failed(5))
        store.rest()
        stats = store.stats
        assert (stats.mode, stats.failures) == ("async", 0)
        assert (stats.unflushed_records, stats.dirty_bytes, stats.effects) == (0, 0, 0)
        assert len(store.pop(1)) == 1

    def test_a_write_that_fails_meanwhile_is_tried_again(self, popped: Any) -> None:
        store, receipts, hanging = hung(popped)
        store.ack(receipts[1])
        store.finish(Write)
        store.core.log.stuck = True  # as a failed creation leaves it
        store.core.flusher.rewrite_failed(store.now)
        store.wait(5.0)
        assert not store.core.log.stuck
        store.release(hanging[1])
        store.rest()
        assert store.stats.unflushed_records == 0


class TestDirtyBytes:
    def test_every_copy_counts_until_its_file_is_gone(self, popped: Any) -> None:
        store, receipts = popped(10, **SETTINGS)
        store.ack(receipts[0])
        store.finish(Write)
        one = store.stats.dirty_bytes
        assert one == store.stats.unflushed_bytes > 0
        store.wait(0.1)
        first = store.hold(Sync)
        store.wait(1.0)
        assert store.stats.dirty_bytes == one  # in the old file only
        store.finish(Create)
        assert store.stats.dirty_bytes == one
        store.finish(Write)
        assert store.stats.dirty_bytes == 2 * one  # the old file hangs; the one before held what is FLUSHED
        second = hang_and_retry(store) if store.waiting(Sync) else hang_and_retry(store.wait(2.0))
        assert store.stats.dirty_bytes == 3 * one
        assert store.stats.unflushed_bytes == one
        store.release(first)
        assert store.stats.dirty_bytes == 2 * one
        store.release(second)
        assert store.stats.dirty_bytes == one
        store.rest()
        assert store.stats.dirty_bytes == 0

    def test_a_file_that_is_removed_counts_until_it_is(self, popped: Any) -> None:
        store, receipts = popped(10, **SETTINGS)
        store.ack(receipts[0])
        store.finish(Write)
        one = store.stats.dirty_bytes
        store.wait(0.1)
        for _ in range(2):  # the first of these files holds what is FLUSHED, and stays
            store.finish(Sync, Failed(5))
            store.finish(Create)
            store.finish(Write)
            store.wait(2.0)
        assert len(store.waiting(Unlink)) == 1
        assert store.stats.dirty_bytes == 2 * one
        store.finish(Unlink, Failed(5))
        assert store.stats.dirty_bytes == one

    def test_of_several_segments_only_what_is_not_flushed_counts(self, popped: Any) -> None:
        store, receipts = popped(10, **SETTINGS, segment_bytes=300)
        for receipt in receipts[:6]:
            store.ack(receipt)
            while store.waiting(Write) or store.waiting(Create):
                store.finish(Write if store.waiting(Write) else Create)
        one = store.stats.dirty_bytes
        assert len([name for name in store.files.cached if name.startswith("log-")]) > 2
        store.wait(0.1)
        for _ in store.waiting(Sync):
            store.hold(Sync)
        store.wait(1.0)
        assert store.stats.dirty_bytes == store.stats.unflushed_bytes == one


class TestDirectory:
    def test_no_more_syncs_of_it_than_threads_are_asked_for(self, drive: Any) -> None:
        store = drive(**SETTINGS).settle()
        store.publish(10)
        [first] = store.pop(1)
        store.flush()
        store.settle()
        store.ack(first.receipt)
        store.finish(Write)
        store.wait(1.0)
        store.finish(Sync)
        for _ in range(100):  # the log is well; the directory hangs, in which the offset file is to be replaced
            store.wait(1.0)
            while others := [effect for effect in store.pending.values() if not isinstance(effect, SyncDir)]:
                store.finish(type(others[0]))
        assert len(store.waiting(SyncDir)) == 2
        assert store.stats.offset_failures > 10
        assert store.stats.offsets_dirty
        store.rest()
        assert not store.stats.offsets_dirty
        assert store.core.directory.hanging == 0

    def test_a_late_failure_gives_up_the_one_that_runs(self, drive: Any) -> None:
        store = drive(**SETTINGS)
        store.finish(Create)
        store.finish(Write)
        store.finish(Sync)
        late = store.hold(SyncDir)
        store.wait(1.0)
        assert store.core.directory.hanging == 1
        store.finish(Create)
        store.finish(Write)
        store.wait(2.0)
        running = store.hold(SyncDir)
        store.release(late, Failed(5))
        assert store.core.directory.hanging == 1
        store.release(running)
        assert store.core.directory.hanging == 0
        store.rest()
        assert store.core.flusher.opened


class BlockedDisk(RealDisk):
    """Answers no sync while `blocked`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go_on = threading.Event()
        self.go_on.set()
        self.hanging = self.most_hanging = 0
        self._count = threading.Lock()

    def perform(self, effect: Effect) -> Result:
        if isinstance(effect, Sync | SyncDir):
            with self._count:
                self.hanging += 1
                self.most_hanging = max(self.most_hanging, self.hanging)
            self.go_on.wait(60.0)
            with self._count:
                self.hanging -= 1
        return super().perform(effect)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_files_and_bytes_are_bounded_and_clients_are_told(tmp_path: Path, threads: int) -> None:
    config = Config(
        flush_threads=threads,
        flush_interval=0.01,
        offset_interval=0.02,
        sync_timeout=0.1,
        retry_first=0.01,
        retry_limit=0.02,
        op_timeout=1.0,
        max_unflushed_records=40,
        segment_bytes=1000,
    )
    disk = BlockedDisk(tmp_path)
    with Store(tmp_path, config, disk=disk) as store:
        store.publish("q", 1000)
        receipts = [delivery.receipt for delivery in store.pop("q", 100)]
        assert store.flush() is Reply.OK
        disk.go_on.clear()
        replies = []
        for receipt in receipts:
            began = time.monotonic()
            replies.append(store.ack(receipt))
            assert time.monotonic() - began < 10.0
        assert replies[0] is Reply.OK
        assert replies[-1] is Reply.BUSY
        wait_for(lambda: disk.hanging == threads and store.stats().failures >= config.max_sync_failures)
        before = store.stats()
        files = len(os.listdir(tmp_path))
        time.sleep(0.5)  # many retries long
        stats = store.stats()
        assert stats.mode == "refuse"
        assert store.try_pop("q").reply is Reply.BUSY
        assert stats.unflushed_records <= config.max_unflushed_records
        assert stats.unflushed_bytes <= stats.dirty_bytes <= (threads + 1) * stats.unflushed_bytes
        assert (stats.dirty_bytes, stats.rewritten) == (before.dirty_bytes, before.rewritten)
        assert stats.effects <= before.effects
        assert len(os.listdir(tmp_path)) <= files
        assert disk.most_hanging == threads
        disk.go_on.set()
        wait_for(lambda: store.stats().mode == "async")
        wait_for(lambda: (found := store.stats()).effects == found.dirty_bytes == found.unflushed_records == 0)
        assert store.ack(receipts[-1]) is Reply.OK
        assert isinstance(store.try_pop("q", 1).value, tuple)
