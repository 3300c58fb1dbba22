"""What a store with several logs shows of itself: all of them together."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from ackstore.core.effects import Create, SyncDir, Write
from ackstore.words.histogram import BATCH_RECORDS, SYNC_SECONDS
from ackstore.words.totals import summed
from three_logs import ALL, one_each

EIO, ENOSPC = 5, 28


class TestStats:
    def test_they_are_the_sum_of_what_the_logs_say(self, three: Any) -> None:
        store = three()
        for receipt in one_each(store)[:2]:
            store.ack(receipt)
        store.wait(0.05)
        while store.waiting(Write):
            store.finish(Write)
        store.wait(0.04)
        stats = store.stats
        assert len(stats.logs) == 3
        for name in ("written", "flushed", "unflushed_records", "dirty_bytes", "syncs", "segments", "segment_bytes"):
            assert getattr(stats, name) == sum(getattr(log, name) for log in stats.logs) > 0, name
        assert stats.oldest_unflushed == pytest.approx(0.04)
        assert stats.flush_seconds.count == stats.syncs
        assert stats.flush_records.sum == stats.flushed
        assert set(map(str, stats.queues)) == set(ALL)
        assert (stats.healthy, stats.offsets_dirty, stats.mode) == (True, False, "async")
        store.rest()
        assert store.stats.oldest_unflushed == 0.0

    def test_they_are_as_bad_as_the_worst_log(self, three: Any) -> None:
        store = three()
        for receipt in one_each(store)[:2]:
            store.ack(receipt)
        store.settle()
        first, second, third = store.core.cores
        for modes, shown in ((("sync", "async", "async"), "sync"), (("sync", "refuse", "async"), "refuse")):
            first.flusher.mode, second.flusher.mode, third.flusher.mode = modes
            assert store.stats.mode == shown
        second.flusher.failures, third.flusher.failures = 2, 5
        second.log.epoch = 7
        store.wait(0.05)
        stats = store.stats
        assert (stats.failures, stats.epoch) == (5, 7)
        assert stats.oldest_unflushed == max(log.oldest_unflushed for log in stats.logs) == pytest.approx(0.05)
        assert (stats.flush_seconds.bounds, stats.flush_records.bounds) == (SYNC_SECONDS, BATCH_RECORDS)

    def test_memory_is_that_of_the_process_and_not_a_sum(self, three: Any) -> None:
        parts = [evolve(log, resident_bytes=size) for log, size in zip(three().stats.logs, (5, 7, 3), strict=True)]
        both = summed(parts, operations=0, effects=0, surplus={})
        assert (both.resident_bytes, both.logs) == (7, tuple(parts))

    def test_what_takes_counting_can_be_left_out(self, three: Any) -> None:
        store = three()
        one_each(store)
        assert [queue.delivered for queue in store.core.stats().queues.values()] == [1] * 3
        assert [queue.delivered for queue in store.core.stats(count=False).queues.values()] == [None] * 3

    def test_effects_of_the_directory_count(self, drive: Any) -> None:
        store = drive(logs=2)
        while not store.waiting(SyncDir):
            store.finish(Write if store.waiting(Write) else Create)
            store.wait(0.0)
        assert store.stats.effects == len(store.pending)
        store.settle()
        assert store.stats.effects == 0

    def test_recovery_of_all_logs(self, three: Any) -> None:
        store = three()
        for receipt in one_each(store):
            store.ack(receipt)
        store.settle()
        found = store.process_crash().stats.recovery
        assert (found.records, found.rewritten) == (6, 3)
