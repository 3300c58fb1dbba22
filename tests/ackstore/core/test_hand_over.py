"""What is in the merge buffer is handed over: step by step, in order, and again where it fails."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, Reply, Stage
from ackstore.core import merge
from ackstore.core.effects import DONE, Failed, Write
from ackstore.core.states import DELIVERED, SETTLED
from ackstore.words.requests import Renew, Reset
from merging import STAY, SWEEP, in_memory, merging, ready, states


class TestSteps:
    """However much there is, nobody waits for more than a step."""

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(merge, "STEP", 4)
        monkeypatch.setattr(merge, "QUEUE_COST", 1)

    def test_checkpoints_come_before_acks_in_the_log(self, drive: Any) -> None:
        """Of a queue, and in its order: first how far it is settled, then deliveries, then the acks still unmatched."""
        store = merging(drive, max_batch=2)
        receipts = [receipt for _ in range(2) for receipt in ready(store, 2)]
        for settled in (0, 2):
            store.ack(receipts[settled])
        store.flush()
        assert store.stats.merging == 4
        store.rest(1.0)
        assert [(name, state.floor, items) for name, state, items in states(store)] == [
            ("q", 1, [(DELIVERED, 1), (DELIVERED, 3)]),
            ("q", 1, [(SETTLED, 2)]),
        ]

    def test_one_look_through_goes_as_far_as_all_is_settled(self, drive: Any) -> None:
        store = merging(drive)
        for receipt in ready(store, 20):
            store.ack(receipt)
        store.wait(SWEEP)
        while store.core.merge.round:
            store.wait(0.0)
        store.finish(Write)
        store.finish(Write)
        assert [state.floor for _, state, _ in states(store)] == [4, 8, 12, 16, 20]

    @pytest.mark.parametrize("gaps", [False, True])
    def test_each_tick_takes_one(self, drive: Any, gaps: bool) -> None:
        store = merging(drive)
        queues = ("a", "b", "c")
        receipts = []
        for queue in queues:
            store.publish(20, queue)
            receipts += [receipt for _ in range(10) for receipt in ready(store, 2, queue=queue)]
        for receipt in receipts[gaps :: 1 + gaps]:
            store.ack(receipt)
        flush = store.flush()
        kept = [60, in_memory(store)]
        while store.core.merge.round:
            assert store.core.next_tick() == store.now
            assert store.settle().reply(flush) is (None if kept[-1] else Reply.OK)
            store.wait(0.0)
            kept.append(in_memory(store))
        assert kept[-1] == 0
        assert max(before - after for before, after in pairwise(kept)) <= 4
        assert store.rest(1.0).reply(flush) is Reply.OK
        again = store.power_loss().settle()
        assert [again.core.stage(receipt) for receipt in receipts] == [
            None if gaps and not at % 2 else Stage.FLUSHED for at in range(60)
        ]
        assert (store.stats.merging, store.core.next_tick()) == (0, None)

    def test_a_flush_is_answered_though_others_follow_without_end(self, drive: Any) -> None:
        """Each of them finds as much that is new in one queue as a step deals with, and more."""
        store = merging(drive)
        for queue in ("a", "b", "c"):
            store.publish(900, queue)
            for receipt in ready(store, 9, queue=queue):
                store.ack(receipt)
        flushes = [store.flush()]
        for _ in range(20):
            store.wait(0.01).settle()
            for receipt in ready(store, 9, queue="a"):
                store.ack(receipt)
            flushes.append(store.flush())
        assert store.settle().reply(flushes[0]) is Reply.OK
        while store.core.merge.round:
            store.wait(0.0).settle()
        assert [store.reply(flush) for flush in flushes] == [Reply.OK] * 21

    def test_a_flush_waits_for_what_a_round_has_set_aside(self, drive: Any) -> None:
        """Though the round goes on with what came after the flush."""
        store = merging(drive)
        first, second = ready(store, 5), ready(store, 5)
        for receipt in first:
            store.submit(Renew(receipt, 500.0))
        for receipt in second:
            store.ack(receipt)
        flush = store.flush()
        store.wait(0.01)
        ready(store, 5)
        store.flush()
        store.finish(Write, Failed(28))
        assert store.core.merge.round
        assert store.settle().reply(flush) is None
        assert store.rest(2.0).reply(flush) is Reply.OK

    def test_a_queue_that_comes_anew_during_a_round_belongs_to_it(self, drive: Any) -> None:
        store = merging(drive)
        for queue in ("a", "b"):
            store.publish(90, queue)
        ready(store, 1, queue="a")
        store.ack(ready(store, 1, queue="b")[0])
        store.flush()
        assert store.core.merge.round == {}
        store.now += 0.1  # so that what comes now is not from before that flush
        for _ in range(4):
            ready(store, 9, queue="a")
        store.wait(SWEEP)
        store.flush()
        assert store.core.merge.round.keys() == {"a/default/0", "b/default/0"}
        store.settle()
        assert store.core.merge.round.keys() == {"a/default/0"}
        store.ack(ready(store, 1, queue="b")[0])
        flush = store.flush()
        while store.core.merge.round:
            store.wait(0.0)
        assert store.settle().reply(flush) is Reply.OK

    def test_messages_in_transition_are_looked_at_once_a_round(self, drive: Any) -> None:
        store = merging(drive)
        for receipt in ready(store, 5):
            store.submit(Renew(receipt, 500.0))
        first, *_ = ready(store, 2)
        store.ack(first)
        flush = store.flush()
        assert store.core.merge.round
        store.wait(0.0)
        assert not store.core.merge.round
        store.finish(Write, Failed(28))
        assert store.settle().reply(flush) is None
        assert store.rest(1.0).reply(flush) is Reply.OK
        assert store.power_loss().core.queues["q/default/0"].entries.keys() == set(range(7))

    def test_close_takes_them_too(self, drive: Any) -> None:
        store = merging(drive)
        for receipt in [receipt for _ in range(5) for receipt in ready(store, 3)]:
            store.ack(receipt)
        close = store.close()
        assert store.core.merge.round
        assert store.rest(1.0).reply(close) is Reply.OK
        assert store.power_loss().committed() == 15


def test_a_barrier_beside_a_reset_is_answered_before_the_close(drive: Any) -> None:
    """It waited for what the buffer kept, and the reset took that out: nothing more is to be written for it."""
    store = merging(drive)
    store.ack(ready(store)[0])
    store.submit(Reset("q", 0))
    flush, close = store.flush(), store.close()
    store.rest(5.0)
    assert (store.reply(flush), store.reply(close)) == (Reply.OK, Reply.OK)


@pytest.mark.parametrize("works", [False, True])
def test_a_reset_beside_an_ack_that_waits_for_the_disk(drive: Any, works: bool) -> None:
    """The buffer hands over nothing that the reset takes back, so nobody may wait for that."""
    store = merging(drive)
    [receipt] = ready(store, 1)
    store.ack(receipt)
    reset = store.submit(Reset("q", 0))
    store.core.flusher.mode = "sync"
    again = store.ack(receipt)
    assert store.reply(again) is None
    store.finish(Write, DONE if works else Failed(28))
    store.rest(5.0)
    assert store.reply(again) is Reply.SETTLED
    assert store.reply(reset) is (Reply.OK if works else Reply.FAILED)


@pytest.mark.parametrize("works", [False, True])
def test_a_reset_beside_an_ack_whose_client_wants_to_hear_when_it_is_safe(drive: Any, works: bool) -> None:
    """It hears once: when the reset counts that came after its ack, or when the ack is handed over after all."""
    store = merging(drive)
    [receipt] = ready(store, 1)
    acks = [store.ack(receipt), store.ack(receipt)]
    store.submit(Reset("q", 0))
    store.finish(Write, DONE if works else Failed(28))
    assert store.durable == []
    store.rest(30.0)
    assert sorted(store.durable) == acks
    assert store.core.merge.empty
    assert store.stats.merging == 0


def test_a_barrier_hears_at_once_that_a_reset_has_taken_what_it_waited_for(drive: Any) -> None:
    store = merging(drive)
    store.ack(ready(store)[0])
    store.submit(Reset("q", 0))
    flush = store.flush()
    store.finish(Write)
    assert store.reply(flush) is None
    while store.reply(flush) is None and store.pending:
        store.finish(object)  # and no timer runs
    assert store.reply(flush) is Reply.OK


def test_a_barrier_hears_at_the_next_look_that_a_renewal_has_taken_what_it_waited_for(drive: Any) -> None:
    """The renewal is on the disk by then, so nothing is written, or made FLUSHED, that the barrier could hear of."""
    store = merging(drive, flush_interval=SWEEP / 2)
    [receipt] = ready(store, 1)
    renewal = store.submit(Renew(receipt, 60.0))
    flush = store.flush()
    for pause in (0.0, 0.9 * SWEEP):
        store.wait(pause)
        while store.pending:
            store.finish(object)
    assert (store.reply(renewal), store.core.log.unflushed) == (Reply.OK, 0)
    assert store.reply(flush) is None
    store.wait(SWEEP)
    assert store.core.merge.empty
    assert store.reply(flush) is Reply.OK


def test_what_is_on_its_way_is_not_written_twice(drive: Any) -> None:
    store = merging(drive)
    for _ in range(3):
        store.ack(ready(store, 1)[0])
        store.wait(SWEEP)
        store.wait(SWEEP)
        store.finish(Write)
    assert [(state.floor, items) for _, state, items in states(store)] == [(1, []), (2, []), (3, [])]
    assert store.rest(2.0).committed() == 3
    assert (store.stats.merging, store.core.next_tick()) == (0, None)


class TestFailingHandOvers:
    def test_a_delivery_is_handed_over_again(self, drive: Any) -> None:
        store = merging(drive)
        ready(store, 1)
        store.wait(STAY + SWEEP)
        store.finish(Write, Failed(28))
        assert (store.stats.merging, [*states(store)]) == (1, [])
        store.rest(2 * SWEEP)
        assert [items for _, _, items in states(store)] == [[(DELIVERED, 0)]]
        assert store.stats.merging == 0

    def test_nothing_is_lost_and_the_barrier_waits(self, drive: Any) -> None:
        store = merging(drive)
        first, second, third = ready(store)
        store.ack(first)
        store.ack(third)
        flush = store.flush()
        store.finish(Write, Failed(28))
        assert store.reply(flush) is None
        assert store.stats.merging == 3
        store.rest(2.0)
        assert store.reply(flush) is Reply.OK
        again = store.power_loss().settle()
        assert [again.core.stage(receipt) for receipt in (first, second, third)] == [Stage.FLUSHED, None, Stage.FLUSHED]

    def test_one_that_fails_behind_one_that_is_on_its_way(self, drive: Any) -> None:
        store = merging(drive)
        receipts = ready(store, 3)
        acks = [store.ack(receipts[0])]
        store.wait(SWEEP)
        store.finish(Write)
        acks.append(store.ack(receipts[1]))
        store.wait(SWEEP)
        store.finish(Write, Failed(28))
        acks.append(store.ack(receipts[2]))
        store.wait(SWEEP)
        store.finish(Write)
        assert [(state.floor, items) for _, state, items in states(store)] == [(1, []), (3, [])]
        store.rest(1.0)
        assert (store.committed(), store.stats.merging, store.durable[-3:]) == (3, 0, acks)

    def test_close_waits_and_tries_again(self, drive: Any) -> None:
        store = merging(drive)
        first, _, third = ready(store)
        store.ack(first)
        store.ack(third)
        close = store.close()
        store.finish(Write, Failed(28))
        store.rest(5.0)
        assert store.reply(close) is Reply.OK
        assert store.power_loss().committed() == 1

    def test_a_refusing_store_is_asked_again(self, drive: Any) -> None:
        store = merging(drive, max_unflushed_records=4)
        (receipt,) = ready(store, 1)
        store.ack(receipt)
        store.core.flusher.mode = "refuse"
        store.wait(SWEEP)
        assert store.stats.unflushed_records == 0
        store.core.flusher.mode = "async"
        assert store.rest(2.0).committed() == 1

    def test_a_recovered_hand_over_is_written_again_before_the_offset_moves(self, drive: Any) -> None:
        store = merging(drive)
        for receipt in ready(store):
            store.ack(receipt)
        store.wait(SWEEP)
        store.finish(Write)
        store = store.process_crash()
        assert store.committed() == 0
        assert store.core.queues["q/default/0"].floor == 3
        assert store.settle().committed() == 3


def test_a_flush_of_many_steps_through_the_threaded_store(tmp_path: Path) -> None:
    """Though the timer sleeps, and nothing else would wake it."""
    config = Config(merge=True, flush_interval=1000.0, offset_interval=1000.0, sync_timeout=1000.0)
    with ackstore.open(tmp_path, config) as store:
        count = 3 * merge.STEP
        store.publish("q", count + 1)
        store.pop("q", 1)
        assert store.flush() is Reply.OK
        receipts = [each.receipt for _ in range(3) for each in store.pop("q", merge.STEP)]
        assert store.ack_many(receipts[1 : merge.STEP]) == [Reply.OK] * (merge.STEP - 1)
        assert store.flush(timeout=10.0) is Reply.OK
        assert store.stats().merging == 0


def test_what_recovery_settles_is_durable_once_it_is_flushed_again(drive: Any) -> None:
    """A hand-over that was read, and not proved: its messages do not come back, but a power loss may still eat it."""
    store = merging(drive)
    first, second, third = ready(store)
    for receipt in (first, second):
        store.ack(receipt)
    store.wait(SWEEP)
    store.finish(Write)
    (found,) = [state for _, state, _ in states(store)]
    assert found.floor == 2
    store = store.process_crash()
    store.publish(100)
    ops = [store.ack(first), store.ack(second)]
    batch = store.ack_many(first, third)
    assert [store.reply(op) for op in ops] == [Reply.SETTLED] * 2
    assert store.answers[batch].value[0] is Reply.SETTLED
    assert store.durable == []
    store.settle()
    assert store.durable == ops
    later = store.ack(first)
    assert (store.reply(later), store.durable) == (Reply.SETTLED, [*ops, later])
    assert store.core.queues["q/default/0"].unproved == []
