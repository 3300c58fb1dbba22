"""A core driven by hand: every result is given by the test, in the order that the test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ackstore import Config, Core, Delivery, Reply, Stats, recover
from ackstore.effects import (
    DONE,
    Answer,
    Create,
    Durable,
    Effect,
    Failed,
    Rename,
    Result,
    Sync,
    SyncDir,
    Unlink,
    Write,
)
from ackstore.requests import Ack, AckMany, Close, Flush, Pop, Publish, Request

EIO, ENOSPC = 5, 28


class Files:
    """A directory: what readers see, and what power loss leaves at the least."""

    def __init__(self, cached: dict[str, bytes] | None = None) -> None:
        self.cached = dict(cached or {})
        self.synced = dict(self.cached)
        """Content by name as of the last sync that succeeded."""
        self.entries = dict.fromkeys(self.cached, "")
        """The names on disk, each with the name that its content was synced under."""
        self.renamed: dict[str, str] = {}

    def names(self) -> list[str]:
        return list(self.cached)

    def read(self, name: str) -> bytes:
        return self.cached[name]

    def apply(self, effect: Effect, result: Result) -> None:
        match effect:
            case Create(file) if result is DONE:
                self.cached[file] = b""
                self.synced.pop(file, None)
            case Write(file, at, data):
                written = result.written if isinstance(result, Failed) else len(data)
                old = self.cached[file].ljust(at, b"\0")
                self.cached[file] = old[:at] + data[:written] + old[at + written :]
            case Sync(file) if result is DONE:
                self.synced[file] = self.cached[file]
            case Rename(source, target) if result is DONE:
                self.cached[target] = self.cached.pop(source)
                self.renamed[target] = source
            case Unlink(file) if result is DONE:
                del self.cached[file]
            case SyncDir() if result is DONE:
                for target, source in self.renamed.items():
                    self.synced[target] = self.synced.pop(source, b"")
                self.renamed = {}
                self.entries = dict.fromkeys(self.cached, "")

    def after_power_loss(self) -> Files:
        """Only what was synced, entries included."""
        return Files({name: self.synced.get(name, b"") for name in self.entries})

    def after_process_crash(self) -> Files:
        """Everything that was written."""
        return Files(self.cached)


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
        self.core = core_class(self.config, recover(self.config, self.files), now)
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


__all__ = ["EIO", "ENOSPC", "Driver", "Failed", "Files"]
