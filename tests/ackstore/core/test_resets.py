"""A reset sticks: before and after any crash, and whatever was on its way."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import CountOutOfRange, QueueUnknown, Reply, Stage
from ackstore.core.effects import Create, Failed, Rename, Sync, SyncDir, Write
from ackstore.words.identity import QueueId, Receipt
from ackstore.words.requests import Pop, Renew, Reset

Q = QueueId("q")
STEPS = [Create, Write, Sync, Rename, SyncDir]


def reset(store: Any, offset: int) -> Any:
    """Reset on a disk that works."""
    op = store.submit(Reset("q", offset))
    store.rest(1.0)
    assert store.reply(op) is Reply.OK
    return store


def popped_offsets(store: Any, count: int = 100) -> list[tuple[int, int]]:
    store.publish(100)
    return [(each.offset, each.attempt) for each in store.pop(count)]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_ok_means_flushed_and_in_the_offset_file(popped: Any, mode: str) -> None:
    store, receipts = popped(5, mode=mode)
    store.ack_many(*receipts)
    store.rest()
    op = store.submit(Reset("q", 2))
    store.finish(Write)
    store.wait(0.0)
    assert store.committed() == 5
    store.finish(Sync)
    assert store.committed() == 2
    for step in STEPS:
        assert store.reply(op) is None
        store.wait(0.0)
        store.finish(step)
    assert store.reply(op) is Reply.OK
    assert store.stats.queues[Q].persisted == 2


@pytest.mark.parametrize("offset", [0, 2, 3, 7, 100])
@pytest.mark.parametrize("crash", [None, "process_crash", "power_loss"])
def test_below_is_settled_and_the_rest_as_if_never_handed_out(popped: Any, offset: int, crash: str | None) -> None:
    store, receipts = popped(5)
    store.ack_many(receipts[0], receipts[3])
    store.rest(1.0)
    reset(store, offset)
    for _ in range(2):
        if crash:
            store = getattr(store, crash)().settle().rest(1.0)
        assert store.committed() == offset
    assert popped_offsets(store, 4) == [(each, 1) for each in range(offset, min(offset + 4, 100))]


def test_every_receipt_from_before_is_expired_and_none_is_given_again(popped: Any) -> None:
    store, receipts = popped(5)
    store.ack(receipts[0])
    store.rest(1.0)
    reset(store, 1)
    store.publish(100)
    new = [each.receipt for each in store.pop(4)]
    assert not set(new) & set(receipts)
    assert [store.reply(store.ack(receipt)) for receipt in receipts] == [Reply.EXPIRED] * 5
    assert store.core.stage(receipts[0]) is None
    store = store.process_crash().settle()
    assert [store.reply(store.ack(receipt)) for receipt in receipts] == [Reply.EXPIRED] * 5
    op = store.ack(new[0])
    assert store.settle().reply(op) is Reply.OK
    assert store.rest(1.0).core.stage(new[0]) is Stage.COMMITTED


def test_a_receipt_of_a_reset_that_was_never_asked_for(popped: Any) -> None:
    store, _ = popped(1)
    forged = Receipt(queue=Q, offset=0, attempt=1, epoch=(1 << 40) + 1).text()
    assert store.reply(store.ack(forged)) is Reply.INVALID
    lost = Receipt(queue=Q, offset=0, attempt=1, epoch=1 << 40).text()
    assert store.reply(store.ack(lost)) is Reply.EXPIRED  # of an earlier open: power loss may have eaten that reset


def test_while_it_is_on_its_way_nothing_is_handed_out_or_settled(popped: Any) -> None:
    store, receipts = popped(3)
    before = store.ack(receipts[0])
    op = store.submit(Reset("q", 0))
    pop = store.submit(Pop("q", 1))
    later = [store.submit(each) for each in (Renew(receipts[1], 9.0), Reset("q", 1))] + [store.ack(receipts[1])]
    store.publish(10, "other")
    other = store.submit(Pop("other", 1))
    store.settle()
    assert store.reply(before) is Reply.OK
    assert [store.reply(each) for each in [pop, *later]] == [Reply.BUSY] * 4
    assert store.reply(other) is Reply.OK
    store.rest(1.0)
    assert store.reply(op) is Reply.OK
    assert popped_offsets(store, 2) == [(0, 1), (1, 1)]


def test_a_write_that_fails_changes_nothing(popped: Any) -> None:
    store, receipts = popped(3)
    op = store.submit(Reset("q", 0))
    store.finish(Write, Failed(28))
    assert store.reply(op) is Reply.FAILED
    ack = store.ack(receipts[0])
    assert store.settle().reply(ack) is Reply.OK
    assert store.rest(1.0).committed() == 1


@pytest.mark.parametrize("crash", ["process_crash", "power_loss"])
@pytest.mark.parametrize("written", [False, True])
def test_a_crash_before_the_flush_leaves_all_of_it_or_nothing(popped: Any, crash: str, written: bool) -> None:
    store, receipts = popped(5)
    store.ack_many(*receipts)
    store.rest(1.0)
    store.submit(Reset("q", 2))
    if written:
        store.finish(Write)
    store = getattr(store, crash)().rest(1.0)
    assert store.committed() == (2 if written and crash == "process_crash" else 5)


def test_a_crash_between_the_flush_and_the_offset_file_keeps_it(popped: Any) -> None:
    store, receipts = popped(5)
    store.ack_many(*receipts)
    store.rest(1.0)
    for steps in range(len(STEPS) + 1):
        store.submit(Reset("q", steps % 2))
        store.finish(Write)
        store.wait(0.0)
        store.finish(Sync)
        store.publish(50)
        store.submit(Pop("q", 1))  # states that the RESET is FLUSHED
        store.finish(Write)
        store.flush()
        store.wait(0.0)
        store.finish(Sync, file="log-" + store.core.log.current.file[4:])
        for step in STEPS[:steps]:
            store.finish(step)
        store = store.power_loss().rest(1.0)
        assert store.committed() == steps % 2
        assert store.stats.queues[Q].persisted == steps % 2


def test_dead_letters_above_it_are_alive_again(popped: Any) -> None:
    store, _ = popped(4, max_attempts=1)
    store.rest(40.0)
    assert len(store.core.dead_letters(Q)) == 4
    reset(store, 2)
    assert [letter.offset for letter in store.core.dead_letters(Q)] == [0, 1]
    assert popped_offsets(store, 2) == [(2, 1), (3, 1)]


def test_exhausted_messages_wait_for_it(popped: Any) -> None:
    store, _ = popped(1, max_attempts=1)
    store.submit(Reset("q", 0))
    store.wait(30.0)
    assert store.core.next_tick() > store.now or store.pending
    store.rest(1.0)
    assert store.core.dead_letters(Q) == ()


def test_close_waits_for_it(popped: Any) -> None:
    store, _ = popped(5)
    op, close = store.submit(Reset("q", 4)), store.close()
    store.rest(1.0)
    assert (store.reply(op), store.reply(close)) == (Reply.OK, Reply.OK)
    assert store.power_loss().committed() == 4


def test_without_an_outcome_it_is_unknown(popped: Any) -> None:
    store, _ = popped(5)
    op = store.submit(Reset("q", 4), timeout=1.0)
    store.wait(1.0)
    assert store.reply(op) is Reply.UNKNOWN
    assert store.rest(1.0).committed() == 4


def test_a_full_store_is_busy(popped: Any) -> None:
    store, receipts = popped(3, max_unflushed_records=2)
    for receipt in receipts[:2]:
        store.ack(receipt)
    assert store.reply(store.submit(Reset("q", 0))) is Reply.BUSY


@pytest.mark.parametrize("offset", [-1, 101, True, 1.0, None])
def test_where_no_message_is(popped: Any, offset: Any) -> None:
    store, _ = popped(1)
    with pytest.raises(CountOutOfRange, match="from 0 to 100"):
        store.submit(Reset("q", offset))


def test_a_queue_nobody_knows(drive: Any) -> None:
    with pytest.raises(QueueUnknown, match="publish"):
        drive().submit(Reset("q", 0))


def test_two_queues_are_reset_at_once(drive: Any) -> None:
    """Each hears of its own, when an offset file is on the disk that derives from it."""
    store = drive().settle()
    store.publish(10)
    store.publish(10, "r")
    store.settle()
    first, second = store.submit(Reset("q", 3)), store.submit(Reset("r", 4))
    store.settle()
    store.rest(5.0)
    assert (store.reply(first), store.reply(second)) == (Reply.OK, Reply.OK)
    assert (store.committed(), store.committed("r")) == (3, 4)


def test_one_that_comes_while_the_offset_file_is_written_waits_for_the_next(drive: Any) -> None:
    store = drive().settle()
    store.publish(10)
    store.publish(10, "r")
    first = store.submit(Reset("q", 3))
    while not store.waiting(Rename):
        store.finish(object)
        store.wait(0.0)
    second = store.submit(Reset("r", 4))
    store.finish(Write)
    store.finish(Sync)
    store.finish(Rename)
    store.finish(SyncDir)
    assert (store.reply(first), store.reply(second)) == (Reply.OK, None)
    store.rest(5.0)
    assert store.reply(second) is Reply.OK


def test_offsets_that_were_on_disk_before_it_are_not_those_after_it(popped: Any) -> None:
    store, receipts = popped(3)
    store.ack_many(*receipts)
    store.rest()
    assert store.core.stage(receipts[0]) is Stage.COMMITTED
    store.submit(Reset("q", 0))
    store.rest()
    [again] = store.pop(1)
    store.ack(again.receipt)
    store.flush()
    store.settle()
    assert store.core.stage(again.receipt) is Stage.FLUSHED
    store.rest()
    assert store.core.stage(again.receipt) is Stage.COMMITTED
