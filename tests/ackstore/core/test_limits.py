"""Every limit on what is kept in memory, and what is told to whoever comes beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

import ackstore
from ackstore import Reply
from ackstore.core.effects import DONE, Sync
from ackstore.words.requests import Ack, AckMany, Flush, Pop, Publish, Release, Renew, Reset

BY_RECORDS = {"max_unflushed_records": 4}
BY_BYTES = {"max_unflushed_bytes": 300}


def full(popped: Any, **limits: Any) -> tuple[Any, list[str]]:
    """A store at its limit, on a disk that takes writes and returns from no sync."""
    store, receipts = popped(10, **limits)
    for receipt in receipts[:6]:
        store.ack(receipt)
        while any(not isinstance(effect, Sync) for effect in store.pending.values()):
            io = next(io for io, effect in store.pending.items() if not isinstance(effect, Sync))
            effect = store.pending.pop(io)
            store.files.apply(effect, DONE)
            store.release(io)
    return store, receipts


@pytest.mark.parametrize("limits", [BY_RECORDS, BY_BYTES])
class TestUnflushed:
    @pytest.mark.parametrize(
        "request_",
        [
            lambda receipt: Pop("q", 1),
            Ack,
            lambda receipt: Renew(receipt, 5.0),
            Release,
            lambda _receipt: Reset("q", 0),
        ],
    )
    def test_beyond_it_is_busy_and_nothing_is_kept(self, popped: Any, limits: Any, request_: Any) -> None:
        store, receipts = full(popped, **limits)
        before = store.stats
        assert store.reply(store.submit(request_(receipts[8]))) is Reply.BUSY
        after = store.stats
        assert (after.unflushed_records, after.unflushed_bytes) == (before.unflushed_records, before.unflushed_bytes)
        assert before.unflushed_records <= limits.get("max_unflushed_records", 1000)
        assert before.unflushed_bytes <= limits.get("max_unflushed_bytes", 1000) + 100  # one record more, at most

    def test_a_batch_is_busy_item_by_item(self, popped: Any, limits: Any) -> None:
        store, receipts = full(popped, **limits)
        op = store.submit(AckMany([receipts[8], "no receipt", receipts[9]]))
        assert store.answers[op].value == (Reply.BUSY, Reply.INVALID, Reply.BUSY)

    def test_what_takes_no_memory_is_taken(self, popped: Any, limits: Any) -> None:
        """Publishing more messages of a queue that is known changes a number. (A new queue takes memory: see below.)"""
        store, _ = full(popped, **limits)
        assert store.reply(store.submit(Publish("q", 500))) is Reply.OK
        flush = store.submit(Flush())
        assert store.reply(flush) is None

    def test_from_half_of_it_on_answers_wait_for_the_disk(self, popped: Any, limits: Any) -> None:
        store, _ = full(popped, **limits)
        waiting = store.stats.operations
        assert waiting >= 2
        store.rest(1.0)
        assert store.stats.operations == 0
        assert store.stats.replies[Reply.BUSY] + store.stats.replies[Reply.OK] >= 6

    def test_it_is_free_again_once_the_disk_is(self, popped: Any, limits: Any) -> None:
        store, receipts = full(popped, **limits)
        store.rest(1.0)
        op = store.ack(receipts[8])
        store.rest(1.0)
        assert store.reply(op) is Reply.OK

    def test_compaction_and_dead_letters_wait(self, popped: Any, limits: Any) -> None:
        store, _ = full(popped, max_attempts=1, compact_above=1, **limits)
        before = store.stats.unflushed_records
        store.now += 100.0
        store.core.dead_lettering.tick(store.now)
        store.core.compaction.tick(store.now)
        assert store.stats.unflushed_records == before
        assert store.core.next_tick() is not None


@pytest.mark.parametrize("logs", [1, 3])
class TestQueues:
    def test_one_more_is_refused_and_the_mend_named(self, drive: Any, logs: int) -> None:
        store = drive(max_queues=3, logs=logs).settle()
        for number in range(3):
            store.publish(9, f"q/g/{number}")
        with pytest.raises(ackstore.TooManyQueues, match=r"3 queues, .*q/g/3 .*Config\.max_queues.*higher"):
            store.publish(9, "q/g/3")
        store.publish(10, "q/g/2")  # known: it takes no more memory
        assert {str(queue): seen.end for queue, seen in store.stats.queues.items()} == {
            "q/g/0": 9,
            "q/g/1": 9,
            "q/g/2": 10,
        }
        assert store.stats.operations == 0

    def test_what_recovery_finds_is_kept(self, drive: Any, logs: int) -> None:
        store = drive(max_queues=3, logs=logs).settle()
        for number in range(3):
            store.publish(9, f"q/g/{number}")
            store.pop(queue=f"q/g/{number}")
        store.config = evolve(store.config, max_queues=1)
        store = store.process_crash().settle()
        assert len(store.stats.queues) == 3
        store.publish(20, "q/g/1")
        assert [each.offset for each in store.pop(2, queue="q/g/1")] == [1, 2]
        with pytest.raises(ackstore.TooManyQueues):
            store.publish(1, "q/g/3")


def test_messages_in_hand(popped: Any) -> None:
    store, _ = popped(3, max_outstanding=4)
    op = store.submit(Pop("q", 2))
    store.settle()
    assert len(store.answers[op].value) == 1
    assert store.reply(store.submit(Pop("q", 1))) is Reply.BUSY
    store.wait(30.0)
    op = store.submit(Pop("q", 4))  # what comes back takes no more room
    store.settle()
    assert [each.attempt for each in store.answers[op].value] == [2] * 4


def test_the_merge_buffer_counts_acks_above_a_gap(drive: Any) -> None:
    store = drive(merge=True, merge_messages=4, merge_stay=100.0).settle()
    store.flush()
    store.publish(100)
    store.rest(1.0)
    first, *others = (each.receipt for each in store.pop(4))
    assert [store.reply(store.ack(receipt)) for receipt in others] == [Reply.OK] * 3
    store.rest(1.0)
    assert store.stats.merging == 4
    op = store.submit(Pop("q", 1))
    assert store.reply(op) is None  # to the store
    assert store.settle().reply(op) is Reply.OK
    store.ack(first)
    store.rest(1.0)
    op = store.submit(Pop("q", 4))
    assert store.reply(op) is Reply.OK
