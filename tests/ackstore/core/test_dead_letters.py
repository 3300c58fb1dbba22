"""Dead letters: what becomes of a message after its last attempt."""

from __future__ import annotations

from typing import Any

import pytest

from ackstore import DeadLetter, Reply
from ackstore.core.effects import Failed, Sync, Write
from ackstore.words.identity import QueueId
from ackstore.words.requests import Pop, Release, Renew
from merging import merging, ready

Q = QueueId("q")


def letters(store: Any) -> list[tuple[int, int]]:
    return [(letter.offset, letter.attempts) for letter in store.core.dead_letters(Q)]


def exhausted(popped: Any, count: int = 1, **settings: Any) -> Any:
    """A store whose messages had all of their two attempts; the last deadline is now."""
    store, _ = popped(count, max_attempts=2, **settings)
    store.wait(30.0)
    receipts = [delivery.receipt for delivery in store.pop(count)]
    assert len(receipts) == count
    store.flush()
    store.settle()
    store.wait(29.9).settle()
    assert letters(store.settle()) == []
    store.now += 0.1
    return store, receipts


def test_no_limit_means_never(popped: Any) -> None:
    store, _ = popped(1)
    for attempt in range(2, 30):
        store.wait(30.0)
        assert [each.attempt for each in store.pop(1)] == [attempt]
    assert store.core.next_tick() is None or letters(store.rest()) == []


def test_a_tick_buries_what_is_exhausted_without_traffic(popped: Any) -> None:
    store, (receipt,) = exhausted(popped)
    assert store.core.next_tick() == pytest.approx(store.now)
    store.wait(0.0)
    assert store.stats.queues[Q].acking == 1
    store.finish(Write)
    assert letters(store) == []  # CACHED: settled, and not listed yet
    assert store.reply(store.ack(receipt)) is Reply.SETTLED
    assert store.committed() == 0
    store.flush()
    store.finish(Sync)
    (letter,) = store.core.dead_letters(Q)
    assert letter == DeadLetter(0, 2, store.now)
    assert store.committed() == 1
    assert store.stats.queues[Q].dead == 1
    assert store.rest().stats.queues[Q].persisted == 1
    assert store.core.next_tick() is None


def test_a_pop_buries_too_and_hands_out_what_is_not_exhausted(popped: Any) -> None:
    store, _ = exhausted(popped)
    op = store.submit(Pop("q", 2))
    store.settle()
    assert [(each.offset, each.attempt) for each in store.answers[op].value] == [(1, 1), (2, 1)]
    store.flush()
    assert letters(store.settle()) == [(0, 2)]


@pytest.mark.parametrize("crash", ["process_crash", "power_loss"])
def test_survives_once_flushed(popped: Any, crash: str) -> None:
    store, _ = exhausted(popped, 3)
    store.wait(0.0).rest()
    store = getattr(store, crash)().settle()
    assert letters(store) == [(0, 2), (1, 2), (2, 2)]
    assert store.committed() == 3
    store.publish(4)
    assert [each.offset for each in store.pop(4)] == [3]


def test_cached_survives_a_process_crash(popped: Any) -> None:
    store, (receipt,) = exhausted(popped)
    store.wait(0.0)
    store.finish(Write)
    store = store.process_crash()
    assert letters(store) == []
    assert store.reply(store.ack(receipt)) is Reply.SETTLED
    assert letters(store.settle()) == [(0, 2)]
    assert store.committed() == 1


@pytest.mark.parametrize("flushed", [False, True])
def test_recovery_keeps_when_it_died(popped: Any, flushed: bool) -> None:
    store, _ = exhausted(popped)
    died = store.now
    store.wait(0.0)
    store.finish(Write)
    if flushed:
        store.rest()
        store = store.power_loss()
    else:
        store = store.process_crash()
    store.now += 500.0
    store.settle()
    assert store.core.dead_letters(Q) == (DeadLetter(0, 2, died),)


def test_the_receipt_of_one_whose_checkpoint_was_never_stored(drive: Any) -> None:
    """The merge buffer had it, and the process crashed; but the DEAD record tells of the delivery."""
    store = merging(drive, max_attempts=1)
    (receipt,) = ready(store, 1, invisible=0.2)
    store.wait(1.0)
    store.finish(Write)
    again = store.process_crash()
    op = again.ack(receipt)
    again.settle()
    assert again.reply(op) is Reply.SETTLED


def test_power_loss_before_the_flush_buries_it_again(popped: Any) -> None:
    store, _ = exhausted(popped)
    store.wait(0.0)
    store.finish(Write)
    store = store.power_loss().settle().rest()
    assert letters(store) == [(0, 2)]


def test_a_write_that_fails_is_tried_again_after_a_while(popped: Any) -> None:
    store, (receipt,) = exhausted(popped)
    store.wait(0.0)
    late = store.ack(receipt)
    store.finish(Write, Failed(28))
    assert store.reply(late) is Reply.FAILED
    assert letters(store) == []
    assert store.core.next_tick() == pytest.approx(store.now + store.config.flush_interval)
    assert letters(store.rest()) == [(0, 2)]


def test_a_late_client_shares_the_outcome(popped: Any) -> None:
    store, (receipt,) = exhausted(popped, mode="sync")
    store.wait(0.0)
    late = store.ack(receipt)
    store.finish(Write)
    assert store.reply(late) is None
    store.finish(Sync)
    assert store.reply(late) is Reply.SETTLED


def test_a_refusing_store_is_asked_again(popped: Any) -> None:
    store, _ = exhausted(popped, 3, max_unflushed_records=2)
    store.core.dead_lettering.retry_at = store.now + 5.0  # the acks come first
    store.core.queues["q/default/0"].publish(100)
    store.submit(Pop("q", 1))
    store.submit(Pop("q", 1))
    store.core.dead_lettering.retry_at = 0.0
    store.wait(0.0)
    assert store.stats.queues[Q].acking == 0
    assert store.core.dead_lettering.due() == store.now + store.config.flush_interval
    assert letters(store.rest()) == [(0, 2), (1, 2), (2, 2)]


def test_release_of_the_last_attempt_buries_at_the_next_tick(popped: Any) -> None:
    store, (first, second, _) = popped(3, max_attempts=1)
    store.submit(Release(first))
    store.settle()
    assert store.core.next_tick() <= store.now
    store.wait(0.0).settle().flush()
    assert letters(store.settle()) == [(0, 1)]
    store.submit(Release(second))
    store = store.settle().process_crash()  # before the tick
    assert letters(store.rest(1.0)) == [(0, 1), (1, 1)]


def test_a_renewed_last_attempt_lives_on(popped: Any) -> None:
    store, (receipt, *_) = popped(1, max_attempts=1)
    store.submit(Renew(receipt, 100.0))
    store.rest(99.0)
    assert letters(store) == []
    op = store.ack(receipt)
    assert store.settle().reply(op) is Reply.OK
    assert letters(store.rest()) == []


def test_an_ack_in_time_settles_and_nothing_is_dead(popped: Any) -> None:
    store, (receipt,) = exhausted(popped)
    store.now -= 0.1
    store.ack(receipt)
    assert letters(store.rest()) == []


def test_the_limit_may_change_between_two_opens(popped: Any) -> None:
    store, _ = popped(1)
    store.wait(30.0)
    store.pop(1)
    store.rest(1.0)
    store.config = type(store.config)(retry_jitter=0.0, max_attempts=1)
    store = store.process_crash()
    assert letters(store.rest()) == [(0, 2)]


def test_the_list_is_bounded_and_the_count_is_not(popped: Any) -> None:
    store, _ = popped(5, max_attempts=1, max_dead=2)
    store.rest()
    assert letters(store.rest()) == [(3, 1), (4, 1)]
    assert store.stats.queues[Q].dead == 5


def test_more_than_a_batch(popped: Any) -> None:
    store, _ = popped(5, max_attempts=1, max_batch=5)
    store.core.config = store.core.dead_lettering.config = type(store.config)(max_attempts=1, max_batch=2)
    store.rest()
    assert len(letters(store.rest())) == 5
    assert store.stats.written == 1 + 3


def test_deliveries_of_two_opens_die_together(popped: Any) -> None:
    store, _ = popped(1, max_attempts=1)
    store = store.process_crash().settle()
    store.publish(2)
    store.pop(1)
    assert letters(store.rest(40.0)) == [(0, 1), (1, 1)]
    assert letters(store.power_loss().rest()) == [(0, 1), (1, 1)]


def test_a_queue_nobody_knows(drive: Any) -> None:
    assert drive().core.dead_letters(Q) == ()


def test_only_the_queue_whose_time_has_come(drive: Any) -> None:
    store = drive(max_attempts=1).settle()
    store.publish(3)
    store.publish(3, "r")
    store.pop(1, 30.0)
    store.pop(1, 60.0, "r")
    assert store.core.dead_lettering.due() == store.now + 30.0
    store.rest(31.0)
    assert (letters(store), store.core.dead_letters(QueueId("r"))) == ([(0, 1)], ())
    store.rest(30.0)
    assert [letter.offset for letter in store.core.dead_letters(QueueId("r"))] == [0]
