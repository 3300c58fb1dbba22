"""Writes and creations that fail, limits that are reached, and closing in spite of it all."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import Reply, Stage
from ackstore.core.effects import Create, Failed, Rename, Sync, SyncDir, Unlink, Write
from ackstore.format.payloads import queue_prefix
from ackstore.format.records import DELIVERY_BYTES, HEADER_BYTES, RECORD_BYTES
from ackstore.words.identity import QueueId
from ackstore.words.requests import Pop

EIO, ENOSPC = Failed(5), Failed(28)
SEGMENT = "log-00000001.seg"
ACK_BYTES = RECORD_BYTES + len(queue_prefix("q/default/0")) + DELIVERY_BYTES


class TestFailedWrite:
    def test_is_failed_and_leaves_the_delivery_as_it_was(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        op = store.ack(receipt)
        store.finish(Write, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        again = store.ack(receipt)
        store.settle()
        assert store.reply(again) is Reply.OK
        assert store.rest().stats.unflushed_bytes == 0

    def test_after_the_deadline_still_brings_the_message_back(self, popped: Any) -> None:
        """A29: the timer that went off while the ack was on its way must not be lost."""
        store, receipts = popped(100)
        store.ack_many(*receipts[1:])
        store.settle()
        store.ack(receipts[0], timeout=99.0)
        store.wait(31.0)
        op = store.submit(Pop("q", 1))
        assert store.answers[op].value == ()
        store.finish(Write, ENOSPC)
        assert [(each.offset, each.attempt) for each in store.pop(9)] == [(0, 2)]

    def test_of_a_pop_frees_the_messages(self, popped: Any) -> None:
        store, _ = popped(2)
        op = store.submit(Pop("q", 2))
        other = store.submit(Pop("q", 1))
        store.finish(Write, ENOSPC)
        assert (store.reply(op), store.answers[op].value) == (Reply.FAILED, ())
        store.settle()
        assert [each.offset for each in store.answers[other].value] == [4]
        assert store.stats.queues[QueueId("q")].free == 2
        store = store.process_crash().settle()
        store.publish(10)
        assert [(each.offset, each.attempt) for each in store.pop(3)] == [(2, 1), (3, 1), (5, 1)]

    def test_of_a_redelivery_leaves_the_old_delivery_expired(self, popped: Any) -> None:
        store, (receipt,) = popped(1)
        store.publish(1)
        store.wait(30.0)
        op = store.submit(Pop("q", 1))
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        store.finish(Write, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        assert [each.attempt for each in store.pop(1)] == [2]

    @pytest.mark.parametrize("short", range(ACK_BYTES))
    def test_what_was_torn_never_becomes_whole(self, popped: Any, short: int) -> None:
        """A sync has put it on the disk, and a power loss takes what came after it: all but the growth of the file."""
        store, (first, second, third) = popped()
        begun = len(store.files.cached[SEGMENT])
        op = store.ack(first)
        store.finish(Write, Failed(28, short))
        assert store.reply(op) is Reply.FAILED
        torn = store.files.cached[SEGMENT]
        store.ack_many(second, third)
        store.settle()
        grown = len(store.files.cached[SEGMENT])
        assert grown == begun + short if short else grown > begun
        store = store.reopen(type(store.files)({SEGMENT: torn.ljust(grown, b"\0")}))
        assert [store.core.stage(receipt) for receipt in (first, second, third)] == [None] * 3

    @pytest.mark.parametrize("short", [0, 1, 30, 64])
    def test_what_was_torn_is_no_damage(self, popped: Any, short: int) -> None:
        store, (first, second, third) = popped()
        store.ack(first)
        store.finish(Write, Failed(28, short))
        store.ack_many(second, third)
        store.settle()
        store = store.process_crash()
        assert store.stats.recovery.cut_bytes == 0
        stages = [store.core.stage(receipt) for receipt in (first, second, third)]
        assert stages == [None, Stage.SUSPECT, Stage.SUSPECT]

    def test_whole_records_in_it_are_stored(self, popped: Any) -> None:
        store, (first, second, third) = popped()
        store.ack(first)
        ops = [store.ack(second), store.ack(third)]
        store.finish(Write)
        (write,) = store.waiting(Write)
        store.finish(Write, Failed(28, len(write.data) - 1))
        assert [store.reply(op) for op in ops] == [Reply.OK, Reply.FAILED]
        store.settle()
        store = store.process_crash()
        stages = [store.core.stage(receipt) for receipt in (first, second, third)]
        assert stages == [Stage.SUSPECT, Stage.SUSPECT, None]

    @pytest.mark.parametrize(("more", "whole"), [(-1, 0), (0, 1), (1, 1), (ACK_BYTES - 1, 1), (ACK_BYTES, 2)])
    def test_a_record_is_whole_with_its_last_byte(self, popped: Any, more: int, whole: int) -> None:
        store, (first, *others) = popped(6)
        store.ack(first)
        ops = [store.ack(each) for each in others]
        store.finish(Write)
        (write,) = store.waiting(Write)
        assert len(write.data) == 5 * ACK_BYTES
        store.finish(Write, Failed(28, ACK_BYTES + more))
        assert [store.reply(op) for op in ops] == [Reply.OK] * whole + [Reply.FAILED] * (5 - whole)
        assert (store.waiting(Write), store.stats.unflushed_records, store.stats.rewritten) == ([], 1 + whole, 0)
        store.rest()
        assert (store.stats.unflushed_records, store.stats.rewritten) == (0, 0)

    def test_of_records_written_again_together_with_new_ones(self, popped: Any) -> None:
        """The first of three is whole; the new one behind them is not stored, and never will be."""
        store, receipts = popped(4)
        for receipt in receipts[:3]:
            store.ack(receipt)
            store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        new = store.ack(receipts[3])
        written = store.stats.written
        store.finish(Create)
        store.finish(Write, Failed(28, HEADER_BYTES + ACK_BYTES))
        assert store.reply(new) is Reply.FAILED
        store.rest()
        stats = store.stats
        assert (stats.written, stats.rewritten, stats.unflushed_records, stats.unflushed_bytes) == (written, 3, 0, 0)
        assert [store.core.stage(each) for each in receipts] == [*[Stage.COMMITTED] * 3, None]

    def test_of_the_first_header(self, drive: Any) -> None:
        store = drive()
        store.publish(5)
        store.finish(Create)
        op = store.submit(Pop("q", 1))
        store.finish(Write, Failed(28, 10))
        assert store.reply(op) is Reply.FAILED
        assert store.reply(store.submit(Pop("q", 1))) is Reply.BUSY
        store.rest()
        assert len(store.pop(1)) == 1
        assert len(store.process_crash().core.queues) == 1

    def test_of_a_header_that_was_written_whole(self, drive: Any) -> None:
        store = drive()
        store.publish(5)
        store.finish(Create)
        op = store.submit(Pop("q", 1))
        store.finish(Write, Failed(28, HEADER_BYTES))
        assert [effect.at for effect in store.waiting(Write)] == [HEADER_BYTES]
        store.settle()
        assert store.reply(op) is Reply.OK

    def test_of_a_creation(self, drive: Any) -> None:
        store = drive()
        store.publish(5)
        op = store.submit(Pop("q", 1))
        store.finish(Create, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        assert store.reply(store.submit(Pop("q", 1))) is Reply.BUSY
        store.rest()
        assert len(store.pop(1)) == 1
        assert store.stats.epoch == 1

    @pytest.mark.parametrize("more", [0, 1])
    def test_a_segment_that_has_reached_its_size_is_followed_by_another(self, popped: Any, more: int) -> None:
        size = popped()[0].stats.segment_bytes
        store, (first, *_) = popped(segment_bytes=size + more)
        assert store.stats.segments == 1
        store.ack(first)
        assert [type(effect) for effect in store.pending.values()] == [Write if more else Create]

    def test_of_a_rotation(self, popped: Any) -> None:
        store, (first, second, _) = popped(segment_bytes=100)
        op = store.ack(first)
        store.finish(Create, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        op = store.ack(second)
        store.finish(Create)
        store.finish(Write)
        assert store.reply(op) is Reply.OK
        assert store.rest().power_loss().settle().core.stage(second) is Stage.FLUSHED

    def test_of_a_rotation_leaves_what_came_before_to_be_synced(self, popped: Any) -> None:
        """The new file is there, and has no header: nothing can be written, though the disk may sync."""
        store, (first, second, _) = popped(segment_bytes=1000, flush_interval=0.01)
        op = store.ack(first)
        store.finish(Write)
        torn = store.ack(second)
        store.finish(Write, Failed(28, 1))
        assert (store.reply(op), store.reply(torn)) == (Reply.OK, Reply.FAILED)
        again = store.ack(second)
        store.finish(Create)
        for _ in range(3):
            store.finish(Write, ENOSPC)
            assert store.reply(store.ack(second)) is Reply.BUSY
            store.wait(store.core.next_tick() - store.now)
            while store.waiting(Sync) or store.waiting(SyncDir):
                store.finish(Sync if store.waiting(Sync) else SyncDir)
        assert store.reply(again) is Reply.FAILED
        assert store.core.stage(first) in (Stage.FLUSHED, Stage.COMMITTED)
        assert store.power_loss().core.stage(first) is not None
        store.rest(2.0)
        op = store.ack(second)
        store.finish(Write)
        assert store.reply(op) is Reply.OK

    def test_while_writing_again(self, popped: Any) -> None:
        store, (first, second, third) = popped()
        for receipt in (first, second):
            store.ack(receipt)
            store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.finish(Create)
        op = store.ack(third)
        (write,) = store.waiting(Write)
        store.finish(Write, Failed(28, len(write.data) - 1))  # the first of two is whole
        assert store.reply(op) is Reply.FAILED
        assert store.reply(store.ack(third)) is Reply.BUSY
        crashed = store.process_crash()
        assert [crashed.core.stage(each) for each in (first, second)] == [Stage.SUSPECT] * 2
        store.rest()
        assert [store.core.stage(each) for each in (first, second)] == [Stage.COMMITTED] * 2
        crashed = store.power_loss().settle()
        assert [crashed.core.stage(each) for each in (first, second)] == [Stage.FLUSHED] * 2

    def test_while_writing_again_to_a_file_that_is_condemned_too(self, popped: Any) -> None:
        """There is no file left to write to then; but for the next one the pause has to be over, like for any."""
        store, (first, second, _) = popped(offset_interval=0.1, retry_first=5.0)
        store.ack(first)
        store.flush()
        store.finish(Write)
        store.finish(Sync)
        store.wait(0.1)
        for effect in (Create, Write, Sync, Rename):
            store.finish(effect, file=None if effect is Rename else "offsets.tmp")
        store.ack(second)
        store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.finish(Create)
        store.finish(SyncDir, EIO)  # asked for by the offset file; the new segment's entry is suspect too
        store.finish(Write, ENOSPC)
        assert store.waiting(Create) == []
        store.rest()
        assert store.core.stage(second) is Stage.COMMITTED

    def test_of_the_creation_that_a_failed_sync_asks_for(self, popped: Any) -> None:
        store, (first, second, _) = popped()
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.finish(Create, ENOSPC)
        assert store.stats.failures == 2
        assert store.reply(store.ack(second)) is Reply.BUSY
        store.rest()
        assert store.core.stage(first) is Stage.COMMITTED
        assert store.stats.failures == 0

    def test_of_a_creation_when_the_directory_failed_too(self, popped: Any) -> None:
        """There is no file to give up any more."""
        store, (first, *_) = popped()
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.core.directory_failed(store.now)
        store.finish(Create, ENOSPC)
        store.rest()
        assert store.core.stage(first) is Stage.COMMITTED

    @pytest.mark.parametrize("directory_fails", [False, True])
    def test_while_writing_again_keeps_the_file_that_has_it(self, drive: Any, directory_fails: bool) -> None:
        """Though that was never synced: a process crash would find it nowhere else. In the end nothing is left of the
        files that were given up."""
        store = drive()
        store.publish(5)
        store.submit(Pop("q", 1))
        while not store.waiting(Sync):
            store.finish(Write if store.waiting(Write) else Create)
            store.wait(0.0)
        store.finish(Sync, EIO)
        store.finish(Create, file="log-00000002.seg")
        store.finish(Write, Failed(28, HEADER_BYTES + 1))
        if directory_fails:
            store.core.directory_failed(store.now)
        assert store.waiting(Unlink) == []
        assert [*store.process_crash().core.queues] == ["q/default/0"]
        store.rest()
        assert [name for name in store.files.cached if name.startswith("log-")] == [store.core.log.current.file]
        assert [*store.power_loss().core.queues] == ["q/default/0"]

    def test_when_a_failed_sync_has_condemned_its_file(self, popped: Any) -> None:
        store, (first, second, _) = popped()
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        op = store.ack(second)
        store.finish(Sync, EIO)
        store.finish(Write, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        store.rest()
        assert store.core.stage(first) is Stage.COMMITTED
        assert store.core.stage(second) is None

    def test_when_a_failed_sync_came_during_a_creation(self, popped: Any) -> None:
        store, (first, second, _) = popped(segment_bytes=200)
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        op = store.ack(second)  # into a new segment
        store.finish(Sync, EIO)
        store.finish(Create, ENOSPC)
        assert store.reply(op) is Reply.FAILED
        store.rest()
        assert store.core.stage(first) is Stage.COMMITTED


class TestLimits:
    def test_from_half_on_answers_wait_and_at_the_limit_it_is_busy(self, popped: Any) -> None:
        store, receipts = popped(8, max_unflushed_records=6)
        ops = []
        for receipt in receipts:
            ops.append(store.ack(receipt))
            if store.waiting(Write):
                store.finish(Write)
        replies = [store.reply(op) for op in ops]
        assert replies == [Reply.OK] * 2 + [None] * 4 + [Reply.BUSY] * 2
        store.settle()
        assert [store.reply(op) for op in ops][:6] == [Reply.OK] * 6
        again = store.ack(receipts[-1])
        store.finish(Write)
        assert store.reply(again) is Reply.OK

    def test_bytes_count_too(self, popped: Any) -> None:
        store, receipts = popped(8, max_unflushed_bytes=200)
        ops = [store.ack(receipt) for receipt in receipts]
        assert [store.reply(op) for op in ops].count(Reply.BUSY) == 4


class TestClose:
    def test_makes_all_durable_and_answers_everybody(self, popped: Any) -> None:
        store, (first, second, _) = popped()
        ops = [store.ack(first), store.ack(second), store.flush()]
        close = store.close()
        store.settle()
        assert [store.reply(op) for op in ops] == [Reply.OK] * 3
        assert store.reply(close) is Reply.OK
        assert store.core.next_tick() is None
        store = store.power_loss()
        assert store.stats.recovery.rewritten == 0
        assert store.committed() == 2

    def test_of_a_failing_store_ends_in_time(self, popped: Any) -> None:
        store, (first, _second, _) = popped(mode="sync")
        ack = store.ack(first)
        close = store.close(timeout=2.0)
        store.finish(Write)
        store.finish(Sync, EIO)
        store.wait(2.0)
        assert store.reply(ack) is Reply.UNKNOWN
        assert store.reply(close) is Reply.UNKNOWN
        assert store.pending != {}
        for io in list(store.pending):
            store.release(io)
        assert store.stats.operations == 0
        assert store.core.take_effects() == []

    def test_waits_for_what_cannot_be_written_again_yet(self, popped: Any) -> None:
        """Nothing is outstanding then, and nothing to be synced; but the ack was answered OK."""
        store, (first, *_) = popped(retry_first=1.0, op_timeout=60.0)
        store.ack(first)
        store.finish(Write)
        store.wait(0.1)
        store.finish(Sync, EIO)
        store.finish(Create, ENOSPC)
        assert store.pending == {}
        close = store.close()
        store.wait(0.1)
        assert store.reply(close) is None
        store.rest(20.0)
        assert store.reply(close) is Reply.OK
        assert store.power_loss().core.stage(first) is Stage.FLUSHED

    def test_writes_the_offsets(self, popped: Any) -> None:
        store, (first, *_) = popped(offset_interval=1000.0)
        store.ack(first)
        store.close()
        store.settle()
        assert store.power_loss().stats.recovery.rewritten == 0
        assert "offsets" in store.files.after_power_loss().cached

    def test_of_an_untouched_store(self, drive: Any) -> None:
        store = drive()
        close = store.close()
        store.settle()
        assert store.reply(close) is Reply.OK
        assert "offsets" not in store.files.cached
