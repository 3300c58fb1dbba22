"""The store for asyncio: the calls of `ackstore.Store`, as coroutines.

Each call runs in a thread of the store's own, so that no write, however long it hangs, holds up the event loop.

**Cancelled**, a coroutine ends at once, and the call goes on in its thread: a cancelled ack may have happened, as one
that was answered UNKNOWN may have. Nothing leaks: what a cancelled pop is still handed is released, so that somebody
else can have it at once. In a forked child every call is refused by name, as those of `ackstore.Store` are.

>>> import asyncio, tempfile
>>> async def main():
...     async with await Store.open(tempfile.mkdtemp()) as store:
...         await store.publish("orders", 2)
...         first, second = await store.pop("orders", 2)
...         return await asyncio.gather(store.ack(first.receipt), store.ack(second.receipt), store.flush())
>>> asyncio.run(main())
[<Reply.OK: 'OK'>, <Reply.OK: 'OK'>, <Reply.OK: 'OK'>]
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from ackstore import store
from ackstore.core.effects import Answer
from ackstore.words.config import Config
from ackstore.words.identity import Delivery, QueueId
from ackstore.words.replies import DeadLetter, Reply
from ackstore.words.stats import Stats

THREADS = 8
"""Calls that one store performs at a time, unless it is told otherwise; others wait for their turn."""

Got = TypeVar("Got")


class Store:
    """An open store; `open` makes one. What each call promises, `ackstore.Store` says."""

    def __init__(self, opened: store.Store, threads: int = THREADS) -> None:
        self.store = opened
        """The same store for threads."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ackstore-aio")
        self._process = os.getpid()
        """The only one that has these threads."""

    @classmethod
    async def open(cls, path: str | os.PathLike[str], config: Config | None = None, *, threads: int = THREADS) -> Store:
        """Open the store in the directory at `path`. Cancelled, it is closed again when it is open."""
        opening = ThreadPoolExecutor(1, thread_name_prefix="ackstore-aio-open")
        job = opening.submit(store.Store, path, config)
        opening.shutdown(wait=False)
        return cls(await _result(job, lambda opened: opened.close()), threads)

    async def _call(self, call: Callable[[], Got], undo: Callable[[Got], object] = lambda _: None) -> Got:
        if os.getpid() != self._process:
            return call()  # refused by name, at once
        return await _result(self._threads.submit(call), undo)

    async def publish(self, queue: QueueId | str, end: int) -> None:
        """Do as `ackstore.Store.publish`."""
        await self._call(partial(self.store.publish, queue, end))

    async def pop(self, queue: QueueId | str, count: int = 1, invisible: float = 30.0) -> list[Delivery]:
        """Do as `ackstore.Store.pop`. Cancelled, what it is handed is released."""
        return await self._call(partial(self.store.pop, queue, count, invisible), self._give_back)

    async def try_pop(
        self, queue: QueueId | str, count: int = 1, invisible: float = 30.0, timeout: float | None = None
    ) -> Answer:
        """Do as `ackstore.Store.try_pop`. Cancelled, what it is handed is released."""
        call = partial(self.store.try_pop, queue, count, invisible, timeout)
        return await self._call(call, lambda answer: self._give_back(answer.value or ()))

    async def ack(
        self,
        receipt: str,
        on_durable: Callable[[], object] | None = None,
        timeout: float | None = None,
        queue: QueueId | str | None = None,
    ) -> Reply:
        """Do as `ackstore.Store.ack`. `on_durable` is called in the event loop that this runs in; cancelled, it may be
        called all the same."""
        heard = on_durable and partial(_in_loop, asyncio.get_running_loop(), on_durable)
        return await self._call(partial(self.store.ack, receipt, heard, timeout, queue))

    async def ack_many(self, receipts: Iterable[str], timeout: float | None = None) -> list[Reply]:
        """Do as `ackstore.Store.ack_many`."""
        return await self._call(partial(self.store.ack_many, list(receipts), timeout))

    async def renew(self, receipt: str, invisible: float = 30.0, timeout: float | None = None) -> Reply:
        """Do as `ackstore.Store.renew`."""
        return await self._call(partial(self.store.renew, receipt, invisible, timeout))

    async def release(self, receipt: str, timeout: float | None = None) -> Reply:
        """Do as `ackstore.Store.release`."""
        return await self._call(partial(self.store.release, receipt, timeout))

    async def reset(self, queue: QueueId | str, offset: int, timeout: float | None = None) -> Reply:
        """Do as `ackstore.Store.reset`."""
        return await self._call(partial(self.store.reset, queue, offset, timeout))

    async def dead(self, queue: QueueId | str) -> list[DeadLetter]:
        """Do as `ackstore.Store.dead`."""
        return await self._call(partial(self.store.dead, queue))

    async def flush(self, timeout: float | None = None) -> Reply:
        """Do as `ackstore.Store.flush`."""
        return await self._call(partial(self.store.flush, timeout))

    async def snapshot(self, path: str | os.PathLike[str], timeout: float | None = None) -> Reply:
        """Do as `ackstore.Store.snapshot`. Cancelled, the copy is made all the same."""
        return await self._call(partial(self.store.snapshot, path, timeout))

    async def degrade(self) -> Reply:
        """Do as `ackstore.Store.degrade`. Cancelled, it may have happened."""
        return await self._call(self.store.degrade)

    async def restore(self) -> Reply:
        """Do as `ackstore.Store.restore`. Cancelled, it may have happened."""
        return await self._call(self.store.restore)

    async def stats(self, *, count: bool = True) -> Stats:
        """Do as `ackstore.Store.stats`."""
        return await self._call(partial(self.store.stats, count=count))

    async def close(self, timeout: float = 10.0) -> Reply:
        """Do as `ackstore.Store.close`. Cancelled, it is closed all the same."""
        if os.getpid() != self._process:
            return self.store.close(timeout)
        closing = ThreadPoolExecutor(1, thread_name_prefix="ackstore-aio-close")  # the others may all be at work
        job = closing.submit(self.store.close, timeout)
        closing.shutdown(wait=False)
        self._threads.shutdown(wait=False)
        return await asyncio.shield(asyncio.wrap_future(job))

    def _give_back(self, deliveries: Iterable[object]) -> None:
        for delivery in deliveries:
            if isinstance(delivery, Delivery):
                self.store.release(delivery.receipt)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()


async def _result(job: Future[Got], undo: Callable[[Got], object]) -> Got:
    """Wait for a call. Cancelled, it goes on, unless it has not begun, and `undo` gets what it comes to."""
    try:
        return await asyncio.shield(asyncio.wrap_future(job))
    except asyncio.CancelledError:
        if not job.cancel():
            job.add_done_callback(partial(_undo, undo))
        raise


def _in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody is there to hear it
        loop.call_soon_threadsafe(callback)


def _undo(undo: Callable[[Got], object], job: Future[Got]) -> None:
    if not job.cancelled() and job.exception() is None:
        undo(job.result())
