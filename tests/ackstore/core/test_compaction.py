"""Compaction: old segments go, nothing that counts goes with them, whenever the store crashes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ackstore import Core, DeadLetter, LogDamaged, LogError, Reply, recover
from ackstore.core.effects import DONE, Create, Failed, Unlink, Write
from ackstore.core.states import DELIVERED
from ackstore.words.identity import QueueId
from ackstore.words.requests import Pop, Reset
from compacting import SMALL, busy, churn, segments, state, until_phase


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


def test_a_copy_that_fails_ends_the_round_and_another_begins(drive: Any) -> None:
    store = until_phase(busy(drive), "copy")
    before = segments(store)
    while not store.core.compaction.failed:
        store.wait(0.1)
        store.finish(Create) if store.waiting(Create) else store.finish(Write, Failed(5))
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
