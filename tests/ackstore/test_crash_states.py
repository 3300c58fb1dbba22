"""Every state in which a crash may leave small workloads, and many of larger ones: see `crash_states`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import crash_states
from acklab.zoo import bug_named
from ackstore import Config, Core, LogError, Reply
from ackstore.core import compaction
from ackstore.core.effects import DONE, Failed, Sync, Write
from ackstore.core.entries import RELEASED, Entry
from ackstore.core.flusher import Flusher
from ackstore.core.offsets import Offsets
from ackstore.core.queues import Queue
from ackstore.fields.classes import RecordFields
from ackstore.format.records import DEAD, RENEW
from ackstore.words.identity import parse_receipt
from ackstore.words.requests import Ack, AckMany, Close, Flush, Pop, Publish, Release, Renew, Reset

OTHER = "q/default/1"
"""A queue in the other of two logs."""


def opened(core: type[Core] = Core, seed: int | None = None, samples: int = 0, **settings: Any) -> Any:
    config = Config(**{"retry_jitter": 0.0, "flush_interval": 0.1, "offset_interval": 0.2, **settings})
    order = None if seed is None else random.Random(seed)
    store = crash_states.Moments(config, core, order, samples)
    store.take()
    store.settle()
    store.submit(Publish("q", crash_states.END))
    return store


def pop(store: Any, count: int = 1, invisible: float = 500.0, queue: str = "q") -> list[str]:
    op = store.submit(Pop(queue, count, invisible))
    store.settle()
    store.wait(0.0)
    answer = store.answers.get(op)  # none while the store pauses after a failure
    return [each.receipt for each in answer.value] if answer else []


def ack(store: Any, *receipts: str) -> None:
    """Ask for acks, and let only what was asked for before happen."""
    keys = [key[:2] for receipt in receipts if (key := parse_receipt(receipt))]
    for token, offset in keys:
        store.promised[token].asked.add(offset)
    store.acks[store.op + 1] = keys
    store.submit(Ack(receipts[0]) if len(receipts) == 1 else AckMany(receipts))


def flush(store: Any) -> None:
    asked = {key for op, keys in store.acks.items() if op in store.answers for key in keys}
    store.barriers[store.op + 1] = asked if store.config.merge else store.cached
    store.submit(Flush())


def acks_and_flushes(store: Any) -> None:
    first, second, third = pop(store, 3)
    ack(store, second)
    flush(store)
    ack(store, first)
    store.settle()
    ack(store, third)
    store.wait(0.5)
    store.submit(Close())
    store.wait(0.5)


def a_failing_sync(store: Any) -> None:
    first, second = pop(store, 2)
    store.wait(0.5)
    ack(store, first)
    store.settle()
    flush(store)
    while store.pending:
        failing = isinstance(store.pending[0][1], Sync) and store.pending[0][1].file.startswith("log")
        store.finish(Failed(5) if failing else DONE)
        if failing:
            break
    ack(store, second)
    store.wait(1.0)


def a_torn_write(store: Any) -> None:
    first, second = pop(store, 2)
    ack(store, first)
    while not isinstance(store.pending[0][1], Write):
        store.finish()
    store.finish(Failed(28, written=20))
    ack(store, second)
    store.wait(0.5)


def deadlines(store: Any) -> None:
    """A renewal and a release, and once more each: what the barrier covers, and what it does not."""
    first, second = pop(store, 2)
    store.submit(Renew(first, 900.0))
    store.submit(Release(second))
    flush(store)
    store.wait(0.3)
    (again,) = pop(store, 1, 5.0)
    store.submit(Renew(first, 2.0))
    store.wait(0.5)
    ack(store, again)
    store.wait(2.0)
    pop(store, 1)
    store.wait(0.3)


def a_renewal_that_is_not_stored(store: Any) -> None:
    (first,) = pop(store)
    store.submit(Renew(first, 900.0))
    while not isinstance(store.pending[0][1], Write):
        store.finish()
    store.finish(Failed(28, written=20))
    store.wait(0.5)


def dead_letters(store: Any) -> None:
    """One because its time is over, and one that was given back."""
    _, second = pop(store, 2, 0.3)
    store.wait(0.2)
    store.submit(Release(second))
    store.wait(0.5)
    many(store)
    assert set(store.promises.dead) == {0, 1}


def a_reset(store: Any) -> None:
    first, _ = pop(store, 2)
    ack(store, first)
    store.wait(0.5)
    store.promises.reset_asked = True
    op = store.submit(Reset("q", 0))
    while op not in store.answers:
        store.wait(0.1)
    assert store.answers[op].reply is Reply.OK
    store.promised[crash_states.TOKEN] = crash_states.Promises(resets=1)
    store.look()
    ack(store, *pop(store, 1))
    store.wait(0.5)


def many(store: Any) -> None:
    """Segments fill, and old ones go."""
    for _ in range(4):
        ack(store, *pop(store, 2))
        store.wait(0.3)
    store.wait(1.0)


def open_again(store: Any) -> None:
    """A process crash, and what is written again after it."""
    receipts = pop(store, 2)
    ack(store, receipts[0])
    while not isinstance(store.pending[0][1], Write):
        store.finish()
    store.finish()
    store.crash()
    store.settle()
    store.submit(Publish("q", crash_states.END))
    ack(store, receipts[1])
    store.wait(0.5)


def open_twice(store: Any) -> None:
    """What was synced, and is not proved by anything, is written again by two more processes; none of it is synced."""
    first, second = pop(store, 2)
    ack(store, first)
    flush(store)
    store.settle()
    for _ in range(2):
        store.crash()
        while store.pending and not isinstance(store.pending[0][1], Sync):
            store.finish()
    store.submit(Publish("q", crash_states.END))
    ack(store, second)
    store.wait(0.5)


def two_logs(store: Any) -> None:
    """Acks and a barrier in two logs: one of them is flushed before the other."""
    store.submit(Publish(OTHER, crash_states.END))
    (here,), (there,) = pop(store), pop(store, queue=OTHER)
    flush(store)
    store.settle()
    ack(store, here, there)
    while any(isinstance(effect, Write) for _, effect, _ in store.pending):
        store.finish()
    flush(store)
    store.settle()
    store.wait(0.3)


def a_log_that_fails(store: Any) -> None:
    """The other log's sync succeeds."""
    store.submit(Publish(OTHER, crash_states.END))
    (here,), (there,) = pop(store), pop(store, queue=OTHER)
    flush(store)
    store.settle()
    ack(store, there)
    ack(store, here)
    flush(store)
    for _ in range(20):
        if isinstance(store.pending[0][1], Sync):
            break
        store.finish()
    store.finish(Failed(5))
    store.wait(0.3)


WORKLOADS: dict[str, tuple[Callable[[Any], None], dict[str, Any]]] = {
    "acks-and-flushes": (acks_and_flushes, {}),
    "sync-mode": (acks_and_flushes, {"mode": "sync"}),
    "checkpoint-policy": (acks_and_flushes, {"commit": "checkpoint"}),
    "segments": (acks_and_flushes, {"segment_bytes": 100}),
    "a-failing-sync": (a_failing_sync, {}),
    "a-failing-sync-of-segments": (a_failing_sync, {"segment_bytes": 100}),
    "a-torn-write": (a_torn_write, {}),
    "deadlines": (deadlines, {}),
    "deadlines-at-disk": (deadlines, {"mode": "sync"}),
    "deadlines-merging": (deadlines, {"merge": True, "merge_stay": 0.3}),
    "deadlines-compacted": (deadlines, {"segment_bytes": 120, "compact_above": 1}),
    "a-renewal-that-is-not-stored": (a_renewal_that_is_not_stored, {}),
    "dead-letters": (dead_letters, {"max_attempts": 1}),
    "dead-letters-compacted": (dead_letters, {"max_attempts": 1, "segment_bytes": 250, "compact_above": 1}),
    "a-reset": (a_reset, {}),
    "compaction": (many, {"segment_bytes": 250, "compact_above": 1}),
    "merging": (acks_and_flushes, {"merge": True, "merge_stay": 0.3}),
    "open-again": (open_again, {}),
    "open-twice": (open_twice, {"segment_bytes": 100}),
    "two-logs": (two_logs, {"logs": 2}),
    "two-logs-and-a-failing-sync": (a_log_that_fails, {"logs": 2, "segment_bytes": 120}),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction is worth it for a few records."""
    monkeypatch.setattr(compaction, "QUEUE_BYTES", 60)
    monkeypatch.setattr(compaction, "MESSAGE_BYTES", 30)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_state_keeps_the_promises(name: str) -> None:
    workload, settings = WORKLOADS[name]
    store = opened(**settings)
    workload(store)
    assert store.states >= 25, store.states
    if settings.get("compact_above"):
        assert store.core.stats().removed_segments > 0


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(8))
def test_sampled_states_of_larger_workloads_keep_the_promises(seed: int) -> None:
    pick = random.Random(seed)
    store = opened(
        seed=seed,
        samples=3,
        mode=pick.choice(["async", "async", "sync"]),
        commit=pick.choice(["ack", "checkpoint"]),
        segment_bytes=pick.choice([100, 300, 5000]),
        compact_above=pick.choice([None, 1]),
        max_attempts=pick.choice([None, 2]),
    )
    held: list[str] = []
    for _ in range(40):
        if pick.random() < 0.4:
            held += pop(store, pick.randint(1, 4), pick.choice([0.5, 3.0, 500.0]))
        if held and pick.random() < 0.3:
            moved = pick.choice(held)
            store.submit(pick.choice([Renew(moved, 2.0), Renew(moved, 900.0), Release(moved)]))
        if held and pick.random() < 0.7:
            chosen = pick.sample(held, min(len(held), pick.randint(1, 3)))
            held = [receipt for receipt in held if receipt not in chosen]
            ack(store, *chosen)
        if pick.random() < 0.2:
            flush(store)
        for _ in range(pick.randint(0, 3)):
            if store.pending:
                failing = pick.random() < 0.1
                store.finish(Failed(5) if failing else DONE)
        if pick.random() < 0.3:
            store.wait(pick.choice([0.1, 0.3]))
        if pick.random() < 0.06:
            store.crash(pick.choice([None, lambda parts: pick.choice([0, parts, pick.randrange(parts + 1)])]))
            store.submit(Publish("q", crash_states.END))
    store.wait(10.0)
    assert store.states > 200, store.states


class SyncsTheSameFileAgain(Flusher):
    """After a failed sync, syncs the same file again."""

    def sync_failed(self, now: float) -> None:
        self._end()
        self._pause(now)
        for segment in self.segments:
            segment.dirty = True
        self.log.unsynced_entry = True
        self.log.dirty_since = now


class ForgetsTheDirectory(Flusher):
    """Syncs new files, and not their names."""

    def begin(self, now: float) -> None:
        self.log.unsynced_entry = False
        super().begin(now)


class DoesNotSyncTheOffsets(Offsets):
    """Renames the new offset file before it is synced."""

    def _do(self, step: str, now: float) -> None:
        super()._do("rename" if step == "sync" else step, now)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("flusher_class", SyncsTheSameFileAgain),
        ("flusher_class", ForgetsTheDirectory),
        ("offsets_class", DoesNotSyncTheOffsets),
    ],
)
def test_a_broken_store_is_found_out(name: str, part: type) -> None:
    variant = type("Variant", (Core,), {name: part})
    for workload, settings in WORKLOADS.values():
        try:
            workload(opened(variant, **settings))
        except (AssertionError, LogError):
            return
    pytest.fail(f"{part.__name__} was not found out")


class KeepsTheFirstDeadline(Queue):
    """Recovery does not take a renewal over."""

    def replay_checkpoint(self, messages: Any, **delivery: Any) -> list[Entry]:
        return super().replay_checkpoint([each for each in messages if each[0] not in self.entries], **delivery)


class BeginsDeadlinesAnew(Queue):
    """After a restart every delivery has a second more."""

    def replayed(self) -> None:
        for entry in self.entries.values():
            entry.deadline += 1.0
        super().replayed()


class ForgetsWhatWasGivenBack(Queue):
    """A deadline that is always past is taken for none."""

    def replayed(self) -> None:
        super().replayed()
        self.expiring = [item for item in self.expiring if item[0] != RELEASED]


class CountsAttemptsAnew(Queue):
    """After a restart every delivery is the first."""

    def replayed(self) -> None:
        for entry in self.entries.values():
            entry.attempt = 1
        super().replayed()


class ForgetsDeadLetters(Queue):
    """They are settled, and listed nowhere."""

    def replay_letter(self, offset: int, attempts: int, when: float) -> None:
        pass


class AnswersRenewalsWhenCached(Core):
    """At level DISK too."""

    def cached(self, records: list[RecordFields]) -> None:
        for record in records:
            if record.kind == RENEW:
                self.acks.answer(record)
        super().cached(records)


class SaysThatRenewalsFailed(Core):
    """And stores them."""

    def cached(self, records: list[RecordFields]) -> None:
        for record in records:
            if record.kind == RENEW:
                self.acks.refuse(record)
        super().cached(records)


class CompactsAttemptsAway(compaction.Compaction):
    """What is said anew of a delivery says that it is the first."""

    @staticmethod
    def item(queue: Queue, offset: int) -> Any:
        item = compaction.Compaction.item(queue, offset)
        return (*item[:2], 1, *item[3:]) if item else item


class ListsDeadLettersWhenCached(Core):
    """And not when they are FLUSHED."""

    def cached(self, records: list[RecordFields]) -> None:
        for record in records:
            if record.kind == DEAD:
                record.queue.bury(record.entries, record.value)
        super().cached(records)


@pytest.mark.parametrize(
    ("broken", "workload", "why"),
    [
        (KeepsTheFirstDeadline, "deadlines", "0 comes back at 1500.0, and not at any of"),
        (BeginsDeadlinesAnew, "deadlines", "comes back at 1501.0, and not at any of"),
        (BeginsDeadlinesAnew, "dead-letters", "comes back at 1001.3, and not at any of"),
        (ForgetsWhatWasGivenBack, "deadlines", "1 is not settled, and is never handed out again"),
        (CountsAttemptsAnew, "deadlines", "was in attempt 2, and comes back in attempt 2"),
        (ForgetsDeadLetters, "dead-letters", "was listed as a dead letter, and is not"),
        (ForgetsDeadLetters, "dead-letters-compacted", "was listed as a dead letter, and is not"),
        (BeginsDeadlinesAnew, "deadlines-merging", "comes back at 1901.0, and not at any of"),
        (CompactsAttemptsAway, "deadlines-compacted", "was in attempt 2, and comes back in attempt 2"),
        (SaysThatRenewalsFailed, "deadlines", "0 comes back at 1900.0, and not at any of"),
        (AnswersRenewalsWhenCached, "deadlines-at-disk", "0 comes back at 1500.0, and not at any of"),
        (ListsDeadLettersWhenCached, "dead-letters", "was listed as a dead letter, and is not"),
    ],
)
def test_deadlines_attempts_and_dead_letters_are_looked_at(broken: type, workload: str, why: str) -> None:
    part = "queue_class" if issubclass(broken, Queue) else "compaction_class"
    core = broken if issubclass(broken, Core) else type("Variant", (Core,), {part: broken})
    run, settings = WORKLOADS[workload]
    with pytest.raises(AssertionError, match=why):
        run(opened(core, **settings))


@pytest.mark.parametrize("name", ["newest-mark-of-several-logs-counts", "several-logs-share-one-mark-file"])
def test_logs_that_mix_up_what_each_has_done_are_found_out(name: str) -> None:
    with pytest.raises((AssertionError, LogError)):
        two_logs(opened(bug_named(name).core, logs=2))
