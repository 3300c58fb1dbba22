"""A store on a disk of a fixed size, with clients that settle what they get, and crashes.

>>> disk = FixedDisk(3 * BLOCK)
>>> disk.perform(Create("a")), disk.perform(Write("a", 0, bytes(5000)))
(Done(), Done())
>>> disk.perform(Create("b")), disk.perform(Write("b", 0, bytes(5000)))
(Done(), Failed(errno=28, written=4096))
>>> disk.perform(Unlink("a")), disk.free, disk.perform(Reserve("c", 2 * BLOCK))
(Done(), 8192, Failed(errno=28, written=4096))
"""

from __future__ import annotations

import errno
import random
from collections import deque
from typing import Any

from attrs import Factory, define

from ackcheck.sim.disk import Disk
from ackstore import Config
from ackstore.core.effects import (
    DONE,
    Answer,
    Create,
    Durable,
    Effect,
    Failed,
    Rename,
    Reserve,
    Result,
    Unlink,
    Write,
)
from ackstore.core.engine import Engine
from ackstore.core.sharded import open_engine
from ackstore.words.requests import Ack, AckMany, Close, Flush, Pop, Publish, Renew, Request
from performing import perform_on

BLOCK = 4096
"""What a file takes up of the disk is a multiple of this."""


@define
class FixedDisk:
    """A disk of `size` bytes."""

    size: int
    disk: Disk = Factory(Disk)
    sizes: dict[str, int] = Factory(dict)
    """How long each file is."""
    written: int = 0
    """Bytes written to segments, in all."""
    failed: int = 0
    """Writes that found no room."""

    @property
    def free(self) -> int:
        return self.size - sum(_blocks(size) for size in self.sizes.values())

    def perform(self, effect: Effect) -> Result:
        result = self._result(effect)
        perform_on(self.disk, effect, result)
        match effect:
            case Create(file):
                self.sizes[file] = 0
            case Write(file, at, data):
                written = result.written if isinstance(result, Failed) else len(data)
                self.sizes[file] = max(self.sizes[file], at + written)
                self.written += written if file.endswith(".seg") else 0
                self.failed += result is not DONE
            case Rename(source, target):
                self.sizes[target] = self.sizes.pop(source)
            case Unlink(file) if result is DONE:
                del self.sizes[file]
            case Reserve(file, size) if result is DONE:
                self.sizes[file] = size
        return result

    def _result(self, effect: Effect) -> Result:
        """Whether there is room, and the file."""
        match effect:
            case Write(file, at, data) if (room := _blocks(self.sizes[file]) + self.free - at) < len(data):
                return Failed(errno.ENOSPC, max(room, 0))
            case Unlink(file) if file not in self.sizes:
                return Failed(errno.ENOENT)
            case Reserve(file, size):
                had = self.sizes.get(file, 0)
                most = max((self.free + _blocks(had)) // 2, had)
                return DONE if size <= most else Failed(errno.ENOSPC, most)
        return DONE

    def lose_power(self, pick: random.Random) -> None:
        """Leave some of what was not synced."""
        self.disk.lose_power(lambda parts: pick.choice((0, parts)))
        self._measure()

    def _measure(self) -> None:
        reserved = {name: size for name, size in self.sizes.items() if name.startswith("reserve")}
        self.sizes = {name: len(self.disk.read(name)) for name in self.disk.names()}
        self.sizes.update({name: size for name, size in reserved.items() if name in self.sizes})


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


@define(eq=False)
class Life:
    """A store on such a disk, and its clients."""

    config: Config
    disk: FixedDisk
    pick: random.Random
    now: float = 1000.0
    core: Engine = Factory(lambda self: open_engine(self.config, self.disk.disk, self.now), takes_self=True)
    answers: dict[int, Answer] = Factory(dict)
    hands: deque[str] = Factory(deque)
    """Receipts that somebody has."""
    op: int = 0
    end: int = 0
    crashes: int = 0

    def work(self) -> None:
        """Perform what the store asks for, in some order."""
        while effects := self.core.take_effects():
            self.pick.shuffle(effects)
            for io, effect in effects:
                if isinstance(effect, Answer):
                    self.answers[effect.op] = effect
                elif not isinstance(effect, Durable):
                    self.core.complete(io, self.disk.perform(effect), self.now)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.core.next_tick()) is not None and due <= until:
            self.now = max(self.now, due)
            self.core.tick(self.now)
            self.work()
        self.now = until

    def ask(self, request: Request) -> Answer | None:
        self.op += 1
        self.core.submit(self.op, request, self.now)
        self.work()
        for _ in range(200):  # at most twenty seconds
            if self.op in self.answers:
                break
            self.wait(0.1)
        return self.answers.pop(self.op, None)

    def publish(self, end: int) -> None:
        self.end = end
        self.core.submit(0, Publish("orders", end), self.now)

    def turn(self, *, calm: bool = False) -> None:
        """What a client does."""
        answer = self.ask(Pop("orders", self.pick.choice((1, 5, 40)), 2.0))
        self.hands += [each.receipt for each in answer.value or ()] if answer else []  # type: ignore[union-attr]
        while len(self.hands) > (0 if calm else self.pick.randrange(60)):
            batch = [self.hands.popleft() for _ in range(min(self.pick.choice((1, 8)), len(self.hands)))]
            if not calm and self.pick.random() < 0.02:
                continue  # nobody settles it in time
            if self.pick.random() < 0.1:
                self.ask(Renew(batch[0], 3.0))
            self.ask(Ack(batch[0]) if len(batch) == 1 else AckMany(batch))
        self.wait(self.pick.choice((0.0, 0.01, 0.3)))

    def crash(self) -> None:
        """End with the process, with the power, or by a close; and open again."""
        self.crashes += 1
        how = self.pick.randrange(3)
        if how == 0:
            self.ask(Close())
        elif how == 1:
            self.disk.lose_power(self.pick)
        self.hands.clear()
        self.core = open_engine(self.config, self.disk.disk, self.now)
        self.work()
        self.publish(self.end)

    @property
    def floor(self) -> int:
        (queue,) = self.core.queues.values()
        return queue.floor

    def settle_all(self, turns: int) -> None:
        """Settle everything there is."""
        for _ in range(turns):
            if self.floor == self.end:
                break
            self.turn(calm=True)
            self.wait(0.5)
        self.ask(Flush())
        self.wait(30.0)

    @property
    def stats(self) -> Any:
        return self.core.stats()
