"""The reference store as a stepped target: the sans-I/O core, driven by the simulation.

>>> from ackcheck.sim.disk import Disk
>>> target = Reference()
>>> target.open(Disk(), now=0.0)
>>> {io.action for io in target.take()} <= {"create", "write", "sync", "sync_directory", "rename", "unlink"}
True
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache

from attrs import define, field

from ackcheck.sim.target import BecameDurable, Directory, Ended, Io, Look, Outcome, Told, Wear
from acklab.reference.outstanding import outstanding
from acklab.reference.room import most_held
from acklab.reference.worn import worn_files
from ackmodel.observe.broken import Key
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered
from ackstore.core import core, effects, engine
from ackstore.core.entries import RELEASED
from ackstore.core.sharded import open_engine
from ackstore.core.states import decode_state
from ackstore.fastpath.engines import EnginePath
from ackstore.format.payloads import decode_ack, decode_checkpoint, decode_prefix
from ackstore.format.records import ACK, CHECKPOINT, DEAD, RENEW, RESET, STATE, decode_header, decode_record
from ackstore.words import requests
from ackstore.words.config import Config
from ackstore.words.errors import QueueUnknown
from ackstore.words.identity import Delivery, QueueId, parse_token, receipt_text
from ackstore.words.replies import Reply as StoreReply
from ackstore.words.stats import Stats

STEPPED = Config(
    segment_bytes=300,
    compact_above=3600,
    flush_interval=0.1,
    offset_interval=0.05,
    op_timeout=8.0,
    sync_timeout=2.0,
    retry_limit=0.5,
    max_unflushed_records=8,
)
"""Settings under which segments are switched, timers run and limits are reached within a few steps.

This many closed bytes are always worth a compaction. The longest pause after failed syncs is shorter than the second of
idleness after which nothing may be unflushed.
"""


def _nowhere(io: Io) -> Outcome:
    raise RuntimeError(f"there is no disk to {io.describe()}")


MOST_IN_HAND = 10_000
"""Deliveries of one consumer that leaves."""


@define
class Leaving:
    """A consumer that leaves: the answer for each of its deliveries, and how many are still to come."""

    op: int
    replies: list[Reply]
    left: int


@define
class Reference:
    """The reference store, or a broken variant of it (`core_class`)."""

    config: Config = STEPPED
    core_class: type[core.Core] = core.Core
    fastpath: bool = False
    """Let acks, and batches of them, take the fast path (`ackstore.fastpath`) where it is open."""
    write_now: Callable[[Io], Outcome] = field(default=_nowhere, init=False, repr=False)
    _core: engine.Engine = field(init=False)
    _path: EnginePath = field(init=False)
    _cores: Sequence[engine.OneLog] = field(init=False)
    _told: list[Told] = field(init=False, factory=list)
    _stats: Stats | None = field(init=False, default=None)
    """What there was to see when somebody looked; None where something may have changed since."""
    _hands: dict[str, list[str]] = field(init=False, factory=dict)
    """What each consumer was handed since it came."""
    _popping: dict[int, str] = field(init=False, factory=dict)
    _leaving: dict[int, Leaving] = field(init=False, factory=dict)
    """Of a consumer that leaves: the answers to the releases, by the operation of each."""

    def open(self, directory: Directory, now: float) -> None:
        self._core = open_engine(self.config, directory, now, self.core_class)
        self._path = EnginePath(self._core)
        self._cores = self._core.cores
        self._stats = None

    @property
    def _acting(self) -> engine.Engine:
        """The store, for what may change it."""
        self._stats = None
        return self._core

    def publish(self, queue: str, end: int, now: float) -> None:
        self._acting.submit(0, requests.Publish(queue, end), now)

    def pop(self, op: int, queue: str, count: int, invisible: float, now: float) -> None:
        try:
            self._acting.submit(op, requests.Pop(queue, count, invisible), now)
        except QueueUnknown:  # nothing was ever published
            self._told.append(Ended(op, Reply.OK))

    def pop_as(self, op: int, consumer: str, queue: str, count: int, invisible: float, now: float) -> None:
        self._popping[op] = consumer
        self.pop(op, queue, count, invisible, now)

    def leave(self, op: int, consumer: str, now: float) -> None:
        """Give back what a consumer has in hand, as who keeps consumers in front of a store that knows none."""
        receipts = self._hands.pop(consumer, [])
        if not receipts:
            self._told.append(Ended(op, Reply.OK))
        leaving = Leaving(op, [Reply.UNKNOWN] * len(receipts), len(receipts))
        for index, receipt in enumerate(receipts):
            part = -(op * MOST_IN_HAND + index)
            self._leaving[part] = leaving
            self._acting.submit(part, requests.Release(receipt), now)

    def ack(self, op: int, receipts: Sequence[str], now: float) -> None:
        if self.fastpath and self._core.closing is None and self._path.open:
            self._acting.now = now
            ended = self._acked_at_once(op, receipts, now)
            if ended is not None:
                self._told += [*self.take(), ended]
                return
        request = requests.Ack(receipts[0]) if len(receipts) == 1 else requests.AckMany(receipts)
        self._acting.submit(op, request, now)

    def _acked_at_once(self, op: int, receipts: Sequence[str], now: float) -> Ended | None:
        if len(receipts) == 1:
            reply = self._path.ack(receipts[0], now, self)
            return None if reply is None else Ended(op, Reply(reply.value))
        replies = self._path.ack_many(receipts, now, self)
        return None if replies is None else Ended(op, Reply.OK, (), tuple(Reply(each.value) for each in replies))

    def write(self, file: str, at: int, data: bytes) -> effects.Result:
        """Have the simulated disk write at once, for the fast path."""
        outcome = self.write_now(_written(0, file, at, data))
        return effects.DONE if outcome.ok else effects.Failed(outcome.error, outcome.written)

    def flush(self, op: int, now: float) -> None:
        self._acting.submit(op, requests.Flush(), now)

    def close(self, op: int, now: float) -> None:
        self._acting.submit(op, requests.Close(), now)

    @property
    def max_attempts(self) -> int | None:
        return self.config.max_attempts

    def renew(self, op: int, receipt: str, invisible: float, now: float) -> None:
        self._acting.submit(op, requests.Renew(receipt, invisible), now)

    def release(self, op: int, receipt: str, now: float) -> None:
        self._acting.submit(op, requests.Release(receipt), now)

    def reset(self, op: int, queue: str, offset: int, now: float) -> None:
        self._acting.submit(op, requests.Reset(queue, offset), now)

    def worn(self, queues: Sequence[str], wear: Wear) -> Mapping[str, bytes]:
        return worn_files(self.config, queues, wear)

    def dead(self, queue: str) -> Sequence[int]:
        return [letter.offset for letter in self._core.dead_letters(QueueId.parse(queue))]

    def take(self) -> list[Told]:
        before, self._told = self._told, []
        found = self._core.take_effects()
        if not found:
            return before
        self._stats = None
        while kept := [io for io, effect in found if isinstance(effect, effects.Reserve)]:
            found = [each for each in found if each[0] not in kept]
            for io in kept:  # the simulated disk has no end
                self._acting.complete(io, effects.DONE, self._core.now)
            found += self._core.take_effects()
        again = {core.log.current.file for core in self._cores if core.log.rewrites and core.log.current}
        told = [told for io, effect in found if (told := _told(io, effect, again))]
        return [*before, *(done for each in told if (done := self._noted(each)))]

    def _noted(self, told: Told) -> Told | None:
        """Note who was handed what; an answer to a part of a leaving is told with the last one."""
        if not isinstance(told, Ended):
            return told
        if told.op in self._popping:
            self._hands.setdefault(self._popping.pop(told.op), []).extend(one.receipt for one in told.deliveries)
        leaving = self._leaving.pop(told.op, None)
        if leaving is None:
            return told
        leaving.replies[-told.op % MOST_IN_HAND] = told.reply
        leaving.left -= 1
        return None if leaving.left else Ended(leaving.op, Reply.OK, (), tuple(leaving.replies))

    def finish(self, io: int, outcome: Outcome, now: float) -> None:
        result = effects.DONE if outcome.ok else effects.Failed(outcome.error, outcome.written)
        self._acting.complete(io, result, now)

    def tick(self, now: float) -> None:
        self._acting.tick(now)

    def next_tick(self) -> float | None:
        return self._core.next_tick()

    def look(self, receipts: Sequence[str]) -> Look:
        if self._stats is None:
            self._stats = self._core.stats(count=False)
        stats = self._stats
        stages = {receipt: self._core.stage(receipt) for receipt in receipts}
        return Look(
            offsets={str(queue): Sighting(seen.committed, seen.persisted) for queue, seen in stats.queues.items()},
            unflushed=stats.unflushed_records,
            outstanding=outstanding(stats),
            limits={"unflushed_records": self._most_unflushed(len(stats.queues))},
            flushed={receipt: stage.survives_power_loss for receipt, stage in stages.items() if stage is not None},
            space=self._most_held(),
        )

    def _most_held(self) -> float | None:
        queues = [queue for each in self._cores for queue in each.queues.values()]
        dead = sum(len(queue.dead) for queue in queues)
        return most_held(self.config, queues=len(queues), dead=dead, request=2048)

    def _most_unflushed(self, queues: int) -> float:
        """Return how many records may be unflushed at most.

        A request taken just below the limit may bring one record for each queue; and a barrier or a close, which are
        never refused, one more of each for what was accepted into a merge buffer before.
        """
        handed_over = queues if self.config.merge else 0
        return self.config.max_unflushed_records + max(queues - 1, 0) + handed_over


PURPOSES = {ACK: "ack", DEAD: "dead letter", RESET: "reset", STATE: "state"}
"""What a record of a kind is for; of the other kinds, what it says decides."""


def _written(io: int, file: str, at: int, data: bytes, *, again: bool = False) -> Io:
    """Return a write, what its records say of whom, and what it is for."""
    if not file.endswith(".seg"):
        return Io(io, "write", file, at=at, data=data, acks=(), messages=(), purposes=("derived write",))
    acks: list[str] = []
    messages: list[Key] = []
    purposes: list[str] = ["rewrite"] if again else []
    header = None if at else decode_header(file, data)
    start = header.size if header else 0
    records = 0
    while start < len(data):
        kind, payload, whole = decode_record(data, start)
        start += len(whole)
        records += 1
        end = 2 + int.from_bytes(payload[:2], "little")
        queue = _queue_of(payload[:end])
        purposes.append(PURPOSES.get(kind, ""))
        if kind == ACK:
            token, deliveries = decode_ack(payload)
            acks += [receipt_text(token, *delivery) for delivery in deliveries]
            messages += [(queue, offset) for offset, _, _ in deliveries]
        elif kind in (CHECKPOINT, RENEW, DEAD):
            _token, until, _epoch, delivered = decode_checkpoint(payload)
            messages += [(queue, offset) for offset, _ in delivered]
            if kind == RENEW:
                purposes[-1] = "release" if until == RELEASED else "renewal"
            elif kind == CHECKPOINT:
                purposes[-1] = "redelivery" if any(attempt > 1 for _, attempt in delivered) else "delivery"
        elif kind == STATE:
            messages += [(queue, offset) for _, offset, *_ in decode_state(payload, end)[1]]
    if records > 1:
        purposes.append("batch")
    return Io(io, "write", file, at=at, data=data, acks=tuple(acks), messages=tuple(messages), purposes=tuple(purposes))


@lru_cache(maxsize=64)
def _queue_of(prefix: bytes) -> str:
    return str(parse_token(decode_prefix(prefix)))


def _told(io: int, effect: effects.Effect, again: Collection[str]) -> Told | None:
    """Return an effect in the words of the suite; a write to one of the files `again` begins with records rewritten."""
    match effect:
        case effects.Create(file):
            return Io(io, "create", file, purposes=_step("create", file))
        case effects.Write(file, at, data):
            return _written(io, file, at, data, again=file in again)
        case effects.Sync() | effects.SyncDir():
            file = effect.file if isinstance(effect, effects.Sync) else ""
            purposes = _step("sync", file) if file else ("sync_directory",)
            return Io(io, "sync" if file else "sync_directory", file, purposes=purposes)
        case effects.Rename(source, target):
            return Io(io, "rename", source, target=target, purposes=("derived rename",))
        case effects.Unlink(file):
            return Io(io, "unlink", file, purposes=("unlink",))
        case effects.Durable(op):
            return BecameDurable(op)
        case effects.Answer(op, reply, value) if op:
            return _ended(op, reply, value)
    return None  # what nobody waits for, or was done by now


def _step(action: str, file: str) -> tuple[str]:
    return (action if file.endswith(".seg") else f"derived {action}",)


def _ended(op: int, reply: StoreReply, value: tuple[object, ...] | None) -> Ended:
    items = value or ()
    deliveries = [Delivered(d.receipt, d.offset, d.deadline, d.attempt) for d in items if isinstance(d, Delivery)]
    replies = [Reply(item.value) for item in items if isinstance(item, StoreReply)]
    return Ended(op, Reply(reply.value), tuple(deliveries), tuple(replies))
