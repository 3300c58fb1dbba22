"""A disk that the log fills, as the core sees it: nothing is held up for ever, whatever the limits are."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ackstore import Config, Core, Reply
from ackstore.core.effects import Create, Failed, Reserve, Unlink, Write
from ackstore.core.sharded import open_engine
from ackstore.core.space import BEGIN, Space
from ackstore.words.requests import Ack, AckMany, Pop, Publish
from full_disk import FixedDisk, Life

NO_ROOM = Failed(28)


def life(seed: int, times: int = 5, core: type[Core] = Core) -> Life:
    """A store with limits of some kind, and a log that has been many times the disk's size, with crashes; in the end
    everything is settled, if that is possible."""
    pick = random.Random(seed)
    disk = FixedDisk(pick.choice((200, 256)) << 10)
    config = Config(
        segment_bytes=pick.choice((500, 2000, 16_000, 1 << 20)),
        compact_above=pick.choice((2000, 64_000, 1 << 27, None)),
        max_unflushed_bytes=pick.choice((2000, 100_000, 32 << 20)),
        mode=pick.choice(("async", "sync")),
        retry_jitter=0.0,
    )
    one = Life(config, disk, pick, core=open_engine(config, disk.disk, 1000.0, core))
    one.work()
    one.publish(10**6)
    for _ in range(4000):
        one.turn()
        if core is Core and pick.random() < 0.02:
            one.crash()
        if disk.written > times * disk.size:
            break
    for queue in one.core.queues.values():
        one.end = queue.end = queue.next_new  # nothing new from here on
    one.settle_all(60)
    return one


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_it_goes_on_however_often_the_log_fills_the_disk(seed: int) -> None:
    one = life(seed)
    assert one.disk.written > 5 * one.disk.size
    assert one.floor == one.end
    assert not one.stats.short
    assert one.crashes > 5


def test_a_log_makes_room_for_another_that_is_short_of_it() -> None:
    """One has room in reserve, nothing in hand, and fills the disk with what is settled; what was left to the other did
    not suffice to settle what it has in hand: all of it was BUSY, for ever."""
    disk = FixedDisk(1000 << 10)
    config = Config(logs=2, compact_above=None, segment_bytes=64 << 20, max_unflushed_bytes=20_000, retry_jitter=0.0)
    one = Life(config, disk, random.Random(1))
    one.work()

    def value_of(request: Pop | AckMany) -> Any:
        answer = one.ask(request)
        one.wait(0.6)
        return answer and answer.value

    for queue in ("a", "b"):
        one.ask(Publish(queue, 10**6))
    full, short = (core for queue in ("a", "b") for core in one.core.cores if f"{queue}/default/0" in core.queues)

    def settle_some() -> None:
        value_of(AckMany([each.receipt for each in value_of(Pop("a", 100, 1e6))]))

    while not full.space.reserved:
        settle_some()
    hands: list[str] = []
    while not short.flusher.short:
        hands += [each.receipt for each in value_of(Pop("b", 100, 1e6))]
    for _ in range(250):
        if short.flusher.refuses():
            break
        settle_some()
    assert disk.written > 700 << 10
    one.wait(60.0)
    assert {*value_of(AckMany(hands[:4000])), *value_of(AckMany(hands[4000:]))} == {Reply.OK}
    one.wait(60.0)
    assert not short.flusher.short


class WithoutRoom(Core):
    """Sees to no room: as a store that knows nothing of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.timed.remove(self.space)
        self.space.ran_out = lambda errno, now: None  # type: ignore[method-assign]


def test_a_store_that_keeps_no_room_is_held_up_for_ever() -> None:
    one = life(7, core=WithoutRoom)
    assert one.disk.failed
    assert one.floor < one.end


def filled(drive: Any, **settings: Any) -> Any:
    """A store whose log has the size from which room is kept; the reserve has been asked for."""
    store = drive(**{"segment_bytes": 4096, "compact_above": None, **settings}).settle()
    store.publish(100_000)
    while not store.waiting(Reserve):
        store.ack_many(*[delivery.receipt for delivery in store.pop(40)])
        store.settle()
        store.wait(0.6)
        while store.pending and not store.waiting(Reserve):
            store.finish(object)
    return store


def test_a_reserve_is_kept_from_some_size_on(drive: Any) -> None:
    store = filled(drive)
    assert BEGIN <= store.core.space.size < 2 * BEGIN
    asked = store.finish(Reserve)
    assert asked.size > store.config.max_unflushed_bytes
    assert store.stats.reserve_bytes == asked.size
    assert not store.stats.short


def test_where_there_is_room_no_limit_is_lowered_however_much_comes_in_hand(drive: Any) -> None:
    store = filled(drive, max_unflushed_bytes=100_000)
    store.settle()
    for _ in range(40):
        store.pop(400, 600.0)
        store.rest(0.6)
        assert store.core.log.most_bytes == 100_000
        assert store.core.space.reserved >= store.core.space.need
        assert not store.stats.short


def test_the_reserve_is_no_larger_than_what_is_in_hand_asks_for(drive: Any) -> None:
    store = filled(drive, max_unflushed_bytes=1000)
    store.settle()
    hands = [store.pop(2000, 600.0) for _ in range(5)]
    store.rest(1.0)
    large = store.stats.reserve_bytes
    assert large > 1_000_000
    for batch in hands:
        store.ack_many(*[delivery.receipt for delivery in batch])
        store.rest(1.0)
    for _ in range(20):
        store.ack_many(*[delivery.receipt for delivery in store.pop(1000)])
        store.rest(1.0)
    assert store.stats.reserve_bytes < large / 4


def test_a_disk_with_less_room_gets_a_smaller_reserve_and_fewer_unflushed(drive: Any) -> None:
    store = filled(drive)
    store.finish(Reserve, Failed(28, 100_000))
    assert store.finish(Reserve).size == 100_000
    assert store.stats.reserve_bytes == 100_000
    assert not store.stats.short
    assert store.core.log.most_bytes < 100_000


def short(drive: Any, **settings: Any) -> tuple[Any, list[Any]]:
    """A store that no room can be kept for, and the messages that are in hand."""
    store = filled(drive, **settings)
    store.finish(Reserve)
    hands = store.pop(300, 20.0)
    store.flush()
    store.settle()
    op = store.ack(hands.pop().receipt)
    store.finish(Write, NO_ROOM)
    assert store.reply(op) is Reply.FAILED
    store.finish(Unlink, file="reserve")
    return store, hands


def test_without_room_nothing_new_is_handed_out_and_all_else_goes_on(drive: Any) -> None:
    store, hands = short(drive)
    assert store.stats.short
    assert store.stats.reserve_bytes == 0
    op = store.submit(Pop("q", 1, 30.0))
    assert store.reply(op) is Reply.BUSY
    op = store.submit(Ack(hands[0].receipt))
    while store.waiting(Write) or store.waiting(Create):
        store.finish(Create) if store.waiting(Create) else store.finish(Write)
    assert store.reply(op) is Reply.OK
    store.now += 30.0
    op = store.submit(Pop("q", 1, 30.0))
    while store.reply(op) is None:
        store.finish(Create) if store.waiting(Create) else store.finish(Write)
    (again,) = store.answers[op].value
    assert again.attempt == 2


def test_a_round_begins_at_once_and_takes_the_current_segment_too(drive: Any) -> None:
    store, hands = short(drive)
    before = set(store.files.cached)
    op = store.submit(AckMany([delivery.receipt for delivery in hands]))
    store.rest(5.0)
    assert store.reply(op) is Reply.OK
    assert store.stats.compactions >= 1
    assert not before & set(store.files.cached) & {name for name in before if name.startswith("log")}
    assert not store.stats.short
    assert store.pop(1)


def test_when_only_a_rounds_room_is_left_acks_are_busy(drive: Any) -> None:
    store, hands = short(drive)
    space: Space = store.core.space
    space.free = space.size - space.size_then + space.compaction.cost()
    space.settle()
    op = store.ack(hands[0].receipt)
    assert store.reply(op) is Reply.BUSY
    store.rest(5.0)
    assert store.stats.compactions >= 1
    op = store.ack(store.pop(1)[0].receipt)
    store.settle()
    assert store.reply(op) is Reply.OK


def test_many_small_segments_are_worth_a_round(drive: Any) -> None:
    store = drive().settle()
    store.publish(1000)
    for _ in range(200):
        store.ack(store.pop(1)[0].receipt)
        store.rest(1.0)
        store = store.reopen(store.files)
        store.rest(1.0)
        store.publish(1000)
    assert store.stats.segments <= 70
    assert store.stats.recovery.records <= 300


@pytest.mark.parametrize("settings", [{}, {"segment_bytes": 2000, "compact_above": 6000}])
def test_with_everything_settled_space_does_not_grow_with_the_work(drive: Any, settings: dict[str, int]) -> None:
    sizes = []
    for work in (200, 800):
        store = drive(**{"segment_bytes": 20_000, "compact_above": 40_000, **settings}).settle()
        store.publish(100_000)
        for _ in range(work):
            store.ack_many(*[delivery.receipt for delivery in store.pop(10)])
            store.rest(0.05)
        store.close()
        store.settle()
        again = store.reopen(store.files)
        taken = sum(len(data) for name, data in store.files.cached.items() if name != "reserve")
        sizes.append((taken, len(store.files.cached), again.stats.recovery.records))
    most = 2 * (settings.get("compact_above", 40_000) + settings.get("segment_bytes", 20_000))
    assert all(taken < most for taken, _files, _records in sizes)
    assert all(files < 30 for _taken, files, _records in sizes)
    assert sizes[1][2] < 800  # of the 1,600 records written


def test_the_reserve_is_not_believed_where_none_can_be_kept(drive: Any) -> None:
    store = filled(drive)
    store.finish(Reserve, Failed(5))
    assert not store.stats.short
    store.rest(10.0)
    assert store.pop(1)
