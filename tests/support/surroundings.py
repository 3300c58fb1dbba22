"""What is around the core of the reference store while it is followed: a disk, a client and a clock.

Who follows chooses what happens next. There is one queue with one message, and of each kind as many faults as the
configuration of the model has.

>>> from ackmodel import Config as Model
>>> from ackstore.core.core import Core
>>> around = Surroundings(Model(), Core)
>>> around.choices(), around.do(("pop",)), around.choices()
([('pop',)], 'pop', [('io', 'Write log', 'ok')])
>>> print(around.shown())
popping, checkpoint pending, ack none, async; disk -, cache -; offset 0 0 0
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from attrs import field, frozen, mutable

from ackcheck.sim.disk import Disk, SyncBegun
from acklab.fuzz.check import ReadOnly
from ackmodel import Config as Model
from ackmodel import Level
from ackstore.core.core import Core
from ackstore.core.effects import (
    DONE,
    Answer,
    Durable,
    Effect,
    Failed,
    Reserve,
    Result,
    Sync,
    SyncDir,
)
from ackstore.fields.classes import RecordFields
from ackstore.format.records import ACK, CHECKPOINT
from ackstore.format.recovery import Recovered, recover
from ackstore.words.config import Config
from ackstore.words.identity import Delivery, QueueId, parse_receipt
from ackstore.words.replies import Reply
from ackstore.words.requests import Ack, Pop, Publish
from performing import perform_on
from shown import Shown

QUEUE: Final = QueueId.parse("q")
RECORDS: Final = {CHECKPOINT: "checkpoint", ACK: "ack"}
HIDDEN: Final = 1e8
"""Seconds for which a delivery is invisible; they do not pass."""
LONG: Final = 1e9
"""Seconds that do not pass."""
Choice = tuple[Any, ...]
"""Something that can be done: its name, and which or how."""
FAULTS: Final = ("process_crashes", "power_losses", "sync_failures", "write_failures")


@frozen
class _Outstanding:
    io: int
    effect: Effect
    begun: SyncBegun | None

    @property
    def name(self) -> str:
        """What it is, and of what."""
        file = getattr(self.effect, "file", getattr(self.effect, "source", ""))
        return f"{type(self.effect).__name__} {'log' if file.endswith('.seg') else 'offsets' if file else ''}".strip()

    @property
    def of_the_log(self) -> bool:
        """Whether a failure of it is one that the model has."""
        return self.name in ("Sync log", "Write log")


@mutable
class Surroundings:
    """One store, its disk and its client."""

    model: Model
    core_class: type[Core]
    disk: Disk = field(factory=Disk)
    now: float = 1000.0
    core: Core = field(init=False)
    pending: list[_Outstanding] = field(factory=list)
    receipt: str = ""
    """What the client has in hand."""
    asked: str = ""
    """What the client waits for."""
    acked: bool = False
    """Its ack was answered OK since the store was opened."""
    left: dict[str, int] = field(init=False)
    """Faults that there may still be."""

    def __attrs_post_init__(self) -> None:
        """Open the store, and let it come to rest: where the model begins there is nothing to do."""
        self.left = {fault: getattr(self.model, fault) for fault in FAULTS}
        self._open()
        while self.pending:
            self._complete(self.pending[0], DONE)
        self._take()

    def _open(self) -> None:
        config = Config(
            mode="sync" if self.model.level is Level.DISK else "async",
            commit=self.model.commit.value,
            degrade_after=self.model.degrade_after,
            max_sync_failures=self.model.refuse_after or 1000,
            flush_interval=1.0,
            offset_interval=1e-3,
            op_timeout=LONG,
            sync_timeout=LONG,
            retry_jitter=0.0,
        )
        self.core = self.core_class(config, recover(config, self.disk), self.now)
        self.core.submit(0, Publish(QUEUE, 1), self.now)
        self._take()

    # What may happen

    def choices(self) -> list[Choice]:
        """Return all that can be done now."""
        found: list[Choice] = []
        phase = self._phase()
        if phase == "waiting":
            found.append(("pop",))
        if phase == "delivered" and self._current():
            found.append(("ack",))
        for each in self.pending:
            found.append(("io", each.name, "ok"))
            fault = "sync_failures" if each.begun else "write_failures"
            if each.of_the_log and self.left[fault] and (self._covered() if each.begun else self._written()):
                found.append(("io", each.name, "fails"))
        due = self.core.next_tick()
        if due is not None and due < LONG:
            found.append(("time",))
        if self.left["process_crashes"]:
            found.append(("process_crash",))
        if self.left["power_losses"]:
            parts = len(self.disk.changes) + sum(len(file.unsynced) for file in self._files())
            found += [("power_loss", *bits) for bits in product((0, 1), repeat=parts)]
        return found

    def _current(self) -> bool:
        """Tell whether the client has the receipt of the newest delivery: a fault may have taken one that it had."""
        entry, parsed = self.core.queues[QUEUE.token].entries.get(0), parse_receipt(self.receipt)
        return entry is not None and parsed is not None and parsed[2:] == (entry.attempt, entry.epoch)

    def _files(self) -> list[Any]:
        return list({id(f): f for f in [*self.disk.entries.values(), *self.disk.durable_entries.values()]}.values())

    def do(self, choice: Choice) -> str:
        """Do it; return the step of the model that it is, or "" where the model has none."""
        match choice:
            case ("pop",):
                self.asked = "popping"
                self.core.submit(1, Pop(QUEUE, 1, HIDDEN), self.now)
                step = "pop"
            case ("ack",):
                self.asked = "acking"
                self.core.submit(2, Ack(self.receipt), self.now)
                step = "ask_ack"
            case ("io", name, how):
                step = self._end(next(each for each in self.pending if each.name == name), how == "ok")
            case ("time",):
                self.now = max(self.now, self.core.next_tick() or 0.0)
                self.core.tick(self.now)
                step = ""
            case _:
                step = self._stop(choice)
        self._take()
        return step

    def _end(self, each: _Outstanding, ok: bool) -> str:
        """Let an effect end; of a cycle of syncs the first that fails is a step of the model, or else the last."""
        covered, written, cycles = self._covered(), self._written(), self.core.flusher.syncs
        self._complete(each, DONE if ok else Failed(errno.EIO if each.begun else errno.ENOSPC))
        if not ok:
            self.left["sync_failures" if each.begun else "write_failures"] -= 1
            return "sync_fails" if each.begun else f"fail_{written}_write"
        return "sync_ok" if covered and self.core.flusher.syncs > cycles else ""

    def _covered(self) -> bool:
        """Tell whether a cycle of syncs is running that covers a record."""
        flusher, log = self.core.flusher, self.core.log
        return bool(flusher.left) and any(each.lsn <= flusher.covers for each in log.tail)

    def _written(self) -> str:
        """Return what is being written for the first time, to a file that is begun: in the model nothing else fails."""
        log = self.core.log
        begun = log.current is not None and log.current.size
        return RECORDS[log.writing[0].kind] if log.writing and begun and not log.rewrites else ""

    def _stop(self, choice: Choice) -> str:
        action, *bits = choice
        if action == "power_loss":
            survives = iter(bits)
            self.disk.lose_power(lambda size: size * next(survives))
        self.left["power_losses" if action == "power_loss" else "process_crashes"] -= 1
        self.pending.clear()
        self.asked, self.acked = "", False
        self._open()
        return str(action)

    def _complete(self, each: _Outstanding, result: Result) -> None:
        self.pending.remove(each)
        if each.begun is not None:
            self.disk.end_sync(each.begun, ok=result is DONE)
        elif result is DONE:
            try:
                perform_on(self.disk, each.effect)
            except OSError as error:  # as a real directory would answer
                result = Failed(error.errno or errno.EIO)
        self.core.complete(each.io, result, self.now)
        self._take()

    def _take(self) -> None:
        for io, effect in self.core.take_effects():
            match effect:
                case Answer(op, reply, value) if op:
                    self.asked = ""
                    self.acked = self.acked or (op == 2 and reply is Reply.OK)
                    if op == 1 and reply is Reply.OK and value and isinstance(value[0], Delivery):
                        self.receipt = value[0].receipt
                case Answer() | Durable():
                    pass
                case Reserve():
                    self.core.complete(io, DONE, self.now)
                    self._take()
                case _:
                    begun = None
                    if isinstance(effect, Sync | SyncDir):
                        begun = self.disk.begin_sync(effect.file if isinstance(effect, Sync) else None)
                    self.pending.append(_Outstanding(io, effect, begun))

    # What is seen

    def shown(self) -> Shown:
        """Return what the store believes, and where its records are."""
        cached, durable = self._images()
        in_cache, on_disk = _records(cached), _records(durable)
        queue = self.core.queues[QUEUE.token]
        return Shown(
            self._phase(),
            self._stage("checkpoint", in_cache),
            self._stage("ack", in_cache),
            "sync" if self.core.flusher.failures >= self.model.degrade_after else "async",
            frozenset(on_disk),
            frozenset(in_cache) - frozenset(on_disk),
            tuple(str(each) for each in (queue.committed, _offset(cached), _offset(durable))),
        )

    def _images(self) -> tuple[Recovered, Recovered]:
        kept = {name: file.durable for name, file in self.disk.durable_entries.items()}
        return recover(self.core.config, self.disk), recover(self.core.config, ReadOnly(kept))

    def _phase(self) -> str:
        if self.asked:
            return self.asked
        queue = self.core.queues[QUEUE.token]
        entry = queue.entries.get(0)
        if queue.floor > 0 or (entry is not None and (entry.settled or entry.ack is not None)):
            return "settled"
        if self.acked:
            return "not settled, though its ack was answered OK"
        return "waiting" if entry is None else "delivered"

    def _stage(self, record: str, in_cache: Mapping[str, int]) -> str:
        """Return how far a record has come, as far as the store knows."""
        log, flusher = self.core.log, self.core.flusher

        def has(records: Sequence[RecordFields]) -> int | None:
            return next((each.lsn for each in records if RECORDS[each.kind] == record), None)

        if has(log.rewrites) is not None:
            return "suspect"
        lsn = has(list(log.tail))
        if lsn is not None:
            return "suspect" if log.to_rewrite else "flushing" if flusher.left and lsn <= flusher.covers else "cached"
        if has([*log.fresh, *log.writing]) is not None:
            return "pending"
        return "flushed" if record in in_cache else "none"

    def print(self) -> Any:
        """Return what tells this state from others, as far as what is to come depends on it."""
        core = self.core
        flusher, offsets, log = core.flusher, core.offsets, core.log
        dirty = tuple((len(file.durable) > 0, len(file.unsynced)) for file in self._files())
        return (
            tuple(sorted(each.name for each in self.pending)),
            (flusher.hurry, flusher.left, flusher.wanted > log.flushed, flusher.retry_at is None, flusher.failures),
            (offsets.step, offsets.dirty_since is None, log.busy, log.stuck, log.condemned),
            (len(self.disk.changes), dirty, bool(self.receipt), tuple(self.left.values())),
        )


def _records(recovered: Recovered) -> dict[str, int]:
    """Return which records recovery finds, with their LSN."""
    return {RECORDS[kind]: lsn for lsn, kind, _payload, _whole in recovered.records()}


def _offset(recovered: Recovered) -> int:
    return recovered.offsets.committed.get(QUEUE.token, 0)
