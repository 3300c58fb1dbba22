"""When a round of compaction begins, what it waits for, what it counts, and what it leaves in order."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from ackstore import Reply, recover
from ackstore.core.compaction import BLOCK, MESSAGE_BYTES, QUEUE_BYTES, in_segments, taken_up
from ackstore.core.effects import Create, Failed, Unlink, Write
from ackstore.core.segment import old_segment
from ackstore.core.states import ITEM_BYTES
from ackstore.format.payloads import STATE_HEAD
from ackstore.format.records import RECORD_BYTES
from ackstore.words.requests import Publish
from compacting import Q, busy, churn, segments, state, until_phase


@pytest.mark.parametrize("mode", ["async", "refuse"])
@pytest.mark.parametrize("unflushed", [0, 49, 50, 99])
def test_what_clients_want_comes_first(drive: Any, mode: str, unflushed: int) -> None:
    """Nothing is copied once half of what may be unflushed is, or while the store refuses."""
    store = until_phase(busy(drive, max_unflushed_records=100), "copy").settle()
    core = store.core
    core.flusher.mode = mode
    core.log.unflushed = unflushed
    before = core.log.submitted
    store.now = core.compaction.next_at
    core.compaction.tick(store.now)
    assert (core.log.submitted > before) == (mode == "async" and unflushed < 50)
    assert core.compaction.due() == store.now + store.config.flush_interval  # it asks again


def idle(drive: Any, size: int, last: int, **settings: Any) -> Any:
    """A store with a dead letter and two deliveries, and one closed segment of this size, up to a record `last` beyond
    what is FLUSHED."""
    store = drive(compact_above=1, max_attempts=1, **settings).settle()
    store.publish(9)
    store.pop(1, 0.2)
    store.rest(2.0)
    store.pop(2, 5000.0)
    store.rest(2.0)
    queue = store.core.queues["q/default/0"]
    assert (len(queue.dead), len(queue.entries)) == (1, 2)
    log = store.core.log
    log.closed = [old_segment(1, log.flushed + last, size, "log-00000001.seg")]
    return store


WORTH = 2 * (QUEUE_BYTES + 3 * MESSAGE_BYTES)


@pytest.mark.parametrize(
    ("size", "last", "begins"), [(WORTH, 0, True), (WORTH - 1, 0, False), (WORTH, 1, False), (9 * WORTH, -1, True)]
)
def test_a_round_begins_when_it_is_worth_it(drive: Any, size: int, last: int, begins: bool) -> None:
    """When what goes is twice what it takes to say how everything stands, and all of it is FLUSHED."""
    store = idle(drive, size, last)
    compaction = store.core.compaction
    compaction.begin(store.now)
    assert compaction.phase == ("copy" if begins else "idle")
    assert begins or compaction.next_at == store.now + store.config.offset_interval


def test_a_round_takes_what_it_takes_to_say_how_everything_stands(drive: Any) -> None:
    """Three messages, two to a record and two records to spare; and a line of the offset file."""
    core = idle(drive, 0, 0, max_batch=2, segment_bytes=4096).core
    [queue] = core.queues.values()
    name = len(queue.prefix)
    size = 3 * (RECORD_BYTES + STATE_HEAD.size + name) + 3 * ITEM_BYTES + name + 8
    assert core.compaction.cost() == in_segments(size, 3, 4096)


@pytest.mark.parametrize(("blocks", "begins"), [(2, False), (3, True)])
def test_where_room_is_short_a_round_begins_when_it_makes_some(drive: Any, blocks: int, begins: bool) -> None:
    """When more goes than it takes, and two blocks besides: an open segment and an offset file may fill one less."""
    store = idle(drive, 0, 0)
    core = store.core
    core.flusher.short = True
    [segment] = core.log.closed
    segment.size = (core.compaction.cost() // BLOCK + blocks) * BLOCK - taken_up([core.log.current])
    core.compaction.begin(store.now)
    assert core.compaction.phase == ("copy" if begins else "idle")


@pytest.mark.parametrize(("above", "due"), [(500, True), (501, False)])
def test_it_is_asked_for_when_the_segments_have_reached_so_much(drive: Any, above: int, due: bool) -> None:
    compaction = idle(drive, 500, 0).core.compaction
    compaction.config = evolve(compaction.config, compact_above=above)
    assert (compaction.due() is not None) == due


def test_copies_are_counted_until_each_is_written(drive: Any) -> None:
    store = until_phase(busy(drive), "copy").settle()
    compaction = store.core.compaction
    assert len(compaction.to_copy) >= 2
    for copies in (1, 2):
        store.wait(0.1)
        assert compaction.pending == copies
    store.settle()
    assert compaction.pending == 0
    store.rest(60.0)
    assert store.stats.compactions == 1


def test_afterwards_nothing_is_in_a_hurry(drive: Any) -> None:
    store = until_phase(busy(drive, offset_interval=5.0), "remove").settle()
    while store.core.compaction.phase == "remove":
        store.wait(0.1)
        store.settle()
    assert store.core.compaction.next_at == store.now + store.config.flush_interval
    store.rest(20.0)
    before = store.stats.offset_writes
    store.publish(5, "new")
    [held] = store.pop(1, 1000.0, "new")
    store.ack(held.receipt)
    store.rest(1.0)
    assert (store.stats.offset_writes, store.stats.offsets_dirty) == (before, True)
    store.rest(5.0)
    assert (store.stats.offset_writes, store.stats.offsets_dirty) == (before + 1, False)


def test_who_keeps_room_sees_that_a_round_has_ended(drive: Any) -> None:
    compaction = until_phase(busy(drive), "remove").core.compaction
    compaction.ended = False
    compaction.at_once = len(compaction.victims) - 1
    compaction.remove(0.0)
    assert not compaction.ended
    compaction.remove(0.0)
    assert compaction.ended


def test_everything_is_counted(drive: Any) -> None:
    store = busy(drive)
    for _ in range(3):
        churn(store, 30)
    store.rest()
    stats = store.stats
    there = segments(store)
    assert stats.compactions >= 3
    assert stats.removed_segments == int(there[-1][4:12]) - len(there)
    assert [segment.file for segment in store.core.log.closed] == there[:-1]


def test_segments_stay_in_order_when_one_cannot_be_removed(drive: Any) -> None:
    store = until_phase(busy(drive), "remove")
    while not store.waiting(Unlink):
        store.wait(0.1)
    first = store.finish(Unlink, Failed(5)).file
    store.settle()
    closed = [segment.file for segment in store.core.log.closed]
    assert closed[0] == first
    assert closed == sorted(closed)


def test_close_does_not_wait_for_it(drive: Any) -> None:
    store = until_phase(busy(drive), "copy")
    close = store.close()
    store.rest(2.0)
    assert store.reply(close) is Reply.OK
    assert state(store.power_loss().core).keys() == state(store.core).keys()


def test_publish_is_not_needed_for_it(drive: Any) -> None:
    store = busy(drive)
    churn(store, 30)
    store = store.rest().power_loss().settle()
    store.submit(Publish("q", 1000))
    assert store.rest(5.0).stats.queues[Q].next_new >= 6


def test_a_start_that_is_not_proved_counts_only_where_there_is_no_other(drive: Any) -> None:
    """The copies behind it are not proved either, and would not justify an offset that the records below do."""
    store = until_phase(busy(drive), "state")
    while store.core.compaction.pending:
        if store.waiting(Write) or store.waiting(Create):
            store.finish(Write if store.waiting(Write) else Create)
        else:
            store.wait(0.1)
    files = store.files.after_process_crash()
    recovered = recover(store.config, files)
    assert (recovered.pieces[0].first, recovered.last) == (1, store.core.compaction.stated_at)
    del files.files["log-00000001.seg"], files.files["offsets"]
    assert recover(store.config, files).pieces[0].first == store.core.compaction.start
