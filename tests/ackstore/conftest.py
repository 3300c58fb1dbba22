"""A core driven by hand: every result is given by the test, in the order that the test wants."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

import three_logs
from ackstore import Config, Core, Delivery, Reply, Stats
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
    Sync,
    SyncDir,
    Unlink,
    Write,
)
from ackstore.core.sharded import open_engine
from ackstore.fastpath.engines import EnginePath
from ackstore.words.requests import Ack, AckMany, Close, Flush, Pop, Publish, Request

EIO, ENOSPC = 5, 28


class File:
    """An inode: what readers see, and what of it is on the disk."""

    def __init__(self, cached: bytes = b"") -> None:
        self.cached = self.synced = cached
        self.dirty: set[int] = set()
        """Bytes that no sync has taken up since they were written."""
        self.phantom: set[int] = set()
        """Bytes that a failed sync took up: readable, and never to be written, also not by a later
        sync that succeeds, unless they are written again."""

    def write(self, at: int, data: bytes) -> None:
        old = self.cached.ljust(at, b"\0")
        self.cached = old[:at] + data + old[at + len(data) :]
        fresh = set(range(at, at + len(data)))
        self.dirty |= fresh
        self.phantom -= fresh

    def sync(self, *, ok: bool) -> None:
        if ok:
            self.synced = self.without(self.phantom)
        else:
            self.phantom |= self.dirty
        self.dirty = set()

    def without(self, lost: set[int]) -> bytes:
        """What readers see, but with these bytes as they are on the disk."""
        old = self.synced.ljust(len(self.cached), b"\0")
        return bytes(old[at] if at in lost else now for at, now in enumerate(self.cached))

    def remains(self, pick: random.Random) -> bytes:
        """What a power loss leaves: any subset of what was not synced, in small pages."""
        eaten = {page for page in {at // 16 for at in self.dirty} if pick.random() < 0.4}
        content = self.without({at for at in self.dirty if at // 16 in eaten} | self.phantom)
        if pick.random() < 0.5:  # the new length was not on the disk
            content = content[: max(len(self.synced), pick.randrange(len(content) + 1))]
        return content


class Files:
    """A directory: the names that readers see, and those on the disk."""

    def __init__(self, cached: dict[str, bytes] | None = None) -> None:
        self.files = {name: File(data) for name, data in (cached or {}).items()}
        self.entries = dict(self.files)

    @property
    def cached(self) -> dict[str, bytes]:
        return {name: file.cached for name, file in self.files.items()}

    def put(self, name: str, data: bytes) -> None:
        """Change a file behind the store's back."""
        self.files[name] = File(data)

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name].cached

    def apply(self, effect: Effect, result: Result) -> None:
        match effect:
            case Write(name, at, data) if name in self.files:
                written = result.written if isinstance(result, Failed) else len(data)
                self.files[name].write(at, data[:written])
            case Sync(name) if name in self.files:
                self.files[name].sync(ok=result is DONE)
            case Create(name) if result is DONE:
                self.files[name] = File()
            case Rename(source, target) if result is DONE:
                self.files[target] = self.files.pop(source)
            case Reserve(name) if result is DONE:
                self.files.setdefault(name, File())
            case Unlink(name) if result is DONE:
                del self.files[name]
            case SyncDir() if result is DONE:
                self.entries = dict(self.files)

    def after_power_loss(self, pick: random.Random | None = None) -> Files:
        """Only what was synced; with `pick`, any subset of the rest too."""
        if pick is None:
            return Files({name: file.synced for name, file in self.entries.items()})
        left: dict[str, bytes] = {}
        for name in sorted(self.entries.keys() | self.files.keys()):
            file = pick.choice([self.entries.get(name), self.files.get(name)])
            if file is not None:
                left[name] = file.remains(pick)
        return Files(left)

    def after_process_crash(self) -> Files:
        """Everything that was written, phantoms included, and the disk as it is under it."""
        return deepcopy(self)


class Driver:
    """A core, its files, and what is outstanding."""

    def __init__(
        self,
        config: Config | None = None,
        files: Files | None = None,
        core_class: type[Core] = Core,
        now: float = 1000.0,
    ) -> None:
        self.config = config or Config(retry_jitter=0.0)
        self.core_class = core_class
        self.files = files or Files()
        self.now = now
        self.core = open_engine(self.config, self.files, now, core_class)
        self.fast_path = EnginePath(self.core)
        self.pending: dict[int, Effect] = {}
        self.answers: dict[int, Answer] = {}
        self.durable: list[int] = []
        self.op = 0
        self.take()

    # Effects

    def take(self) -> None:
        for io, effect in self.core.take_effects():
            if isinstance(effect, Answer):
                assert io == 0
                assert effect.op not in self.answers, "answered twice"
                self.answers[effect.op] = effect
            elif isinstance(effect, Durable):
                self.durable.append(effect.op)
            else:
                self.pending[io] = effect

    def waiting(self, kind: type[Effect]) -> list[Any]:
        return [effect for effect in self.pending.values() if isinstance(effect, kind)]

    def finish(self, kind: type[Effect], result: Result = DONE, file: str | None = None) -> Any:
        """Give the oldest outstanding effect of this kind its result."""
        for io, effect in self.pending.items():
            if isinstance(effect, kind) and file in (None, getattr(effect, "file", None)):
                del self.pending[io]
                self.files.apply(effect, result)
                self.core.complete(io, result, self.now)
                self.take()
                return effect
        raise AssertionError(f"no {kind.__name__} of {file} in {self.pending}")

    def hold(self, kind: type[Effect]) -> int:
        """Set an outstanding effect aside; `release` gives it a result later."""
        io = next(io for io, effect in self.pending.items() if isinstance(effect, kind))
        self.held = self.pending.pop(io)
        return io

    def release(self, io: int, result: Result = DONE) -> None:
        self.core.complete(io, result, self.now)
        self.take()

    def settle(self) -> Driver:
        """Let everything outstanding, and what follows from it, succeed."""
        while self.pending:
            self.finish(object)  # type: ignore[arg-type]
        return self

    def wait(self, seconds: float) -> Driver:
        self.now += seconds
        self.core.tick(self.now)
        self.take()
        return self

    def rest(self, seconds: float = 30.0) -> Driver:
        """Let so much time pass, with a disk that works."""
        until = self.now + seconds
        while True:
            self.settle()
            due = self.core.next_tick()
            if due is None or due > until:
                break
            self.wait(max(0.0, due - self.now))
        self.now = until
        return self

    # Requests

    def submit(self, request: Request, timeout: float | None = None) -> int:
        self.op += 1
        self.core.submit(self.op, request, self.now, timeout)
        self.take()
        return self.op

    def publish(self, end: int, queue: str = "q") -> None:
        self.submit(Publish(queue, end))

    def pop(self, count: int = 1, invisible: float = 30.0, queue: str = "q") -> list[Delivery]:
        """Pop on a disk that works."""
        op = self.submit(Pop(queue, count, invisible))
        self.settle()
        assert self.answers[op].reply is Reply.OK, self.answers[op]
        return list(self.answers[op].value or ())  # type: ignore[arg-type]

    def ack(self, receipt: str, timeout: float | None = None) -> int:
        return self.submit(Ack(receipt), timeout)

    def ack_many(self, *receipts: str) -> int:
        return self.submit(AckMany(receipts))

    def flush(self) -> int:
        return self.submit(Flush())

    def close(self, timeout: float | None = None) -> int:
        return self.submit(Close(), timeout)

    def reply(self, op: int) -> Reply | None:
        return self.answers[op].reply if op in self.answers else None

    @property
    def stats(self) -> Stats:
        return self.core.stats()

    def committed(self, queue: str = "q") -> int:
        return {str(each): seen for each, seen in self.stats.queues.items()}[f"{queue}/default/0"].committed

    # Crashes

    def reopen(self, files: Files) -> Driver:
        return Driver(self.config, files, self.core_class, self.now)

    def process_crash(self) -> Driver:
        return self.reopen(self.files.after_process_crash())

    def power_loss(self) -> Driver:
        return self.reopen(self.files.after_power_loss())


@pytest.fixture
def drive() -> Callable[..., Driver]:
    """Opens a store: `drive(**settings)`."""

    def start(files: dict[str, bytes] | None = None, core: type[Core] = Core, **settings: Any) -> Driver:
        config = Config(**{"retry_jitter": 0.0, **settings})
        return Driver(config, Files(files), core)

    return start


@pytest.fixture
def popped(drive: Callable[..., Driver]) -> Callable[..., tuple[Driver, list[str]]]:
    """Opens a store with messages popped and everything flushed: `popped(count, **settings)`."""

    def start(count: int = 3, **settings: Any) -> tuple[Driver, list[str]]:
        store = drive(**settings)
        store.settle()
        store.publish(100)
        receipts = [delivery.receipt for delivery in store.pop(count)]
        store.flush()
        store.settle()
        assert store.stats.unflushed_records == 0
        return store, receipts

    return start


@pytest.fixture
def three(drive: Any) -> Any:
    """Opens a store with three logs, one queue in each: `three(**settings)`."""

    def start(**settings: Any) -> Any:
        store = drive(logs=3, **settings)
        store.settle()
        for queue in three_logs.ALL:
            store.publish(100, queue)
        return store

    return start


__all__ = ["EIO", "ENOSPC", "Driver", "Failed", "Files"]
