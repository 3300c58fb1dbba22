"""The offset file: replaced atomically, never ahead of the log, never going back."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import OffsetsAheadOfLog, OffsetsDamaged, Reply, Stage
from ackstore.core.effects import Create, Failed, Rename, Sync, SyncDir, Write
from ackstore.format.offsetfile import decode_offsets, encode_offsets
from ackstore.words.errors import FutureFormat
from ackstore.words.identity import QueueId
from ackstore.words.requests import Reset

EIO = Failed(5)
STEPS = [Create, Write, Sync, Rename, SyncDir]


def acked(popped: Any, **settings: Any) -> Any:
    """A store whose three acks are FLUSHED, with the offset file about to be written."""
    store, receipts = popped(3, **settings)
    store.ack_many(*receipts)
    store.flush()
    store.settle()
    assert store.committed() == 3
    store.wait(store.config.offset_interval)
    return store, receipts


def test_only_flushed_acks_move_the_offset(popped: Any) -> None:
    store, receipts = popped(3)
    store.ack(receipts[0])
    store.settle()
    assert store.committed() == 0
    store.flush()
    store.settle()
    assert store.committed() == 1


def test_a_gap_holds_the_offset_back(popped: Any) -> None:
    store, receipts = popped(3)
    store.ack_many(*receipts[1:])
    store.flush()
    store.settle()
    assert store.committed() == 0
    store.ack(receipts[0])
    store.flush()
    assert store.settle().committed() == 3


def test_the_checkpoint_policy_passes_what_can_be_handed_out_again(drive: Any) -> None:
    store = drive(commit="checkpoint").settle()
    store.publish(10)
    store.pop(3)
    assert store.committed() == 0
    store.flush()
    assert store.settle().committed() == 3
    store.rest()
    store = store.power_loss()
    assert store.committed() == 3
    store.settle().wait(30.0)
    store.publish(10)
    assert [each.offset for each in store.pop(3)] == [0, 1, 2]


def test_changing_the_policy_does_not_move_the_offset_back(drive: Any) -> None:
    store = drive(commit="checkpoint").settle()
    store.publish(10)
    store.pop(3)
    store.flush()
    store.rest()
    later = drive(dict(store.files.after_power_loss().cached), commit="ack")
    assert later.committed() == 3


def test_each_step_waits_for_the_one_before(popped: Any) -> None:
    store, (receipt, *_) = acked(popped)
    for step in STEPS:
        assert [type(effect) for effect in store.pending.values()] == [step]
        assert store.core.stage(receipt) is Stage.FLUSHED
        store.finish(step)
    assert store.core.stage(receipt) is Stage.COMMITTED
    assert store.stats.queues[QueueId("q")].persisted == 3


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_crash_at_any_step_leaves_the_old_offsets_or_the_new(popped: Any, done: int, old: bool) -> None:
    """B22."""
    store, receipts = popped(4)
    if old:
        store.ack(receipts[0])
        store.rest(1.0)
    store.ack_many(*receipts[1 if old else 0 :])
    store.flush()
    store.settle()
    store.wait(store.config.offset_interval)
    for step in STEPS[:done]:
        store.finish(step)
    for files in (store.files.after_power_loss(), store.files.after_process_crash()):
        if "offsets" in files.cached:
            (offset,) = decode_offsets("offsets", files.read("offsets")).committed.values()
            assert offset in (1, 4)
        else:
            assert not old
        again = store.reopen(files)
        assert again.settle().committed() == 4
        assert again.rest().stats.queues[QueueId("q")].persisted == 4


@pytest.mark.parametrize("failing", STEPS)
def test_a_step_that_fails_begins_again(popped: Any, failing: Any) -> None:
    store, (receipt, *_) = acked(popped)
    for step in STEPS[: STEPS.index(failing)]:
        store.finish(step)
    store.finish(failing, EIO)
    assert store.stats.offset_failures == 1
    assert store.stats.offsets_dirty
    assert store.pending == {}
    store.wait(store.config.retry_first)
    assert [type(effect) for effect in store.pending.values()] == [Create]
    store.rest()
    assert store.core.stage(receipt) is Stage.COMMITTED
    assert store.stats.offset_writes == 1


@pytest.mark.parametrize("hanging", [Sync, SyncDir])
def test_an_overdue_sync_begins_again(popped: Any, hanging: Any) -> None:
    store, (receipt, *_) = acked(popped, sync_timeout=1.0)
    for step in STEPS[: STEPS.index(hanging)]:
        store.finish(step)
    late = store.hold(hanging)
    store.wait(1.0)
    assert store.stats.offset_failures == 1
    store.wait(store.config.retry_first)
    store.release(late)
    assert store.core.stage(receipt) is Stage.FLUSHED
    store.rest()
    assert store.core.stage(receipt) is Stage.COMMITTED


def test_pauses_grow_until_the_file_is_written_and_all_is_counted(popped: Any) -> None:
    store, _ = acked(popped, retry_first=1.0, retry_limit=60.0)
    before = store.stats.offset_writes
    for pause in (1.0, 2.0, 4.0):
        store.finish(Create, EIO)
        assert store.core.next_tick() == store.now + pause
        store.wait(pause)
    assert (store.stats.offset_failures, store.stats.offset_writes) == (3, before)
    store.settle()
    assert (store.stats.offset_failures, store.stats.offset_writes) == (3, before + 1)
    [again] = store.pop(1)
    store.ack(again.receipt)
    store.flush()
    store.settle()
    store.wait(store.config.offset_interval)
    store.finish(Create, EIO)
    assert store.core.next_tick() == store.now + 1.0
    store.rest()
    assert (store.stats.offset_failures, store.stats.offset_writes) == (4, before + 2)


def test_a_sync_that_was_given_up_does_not_stand_for_the_next(popped: Any) -> None:
    store, (receipt, *_) = acked(popped, sync_timeout=1.0)
    for step in STEPS[:2]:
        store.finish(step)
    late = store.hold(Sync)
    store.wait(1.0)
    store.wait(store.config.retry_first)
    for step in STEPS[:2]:
        store.finish(step)
    store.release(late)
    assert [type(effect) for effect in store.pending.values()] == [Sync]
    store.rest()
    assert store.core.stage(receipt) is Stage.COMMITTED


def test_somebody_waits_for_it_once(popped: Any) -> None:
    """A reset does; what moves later waits for the interval again."""
    store, receipts = popped(3, offset_interval=5.0)
    op = store.submit(Reset("q", 0))
    store.rest(1.0)
    assert store.reply(op) is Reply.OK
    before = store.stats.offset_writes
    [first] = store.pop(1)
    store.ack(first.receipt)
    store.rest(4.9)
    assert (store.committed(), store.stats.offset_writes) == (1, before)
    store.rest(1.0)
    assert store.stats.offset_writes == before + 1
    assert receipts


def test_a_rename_under_a_failing_directory_sync_is_done_again(popped: Any) -> None:
    store, receipts = popped(6, segment_bytes=290)
    store.ack_many(*receipts[:3])
    store.flush()
    store.settle()
    store.wait(store.config.offset_interval)
    for step in STEPS[:3]:
        store.finish(step)
    store.ack(receipts[3])  # begins a new segment
    store.finish(Create)
    store.finish(Write)
    store.flush()
    store.finish(SyncDir, EIO)  # the log's, while the rename is outstanding
    store.finish(Rename)
    assert store.stats.offset_failures == 1
    store.rest()
    assert store.core.stage(receipts[3]) is Stage.COMMITTED


def test_the_log_and_the_offsets_never_sync_the_directory_at_once(popped: Any) -> None:
    """An error is reported once: two syncs could not both be told of it."""
    store, receipts = popped(6, segment_bytes=290)
    store.ack_many(*receipts[:3])
    store.flush()
    store.settle()
    store.wait(store.config.offset_interval)
    for step in STEPS[:4]:
        store.finish(step)
    op = store.ack(receipts[3])
    store.finish(Create)
    store.finish(Write)
    barrier = store.flush()
    store.finish(Sync)
    assert len(store.waiting(SyncDir)) == 1
    store.finish(SyncDir)
    assert store.stats.offset_writes == 1
    assert store.reply(barrier) is None  # the sync that returned may have begun before the creation
    assert len(store.waiting(SyncDir)) == 1
    store.finish(SyncDir)
    assert store.reply(barrier) is not None
    assert store.reply(op) is not None


def test_a_failing_directory_sync_of_the_offsets_concerns_a_new_segment_too(popped: Any) -> None:
    store, receipts = popped(6, segment_bytes=290)
    store.ack_many(*receipts[:3])
    store.flush()
    store.settle()
    store.wait(store.config.offset_interval)
    for step in STEPS[:4]:
        store.finish(step)
    store.ack(receipts[3])
    store.finish(Create, file="log-00000002.seg")
    store.finish(Write)
    store.finish(SyncDir, EIO)
    assert store.core.stage(receipts[3]) is Stage.SUSPECT
    store.finish(Create, file="log-00000003.seg")
    store.rest()
    assert store.power_loss().settle().core.stage(receipts[3]) is Stage.FLUSHED


def test_what_was_read_from_the_file_is_written_once_more(popped: Any) -> None:
    store, _ = acked(popped)
    store.rest()
    again = store.process_crash()
    assert again.committed() == 3
    assert again.stats.queues[QueueId("q")].persisted == 0  # the rename may not be on disk
    assert again.rest().stats.queues[QueueId("q")].persisted == 3


class TestBadFiles:
    def test_missing_is_rebuilt_from_the_log(self, popped: Any) -> None:
        store, _ = acked(popped)
        store.rest()
        files = store.files.after_power_loss()
        del files.files["offsets"]
        assert store.reopen(files).settle().rest().committed() == 3

    def test_damaged_at_any_byte(self, popped: Any) -> None:
        store, _ = acked(popped)
        store.rest()
        files = store.files.after_power_loss()
        good = files.cached["offsets"]
        for at in range(len(good)):
            for bad in (good[:at], good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]):
                files.put("offsets", bad)
                with pytest.raises((OffsetsDamaged, FutureFormat), match="offsets"):
                    store.reopen(files)

    def test_of_a_future_version(self, popped: Any) -> None:
        store, _ = acked(popped)
        files = store.rest().files
        good = files.cached["offsets"]
        files.put("offsets", good[:8] + b"\x02" + good[9:])
        with pytest.raises(FutureFormat, match="version 2"):
            store.reopen(files)

    def test_ahead_of_what_the_log_holds(self, popped: Any) -> None:
        store, _ = acked(popped)
        files = store.rest().files
        files.put("offsets", encode_offsets({"q/default/0": 3}, flushed=99))
        with pytest.raises(OffsetsAheadOfLog, match=r"up to 99.*ends with record 2.*log-00000001"):
            store.reopen(files)

    @pytest.mark.parametrize(("queue", "safe"), [("q/default/0", 3), ("other/default/0", 0)])
    def test_ahead_of_what_the_log_justifies(self, popped: Any, queue: str, safe: int) -> None:
        store, _ = acked(popped)
        files = store.rest().files
        files.put("offsets", encode_offsets({queue: 5}, flushed=2))
        with pytest.raises(OffsetsAheadOfLog) as caught:
            store.reopen(files)
        assert str(caught.value) == (
            f"offsets has queue {queue} at offset 5, but the log's records let it come to {safe} only. Nothing was "
            "changed. Restore the directory from a copy, or move offsets away, and the store rebuilds it from the log"
        )

    def test_ahead_in_the_queue_after_one_that_was_reset(self, popped: Any) -> None:
        """The first was at 3 when the file was written, which does not count any more."""
        store, _ = acked(popped)
        store.publish(1, "r")
        store.rest()
        old = decode_offsets("offsets", store.files.cached["offsets"])
        assert old.committed == {"q/default/0": 3}
        store.submit(Reset("q", 1))
        store.rest().pop(1)  # whose record says that the reset was FLUSHED
        files = store.files
        files.put("offsets", encode_offsets({"q/default/0": 3}, flushed=old.flushed))
        assert store.reopen(files).committed() == 1
        files.put("offsets", encode_offsets({"q/default/0": 3, "r/default/0": 1}, flushed=old.flushed))
        with pytest.raises(OffsetsAheadOfLog, match="queue r/default/0 at offset 1"):
            store.reopen(files)

    def test_ahead_though_nothing_was_flushed_when_it_was_written(self, popped: Any) -> None:
        store, _ = popped(1)
        files = store.rest().files
        files.put("offsets", encode_offsets({"q/default/0": 1}, flushed=0))
        with pytest.raises(OffsetsAheadOfLog, match="come to 0 only"):
            store.reopen(files)

    def test_the_log_cut_behind_its_back(self, popped: Any) -> None:
        store, _ = acked(popped)
        files = store.rest().files
        log = files.cached["log-00000001.seg"]
        files.put("log-00000001.seg", log[:-1])
        with pytest.raises(OffsetsAheadOfLog, match="byte"):
            store.reopen(files)
        assert files.cached["log-00000001.seg"] == log[:-1]

    def test_a_leftover_of_a_crash_is_ignored(self, popped: Any) -> None:
        store, _ = acked(popped)
        files = store.rest().files
        files.put("offsets.tmp", b"half")
        assert store.reopen(files).committed() == 3
