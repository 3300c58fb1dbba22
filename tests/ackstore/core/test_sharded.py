"""A store with several logs: what concerns one of them, what concerns all, and what they share."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import Config, Core, CountOutOfRange, Reply, Stage, StoreClosed
from ackstore.core.effects import DONE, Answer, Create, Durable, Failed, Sync, SyncDir, Write
from ackstore.words.errors import ConfigInvalid, DurationOutOfRange
from ackstore.words.identity import QueueId
from ackstore.words.placement import log_of
from ackstore.words.requests import Ack, AckMany, Flush, Pop
from three_logs import ALL, A, B, C, file_of, one_each, pop

EIO, ENOSPC = 5, 28


class TestFlush:
    def test_it_waits_for_every_log(self, three: Any) -> None:
        store = three()
        receipts = one_each(store)
        for receipt in receipts:
            store.ack(receipt)
        while store.waiting(Write):
            store.finish(Write)
        op = store.flush()
        for queue in ALL:
            assert store.reply(op) is None
            store.finish(Sync, file=file_of(store, queue))
        assert store.reply(op) is Reply.OK
        assert store.stats.unflushed_records == 0

    def test_with_nothing_to_wait_for_it_is_answered_at_once(self, three: Any) -> None:
        store = three()
        one_each(store)
        assert store.answers[store.flush()] == Answer(store.op, Reply.OK, None)

    def test_one_log_that_is_not_flushed_in_time_makes_it_unknown(self, three: Any) -> None:
        store = three(op_timeout=1.0)
        receipts = one_each(store)
        for receipt in receipts:
            store.ack(receipt)
        while store.waiting(Write):
            store.finish(Write)
        op = store.flush()
        for queue in (A, C):
            store.finish(Sync, file=file_of(store, queue))
        store.wait(0.99)
        assert store.reply(op) is None
        assert store.stats.operations == 1
        store.wait(0.02)
        assert store.reply(op) is Reply.UNKNOWN
        assert store.stats.operations == 0
        store.finish(Sync)
        store.settle()

    def test_it_counts_once(self, three: Any) -> None:
        store = three()
        before = store.stats.replies
        pop(store, A)
        op = store.flush()
        assert store.stats.operations == 1
        assert store.stats.replies == {**before, Reply.OK: before[Reply.OK] + 1}  # the pop
        store.settle()
        assert store.reply(op) is Reply.OK
        assert store.stats.operations == 0
        assert store.stats.replies[Reply.OK] == before[Reply.OK] + 2


class TestBatches:
    def test_items_are_answered_in_the_order_they_were_asked(self, three: Any) -> None:
        store = three()
        a, b, c = one_each(store)
        op = store.ack_many(b, a, "no receipt", b, c, a.replace("q/g/1", "z/g/7"))
        assert store.reply(op) is None
        while store.waiting(Write):
            assert op not in store.answers
            store.finish(Write)
        assert store.reply(op) is Reply.OK
        invalid = Reply.INVALID
        assert store.answers[op].value == (Reply.OK, Reply.OK, invalid, Reply.SETTLED, Reply.OK, invalid)
        assert store.stats.operations == 0

    def test_a_part_that_is_not_stored_fails_by_itself(self, three: Any) -> None:
        store = three()
        a, b, c = one_each(store)
        op = store.ack_many(a, b, c)
        store.finish(Write, Failed(ENOSPC), file=file_of(store, B))
        store.settle()
        assert store.answers[op].value == (Reply.OK, Reply.FAILED, Reply.OK)

    def test_a_part_without_an_outcome_is_unknown_in_the_end(self, three: Any) -> None:
        store = three(op_timeout=1.0)
        a, b, c = one_each(store)
        op = store.ack_many(c, b, a)
        for queue in (A, C):
            store.finish(Write, file=file_of(store, queue))
        store.wait(0.99)
        assert store.reply(op) is None
        store.wait(0.02)
        assert store.reply(op) is Reply.UNKNOWN
        assert store.answers[op].value == (Reply.OK, Reply.UNKNOWN, Reply.OK)
        store.settle()
        assert store.core.stage(b) is Stage.CACHED  # late, and nobody is told again

    def test_in_sync_mode_it_waits_for_every_log_it_is_in(self, three: Any) -> None:
        store = three(mode="sync")
        a, b, c = one_each(store)
        op = store.ack_many(a, c)
        while store.waiting(Write):
            store.finish(Write)
        for queue in (A, C):
            assert store.reply(op) is None
            store.finish(Sync, file=file_of(store, queue))
        assert store.answers[op].value == (Reply.OK, Reply.OK)
        op = store.ack_many(b, b)  # of one log only
        store.settle()
        assert store.answers[op].value == (Reply.OK, Reply.SETTLED)

    def test_what_is_wrong_with_the_call_is_raised_before_anything_is_done(self, three: Any) -> None:
        store = three(max_batch=2)
        receipts = one_each(store)
        with pytest.raises(CountOutOfRange, match="up to 2"):
            store.ack_many(*receipts)
        for request in (AckMany(receipts[:2]), Flush()):
            with pytest.raises(DurationOutOfRange):
                store.submit(request, timeout=0)
        assert (store.stats.operations, store.stats.pending_records) == (0, 0)
        assert store.answers[store.ack_many()].value == ()

    def test_items_count_once(self, three: Any) -> None:
        store = three()
        a, b, c = one_each(store)
        before = store.stats.replies[Reply.OK]
        store.ack_many(a, b, c)
        store.settle()
        assert store.stats.replies[Reply.OK] == before + 3

    def test_one_ack_tells_when_it_is_durable(self, three: Any) -> None:
        store = three()
        _, b, _ = one_each(store)
        op = store.ack(b)
        store.rest()
        assert store.durable == [op]


class TestClose:
    def test_everything_is_flushed_and_every_offset_on_the_disk(self, three: Any) -> None:
        store = three()
        for receipt in one_each(store):
            store.ack(receipt)
        op = store.close()
        with pytest.raises(StoreClosed):
            store.flush()
        assert store.reply(op) is None
        assert store.core.closing is not None
        store.settle()
        assert store.reply(op) is Reply.OK
        assert store.core.closed
        assert store.core.next_tick() is None
        again = store.power_loss().settle()
        assert [again.stats.queues[QueueId.parse(queue)].committed for queue in ALL] == [1, 1, 1]

    def test_a_log_that_fails_holds_up_nobody_beyond_the_time_allowed(self, three: Any) -> None:
        store = three()
        for receipt in one_each(store):
            store.ack(receipt)
        op = store.close(timeout=2.0)
        until = store.now + 2.0
        bad = f"log-{log_of(B, 3) + 1}of3-"
        while store.core.next_tick() is not None and store.now < until:
            while store.pending:
                effect = next(iter(store.pending.values()))
                fails = isinstance(effect, Sync) and effect.file.startswith(bad)
                store.finish(type(effect), Failed(EIO) if fails else DONE, getattr(effect, "file", None))
            assert store.reply(op) is None
            store.wait(max(min(store.core.next_tick() or until, until) - store.now, 0.001))
        assert store.now < until + 0.01
        assert store.reply(op) is Reply.UNKNOWN
        assert store.core.closed
        store.settle()
        assert store.core.take_effects() == []
        left = store.power_loss().stats.queues
        assert [left[QueueId.parse(queue)].floor for queue in (A, C)] == [1, 1]

    def test_results_after_the_end_change_nothing(self, three: Any) -> None:
        store = three(segment_bytes=1)
        for receipt in one_each(store):
            store.ack(receipt)
        op = store.close(timeout=1.0)
        while not store.waiting(SyncDir):
            store.finish(Write if store.waiting(Write) else Create)
            store.wait(0.0)
        store.wait(1.1)
        assert store.reply(op) is Reply.UNKNOWN
        store.finish(SyncDir, Failed(EIO))
        store.settle()
        assert store.core.take_effects() == []
        assert store.core.closed

    def test_a_log_that_has_closed_hears_no_more_of_the_directory(self, three: Any) -> None:
        store = three(segment_bytes=1)
        store.ack(one_each(store)[1])  # this log has more to do than the others
        op = store.close()
        failed = 0
        while store.pending:
            some_closed = any(core.closed for core in store.core.cores)
            fails = bool(store.waiting(SyncDir)) and some_closed and not failed
            failed += fails
            store.finish(SyncDir if fails else object, Failed(EIO) if fails else DONE)
            store.wait(0.0 if store.pending else 0.1)
        assert failed == 1
        store.rest()
        assert store.reply(op) is Reply.OK
        assert sum(core.offsets.failures for core in store.core.cores) == 1


class TestFailures:
    def test_a_log_that_fails_degrades_by_itself(self, three: Any) -> None:
        store = three(degrade_after=2, max_sync_failures=4, retry_first=0.1, retry_limit=0.1, op_timeout=60.0)
        bad = f"log-{log_of(B, 3) + 1}of3-"
        receipts = {queue: pop(store, queue, 6) for queue in ALL}
        store.flush()
        store.settle()
        modes = set()
        store.ack(receipts[B].pop())
        for _ in range(8):
            for _ in range(50):
                effect = next(iter(store.pending.values()), None)
                if effect is None:
                    break
                fails = isinstance(effect, Sync) and effect.file.startswith(bad)
                store.finish(type(effect), Failed(EIO) if fails else DONE, getattr(effect, "file", None))
            store.wait(0.12)
            modes.add(store.stats.mode)
            assert [core.flusher.mode for core in store.core.cores if core.log.names.log != log_of(B, 3) + 1] == [
                "async"
            ] * 2
        assert modes == {"async", "sync", "refuse"}
        assert store.stats.failures >= 4
        busy, ok = store.ack(receipts[B].pop()), store.ack(receipts[A].pop())
        store.finish(Write, file=file_of(store, A))
        assert (store.reply(busy), store.reply(ok)) == (Reply.BUSY, Reply.OK)
        store.rest()
        assert store.stats.mode == "async"

    def test_they_do_not_retry_in_step(self, drive: Any) -> None:
        store = drive(logs=3, retry_jitter=0.5)
        pauses = [core.flusher.random.random() for core in store.core.cores]
        assert len(set(pauses)) == 3


class TestLimits:
    @pytest.mark.parametrize("logs", [2, 3, 7, 16])
    def test_all_logs_together_stay_within_them(self, logs: int) -> None:
        config = Config(
            logs=logs, max_unflushed_records=99, max_unflushed_bytes=1001, merge_messages=77, compact_above=1000
        )
        shares = [config.share(log) for log in range(1, logs + 1)]
        for name in ("max_unflushed_records", "max_unflushed_bytes", "merge_messages", "compact_above"):
            assert 0 < sum(getattr(share, name) for share in shares) <= getattr(config, name)
        assert Config(logs=logs, compact_above=None).share(1).compact_above is None

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"logs": 0}, "from 1 to 16"),
            ({"logs": 17}, "from 1 to 16"),
            ({"logs": True}, "from 1 to 16"),
            ({"logs": 4, "max_unflushed_records": 7}, "at least 2 for each log"),
            ({"logs": 4, "max_unflushed_bytes": 7}, "at least 2 for each log"),
            ({"logs": 4, "merge_messages": 3}, "at least 1 for each log"),
        ],
    )
    def test_what_cannot_be_shared_out_is_refused(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(ConfigInvalid, match=words):
            Config(**settings)

    def test_the_store_never_holds_more(self, three: Any) -> None:
        store = three(max_unflushed_records=12, max_batch=100)
        receipts = []
        for queue in ALL:
            receipts += pop(store, queue, 20)
        store.flush()
        store.settle()
        for receipt in random.Random(1).sample(receipts, len(receipts)):
            store.ack(receipt)
            while store.waiting(Write):
                store.finish(Write)
            assert store.stats.unflushed_records <= 12
        assert {store.reply(op) for op in store.answers} >= {Reply.BUSY}
        assert [core.log.unflushed for core in store.core.cores] == [4, 4, 4]
        store.rest()


def test_segments_without_a_record_are_removed(drive: Any) -> None:
    store = drive(logs=2, compact_above=2)
    for _ in range(4):
        store = store.rest().reopen(store.files)
    store.rest()
    assert store.stats.compactions == 2
    assert [core.log.closed for core in store.core.cores] == [[], []]  # what an open without a record left has gone
    assert store.power_loss().stats.epoch > store.stats.epoch


def test_a_variant_may_hold_its_cores_in_another_way(drive: Any) -> None:
    from ackstore.core.sharded import Sharded

    class Other(Sharded):
        pass

    class Variant(Core):
        sharded_class = Other

    assert type(drive(logs=2, core=Variant).core) is Other
    assert type(drive(logs=2).core) is Sharded
    assert type(drive(logs=1, core=Variant).core) is Variant


def test_one_queue_s_operations_have_the_time_that_they_were_given(three: Any) -> None:
    store = three()
    a, b, _ = one_each(store)
    ops = [store.submit(request, timeout=1.0) for request in (Pop(A, 1), Ack(a), AckMany([b, b]))]
    store.wait(0.99)
    assert [store.reply(op) for op in ops] == [None] * 3
    store.wait(0.02)
    assert [store.reply(op) for op in ops] == [Reply.UNKNOWN] * 3


@pytest.mark.parametrize("receipt", [7, None, "", "@", "no receipt"])
def test_what_is_no_receipt_is_in_no_log(three: Any, receipt: Any) -> None:
    store = three()
    a, *_ = one_each(store)
    assert store.reply(store.ack(receipt)) is Reply.INVALID
    op = store.ack_many(receipt, a)
    store.settle()
    assert store.answers[op].value == (Reply.INVALID, Reply.OK)


def test_each_log_has_a_pool_of_threads_and_the_directory_has_one(three: Any) -> None:
    assert three().core.pools == 4


def test_offsets_read_from_the_files_of_several_logs_are_written_once_more(three: Any) -> None:
    """The renames may never have been synced."""
    store = three()
    for receipt in one_each(store):
        store.ack(receipt)
    store.rest()
    again = store.process_crash()
    before = again.stats.offset_writes
    assert again.stats.offsets_dirty
    again.rest()
    assert (again.stats.offsets_dirty, again.stats.offset_writes) == (False, before + 3)


def test_effects_for_the_client_come_without_an_id(three: Any) -> None:
    store = three()
    (a, *_) = one_each(store)
    store.core.submit(99, Pop(A, 1), store.now)
    store.core.submit(100, Ack(a), store.now)
    effects = store.core.take_effects()
    assert all(io > 0 for io, effect in effects)
    assert len({io for io, _ in effects}) == len(effects)
    for io, _ in effects:
        store.core.complete(io, DONE, store.now)
    assert all(isinstance(effect, Durable | Write) or io == 0 for io, effect in store.core.take_effects())


@pytest.mark.parametrize("way", ["ack", "ack_many"])
def test_what_a_write_that_failed_on_the_fast_path_asks_for_is_taken_up(
    three: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    store = three()
    a, *_ = one_each(store)
    store.flush()
    store.settle()
    core = store.core.core_of(a)

    def asks(*_: Any) -> None:
        core.request(SyncDir(), lambda result, now: None)

    monkeypatch.setattr(core.log, "ended", asks)
    disk = SimpleNamespace(write=lambda *_: Failed(EIO))
    assert getattr(store.fast_path, way)(a if way == "ack" else (a,), store.now + 1.0, disk) is not None
    assert core.now == store.now + 1.0
    assert core.effects == []
    [(io, effect)] = store.core.take_effects()
    assert effect == SyncDir()
    assert store.core.cores[io % store.core.pools] is core
