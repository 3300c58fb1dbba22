"""The core as a whole: what it takes, what it ignores, and what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import CountOutOfRange, Delivery, DurationOutOfRange, QueueUnknown, Reply, StoreClosed
from ackstore.core.effects import DONE, Failed, Sync, Write
from ackstore.core.operations import MAX_INVISIBLE
from ackstore.core.publishing import MAX_END
from ackstore.format.payloads import queue_prefix
from ackstore.format.records import DELIVERY_BYTES, RECORD_BYTES
from ackstore.words.identity import QueueId, receipt_text
from ackstore.words.requests import Flush, Pop, Publish, Renew, Reset

ACK_BYTES = RECORD_BYTES + len(queue_prefix("q/default/0")) + DELIVERY_BYTES


def test_a_result_that_nobody_waits_for_is_ignored(popped: Any) -> None:
    store, _ = popped(1)
    before = store.stats
    for io in (0, 999, -1):
        store.core.complete(io, DONE, store.now)
        store.core.complete(io, Failed(5), store.now)
    assert store.stats == before
    assert store.core.take_effects() == []


def test_after_the_end_it_says_how_to_go_on(popped: Any) -> None:
    store, _ = popped(1)
    write = store.submit(Pop("q", 1)) and store.hold(Write)
    store.close(timeout=1.0)
    with pytest.raises(StoreClosed) as caught:
        store.submit(Flush())
    assert str(caught.value) == "the store is closed: open it again"
    store.wait(1.0)
    assert store.core.closed
    store.release(write)  # comes too late
    store.release(99)
    assert store.core.take_effects() == []


@pytest.mark.parametrize("end", [-1, MAX_END + 1, 1.5, True, None])
def test_no_queue_holds_so_many_messages(drive: Any, end: Any) -> None:
    store = drive()
    with pytest.raises(CountOutOfRange) as caught:
        store.submit(Publish("q", end))
    assert str(caught.value) == f"a queue cannot hold {end!r} messages: give an integer from 0 to {MAX_END}"
    assert store.core.queues == {}


def test_the_most_that_a_queue_holds(drive: Any) -> None:
    store = drive()
    for end in (0, MAX_END):
        op = store.submit(Publish("q", end))
        assert store.reply(op) is Reply.OK
        assert store.stats.queues[QueueId("q")].end == end


@pytest.mark.parametrize("count", [0, -1, 5, 1.0, True, "1"])
def test_so_many_cannot_be_popped_at_once(drive: Any, count: Any) -> None:
    store = drive(max_batch=4)
    store.publish(9)
    with pytest.raises(CountOutOfRange) as caught:
        store.submit(Pop("q", count))
    assert str(caught.value) == f"cannot pop {count!r} messages: ask for 1 to 4"
    assert store.stats.operations == 0


def test_the_most_at_once(popped: Any) -> None:
    store, receipts = popped(3, max_batch=3)
    ack = store.ack_many(*receipts)
    store.settle()
    assert store.answers[ack].value == (Reply.OK,) * 3
    with pytest.raises(CountOutOfRange) as caught:
        store.ack_many(*receipts, "one more")
    assert str(caught.value) == "cannot ack 4 receipts at once: give up to 3"


@pytest.mark.parametrize("seconds", [0, -1.0, MAX_INVISIBLE + 1, float("nan"), float("inf"), "1", True])
def test_for_so_long_no_message_is_invisible(popped: Any, seconds: Any) -> None:
    store, (receipt, *_) = popped(1)
    for request in (Pop("q", 1, seconds), Renew(receipt, seconds)):
        with pytest.raises(DurationOutOfRange) as caught:
            store.submit(request)
        assert str(caught.value) == (
            f"a message cannot be invisible for {seconds!r} seconds: give a number above 0, and at most 315360000"
        )


def test_what_is_handed_out_says_all_there_is_to_know(drive: Any) -> None:
    store = drive().settle()
    store.publish(5, "orders/billing/3")
    [found] = store.pop(1, MAX_INVISIBLE, "orders/billing/3")
    queue = QueueId("orders", "billing", 3)
    receipt = receipt_text(queue.token, 0, 1, store.core.log.epoch)
    assert found == Delivery(queue, 0, 1, receipt, store.now + MAX_INVISIBLE)


@pytest.mark.parametrize("offset", [-1, 101, 1.5, None])
def test_where_a_queue_cannot_begin_again(popped: Any, offset: Any) -> None:
    store, _ = popped(1)
    with pytest.raises(CountOutOfRange) as caught:
        store.submit(Reset("q", offset))
    assert str(caught.value) == f"queue q/default/0 cannot begin again at {offset!r}: give an integer from 0 to 100"
    with pytest.raises(QueueUnknown) as unknown:
        store.submit(Reset("r", 0))
    assert str(unknown.value) == "queue r/default/0 holds no messages: publish some first, then reset it"


@pytest.mark.parametrize("queue", ["orders/billing/3", QueueId("orders", "billing", 3)])
def test_a_queue_may_be_named_by_its_text(queue: Any) -> None:
    for request in (Publish(queue, 1), Pop(queue), Reset(queue, 0)):
        assert request.queue == QueueId("orders", "billing", 3)


def test_a_queue_that_nobody_published_to(drive: Any) -> None:
    store = drive()
    with pytest.raises(QueueUnknown) as caught:
        store.submit(Pop("orders/billing/3"))
    assert str(caught.value) == (
        "queue orders/billing/3 holds no messages: publish some first, for example publish('orders/billing/3', 100)"
    )


@pytest.mark.parametrize("receipt", ["", "nonsense", receipt_text("other/default/0", 0, 1, 1), 7])
def test_what_names_no_message_has_no_stage(popped: Any, receipt: Any) -> None:
    store, _ = popped(1)
    assert store.core.stage(receipt) is None


def test_equal_seeds_give_equal_pauses_and_others_others(popped: Any) -> None:
    def pauses(seed: int) -> list[float]:
        store, (receipt, *_) = popped(1, seed=seed, retry_jitter=1.0)
        store.ack(receipt)
        store.finish(Write)
        found = []
        for _ in range(3):
            store.wait(store.core.next_tick() - store.now)
            store.finish(Sync, Failed(5))
            while not (due := store.core.flusher.retry_at) or store.pending:
                store.finish(object)
            found.append(due - store.now)
        return found

    assert pauses(7) == pauses(7) != pauses(8)


def test_what_recovery_cut_is_shown(popped: Any) -> None:
    store, receipts = popped(2)
    for receipt in receipts:
        store.ack(receipt)
        store.finish(Write)
    files = store.files
    log = files.cached["log-00000001.seg"]
    files.put("log-00000001.seg", log[: -2 * ACK_BYTES] + bytes(ACK_BYTES) + log[-ACK_BYTES:])
    found = store.reopen(files).stats.recovery
    assert (found.records, found.rewritten, found.cut_records, found.cut_bytes) == (1, 0, 1, 2 * ACK_BYTES)


def test_figures_that_take_counting_can_be_left_out(popped: Any) -> None:
    store, _ = popped(2)
    [whole] = store.core.stats().queues.values()
    [quick] = store.core.stats(count=False).queues.values()
    assert (whole.kept, whole.delivered, whole.acking, whole.settled) == (2, 2, 0, 0)
    assert (quick.kept, quick.delivered, quick.acking, quick.settled) == (2, None, None, None)


def test_before_its_first_file_a_store_has_none(drive: Any) -> None:
    stats = drive().stats
    assert (stats.segments, stats.segment_bytes, stats.effects, stats.oldest_unflushed) == (0, 0, 1, 0.0)


def test_what_is_settled_is_not_on_its_way_after_recovery(popped: Any) -> None:
    """Above a gap, so that it is kept; a later record says that it was FLUSHED."""
    store, receipts = popped(3)
    store.ack(receipts[1])
    store.rest().pop(1)
    store.rest(1.0)
    for again in (store.process_crash(), store.power_loss()):
        [seen] = again.stats.queues.values()
        assert (seen.kept, seen.delivered, seen.acking, seen.settled) == (3, 2, 0, 1)


def test_a_checkpoint_that_recovery_writes_again_lets_the_offset_pass_once_it_is_flushed(drive: Any) -> None:
    store = drive(commit="checkpoint", flush_interval=60.0).settle()
    store.publish(5)
    store.submit(Pop("q", 3))
    store.finish(Write)
    store = store.process_crash().settle()
    assert (store.stats.recovery.rewritten, store.committed()) == (1, 3)
