"""Compaction: old segments go, nothing that counts goes with them, whenever the store crashes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from ackstore import Core, DeadLetter, LogDamaged, LogError, Reply, recover
from ackstore.compaction import MESSAGE_BYTES, QUEUE_BYTES
from ackstore.effects import DONE, Create, Failed, Unlink, Write
from ackstore.identity import QueueId
from ackstore.log import old_segment
from ackstore.requests import Pop, Publish, Release, Renew, Reset
from ackstore.states import DELIVERED

Q = QueueId("q")
SMALL: dict[str, Any] = {"segment_bytes": 600, "compact_above": 1500, "max_batch": 6}


def segments(store: Any) -> list[str]:
    return sorted(name for name in store.files.cached if name.startswith("log-"))


def state(core: Core) -> dict[str, Any]:
    """All that a client could notice of every queue."""
    return {
        token: (
            queue.floor,
            queue.generation,
            {
                offset: (entry.attempt, entry.epoch, entry.deadline) if not entry.settled else "settled"
                for offset, entry in sorted(queue.entries.items())
            },
            sorted(queue.dead.values(), key=lambda letter: letter.offset),
            queue.forgotten,
        )
        for token, queue in sorted(core.queues.items())
    }


def busy(drive: Callable[..., Any], **settings: Any) -> Any:
    """A store with something of every kind in its first segments, and then much that is settled."""
    store = drive(**{**SMALL, "max_attempts": 3, **settings}).settle()
    store.publish(1000)
    store.publish(1000, "other")
    store.publish(1000, "again")
    held = store.pop(6, 1000.0)
    store.submit(Renew(held[0].receipt, 2000.0))
    store.ack(held[2].receipt)  # above a gap
    store.submit(Release(held[3].receipt))
    store.pop(1, 0.5, "other")
    store.pop(2, 500.0, "again")
    store.settle()
    for _ in range(3):
        store.rest(0.6)
        store.publish(1000, "other")
        store.pop(1, 0.5, "other")
    store.rest(1.0)  # a dead letter
    store.submit(Reset("again", 7))
    store.rest(1.0)
    store.pop(2, 500.0, "again")
    return store


def churn(store: Any, rounds: int = 12, queue: str = "churn") -> None:
    """Much that is settled at once."""
    for _ in range(rounds):
        store.publish(100_000, queue)
        store.ack_many(*[delivery.receipt for delivery in store.pop(4, 1000.0, queue)])
        store.rest(0.3)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_old_segments_go_and_nothing_changes(drive: Any, mode: str) -> None:
    store = busy(drive, mode=mode)
    churn(store, 30)
    store.rest()
    stats = store.stats
    assert stats.compactions >= 1
    assert stats.removed_segments >= 5
    assert stats.segments == len(segments(store)) < 12
    assert stats.segment_bytes == sum(len(store.files.cached[name]) for name in segments(store))
    before = state(store.core)
    assert before["other/default/0"][3] == [DeadLetter(0, 3, 1001.7)]
    assert before["again/default/0"][:2] == (7, 1)
    for files in (store.files.after_process_crash(), store.files.after_power_loss()):
        again = store.reopen(files)
        assert again.stats.recovery.records < 60
        assert state(again.core) == before
        assert {q: seen.committed for q, seen in again.stats.queues.items()} == {
            q: seen.committed for q, seen in store.stats.queues.items()
        }
        assert state(again.rest(1.0).core) == before


def test_the_store_stays_small_and_does_not_compact_for_nothing(drive: Any) -> None:
    store = busy(drive)
    sizes = []
    for _ in range(8):
        churn(store, 10)
        store.rest()
        sizes.append(store.stats.segment_bytes)
    assert max(sizes) < 8000  # twice the 512 bytes that each of four queues may need, and what is held
    rounds = store.stats.compactions
    store.rest(300.0)
    assert store.stats.compactions <= rounds + 1
    assert store.core.next_tick() is None or store.core.next_tick() > store.now


def test_none_means_never(drive: Any) -> None:
    store = busy(drive, compact_above=None)
    churn(store, 30)
    assert store.rest().stats.compactions == 0
    assert segments(store)[0] == "log-00000001.seg"


def test_not_when_most_of_it_counts(drive: Any) -> None:
    store = drive(**SMALL).settle()
    store.publish(1000)
    for _ in range(50):
        store.pop(4, 10_000.0)
    assert store.rest().stats.compactions == 0


def never_returns(queue: Any, offset: int) -> bool:
    """Whether the message is settled, or its ack read and not proved yet."""
    entry = queue.entries.get(offset)
    return offset < queue.floor or (entry is not None and (entry.settled or entry.ack is not None))


class Crashes:
    """Runs a workload, and looks at what would be left after each single thing that happens."""

    def __init__(self, store: Any, seed: int) -> None:
        self.store = store
        self.pick = random.Random(seed)
        self.looks = 0
        self.begun_later = 0

    def run(self, steps: int) -> None:
        store = self.store
        store.publish(100_000, "churn")
        acked: list[str] = []
        for step in range(steps):
            if step % 3 == 0:
                store.submit(Pop("churn", 4, 1000.0))
            for op, answer in list(store.answers.items()):
                if isinstance(answer.value, tuple):
                    acked += [each.receipt for each in answer.value if "@churn" in getattr(each, "receipt", "")]
                del store.answers[op]
            if acked and step % 3 == 1:
                store.ack_many(*acked[:6])
                del acked[:6]
            while store.pending:
                io = self.pick.choice(list(store.pending))
                effect = store.pending.pop(io)
                store.files.apply(effect, DONE)
                self.look()
                store.release(io, DONE)
            store.wait(0.05)
            self.look()

    def look(self) -> None:
        """Nothing that was FLUSHED before is lost, and no offset on disk is ahead."""
        store = self.store
        for files in (
            store.files.after_process_crash(),
            store.files.after_power_loss(),
            store.files.after_power_loss(self.pick),
        ):
            recovered = recover(store.config, files)
            self.begun_later += bool(recovered.pieces and recovered.pieces[0].first > 1)
            core = type(store.core)(store.config, recovered, store.now)
            self.looks += 1
            for token, queue in store.core.queues.items():
                if not queue.floor and not any(entry.saved or entry.settled for entry in queue.entries.values()):
                    continue
                there = core.queues[token]
                assert there.generation == queue.generation
                assert all(never_returns(there, offset) for offset in range(queue.floor))
                assert there.committed >= store.core.offsets.persisted.get(token, 0)
                assert all(never_returns(there, offset) for offset in queue.dead)
                for offset, entry in queue.entries.items():
                    if entry.settled:
                        assert never_returns(there, offset), (token, offset)
                    elif entry.saved and entry.ack is None and not entry.moving and token != "churn/default/0":
                        found = there.entries[offset]
                        assert (found.attempt, found.epoch, found.deadline) == (
                            entry.attempt,
                            entry.epoch,
                            entry.deadline,
                        )
                        assert not found.settled
                        assert found.ack is None


@pytest.mark.parametrize("seed", range(6))
def test_a_crash_at_any_point_loses_nothing(drive: Any, seed: int) -> None:
    store = busy(drive, mode=["async", "sync"][seed % 2])
    store.rest(1.0)
    crashes = Crashes(store, seed)
    crashes.run(100)
    assert store.stats.compactions >= 1
    assert crashes.begun_later > 50


class RemovesAtOnce(Core):
    """Removes segments when the copies are CACHED, not when they are FLUSHED."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        compaction = self.compaction

        def state_cached(record: Any) -> None:
            compaction.pending -= 1
            if compaction.phase == "state":
                compaction.phase = "remove"

        compaction.state_cached = state_cached  # type: ignore[method-assign]


class ForgetsTheFloor(Core):
    """Says at the end of a queue how far it was settled at the beginning."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        compaction = self.compaction
        real = compaction.item

        def item(queue: Any, offset: int) -> Any:
            found = real(queue, offset)
            return () if found and found[0] == 1 else found  # what is settled above the floor is not said

        compaction.item = item  # type: ignore[method-assign]


@pytest.mark.parametrize("core", [RemovesAtOnce, ForgetsTheFloor])
def test_the_crashes_find_a_broken_compaction(drive: Any, core: type[Core]) -> None:
    for seed in range(6):
        store = busy(drive, core=core)
        try:
            store.rest(1.0)
            Crashes(store, seed).run(100)
        except (AssertionError, LogError, KeyError):
            return
    pytest.fail(f"{core.__name__} was not found out")


def until_phase(store: Any, phase: str) -> Any:
    """Let things happen until compaction is in a phase."""
    store.publish(100_000, "churn")
    asked = None
    for _ in range(5000):
        if store.core.compaction.phase == phase:
            return store
        if store.pending:
            store.finish(object)
        elif asked in store.answers:
            store.ack_many(*[each.receipt for each in store.answers.pop(asked).value])
        else:
            asked = store.submit(Pop("churn", 4, 1000.0))
            store.wait(0.05)
    raise AssertionError(f"never came to {phase}")


def test_a_copy_that_fails_ends_the_round_and_another_begins(drive: Any) -> None:
    store = until_phase(busy(drive), "copy")
    before = segments(store)
    while not store.core.compaction.failed:
        store.wait(0.1)
        store.finish(Create) if store.waiting(Create) else store.finish(Write, Failed(28))
    store.rest(2.0)
    assert store.stats.compactions == 0
    assert set(before) <= set(segments(store))
    store.rest(60.0)
    assert store.stats.compactions == 1
    assert before[0] not in segments(store)


def test_a_segment_that_cannot_be_removed_goes_in_a_later_round(drive: Any) -> None:
    store = until_phase(busy(drive), "remove")
    while not store.waiting(Unlink):
        store.wait(0.1)
    stays = store.finish(Unlink, Failed(5)).file
    store.rest(1.0)
    assert stays in segments(store)
    assert state(store.process_crash().core).keys() == state(store.core).keys()
    churn(store, 60, "more")
    store.rest(60.0)
    assert stays not in segments(store)


def test_a_crash_in_the_middle_of_removal_leaves_files_that_do_not_count(drive: Any) -> None:
    store = until_phase(busy(drive), "remove")
    while not store.waiting(Unlink):
        store.wait(0.1)
    unlinks = store.waiting(Unlink)
    assert len(unlinks) >= 2
    store.finish(Unlink, file=unlinks[1].file)  # the second only
    for files in (store.files.after_process_crash(), store.files.after_power_loss()):
        again = store.reopen(files)
        for queue in ("q", "other", "again"):
            token = f"{queue}/default/0"
            assert state(again.core)[token] == state(store.core)[token]
        assert again.core.log.closed[0].file == unlinks[0].file
        churn(again, 60, "more")
        assert unlinks[0].file not in segments(again.rest(60.0))


def test_the_log_that_is_left_must_be_whole(drive: Any) -> None:
    store = busy(drive)
    churn(store, 30)
    store.rest()
    names = segments(store)
    assert names[0] != "log-00000001.seg"
    for gone in names[:-1]:
        files = store.files.after_power_loss()
        del files.files[gone]
        with pytest.raises(LogDamaged):
            store.reopen(files)


def test_a_missing_offset_file_is_rebuilt_from_what_is_left(drive: Any) -> None:
    store = busy(drive)
    churn(store, 30)
    store.rest()
    files = store.files.after_power_loss()
    del files.files["offsets"]
    again = store.reopen(files)
    assert again.settle().rest(1.0).stats.queues[QueueId("churn")].committed == 120


def test_while_a_reset_is_on_its_way_the_copies_wait(drive: Any) -> None:
    store = until_phase(busy(drive), "copy")
    op = store.submit(Reset("other", 3))
    store.wait(0.1)
    store.rest(60.0)
    assert store.reply(op) is Reply.OK
    assert store.stats.compactions == 1
    assert state(store.power_loss().core) == state(store.core)


def test_a_message_in_transition_is_copied_when_it_is_not(drive: Any) -> None:
    store = busy(drive)
    held = [entry.offset for entry in store.core.queues["q/default/0"].entries.values()]
    store = until_phase(store, "copy")
    receipt = store.submit(Pop("q", 1, 900.0))
    store.rest(60.0)
    assert store.answers[receipt].value
    assert store.stats.compactions == 1
    again = store.power_loss()
    assert state(again.core) == state(store.core)
    assert held[0] in again.core.queues["q/default/0"].entries


@pytest.mark.parametrize("flag", ["moving", "renewing"])
def test_what_is_in_transition_is_left_for_later(drive: Any, flag: str) -> None:
    store = busy(drive)
    queue = store.core.queues["q/default/0"]
    entry = next(iter(queue.entries.values()))
    item = store.core.compaction.item
    assert item(queue, entry.offset) == (DELIVERED, entry.offset, entry.attempt, entry.epoch, entry.deadline)
    setattr(entry, flag, True)
    assert item(queue, entry.offset) is None
    assert item(queue, 999) == ()


def test_what_is_renewed_meanwhile_is_copied_later(drive: Any) -> None:
    """Once the old segments are gone, the copy is all that there is of its queue."""
    store = drive(**SMALL).settle()
    store.publish(10)
    [held] = store.pop(1, 1000.0)
    store = until_phase(store, "copy")
    queue = store.core.queues["q/default/0"]
    store.core.compaction.to_copy = [queue, store.core.queues["churn/default/0"]]  # from the beginning
    store.core.compaction.offsets = None
    store.settle()
    queue.entries[held.offset].renewing = True
    store.wait(0.1)
    assert list(store.core.compaction.offsets) == [held.offset]
    queue.entries[held.offset].renewing = False
    store.rest(60.0)
    assert store.stats.compactions == 1
    assert store.power_loss().core.queues["q/default/0"].entries[held.offset].deadline == held.deadline


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


@pytest.mark.parametrize(("above", "due"), [(500, True), (501, False)])
def test_it_is_asked_for_when_the_segments_have_reached_so_much(drive: Any, above: int, due: bool) -> None:
    compaction = idle(drive, 500, 0).core.compaction
    compaction.config = evolve(compaction.config, compact_above=above)
    assert (compaction.due() is not None) == due


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
