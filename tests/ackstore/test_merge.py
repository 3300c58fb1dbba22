"""The merge buffer: what meets in memory is never stored, and what does not is handed over."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, ConfigInvalid, Reply, Stage, merge
from ackstore.effects import DONE, Failed, Sync, Write
from ackstore.identity import QueueId
from ackstore.payloads import decode_prefix
from ackstore.queues import SPARE_TIMERS
from ackstore.records import HEADER_BYTES, KIND_AT, RECORD_BYTES, STATE
from ackstore.requests import Ack, Pop, Release, Renew, Reset
from ackstore.states import DELIVERED, SETTLED, State, decode_state

Q = QueueId("q")
STAY, SWEEP = 3.0, 0.5


def merging(drive: Any, **settings: Any) -> Any:
    """A store whose buffer takes checkpoints from the first."""
    store = drive(**{"merge": True, "merge_stay": STAY, "offset_interval": SWEEP, **settings}).settle()
    store.flush()
    store.publish(100)
    return store.rest(1.0)


def ready(store: Any, count: int = 3, invisible: float = 60.0, queue: str = "q") -> list[str]:
    """Pop, answered at once, without anything to do for the disk."""
    before = store.pending.copy()
    op = store.submit(Pop(queue, count, invisible))
    assert store.reply(op) is Reply.OK
    assert store.pending == before
    return [each.receipt for each in store.answers[op].value]


def returning(store: Any) -> list[tuple[int, int]]:
    """What comes back of the first ten messages, once every deadline has passed."""
    store.rest(100.0)
    store.publish(100)
    return [(each.offset, each.attempt) for each in store.pop(10) if each.offset < 10]


def states(store: Any) -> Iterator[tuple[str, State, list[tuple[int, int]]]]:
    """The STATE records in the bytes of the log: queue, what is said of it, and (how, offset) of its messages."""
    for name in sorted(name for name in store.files.cached if name.startswith("log-")):
        data, at = store.files.cached[name], HEADER_BYTES
        while at < len(data):
            kind, length = struct.unpack_from("<B3xI", data, at + KIND_AT)
            payload = data[at + RECORD_BYTES : at + RECORD_BYTES + length]
            at += RECORD_BYTES + length
            if kind == STATE:
                body = 2 + int.from_bytes(payload[:2], "little")
                state, items = decode_state(payload, body)
                yield decode_prefix(payload[:body]).split("/")[0], state, [(how, offset) for how, offset, *_ in items]


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


class TestWhatComesBetween:
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
        assert store.settle().reply(flush) is None
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
        store.finish(Write, ackstore.effects.DONE if works else Failed(28))
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


def in_memory(store: Any) -> int:
    """Messages that are not on their way."""
    return sum(len(kept.entries) for share in store.core.merge.shares.values() for kept in share.kept)


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
