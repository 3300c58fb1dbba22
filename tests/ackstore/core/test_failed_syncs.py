"""Syncs that fail or hang: the bytes are written again, elsewhere, before anything counts."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import Core, Reply, Stage
from ackstore.core.effects import Create, Failed, Sync, SyncDir, Unlink, Write
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.words.requests import Pop

EIO, ENOSPC = Failed(5), Failed(28)


class TestFailedSync:
    def test_writes_again_to_a_new_segment_and_syncs_that(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync")
        op = store.ack(receipt)
        (before,) = store.waiting(Write)
        store.finish(Write)
        store.finish(Sync, EIO)
        assert store.reply(op) is None
        assert store.core.stage(receipt) is Stage.SUSPECT
        assert store.stats.flushed == 1
        store.wait(0.01)
        assert store.stats.oldest_unflushed == pytest.approx(0.01)
        store.finish(Create, file="log-00000002.seg")
        (after,) = store.waiting(Write)
        assert after.file == "log-00000002.seg"
        assert after.data.endswith(before.data)  # the same bytes, LSN included
        store.finish(Write)
        assert store.core.stage(receipt) is Stage.CACHED
        store.wait(store.config.retry_first)
        assert [effect.file for effect in store.waiting(Sync)] == ["log-00000002.seg"]
        store.finish(Sync)
        assert store.reply(op) is None  # the new entry is not on disk yet
        store.finish(SyncDir)
        assert store.reply(op) is Reply.OK
        assert store.power_loss().settle().core.stage(receipt) in (Stage.FLUSHED, Stage.COMMITTED)

    def test_the_segments_that_stay_are_those_that_were_ever_synced(self, popped: Any) -> None:
        store, receipts = popped(9, segment_bytes=300)
        for receipt in receipts[:6]:
            store.ack(receipt)
            store.rest(1.0)
        store.ack(receipts[6])
        store.finish(Write)
        store.wait(0.1)
        for _ in range(3):
            store.finish(Sync, EIO)
            store.settle()
            store.wait(5.0)
        store.rest()
        log = store.core.log
        there = sorted(name for name in store.files.cached if name.startswith("log-"))
        assert [segment.file for segment in [*log.closed, log.current]] == there
        stats = store.stats
        assert (stats.segments, stats.segment_bytes) == (
            len(there),
            sum(len(store.files.cached[name]) for name in there),
        )
        assert stats.dirty_bytes == 0

    def test_what_was_written_during_the_sync_is_suspect_too(self, popped: Any) -> None:
        store, (first, second, third) = popped()
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        store.ack(second)
        store.finish(Write)  # written while the sync runs
        store.ack(third)  # outstanding when the failure is reported
        store.finish(Sync, EIO)
        assert store.waiting(Create) == []
        assert store.core.stage(second) is Stage.SUSPECT
        store.finish(Write)
        assert store.core.stage(third) is Stage.SUSPECT
        store.finish(Create)
        store.finish(Write)
        assert store.stats.rewritten == 3
        store.rest()
        assert store.stats.flushed == 4
        store = store.power_loss().settle()
        assert store.stats.recovery.records == 4

    def test_pauses_double_with_jitter_and_are_bounded(self, popped: Any) -> None:
        store, (receipt, *_) = popped(retry_first=1.0, retry_limit=5.0, max_sync_failures=100)
        store.ack(receipt)
        store.finish(Write)
        store.wait(0.1)
        pauses = []
        for _ in range(5):
            store.finish(Sync, EIO)
            failed_at = store.now
            store.finish(Create)
            store.finish(Write)
            while store.waiting(Unlink):
                store.finish(Unlink)
            pauses.append(store.core.next_tick() - failed_at)
            store.wait(pauses[-1])
        assert pauses == pytest.approx([1.0, 2.0, 4.0, 5.0, 5.0])

    def test_degrades_refuses_and_comes_back(self, popped: Any) -> None:
        store, receipts = popped(6, degrade_after=2, max_sync_failures=4)
        store.ack(receipts[0])
        store.finish(Write)
        store.wait(0.1)
        modes = []
        for _ in range(4):
            store.finish(Sync, EIO)
            store.finish(Create)
            store.finish(Write)
            modes.append(store.stats.mode)
            store.wait(store.core.next_tick() - store.now)
        assert modes == ["async", "sync", "sync", "refuse"]
        busy = store.ack(receipts[1])
        assert store.reply(busy) is Reply.BUSY
        assert store.reply(store.submit(Pop("q", 1))) is Reply.BUSY
        batch = store.ack_many(receipts[0], receipts[1], "nonsense")
        store.wait(0.0)
        store.settle()  # the probe that had begun succeeds
        assert store.stats.mode == "async"
        assert store.answers[batch].value == (Reply.SETTLED, Reply.BUSY, Reply.INVALID)
        again = store.ack(receipts[1])
        store.finish(Write)
        assert store.reply(again) is Reply.OK

    def test_a_degraded_store_answers_when_flushed(self, popped: Any) -> None:
        store, (first, second, _) = popped(degrade_after=1)
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.finish(Create)
        store.finish(Write)
        op, twice = store.ack(second), store.ack(first)
        store.finish(Write)
        assert (store.reply(op), store.reply(twice)) == (None, None)
        store.rest(0.2)
        assert (store.reply(op), store.reply(twice)) == (Reply.OK, Reply.SETTLED)
        assert store.stats.mode == "async"

    def test_ends_operations_as_unknown_not_failed(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync", op_timeout=1.0, retry_first=5.0)
        op, barrier = store.ack(receipt), store.flush()
        store.finish(Write)
        store.finish(Sync, EIO)
        store.finish(Create)
        store.finish(Write)
        store.wait(1.0)
        assert (store.reply(op), store.reply(barrier)) == (Reply.UNKNOWN, Reply.UNKNOWN)
        store.rest()
        assert store.durable == [op]  # it was stored after all
        assert store.committed() == 1

    def test_superseded_segments_do_not_fill_the_disk(self, popped: Any) -> None:
        store, (receipt, *_) = popped()
        store.ack(receipt)
        store.finish(Write)
        store.wait(0.1)
        for _ in range(20):
            store.finish(Sync, EIO)
            while not store.waiting(Sync):
                if store.pending:
                    store.finish(object)
                else:
                    store.wait(10.0)
        segments = [name for name in store.files.cached if name.startswith("log-")]
        assert segments == ["log-00000001.seg", "log-00000021.seg"]

    def test_does_not_count_a_sync_of_the_directory_alone(self, drive: Any) -> None:
        """The new file is not there yet: a sync that covers no file proves no epoch."""
        store = drive(sync_timeout=1.0)
        store.publish(5)
        store.finish(Create)
        store.finish(Write)
        store.submit(Pop("q", 1))
        store.wait(1.0)
        store.finish(Write, ENOSPC)
        store.wait(1.0)
        assert store.waiting(Create)
        assert store.waiting(SyncDir) == [SyncDir()]  # the one that is overdue
        assert not store.core.flusher.opened

    def test_of_the_directory(self, drive: Any) -> None:
        store = drive()
        store.finish(Create)
        store.finish(Write)
        store.finish(Sync)
        store.finish(SyncDir, EIO)
        assert not store.core.flusher.opened
        store.finish(Create, file="log-00000002.seg")
        store.rest()
        assert store.core.flusher.opened
        assert store.stats.epoch == 1


class TestOverdueSync:
    def test_counts_as_failed_and_a_late_success_changes_nothing(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync", sync_timeout=1.0)
        op = store.ack(receipt)
        store.finish(Write)
        late = store.hold(Sync)
        store.wait(1.0)
        assert store.stats.sync_timeouts == 1
        assert store.core.stage(receipt) is Stage.SUSPECT
        store.release(late)
        assert store.reply(op) is None
        assert store.stats.flushed == 1
        store.rest(1.0)
        assert store.reply(op) is Reply.OK

    def test_a_late_success_does_not_count_for_the_next_cycle(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync", sync_timeout=1.0)
        op = store.ack(receipt)
        store.finish(Write)
        late = store.hold(Sync)
        store.wait(1.0)
        store.finish(Create)
        store.finish(Write)
        store.wait(0.5)
        assert (len(store.waiting(Sync)), len(store.waiting(SyncDir))) == (1, 1)
        store.release(late)
        store.finish(SyncDir)
        assert store.reply(op) is None
        store.finish(Sync)
        assert store.reply(op) is Reply.OK

    def test_a_late_failure_changes_nothing_either(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync", sync_timeout=1.0)
        op = store.ack(receipt)
        store.finish(Write)
        late = store.hold(Sync)
        store.wait(1.0)
        store.rest(1.0)
        assert store.reply(op) is Reply.OK
        store.release(late, EIO)
        assert store.stats.failures == 0
        assert store.stats.effects == 0

    def test_a_late_failure_of_the_directory_makes_new_entries_suspect(self, drive: Any) -> None:
        """One sync may be told of an error that concerns entries made long after it began."""
        store = drive(sync_timeout=1.0)
        store.finish(Create)
        store.finish(Write)
        store.finish(Sync)
        late = store.hold(SyncDir)
        store.wait(1.0)
        store.finish(Create, file="log-00000002.seg")
        store.release(late, EIO)
        store.finish(Write)
        store.finish(Create, file="log-00000003.seg")
        store.rest()
        assert store.core.flusher.opened

    def test_a_late_success_of_the_directory_is_ignored(self, drive: Any) -> None:
        store = drive(sync_timeout=1.0)
        store.finish(Create)
        store.finish(Write)
        store.finish(Sync)
        late = store.hold(SyncDir)
        store.wait(1.0)
        store.release(late)
        assert not store.core.flusher.opened
        store.rest()
        assert store.core.flusher.opened


class TestRotation:
    def test_the_next_cycle_syncs_both_files_and_the_directory(self, popped: Any) -> None:
        """B05: the tail of the old segment."""
        store, receipts = popped(4, segment_bytes=200)
        for receipt in receipts:
            store.ack(receipt)
            while store.pending:
                store.finish(object)
        segments = sorted(name for name in store.files.cached if name.startswith("log-"))
        assert len(segments) > 1
        op = store.flush()
        synced = [effect.file for effect in store.waiting(Sync)]
        assert synced == segments
        assert len(store.waiting(SyncDir)) == 1
        store.settle()
        assert store.reply(op) is Reply.OK
        store = store.power_loss().settle()
        assert all(store.core.stage(receipt) is Stage.FLUSHED for receipt in receipts)

    def test_of_the_old_file_failing_makes_both_suspect(self, popped: Any) -> None:
        store, receipts = popped(4, segment_bytes=200)
        for receipt in receipts:
            store.ack(receipt)
            store.settle()
        op = store.flush()
        store.finish(Sync, EIO, file="log-00000001.seg")
        assert store.core.stage(receipts[-1]) is Stage.SUSPECT
        store.rest()
        assert store.reply(op) is Reply.OK
        store = store.power_loss().settle()
        assert all(store.core.stage(receipt) is Stage.FLUSHED for receipt in receipts)


class TestVariants:
    """The decisions that a broken variant overrides are where it looks for them."""

    def test_a_log_that_forgets_the_old_segment_loses_it(self, drive: Any) -> None:
        class Forgetful(Log):
            def rotate(self, segment: Any) -> None:
                self.current = segment
                self.unsynced_entry = True

        class Variant(Core):
            log_class = Forgetful

        store = drive(core=Variant, segment_bytes=200).settle()
        store.publish(9)
        for delivery in store.pop(5):
            store.ack(delivery.receipt)
            store.settle()
        op = store.flush()
        assert store.settle().reply(op) is Reply.OK
        assert store.power_loss().stats.recovery.records < 6

    def test_a_flusher_that_trusts_a_failed_sync_lies(self, drive: Any) -> None:
        class Trusting(Flusher):
            def sync_failed(self, now: Any) -> None:
                self.sync_succeeded(now)

        class Variant(Core):
            flusher_class = Trusting

        store = drive(core=Variant, mode="sync").settle()
        store.publish(1)
        (delivery,) = store.pop(1)
        op = store.ack(delivery.receipt)
        store.finish(Write)
        store.finish(Sync, EIO)
        assert store.reply(op) is Reply.OK
        assert store.power_loss().core.stage(delivery.receipt) is None
