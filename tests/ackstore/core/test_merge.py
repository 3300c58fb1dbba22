"""The merge buffer: what meets in memory is never stored, and what does not is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, ConfigInvalid, Reply, Stage
from ackstore.core.effects import DONE, Failed, Sync, Write
from ackstore.core.queues import SPARE_TIMERS
from ackstore.core.states import DELIVERED, SETTLED
from ackstore.words.identity import QueueId
from ackstore.words.requests import Ack, Pop, Release, Renew, Reset
from merging import STAY, SWEEP, merging, ready, states

Q = QueueId("q")


def returning(store: Any) -> list[tuple[int, int]]:
    """What comes back of the first ten messages, once every deadline has passed."""
    store.rest(100.0)
    store.publish(100)
    return [(each.offset, each.attempt) for each in store.pop(10) if each.offset < 10]


def test_what_meets_in_memory_never_reaches_the_log_and_only_the_offset_moves(drive: Any) -> None:
    store = merging(drive)
    before = store.stats.written
    for _ in range(20):
        for receipt in ready(store):
            assert store.reply(store.ack(receipt)) is Reply.OK
            assert store.core.stage(receipt) is Stage.PENDING
    assert store.stats.written == before
    assert (store.stats.merged, store.stats.merging) == (60, 60)
    assert store.committed() == 0
    store.rest(2.0)
    assert store.stats.written == before + 1
    assert (store.committed(), store.stats.queues[Q].persisted) == (60, 60)
    assert (store.stats.merging, store.stats.queues[Q].delivered) == (0, 0)
    assert store.core.next_tick() is None
    assert store.power_loss().committed() == 60


@pytest.mark.parametrize("crash", ["process_crash", "power_loss"])
def test_a_crash_takes_what_is_only_in_memory(drive: Any, crash: str) -> None:
    store = merging(drive)
    first, *_ = ready(store)
    assert store.reply(store.ack(first)) is Reply.OK
    store = getattr(store, crash)().settle()
    store.publish(100)
    assert store.reply(store.ack(first)) is Reply.EXPIRED
    assert returning(store)[:3] == [(0, 1), (1, 1), (2, 1)]


def test_a_clean_close_keeps_all_of_it(drive: Any) -> None:
    store = merging(drive)
    first, _, third = ready(store)
    deadline = store.now + 60.0
    store.ack_many(first, third)
    close = store.close()
    store.rest(1.0)
    assert store.reply(close) is Reply.OK
    store = store.power_loss().settle()
    assert store.committed() == 1
    assert store.core.queues["q/default/0"].entries[1].deadline == deadline
    assert returning(store) == [(1, 2), *((each, 1) for each in range(3, 10))]


def test_a_flush_hands_over_everything(drive: Any) -> None:
    store = merging(drive)
    receipts = ready(store, 4)
    store.ack(receipts[0])
    store.ack(receipts[2])
    flush = store.flush()
    store.settle()
    assert store.reply(flush) is Reply.OK
    assert [store.core.stage(receipt) for receipt in receipts] == [Stage.FLUSHED, None, Stage.FLUSHED, None]
    store = store.power_loss().settle()
    assert store.committed() == 1
    late = store.ack(receipts[1])
    assert store.settle().reply(late) is Reply.OK
    assert [offset for offset, _ in returning(store)] == [3, 4, 5, 6, 7, 8, 9]


def test_what_stays_too_long_is_handed_over_checkpoint_and_ack(drive: Any) -> None:
    store = merging(drive)
    _, second, _ = ready(store)
    store.ack(second)
    store.rest(STAY - 1.0)
    assert store.stats.merging == 3
    store.rest(2.0)
    assert store.stats.merging == 0
    again = store.power_loss().settle()
    assert {offset: entry.settled for offset, entry in again.core.queues["q/default/0"].entries.items()} == {
        0: False,
        1: True,
        2: False,
    }


def test_an_ack_after_the_hand_over_takes_the_asynchronous_path(drive: Any) -> None:
    store = merging(drive)
    first, *_ = ready(store)
    store.rest(STAY + 1.0)
    op = store.ack(first)
    assert store.reply(op) is None
    store.finish(Write)
    assert store.reply(op) is Reply.OK
    assert store.stats.merged == 0


def test_a_full_buffer_takes_the_asynchronous_path(drive: Any) -> None:
    store = merging(drive, merge_messages=4)
    ready(store, 3)
    op = store.submit(Pop("q", 2))
    assert store.reply(op) is None
    store.settle()
    (receipt, _) = (each.receipt for each in store.answers[op].value)
    ack = store.ack(receipt)
    assert store.reply(ack) is None
    store.settle()
    ready(store, 1)


def test_a_degraded_store_waits_for_the_disk(drive: Any) -> None:
    store = merging(drive, degrade_after=1)
    first, *_ = ready(store)
    store.flush()
    store.finish(Write)
    store.finish(Sync, Failed(5))
    assert store.stats.mode == "sync"
    pop, ack = store.submit(Pop("q", 1)), store.ack(first)
    assert (store.reply(pop), store.reply(ack)) == (None, None)
    store.rest()
    assert (store.reply(pop), store.reply(ack)) == (Reply.OK, Reply.OK)


def test_before_the_first_sync_it_keeps_nothing(drive: Any) -> None:
    store = drive(merge=True)
    store.publish(10)
    op = store.submit(Pop("q", 1))
    assert store.reply(op) is None
    store.settle()
    assert store.reply(op) is Reply.OK


def test_redeliveries_are_stored(drive: Any) -> None:
    store = merging(drive)
    (receipt,) = ready(store, 1, invisible=1.0)
    store.wait(1.0).settle()
    op = store.submit(Pop("q", 1))
    assert store.reply(op) is None
    store.settle()
    (again,) = store.answers[op].value
    assert (again.offset, again.attempt) == (0, 2)
    assert store.reply(store.ack(receipt)) is Reply.EXPIRED
    ack = store.ack(again.receipt)
    assert store.reply(ack) is None
    assert store.settle().reply(ack) is Reply.OK
    assert store.rest(10.0).committed() == 1


def test_deadlines_of_merged_messages_do_not_pile_up(drive: Any) -> None:
    store = merging(drive)
    store.publish(3 * SPARE_TIMERS)
    for _ in range(6):
        for receipt in ready(store, SPARE_TIMERS // 2):
            store.ack(receipt)
        store.rest(1.0)
    assert store.committed() == 3 * SPARE_TIMERS
    assert len(store.core.queues["q/default/0"].expiring) <= SPARE_TIMERS


def test_a_duplicate_of_a_merged_ack(drive: Any) -> None:
    store = merging(drive)
    (receipt,) = ready(store, 1)
    first, second = store.ack(receipt), store.ack(receipt)
    assert (store.reply(first), store.reply(second)) == (Reply.OK, Reply.SETTLED)
    assert store.durable == []
    store.rest(2.0)
    assert sorted(store.durable) == [first, second]


def test_a_duplicate_in_a_degraded_store_waits_until_it_is_handed_over(drive: Any) -> None:
    store = merging(drive, degrade_after=1)
    first, second = ready(store, 2)
    store.ack(second)  # above a gap
    store.submit(Ack("x"))
    pop = store.submit(Pop("q", 1, 60.0))
    store.core.flusher.mode = "sync"
    again = store.ack(second)
    assert store.reply(again) is None
    store.rest(STAY + 2.0)
    assert store.reply(again) is Reply.SETTLED
    assert store.reply(pop) is Reply.OK
    assert first


@pytest.mark.parametrize("late", [0, 1])
def test_duplicates_in_a_batch_wait_for_it_item_by_item(drive: Any, late: int) -> None:
    store = merging(drive)
    first, second, third = ready(store, 3)
    store.ack_many(second, third)  # above a gap
    store.core.flusher.mode = "sync"
    batch = ("nonsense", second) if late else (third, second)
    again = store.ack_many(*batch)
    assert store.reply(again) is None
    store.rest(STAY + 2.0)
    assert store.answers[again].value == (Reply.INVALID if late else Reply.SETTLED, Reply.SETTLED)
    assert first


def test_it_is_looked_through_an_interval_after_the_first_comes(drive: Any) -> None:
    store = merging(drive)
    assert store.core.merge.due() is None
    ready(store, 1)
    due = store.now + SWEEP
    store.now += 0.1
    ready(store, 1)
    assert store.core.merge.due() == due


def test_a_store_that_refuses_is_asked_again_later(drive: Any) -> None:
    store = merging(drive)
    ready(store, 1)
    store.core.flusher.mode = "refuse"
    store.wait(STAY + SWEEP)
    assert store.stats.merging == 1
    assert store.core.merge.due() == store.now + SWEEP


class TestWhatComesBetween:
    def test_what_was_settled_otherwise_keeps_nothing_else_here(self, drive: Any) -> None:
        """Of three that were popped together, the one between is in the log, and settled there."""
        store = merging(drive)
        _, second, third = ready(store, 3)
        store.submit(Renew(second, 500.0))
        store.settle()
        store.ack(second)
        store.rest(1.0)
        assert [entry.settled for entry in store.core.queues["q/default/0"].entries.values()] == [False, True, False]
        store.ack(third)
        store.rest(STAY)
        assert [items for _, _, items in states(store)] == [[(DELIVERED, 0), (SETTLED, 2)]]
        assert returning(store.power_loss().settle())[:2] == [(0, 2), (3, 1)]

    def test_several_hand_overs_of_one_queue_come_back_one_by_one(self, drive: Any) -> None:
        store = merging(drive, max_batch=1)
        for _ in range(3):
            ready(store, 1)
        flush = store.flush()
        store.settle()
        assert [items for _, _, items in states(store)] == [[(DELIVERED, 0)], [(DELIVERED, 1)], [(DELIVERED, 2)]]
        assert store.reply(flush) is Reply.OK
        assert (store.stats.merging, store.core.merge.empty) == (0, True)
        close = store.close()
        assert store.settle().reply(close) is Reply.OK

    def test_how_far_a_queue_is_settled_takes_one_record(self, drive: Any) -> None:
        store = merging(drive, max_batch=1)
        for _ in range(3):
            [receipt] = ready(store, 1)
            store.ack(receipt)
        store.rest(1.0)
        assert [(state.floor, items) for _, state, items in states(store)] == [(3, [])]

    def test_a_renewal_is_stored(self, drive: Any) -> None:
        store = merging(drive)
        (receipt,) = ready(store, 1)
        op = store.submit(Renew(receipt, 500.0))
        assert store.reply(op) is None
        store.settle()
        ack = store.ack(receipt)
        assert store.reply(ack) is None  # the log knows of it now
        assert store.settle().reply(ack) is Reply.OK
        assert store.rest(10.0).power_loss().committed() == 1

    def test_a_renewal_on_its_way_while_the_time_is_up(self, drive: Any) -> None:
        store = merging(drive)
        (receipt,) = ready(store, 1)
        store.now += STAY
        op = store.submit(Renew(receipt, 500.0))
        store.wait(SWEEP)
        assert store.stats.merging == 1
        store.finish(Write, Failed(28))
        assert store.reply(op) is Reply.FAILED
        store.rest(2.0)
        assert store.stats.merging == 0
        assert store.power_loss().core.queues["q/default/0"].entries.keys() == {0}

    def test_a_release(self, drive: Any) -> None:
        store = merging(drive)
        (receipt,) = ready(store, 1)
        store.submit(Release(receipt))
        store.settle()
        assert [(each.offset, each.attempt) for each in store.pop(1)] == [(0, 2)]

    @pytest.mark.parametrize("works", [False, True])
    def test_a_flush_waits_for_a_queue_that_is_being_reset(self, drive: Any, works: bool) -> None:
        """If the reset comes to nothing, what was acked before the flush is still only in memory."""
        store = merging(drive)
        for queue in ("a", "b", "c"):
            store.publish(9, queue)
        firsts = {queue: ready(store, 2, queue=queue)[1] for queue in ("a", "b", "c")}
        for receipt in firsts.values():
            store.ack(receipt)
        reset = store.submit(Reset("b", 0))
        flush = store.flush()
        store.finish(Write, DONE if works else Failed(28))
        store.finish(Write)
        assert sorted(name for name, *_ in states(store)) == ["a", "c"]
        assert store.settle().reply(flush) is (Reply.OK if works else None)
        store.rest(2 * SWEEP)
        assert store.reply(flush) is Reply.OK
        assert store.reply(reset) is (Reply.OK if works else Reply.FAILED)
        again = store.power_loss().settle()
        assert [again.core.stage(firsts[queue]) for queue in ("a", "b", "c")] == [
            Stage.FLUSHED,
            None if works else Stage.FLUSHED,
            Stage.FLUSHED,
        ]

    def test_a_redelivery_while_the_hand_over_fails(self, drive: Any) -> None:
        """The redelivery's checkpoint is in the log: its ack goes there too."""
        store = merging(drive)
        ready(store, 1, invisible=1.0)
        store.flush()
        store.now += 1.0
        pop = store.submit(Pop("q", 1, 60.0))
        store.finish(Write, Failed(28))
        store.settle()
        [again] = store.answers[pop].value
        assert (again.offset, again.attempt) == (0, 2)
        ack = store.ack(again.receipt)
        assert store.reply(ack) is None
        assert store.settle().reply(ack) is Reply.OK
        assert (store.rest(5.0).committed(), store.stats.merging, store.stats.merged) == (1, 0, 0)

    @pytest.mark.parametrize("works", [False, True])
    def test_a_reset(self, drive: Any, works: bool) -> None:
        store = merging(drive)
        first, _, third = ready(store)
        store.ack(first)
        store.ack(third)
        op = store.submit(Reset("q", 0))
        store.wait(STAY + SWEEP)
        assert store.reply(store.ack(first)) is Reply.SETTLED
        store.finish(Write, DONE if works else Failed(28))
        store.rest(10.0)
        assert store.reply(op) is (Reply.OK if works else Reply.FAILED)
        assert store.stats.merging == 0
        again = store.power_loss()
        assert again.committed() == (0 if works else 1)
        assert returning(again)[:3] == ([(0, 1), (1, 1), (2, 1)] if works else [(1, 2), (3, 1), (4, 1)])
        assert returning(store)[0] == ((0, 1) if works else (1, 2))

    def test_an_ack_that_waited_for_the_disk(self, drive: Any) -> None:
        store = merging(drive)
        receipts = ready(store, 2)
        store.core.flusher.mode = "sync"
        ack = store.ack(receipts[1])
        assert store.settle().reply(ack) is Reply.OK
        store.rest(STAY + SWEEP)
        assert [items for _, _, items in states(store)] == [[(DELIVERED, 0)]]

    def test_a_checkpoint_that_is_handed_over_lets_the_offset_pass(self, drive: Any) -> None:
        store = merging(drive, commit="checkpoint")
        ready(store, 3)
        store.rest(1.0)
        assert store.committed() == 0
        store.flush()
        assert store.settle().committed() == 3

    def test_a_reset_to_below_what_was_told(self, drive: Any) -> None:
        store = merging(drive, merge_stay=100.0)
        for receipt in ready(store, 4)[:3]:
            store.ack(receipt)
        assert store.rest(1.0).committed() == 3
        store.submit(Reset("q", 0))
        store.settle()
        for receipt in ready(store, 2):
            store.ack(receipt)
        assert store.rest(1.0).committed() == 2

    def test_a_dead_letter(self, drive: Any) -> None:
        store = merging(drive, max_attempts=1)
        ready(store, 1, invisible=0.2)
        store.rest(10.0)
        assert [letter.offset for letter in store.core.dead_letters(Q)] == [0]
        assert store.stats.merging == 0


def test_a_message_counts_once_acked_or_not(drive: Any) -> None:
    store = merging(drive, merge_messages=6)
    for receipt in ready(store, 4)[1:]:
        store.ack(receipt)
    assert store.stats.merging == 4
    ready(store, 2)
    pop = store.submit(Pop("q", 1))
    assert store.reply(pop) is None
    assert store.settle().reply(pop) is Reply.OK


def test_a_message_counts_until_it_is_flushed(drive: Any) -> None:
    """So that a disk that stands still does not let the buffer grow."""
    store = merging(drive, merge_messages=4)
    for receipt in ready(store, 4):
        store.ack(receipt)
    store.wait(SWEEP)
    store.finish(Write)
    assert store.stats.merging == 4
    pop = store.submit(Pop("q", 1))
    assert store.reply(pop) is None
    store.rest(1.0)
    assert store.stats.merging == 0
    ready(store, 4)


def test_it_is_only_for_the_asynchronous_mode() -> None:
    with pytest.raises(ConfigInvalid, match="async"):
        Config(merge=True, mode="sync")
    with pytest.raises(ConfigInvalid, match="True or False"):
        Config(merge=1)  # type: ignore[arg-type]


def test_through_the_threaded_store(tmp_path: Path) -> None:
    config = Config(merge=True, flush_interval=0.01, offset_interval=0.02)
    with ackstore.open(tmp_path, config) as store:
        store.publish("q", 100)
        store.publish("other", 1)
        store.pop("other", 1)  # waits until the epoch is on disk
        durable: list[int] = []
        written = store.stats().written
        deliveries = store.pop("q", 100)
        assert [store.ack(each.receipt) for each in deliveries[:50]] == [Reply.OK] * 50
        assert store.ack(deliveries[0].receipt) is Reply.SETTLED
        assert store.ack("no receipt") is Reply.INVALID
        assert store.ack_many(each.receipt for each in deliveries[50:99]) == [Reply.OK] * 49
        assert store.ack(deliveries[99].receipt, on_durable=lambda: durable.append(1)) is Reply.OK
        assert store.flush() is Reply.OK
        assert store.stats().merged == 100
        assert store.stats().written <= written + 4
    assert durable == [1]
    with ackstore.open(tmp_path) as store:
        assert store.stats().queues[Q].committed == 100
