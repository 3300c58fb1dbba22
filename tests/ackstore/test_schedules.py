"""Random schedules: every operation, failure and crash, in any order; the promises hold throughout.

The promises are the table of the contract: what was answered OK survives a process crash, what was
told to be durable survives power loss, what was never acked comes back or is a dead letter, nothing comes back before
its deadline, and a consumer offset that was on disk never goes back but by a reset.
"""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from ackstore import Core, Reply
from ackstore.core.effects import DONE, Failed, Write
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.merge import MergeBuffer
from ackstore.words.identity import QueueId, receipt_text
from ackstore.words.requests import Ack, AckMany, Pop, Release, Renew, Reset

MESSAGES = 40
Q = QueueId("q")


class Run:
    """One random history of one queue."""

    def __init__(self, drive: Any, seed: int, core: type[Core] = Core) -> None:
        self.pick = random.Random(seed)
        mode = self.pick.choice(["async", "async", "sync"])
        self.store = drive(
            core=core,
            mode=mode,
            merge=mode == "async" and self.pick.random() < 0.5,
            merge_stay=self.pick.choice([0.6, 3.0]),
            merge_messages=self.pick.choice([5, 1000]),
            commit=self.pick.choice(["ack", "checkpoint"]),
            segment_bytes=self.pick.choice([150, 600, 10_000]),
            sync_timeout=2.0,
            op_timeout=8.0,
            degrade_after=2,
            max_sync_failures=4,
            max_unflushed_records=self.pick.choice([6, 1000]),
            max_attempts=self.pick.choice([None, 3]),
            compact_above=self.pick.choice([None, 1, 1500]),
            seed=seed,
        )
        self.store.publish(MESSAGES)
        self.held: dict[str, tuple[int, float]] = {}
        """Receipts that a client holds: message, deadline."""
        self.asked: dict[int, list[tuple[int, str]]] = {}
        """Acks by operation: message and receipt of each."""
        self.ever_asked: set[int] = set()
        self.ok: set[int] = set()
        """Answered OK: must survive a process crash."""
        self.durable: set[int] = set()
        """Told to be durable: must survive power loss."""
        self.barriers: dict[int, set[int]] = {}
        self.pops: set[int] = set()
        self.invisible: dict[int, float] = {}
        self.renewing: dict[int, tuple[int, float]] = {}
        """Renewals by operation: message and new deadline."""
        self.until: dict[int, float] = {}
        """Before when no message may come back, as long as the store does not crash."""
        self.persisted = 0

    def step(self) -> None:
        choices = [self.pop, self.batch, self.flush, self.wait, self.wait]
        choices += [self.renew, self.renew, self.release, self.reset]
        choices += [self.ack] * 4 + [self.finish] * 9 + [self.fail] * 2
        self.pick.choice(choices)()
        self.look()

    def pop(self) -> None:
        count, invisible = self.pick.randint(1, 4), self.pick.choice([3.0, 60.0, 60.0])
        op = self.store.submit(Pop("q", count, invisible))
        self.pops.add(op)
        self.invisible[op] = invisible

    def some_receipts(self, count: int) -> list[str]:
        return [self.pick.choice(list(self.held)) for _ in range(count)] if self.held else []

    def ack(self) -> None:
        for receipt in self.some_receipts(1):
            self.ask(self.store.submit(Ack(receipt)), [receipt])

    def batch(self) -> None:
        receipts = self.some_receipts(3)
        if receipts:
            self.ask(self.store.submit(AckMany(receipts)), receipts)

    def ask(self, op: int, receipts: list[str]) -> None:
        self.asked[op] = [(self.held[receipt][0], receipt) for receipt in receipts]
        self.ever_asked |= {message for message, _ in self.asked[op]}

    def renew(self) -> None:
        for receipt in self.some_receipts(1):
            seconds = self.pick.choice([3.0, 60.0])
            message, until = self.held[receipt][0], self.store.now + seconds
            self.until[message] = min(self.until.get(message, 0.0), until)  # either may come to hold
            self.renewing[self.store.submit(Renew(receipt, seconds))] = (message, until)

    def release(self) -> None:
        for receipt in self.some_receipts(1):
            message = self.held[receipt][0]
            self.until.pop(message, None)
            self.renewing = {op: each for op, each in self.renewing.items() if each[0] != message}
            self.store.submit(Release(receipt))

    def reset(self) -> None:
        """Seldom, and on a disk that works: what came before does not count any more."""
        if self.pick.random() < 0.9:
            return
        self.store.rest(8.0)
        self.look()
        (queue,) = self.store.stats.queues.values()
        offset = self.pick.choice([0, queue.floor, self.pick.randrange(MESSAGES)])
        op = self.store.submit(Reset("q", offset))
        self.store.rest(1.0)
        assert self.store.reply(op) is Reply.OK
        for receipt in self.held:
            assert self.store.reply(self.store.ack(receipt)) is Reply.EXPIRED
        self.begin_again(offset)
        self.held.clear()

    def begin_again(self, offset: int) -> None:
        self.ok, self.durable, self.ever_asked = (set(range(offset)) for _ in range(3))
        self.persisted = offset
        for pending in (self.asked, self.barriers, self.pops, self.renewing, self.until, self.store.answers):
            pending.clear()

    def flush(self) -> None:
        self.barriers[self.store.flush()] = set(self.ok)

    def wait(self) -> None:
        self.store.wait(self.pick.choice([0.01, 0.1, 0.1, 0.5, 2.5]))

    def finish(self) -> None:
        if self.store.pending:
            io = self.pick.choice(list(self.store.pending))
            self.give(io, DONE)

    def fail(self) -> None:
        if self.store.pending and self.pick.random() < 0.5:
            io = self.pick.choice(list(self.store.pending))
            effect = self.store.pending[io]
            written = 0
            if isinstance(effect, Write):
                written = self.pick.randrange(len(effect.data) + 1)
            self.give(io, Failed(5, written))

    def give(self, io: int, result: Any) -> None:
        effect = self.store.pending.pop(io)
        self.store.files.apply(effect, result)
        self.store.release(io, result)

    def look(self) -> None:
        """Take in the answers, and judge what can be judged at once."""
        for op, answer in list(self.store.answers.items()):
            if op in self.pops:
                for delivery in answer.value:
                    assert delivery.offset not in self.ok, f"{delivery} was acked"
                    assert delivery.receipt not in self.held, "a receipt was given twice"
                    early = self.until.get(delivery.offset, 0.0) - (delivery.deadline - self.invisible[op])
                    assert early < 1e-6, f"{delivery} came back too early, by {early} s"
                    self.until[delivery.offset] = delivery.deadline
                    self.held[delivery.receipt] = (delivery.offset, delivery.deadline)
            elif op in self.asked:
                replies = answer.value or (answer.reply,)
                for (message, receipt), reply in zip(self.asked[op], replies, strict=True):
                    if reply in (Reply.OK, Reply.SETTLED):
                        self.ok.add(message)
                        if self.store.config.mode == "sync":
                            self.durable.add(message)
                    assert reply is not Reply.INVALID, receipt
            elif op in self.renewing and answer.reply is Reply.OK:
                message, until = self.renewing[op]
                self.until[message] = until
            elif op in self.barriers and answer.reply is Reply.OK:
                self.durable |= self.barriers[op]
            self.store.answers.pop(op)
        for op in self.store.durable:
            self.durable |= {message for message, _ in self.asked.get(op, [])}
        self.store.durable.clear()
        stats = self.store.stats
        (queue,) = stats.queues.values()
        left = stats.offsets_dirty or stats.unflushed_records or stats.merging
        awaited = self.store.pending or self.store.core.next_tick() is not None
        assert awaited or not left, "something is not on the disk, and nobody will see to it"
        for letter in self.store.core.dead_letters(Q):
            assert letter.attempts >= self.store.config.max_attempts
            self.durable.add(letter.offset)  # whoever asks later learns that it is settled
            self.ok.add(letter.offset)
            self.ever_asked.add(letter.offset)
        assert queue.persisted <= queue.committed
        self.persisted = max(self.persisted, queue.persisted)
        if self.store.config.commit == "ack":
            assert set(range(queue.committed)) <= self.ever_asked

    def crash(self) -> None:
        """Crash one way or the other, and go on with what is left."""
        how = self.pick.random()
        if how < 0.2:  # no crash at all
            close = self.store.close(60.0)
            self.store.rest(30.0)
            assert self.store.reply(close) is Reply.OK
            self.look()
            self.store = self.store.power_loss()
            self.durable = set(self.ok)
        elif how < 0.5:
            self.store = self.store.process_crash()
            if self.store.config.merge:
                self.ok = set(self.durable)
        else:
            self.store = self.store.reopen(self.store.files.after_power_loss(self.pick))
            self.ok = set(self.durable)
        self.store.publish(MESSAGES)
        (queue,) = self.store.stats.queues.values()
        assert queue.committed >= self.persisted, "the offset went back"
        for pending in (self.asked, self.barriers, self.pops, self.renewing, self.until, self.store.answers):
            pending.clear()

    def survey(self) -> None:
        """The disk works again and every deadline passes: what comes back is what may come back."""
        self.store.rest(100.0)
        self.look()
        assert self.store.stats.mode == self.store.config.mode
        back = {delivery.offset for delivery in self.store.pop(MESSAGES)}
        assert not back & self.ok, "acked, and came back"
        assert back >= set(range(MESSAGES)) - self.ever_asked, "never acked, and did not come back"
        if self.store.config.max_attempts is not None:
            self.ever_asked |= back
        self.store.ack_many(*self.receipts_of(back))
        self.store.rest(20.0)
        (queue,) = self.store.stats.queues.values()
        assert (queue.committed, queue.persisted) == (MESSAGES, MESSAGES)
        stats = self.store.stats
        outstanding = stats.operations, stats.effects, stats.unflushed_records, stats.unflushed_bytes, stats.merging
        assert outstanding == (0,) * 5
        assert self.store.core.queues["q/default/0"].entries == {}

    def receipts_of(self, messages: set[int]) -> list[str]:
        entries = self.store.core.queues["q/default/0"].entries
        return [
            receipt_text("q/default/0", each.offset, each.attempt, each.epoch)
            for each in entries.values()
            if each.offset in messages
        ]


def run(drive: Any, seed: int, core: type[Core] = Core) -> Run:
    """One history of up to four lives of a store."""
    it = Run(drive, seed, core)
    for _ in range(it.pick.randint(1, 4)):
        for _ in range(it.pick.randint(5, 80)):
            it.step()
        it.crash()
    it.survey()
    return it


@pytest.mark.parametrize("block", range(10))
def test_the_promises_hold(drive: Any, block: int) -> None:
    for seed in range(block * 40, block * 40 + 40):
        try:
            run(drive, seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


class SyncsAgain(Flusher):
    """After a failed sync, syncs the same file again."""

    def sync_failed(self, now: float) -> None:
        self._end()
        self._pause(now)
        for segment in self.segments:
            segment.dirty = True
        self.log.unsynced_entry = True
        self.log.dirty_since = now


class TrustsTimeouts(Flusher):
    """A sync that took too long counts as stored."""

    def sync_timed_out(self, now: float) -> None:
        self.sync_succeeded(now)


class ForgetsOldSegment(Log):
    """Rotation leaves the old file's tail unsynced."""

    def rotate(self, segment: Any) -> None:
        self.current = segment
        self.unsynced_entry = True


class TrustsRecovery(Log):
    """What recovery read counts as FLUSHED."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.flushed = self.last
        self.rewrites.clear()


class OwesNothing(MergeBuffer):
    """A hand-over that failed is forgotten."""

    def state_failed(self, record: Any) -> None:
        self._landed(record)


class LiftsTooEarly(MergeBuffer):
    """A barrier does not wait for what failed to be handed over."""

    @property
    def oldest(self) -> float:
        return math.inf


class KeepsAtClose(MergeBuffer):
    """What is in memory stays there when the store is closed."""

    def drain(self, now: float) -> bool:
        return True


BROKEN: dict[str, list[type]] = {
    "flusher_class": [SyncsAgain, TrustsTimeouts],
    "log_class": [ForgetsOldSegment, TrustsRecovery],
    "merge_class": [OwesNothing, LiftsTooEarly, KeepsAtClose],
}


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in BROKEN.items() for part in parts])
def test_the_schedules_find_a_broken_store(drive: Any, name: str, part: type) -> None:
    variant = type("Variant", (Core,), {name: part})
    for seed in range(400):
        try:
            run(drive, seed, variant)
        except Exception:
            return
    pytest.fail(f"{part.__name__} was not found out")
