"""Every state in which a crash may leave a directory, and what each of them has to hold.

A workload runs through a real `Core` over the simulated disk of the conformance suite. Before and after each thing that
happens (a write, a sync, a rename, an answer) stands a *moment*, at which the process or the power may fail:

- A process crash leaves all that was written.
- A power loss leaves any subset of the entry changes and of the writes that no sync covered, a write also in part.

Each state is recovered with the real recovery, and held against what had been promised at that moment.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from attrs import Factory, define, frozen

from ackcheck.sim.disk import Disk, File, Survival, SyncBegun
from ackstore import Config, Core, Reply
from ackstore.core.effects import (
    DONE,
    Answer,
    Durable,
    Effect,
    Result,
    Sync,
    SyncDir,
)
from ackstore.core.engine import Engine
from ackstore.core.sharded import open_engine
from ackstore.format.records import HEADER_BYTES, RECORD_BYTES
from ackstore.words.identity import Delivery, parse_receipt
from ackstore.words.requests import Flush, Pop, Release, Renew, Request
from performing import perform_on
from promises import AT_ONCE, Held, Move, Promises, Seen, look_at

Contents = dict[str, bytes]
Key = tuple[str, int]
"""A message: the token of its queue, and its offset."""

END = 1000
TOKEN = "q/default/0"


def power_losses(disk: Disk, pick: random.Random | None = None, most: int = 0) -> Iterator[Contents]:
    """Every state that a power loss may leave now; with `pick`, `most` of them."""
    for bits in _some(product((0, 1), repeat=len(disk.changes)), len(disk.changes), pick, most):
        entries = dict(disk.durable_entries)
        for change, survives in zip(disk.changes, bits, strict=True):
            for name, file in change.entries.items() if survives else ():
                if file is None:
                    entries.pop(name, None)
                else:
                    entries[name] = file
        dirty = [
            (file, extent)
            for file in {id(file): file for file in entries.values()}.values()
            for extent in file.unsynced
            if not extent.phantom
        ]
        cuts = [_cuts(len(extent.data), closely=len(dirty) < 3) for _file, extent in dirty]
        choices: Iterator[Any] = product(*cuts)
        if pick is not None:
            choices = iter([[pick.choice([*cut, pick.randrange(cut[-1] + 1)]) for cut in cuts]])
        for chosen in choices:
            parts = {id(file): bytearray(file.durable) for file in entries.values()}
            for (file, extent), cut in zip(dirty, chosen, strict=True):
                content = parts[id(file)]
                content.extend(bytes(max(0, extent.at + cut - len(content)) if cut else 0))
                content[extent.at : extent.at + cut] = extent.data[:cut]
            yield {name: bytes(parts[id(file)]) for name, file in entries.items()}


def _cuts(size: int, *, closely: bool) -> tuple[int, ...]:
    """After how many bytes a write of `size` may be torn."""
    if not closely:
        return 0, size // 2, size
    return tuple(
        sorted({0, 1, min(HEADER_BYTES, size), size // 3, size // 2, size - RECORD_BYTES % size, size - 1, size})
    )


def _some(every: Iterator[Any], count: int, pick: random.Random | None, most: int) -> Iterator[Any]:
    if pick is None:
        return every
    return islice(iter(lambda: tuple(pick.randrange(2) for _ in range(count)), None), most)


@frozen
class Snapshot:
    """A directory as recovery reads it."""

    contents: Contents

    def names(self) -> list[str]:
        return list(self.contents)

    def read(self, name: str) -> bytes:
        return self.contents[name]


@define(eq=False)
class Moments:
    """A store, its disk, and a look at every state it could be left in. `order` picks which I/O is completed next."""

    config: Config
    core_class: type[Core] = Core
    order: random.Random | None = None
    samples: int = 0
    disk: Disk = Factory(Disk)
    now: float = 1000.0
    core: Engine = Factory(lambda self: self._open(), takes_self=True)
    promised: defaultdict[str, Promises] = Factory(lambda: defaultdict(Promises))
    """What each queue's clients were promised, by its token."""
    pending: list[tuple[int, Effect, SyncBegun | None]] = Factory(list)
    answers: dict[int, Answer] = Factory(dict)
    acks: dict[int, list[Key]] = Factory(dict)
    barriers: dict[int, set[Key]] = Factory(dict)
    moves: dict[int, tuple[str, Move]] = Factory(dict)
    """What is to move deadlines, and was not answered yet, by operation, with the queue's token."""
    standing: dict[int, list[tuple[Promises, dict[int, Held]]]] = Factory(dict)
    """Which deliveries clients had when a barrier was asked for."""
    op: int = 0
    looks: int = 0
    states: int = 0
    _known: dict[frozenset[tuple[str, bytes]], dict[str, Seen]] = Factory(dict)

    def _open(self) -> Engine:
        return open_engine(self.config, self.disk, self.now, self.core_class)

    @property
    def promises(self) -> Promises:
        """What the clients of the queue were promised that most workloads use."""
        return self.promised[TOKEN]

    @property
    def cached(self) -> set[Key]:
        """Whose acks were answered OK."""
        return {(token, offset) for token, promises in self.promised.items() for offset in promises.cached}

    # What happens

    def submit(self, request: Request) -> int:
        self.op += 1
        self._asked(request)
        self.core.submit(self.op, request, self.now)
        self.take()
        return self.op

    def _asked(self, request: Request) -> None:
        """Note what may move deadlines from now on, and what a barrier covers."""
        match request:
            case Pop(queue, _, invisible):
                self.moves[self.op] = queue.token, self.promised[queue.token].ask(self.now + invisible)
            case Renew(receipt) | Release(receipt):
                read = parse_receipt(receipt)
                assert read is not None
                token, offset, attempt, _ = read
                until = self.now + request.invisible if isinstance(request, Renew) else AT_ONCE
                self.moves[self.op] = token, self.promised[token].ask(until, {offset: attempt})
            case Flush():
                self.standing[self.op] = [(promises, dict(promises.told)) for promises in self.promised.values()]

    def take(self) -> None:
        for io, effect in self.core.take_effects():
            if isinstance(effect, Answer):
                self.answers[effect.op] = effect
                self._answered(effect)
            elif isinstance(effect, Durable):
                for token, offset in self.acks.get(effect.op, ()):
                    self.promised[token].durable.add(offset)
            else:
                begun = None
                if isinstance(effect, Sync | SyncDir):
                    begun = self.disk.begin_sync(effect.file if isinstance(effect, Sync) else None)
                self.pending.append((io, effect, begun))
        for queue, seen in self.core.stats().queues.items():
            promises = self.promised[queue.token]
            promises.offset = max(promises.offset, seen.persisted)
            promises.dead.update(self.core.queues[queue.token].dead)

    def _answered(self, answer: Answer) -> None:
        if answer.op in self.moves:
            self._moved(answer)
        replies = answer.value if answer.value and isinstance(answer.value[0], Reply) else (answer.reply,)
        for (token, offset), reply in zip(self.acks.get(answer.op, ()), replies, strict=False):
            if reply in (Reply.OK, Reply.SETTLED) and not self.config.merge:
                self.promised[token].cached.add(offset)
        if answer.reply is Reply.OK:
            durable = set(self.barriers.get(answer.op, ()))
            if self.config.mode == "sync":
                durable |= set(self.acks.get(answer.op, ())) & self.cached
            for token, offset in durable:
                self.promised[token].durable.add(offset)
            for promises, told in self.standing.pop(answer.op, ()):
                promises.keep(told)

    def _moved(self, answer: Answer) -> None:
        """A pop, renewal or release has ended."""
        token, move = self.moves.pop(answer.op)
        promises = self.promised[token]
        if answer.reply is Reply.UNKNOWN:
            return
        if answer.reply is not Reply.OK:
            promises.tell(move, {})
        elif move.attempts is not None:
            promises.tell(move, move.attempts)
        else:
            handed = [delivery for delivery in answer.value or () if isinstance(delivery, Delivery)]
            promises.tell(move, {delivery.offset: delivery.attempt for delivery in handed})
        if self.config.mode == "sync":
            promises.keep(promises.told)

    def finish(self, result: Result = DONE) -> Effect:
        """Complete one I/O: on the disk, where a crash may come before the store hears of it, then for the store."""
        at = self.order.randrange(len(self.pending)) if self.order else 0
        io, effect, begun = self.pending.pop(at)
        if begun is not None:
            self.disk.end_sync(begun, ok=result is DONE)
        else:
            perform_on(self.disk, effect, result)
        self.look()
        self.core.complete(io, result, self.now)
        self.take()
        self.look()
        return effect

    def settle(self) -> None:
        while self.pending:
            self.finish()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(100):
            self.settle()
            due = self.core.next_tick()
            self.now = until if due is None else min(until, max(due, self.now))
            self.core.tick(self.now)
            self.take()
            if self.now >= until and not self.pending:
                break
        self.look()

    def crash(self, survival: Survival | None = None) -> None:
        """The process dies, and another opens the directory; with `survival` the power was lost too."""
        if survival is not None:
            self.disk.lose_power(survival)
            for promises in self.promised.values():
                promises.lose_power()
        for outstanding in (self.acks, self.answers, self.barriers, self.moves, self.standing):
            outstanding.clear()
        self.pending.clear()
        self.core = self._open()
        self.take()

    # What is left

    def look(self) -> None:
        """Judge every state that a crash could leave now."""
        self.looks += 1
        cached = {name: self.disk.read(name) for name in self.disk.names()}
        self.judge(cached, power_lost=False)
        for contents in power_losses(self.disk, self.order, self.samples):
            self.judge(contents, power_lost=True)

    def judge(self, contents: Contents, *, power_lost: bool) -> None:
        """Recover one state with the real recovery, and hold it against the promises."""
        key = frozenset(contents.items())
        seen = self._known.get(key)
        if seen is None:
            self.states += 1
            recovered = open_engine(self.config, Snapshot(contents), self.now, self.core_class)
            seen = self._known[key] = {token: look_at(queue) for token, queue in recovered.queues.items()}
        for token, promised in self.promised.items():
            settled = promised.durable if power_lost else promised.cached | promised.durable
            held = promised.kept if power_lost or self.config.merge else promised.told
            self.judge_queue(seen.get(token), promised, settled, held)

    def judge_queue(self, seen: Seen | None, promised: Promises, settled: set[int], held: dict[int, Held]) -> None:
        """Hold one queue, as it was recovered, against what its clients were promised."""
        if seen is None:
            gone = settled or held or promised.dead or promised.offset or promised.resets
            assert not gone, "all of the queue is gone"
            return
        assert seen.generation >= promised.resets, "a reset did not stick"
        if promised.reset_asked:
            return
        for offset in settled:
            assert seen.never_returns(offset), f"{offset} was acked, and comes back"
        for offset in range(1 + max(seen.next_new, seen.floor, seen.committed, *seen.taken, *held)):
            if not seen.never_returns(offset):
                self.judge_return(offset, seen, promised, held.get(offset))
            else:
                assert self._may_be_settled(promised, offset), f"{offset} was never acked, and is settled"
        for offset, letter in promised.dead.items():
            assert seen.dead.get(offset) == letter, f"{offset} was listed as a dead letter, and is not"
        assert seen.committed >= promised.offset, "the offset went back"
        if self.config.commit == "ack":
            ahead = not all(self._may_be_settled(promised, offset) for offset in range(seen.committed))
            assert not ahead, "the offset is ahead"

    def _may_be_settled(self, promised: Promises, offset: int) -> bool:
        return promised.may_be_settled(offset, self.config.max_attempts, self.now)

    @staticmethod
    def judge_return(offset: int, seen: Seen, promised: Promises, held: Held | None) -> None:
        """Hold when a message comes back, and in which attempt, against what was said of its delivery."""
        back = seen.back(offset)
        assert back is not None, f"{offset} is not settled, and is never handed out again"
        before = 0 if held is None else held.attempt
        assert back.attempt > before, f"{offset} was in attempt {before}, and comes back in attempt {back.attempt}"
        due = promised.deadlines(offset, held)
        assert back.due in due, f"{offset} comes back at {back.due}, and not at any of {sorted(due)}"


__all__ = ["END", "File", "Moments", "Promises", "power_losses"]
