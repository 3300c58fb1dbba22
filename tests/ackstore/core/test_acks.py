"""What pops and acks mean, on a disk that works."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import Reply, Stage
from ackstore.core.effects import Create, Failed, Sync, SyncDir, Write
from ackstore.words.identity import QueueId, Receipt
from ackstore.words.requests import Ack, Pop, Publish


def test_async_ack_is_answered_when_cached_and_durable_when_flushed(popped: Any) -> None:
    store, (receipt, *_) = popped()
    op = store.ack(receipt)
    assert store.reply(op) is None
    assert store.core.stage(receipt) is Stage.PENDING
    store.finish(Write)
    assert store.reply(op) is Reply.OK
    assert store.core.stage(receipt) is Stage.CACHED
    assert store.durable == []
    store.wait(store.config.flush_interval)
    assert store.core.stage(receipt) is Stage.FLUSHING
    store.finish(Sync)
    assert store.core.stage(receipt) is Stage.FLUSHED
    assert store.durable == [op]
    assert store.committed() == 1
    store.rest()
    assert store.core.stage(receipt) is Stage.COMMITTED


def test_sync_ack_is_answered_when_flushed(popped: Any) -> None:
    store, (receipt, *_) = popped(mode="sync")
    op = store.ack(receipt)
    store.finish(Write)
    assert store.reply(op) is None
    store.finish(Sync)
    assert store.reply(op) is Reply.OK


def test_a_sync_covers_only_what_was_written_when_it_began(popped: Any) -> None:
    store, (first, second, _) = popped(mode="sync")
    one = store.ack(first)
    store.finish(Write)
    two = store.ack(second)
    store.finish(Write)  # while the first sync runs
    store.finish(Sync)
    assert (store.reply(one), store.reply(two)) == (Reply.OK, None)
    store.finish(Sync)  # follows at once, since somebody waits
    assert store.reply(two) is Reply.OK


def test_a_cached_record_is_synced_within_the_interval_though_nothing_new_comes(popped: Any) -> None:
    store, (receipt, *_) = popped()
    store.ack(receipt)
    store.finish(Write)
    assert store.core.next_tick() == store.now + store.config.flush_interval
    store.wait(store.config.flush_interval * 0.99)
    assert store.waiting(Sync) == []
    store.wait(store.config.flush_interval * 0.02)
    assert len(store.waiting(Sync)) == 1


def test_a_slow_sync_does_not_put_off_the_next(popped: Any) -> None:
    """B04: the age of a record counts from its write, not from the last sync."""
    store, (first, second, _) = popped()
    store.ack(first)
    store.finish(Write)
    store.wait(store.config.flush_interval)
    written = store.now
    store.ack(second)
    store.finish(Write)
    store.wait(store.config.flush_interval * 1.5)
    store.finish(Sync)
    assert store.core.next_tick() == written + store.config.flush_interval
    store.wait(0.0)
    assert len(store.waiting(Sync)) == 1


def test_one_write_is_outstanding_and_the_rest_goes_into_the_next(popped: Any) -> None:
    store, receipts = popped()
    ops = [store.ack(receipt) for receipt in receipts]
    assert len(store.waiting(Write)) == 1
    store.finish(Write)
    assert [store.reply(op) for op in ops] == [Reply.OK, None, None]
    assert len(store.waiting(Write)) == 1
    store.finish(Write)
    assert [store.reply(op) for op in ops] == [Reply.OK] * 3


def test_the_first_pop_waits_until_the_epoch_is_on_disk(drive: Any) -> None:
    store = drive()
    store.publish(10)
    op = store.submit(Pop("q", 1))
    store.finish(Create)
    store.finish(Write)  # header and checkpoint in one
    assert store.reply(op) is None
    store.finish(Sync)
    assert store.reply(op) is None
    store.finish(SyncDir)
    assert store.reply(op) is Reply.OK


def test_a_receipt_is_never_given_again_after_power_loss(drive: Any) -> None:
    seen: list[str] = []
    store = drive()
    for _ in range(4):
        store.settle().publish(10)
        (delivery,) = store.pop(1)
        assert delivery.attempt == 1
        assert delivery.receipt not in seen
        seen.append(delivery.receipt)
        store = store.power_loss()
    store.publish(10)
    (again,) = store.pop(1)
    assert [store.reply(store.ack(old)) for old in seen] == [Reply.EXPIRED] * 4
    ack = store.ack(again.receipt)
    assert store.settle().reply(ack) is Reply.OK


class TestReceipts:
    def test_settled_again(self, popped: Any) -> None:
        store, (receipt, *_) = popped()
        store.ack(receipt)
        store.settle()
        assert store.reply(store.ack(receipt)) is Reply.SETTLED  # CACHED
        store.rest()
        twice = store.ack(receipt)
        assert store.reply(twice) is Reply.SETTLED  # below the floor
        assert store.durable[-1] == twice

    def test_settled_above_a_gap(self, popped: Any) -> None:
        store, (_, receipt, _) = popped()
        store.ack(receipt)
        store.settle().flush()
        store.settle()
        assert store.stats.queues[QueueId("q")].settled == 1
        assert store.reply(store.ack(receipt)) is Reply.SETTLED

    def test_a_duplicate_shares_the_outcome_of_the_first(self, popped: Any) -> None:
        store, (receipt, *_) = popped(mode="sync")
        first, second = store.ack(receipt), store.ack(receipt)
        store.finish(Write)
        assert (store.reply(first), store.reply(second)) == (None, None)
        third = store.ack(receipt)
        store.finish(Sync)
        replies = [store.reply(op) for op in (first, second, third)]
        assert replies == [Reply.OK, Reply.SETTLED, Reply.SETTLED]
        assert sorted(store.durable) == [first, second, third]
        assert store.stats.written == 2  # one checkpoint, one ack

    def test_late_at_the_deadline_and_not_before(self, popped: Any) -> None:
        store, (first, second, _) = popped()
        store.wait(29.999)
        assert store.settle().reply(store.ack(first)) is None
        store.settle().wait(0.001)
        assert store.reply(store.ack(second)) is Reply.EXPIRED

    def test_superseded(self, popped: Any) -> None:
        store, (receipt, *_) = popped(1)
        store.wait(30.0)
        (again,) = store.pop(1)
        assert (again.offset, again.attempt) == (0, 2)
        assert store.reply(store.ack(receipt)) is Reply.EXPIRED
        ack = store.ack(again.receipt)
        assert store.settle().reply(ack) is Reply.OK

    @pytest.mark.parametrize(
        "change",
        [
            {"offset": 50},
            {"offset": 2**32},
            {"attempt": 2},
            {"epoch": 99},
            {"queue": QueueId("other")},
            {"queue": QueueId("q", "default", 1)},
            {"queue": QueueId("q", "default", 256)},
        ],
    )
    def test_of_no_delivery(self, popped: Any, change: Any) -> None:
        store, _ = popped()
        fields = {"queue": QueueId("q"), "offset": 0, "attempt": 1, "epoch": 1, **change}
        assert store.reply(store.ack(Receipt(**fields).text())) is Reply.INVALID
        assert store.stats.queues[QueueId("q")].acking == 0

    @pytest.mark.parametrize("text", ["", "x", "@", "0" * 40, "0" * 40 + "@", "z" * 40 + "@q/default/0", None, 7])
    def test_malformed(self, popped: Any, text: Any) -> None:
        store, _ = popped()
        assert store.reply(store.ack(text)) is Reply.INVALID

    def test_in_another_spelling(self, popped: Any) -> None:
        store, _ = popped(12)
        receipt = Receipt(QueueId("q"), 10, 1, 1).text()
        assert store.reply(store.ack(receipt.upper())) is Reply.INVALID
        assert store.settle().reply(store.ack(receipt)) is None

    def test_of_a_delivery_whose_checkpoint_is_not_written(self, popped: Any) -> None:
        store, _ = popped(1)
        store.submit(Pop("q", 1))
        guess = Receipt(QueueId("q"), 1, 1, 1).text()
        assert store.reply(store.ack(guess)) is Reply.INVALID

    def test_of_another_queue_than_the_one_named(self, popped: Any) -> None:
        store, (receipt, *_) = popped()
        assert store.reply(store.submit(Ack(receipt, QueueId("other")))) is Reply.INVALID
        right = store.submit(Ack(receipt, "q"))
        assert store.settle().reply(right) is Reply.OK
        assert store.reply(store.submit(Ack(receipt, "other"))) is Reply.INVALID


class TestPops:
    def test_expired_ones_come_first_and_oldest_first(self, drive: Any) -> None:
        store = drive()
        store.publish(10)
        store.pop(1, invisible=20.0)
        store.pop(1, invisible=10.0)
        store.wait(20.0)
        got = store.pop(3)
        assert [(each.offset, each.attempt) for each in got] == [(1, 2), (0, 2), (2, 1)]

    def test_not_before_the_deadline_and_everything_after(self, drive: Any) -> None:
        store = drive()
        store.publish(1)
        (delivery,) = store.pop(1, invisible=5.0)
        assert delivery.deadline == store.now + 5.0
        store.wait(4.999)
        assert store.pop(1) == []
        store.wait(0.002)
        assert len(store.pop(1)) == 1

    def test_deadlines_survive_a_restart(self, drive: Any) -> None:
        store = drive()
        store.publish(1)
        store.pop(1, invisible=5.0)
        store = store.process_crash().settle()
        store.wait(4.999)
        assert store.pop(1) == []
        store.wait(0.002)
        assert [each.attempt for each in store.pop(1)] == [2]

    def test_receipts_survive_a_process_crash(self, popped: Any) -> None:
        store, (receipt, *_) = popped()
        store = store.process_crash()
        op = store.ack(receipt)
        assert store.settle().reply(op) is Reply.OK

    def test_a_message_whose_ack_is_on_its_way_is_not_handed_out_again(self, popped: Any) -> None:
        store, (receipt, *rest) = popped(100)
        store.ack_many(*rest)
        store.settle()
        ack = store.ack(receipt, timeout=100.0)
        store.wait(60.0)
        assert store.answers[store.submit(Pop("q", 100))].value == ()
        store.finish(Write, Failed(28))
        assert store.reply(ack) is Reply.FAILED
        assert [each.attempt for each in store.pop(100)] == [2]

    def test_publish_never_lowers_the_end(self, drive: Any) -> None:
        store = drive()
        store.publish(3)
        store.publish(1)
        assert len(store.pop(10)) == 3

    def test_too_many_outstanding_is_busy_but_redelivery_goes_on(self, drive: Any) -> None:
        store = drive(max_outstanding=2)
        store.publish(10)
        assert len(store.pop(5, invisible=10.0)) == 2
        assert store.reply(store.submit(Pop("q", 1))) is Reply.BUSY
        store.wait(10.0)
        again = store.pop(5)
        assert [each.attempt for each in again] == [2, 2]
        store.ack_many(*[each.receipt for each in again])
        store.rest()
        assert len(store.pop(5)) == 2

    def test_an_empty_queue(self, drive: Any) -> None:
        store = drive().settle()
        op = store.submit(Publish("q", 0))
        assert store.reply(op) is Reply.OK
        op = store.submit(Pop("q", 5))
        assert (store.reply(op), store.answers[op].value) == (Reply.OK, ())


class TestBarriers:
    def test_with_nothing_to_flush(self, drive: Any) -> None:
        store = drive().settle()
        assert store.reply(store.flush()) is Reply.OK

    def test_covers_all_that_was_submitted_before_and_no_more(self, popped: Any) -> None:
        store, (first, second, third) = popped()
        store.ack(first)
        store.ack(second)  # PENDING: the first write is outstanding
        op = store.flush()
        store.finish(Write)
        assert store.reply(op) is None
        store.finish(Write)
        store.ack(third)
        store.finish(Sync)
        assert store.reply(op) is Reply.OK
        assert store.core.stage(second) is Stage.FLUSHED
        assert store.stats.unflushed_records == 1

    def test_ends_though_new_records_keep_coming(self, popped: Any) -> None:
        store, receipts = popped(20)
        store.ack(receipts[0])
        store.finish(Write)
        op = store.flush()
        for receipt in receipts[1:]:
            store.ack(receipt)
            store.finish(Write)
            if store.waiting(Sync):
                store.finish(Sync)
            if store.reply(op):
                break
        assert store.reply(op) is Reply.OK


def test_quiescence_is_zero(popped: Any) -> None:
    store, receipts = popped(5)
    store.ack_many(*receipts)
    store.flush()
    stats = store.rest().stats
    outstanding = (
        stats.operations,
        stats.effects,
        stats.pending_records,
        stats.unflushed_records,
        stats.unflushed_bytes,
        stats.oldest_unflushed,
        stats.offsets_dirty,
    )
    assert outstanding == (0, 0, 0, 0, 0, 0.0, False)
    queue = stats.queues[QueueId("q")]
    assert (queue.delivered, queue.acking, queue.settled, queue.free) == (0, 0, 0, 0)
    assert (queue.floor, queue.committed, queue.persisted) == (5, 5, 5)
    assert store.core.queues["q/default/0"].entries == {}
    assert store.core.next_tick() is None


def test_timers_of_settled_messages_do_not_pile_up(drive: Any) -> None:
    store = drive()
    store.publish(10_000)
    for _ in range(10):
        store.ack_many(*[each.receipt for each in store.pop(1000, invisible=1e6)])
        store.flush()
        store.settle()
    assert len(store.core.queues["q/default/0"].expiring) < 3000
