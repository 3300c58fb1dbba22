"""The store with threads, on real files. It drives a `Core` and holds no rule of its own.

- Request threads run the core under one lock, and write to the page cache themselves. In async mode
  they never wait for the disk.
- Flush threads sync, and replace the offset file. Each log has one (and with several logs, the directory); more are
  started, up to `Config.flush_threads` for each, when a sync hangs.
- A timer thread says what time it is.
- Durable callbacks run on a thread of their own, so that none of them holds up the store.

If a thread meets an error that nobody foresaw, the store is broken: it says so in `stats().healthy`
and refuses every call with `StoreBroken`, until it is opened again. Nothing is lost by that which a
process crash would not lose.

>>> import tempfile
>>> with Store(tempfile.mkdtemp()) as store:
...     store.publish("orders", 3)
...     first, second = store.pop("orders", 2)
...     store.ack(first.receipt), store.ack("no receipt"), store.flush()
(<Reply.OK: 'OK'>, <Reply.INVALID: 'INVALID'>, <Reply.OK: 'OK'>)
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

from attrs import evolve

from ackstore import fast
from ackstore.config import Config
from ackstore.core import Core
from ackstore.effects import Answer, Create, Durable, Effect, Sync, SyncDir, Unlink, Write
from ackstore.engine import cores_of, open_engine
from ackstore.errors import StoreBroken, UsageError
from ackstore.fast import StoreFields, wall_clock
from ackstore.files import DirectoryLock, Disk, FileReader, RealDisk, perform, prepare, write_by
from ackstore.identity import QueueId
from ackstore.lane import Lane, Writer
from ackstore.logs import Watch
from ackstore.replies import DeadLetter, Delivery, Reply
from ackstore.requests import Ack, AckMany, Close, Flush, Pop, Publish, Release, Renew, Request, Reset
from ackstore.stats import Stats
from ackstore.threads import Workers, call_back

log = logging.getLogger("ackstore")

Given = TypeVar("Given")
Got = TypeVar("Got")

#: How long a closing store waits for threads once all of its operations have ended, in seconds.
GRACE = 1.0


class Store(StoreFields):
    """An open store. Every method may be called from any thread; use it as a context manager, or
    `close` it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Config | None = None,
        *,
        disk: Disk | None = None,
        core_class: type[Core] = Core,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Open the store in the directory at `path`, or make a new one there.

        `disk`, `core_class` and `clock` are for tests: a disk that fails, a core that is wrong, a
        time of one's own (seconds, never going back).

        Raises a `DirectoryError` when the directory cannot be used, and a `LogError` when its files
        are not what a store left. Neither changes a file.
        """
        self.path = Path(path).absolute()
        self.config = config or Config()
        self._clock = clock or wall_clock()
        prepare(self.path)
        self._directory_lock = DirectoryLock(self.path)
        try:
            self._core = open_engine(self.config, FileReader(self.path), self._clock(), core_class)
            self._disk = disk or RealDisk(self.path, drop_flushed=self.config.drop_flushed)
            real = self._disk if isinstance(self._disk, RealDisk) and self._disk.writes_at_once() else None
            self._write = real.write if real else partial(write_by, self._disk)
        except BaseException:
            self._directory_lock.release()
            raise
        self._lane = self._core.lane if core_class is Core else None
        """The short way; not for a variant, which may have put other parts in place of those that it passes by."""
        self._direct = self._lane if real and type(self._lane) is Lane else None  # the compiled way is open
        self._lock = threading.Lock()
        """Guards the core and everything below."""
        self._op = 0
        self._answers: dict[int, Answer] = {}
        self._waiters: dict[int, threading.Lock] = {}
        """What the threads wait on whose operations have no answer yet: released with it."""
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._broken: BaseException | None = None
        self._closed: Reply | None = None
        self._closing = threading.Lock()
        self._lock_with(self._lock)
        self._wake = threading.Condition(self._lock)
        self._asleep = False
        """The timer waits for something to happen."""
        cores = cores_of(self._core)
        self._offset_files = frozenset(core.log.names.offsets_tmp for core in cores)
        self._pools = self._core.pools
        self._flushing = [
            Workers(self._flush_work, limit=self.config.flush_threads, died=self._die) for _ in range(self._pools)
        ]
        self._calling_back = Workers(call_back, limit=1, died=self._die)
        self._timer = threading.Thread(target=self._time, name="ackstore-timer", daemon=True)
        self._watches = [Watch(core, str(self.path)) for core in cores]
        for watch in self._watches:
            watch.recovered().emit()
        with self._lock:
            self._perform(self._clock())
        self._timer.start()

    # What clients call

    def publish(self, queue: QueueId | str, end: int) -> None:
        """Tell that `queue` holds messages 0 to `end` - 1. Their bodies live elsewhere.

        Never lowers the end. Not kept: publish again after opening the store.
        Raises `QueueNameInvalid`, `CountOutOfRange`.
        """
        self._call(Publish(queue, end), None)

    def pop(self, queue: QueueId | str, count: int = 1, invisible: float = 30.0) -> list[Delivery]:
        """Get up to `count` messages, which nobody else gets for `invisible` seconds.

        An empty list when there is nothing to hand out, and also when the store is busy or could
        not store that it handed something out: nobody has those messages then, or they come back.
        Raises `QueueUnknown`, `CountOutOfRange`, `DurationOutOfRange`.
        """
        return cast("list[Delivery]", list(self.try_pop(queue, count, invisible).value or ()))

    def try_pop(
        self,
        queue: QueueId | str,
        count: int = 1,
        invisible: float = 30.0,
        timeout: float | None = None,
    ) -> Answer:
        """As `pop`, with the reply that says why there is nothing: `Answer.reply`, `.value`."""
        return self._call(Pop(queue, count, invisible), timeout)

    def ack(
        self,
        receipt: str,
        on_durable: Callable[[], None] | None = None,
        timeout: float | None = None,
        queue: QueueId | str | None = None,
    ) -> Reply:
        """Settle the delivery that `receipt` names.

        `on_durable` is called once, later, on another thread, if and when the ack is FLUSHED.
        After `timeout` seconds (by default `Config.op_timeout`) the reply is UNKNOWN.
        With `queue`, a receipt of another queue is INVALID.
        """
        lane = self._lane
        if lane is not None and on_durable is None and timeout is None and queue is None:
            try:
                reply = fast.ack(self, receipt)
            except BaseException as error:
                raise self._broken_by(error) from error
            if reply is not None or (reply := self._by(lane.ack, receipt)) is not None:
                return reply
        return self._call(Ack(receipt, queue, on_durable is not None), timeout, on_durable).reply

    def ack_many(self, receipts: Iterable[str], timeout: float | None = None) -> list[Reply]:
        """Settle several deliveries; one reply for each receipt, in order."""
        lane = self._lane
        if lane is not None and timeout is None:
            try:
                replies = fast.ack_many(self, receipts)
            except BaseException as error:
                raise self._broken_by(error) from error
            if replies is not None:
                return replies
        request = AckMany(receipts)
        if lane is not None and timeout is None and (replies := self._by(lane.ack_many, request.receipts)) is not None:
            return replies
        return cast("list[Reply]", list(self._call(request, timeout).value or ()))

    def renew(self, receipt: str, invisible: float = 30.0, timeout: float | None = None) -> Reply:
        """Give the delivery that `receipt` names `invisible` seconds from now; the receipt stays current.

        The reply is as for `ack`. Raises `DurationOutOfRange`.
        """
        return self._call(Renew(receipt, invisible), timeout).reply

    def release(self, receipt: str, timeout: float | None = None) -> Reply:
        """Give a delivery back: somebody else can have the message at once. The attempt stays counted, and the reply
        is as for `ack`."""
        return self._call(Release(receipt), timeout).reply

    def reset(self, queue: QueueId | str, offset: int, timeout: float | None = None) -> Reply:
        """Begin again at `offset`: messages below it are settled, the others as if never handed out; every receipt
        that was given for the queue is EXPIRED.

        OK once it is FLUSHED and the offset file on disk says so, in every mode: a reset sticks.
        Raises `QueueUnknown`, `CountOutOfRange`.
        """
        return self._call(Reset(queue, offset), timeout).reply

    def dead(self, queue: QueueId | str) -> list[DeadLetter]:
        """The messages of `queue` that nobody settled in `Config.max_attempts` deliveries, the oldest first; of more
        than `Config.max_dead` only the latest. Empty for a queue that is not known."""
        parsed = queue if isinstance(queue, QueueId) else QueueId.parse(queue)
        with self._lock:
            return list(self._core.dead_letters(parsed))

    def flush(self, timeout: float | None = None) -> Reply:
        """Wait until everything submitted before is FLUSHED: OK, or UNKNOWN after `timeout`."""
        return self._call(Flush(), timeout).reply

    def stats(self) -> Stats:
        """What there is to see, at one instant; also of a closed or broken store."""
        with self._lock:
            self._advance()
            return evolve(self._core.stats(), healthy=self._broken is None)

    def close(self, timeout: float = 10.0) -> Reply:
        """Refuse new operations, make everything durable, and let go of the directory.

        OK when all was FLUSHED and the offsets written; UNKNOWN when that took longer than
        `timeout` seconds, or the store is broken: operations without an outcome end as UNKNOWN
        then. Closing again returns the same.
        """
        with self._closing:
            if self._closed is None:
                try:
                    self._closed = self._call(Close(), timeout).reply
                except StoreBroken:
                    self._closed = Reply.UNKNOWN
                self._let_go()
            return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # How a call becomes an operation

    def _call(self, request: Request, timeout: float | None, on_durable: Callable[[], None] | None = None) -> Answer:
        with self._lock:
            if self._broken is not None:
                raise self._refusal() from self._broken
            op = self._op = self._op + 1
            if on_durable is not None:
                self._callbacks[op] = on_durable
            try:
                now = self._clock()
                self._core.submit(op, request, now, timeout)
                answer = self._perform(now, op)
            except UsageError:
                self._callbacks.pop(op, None)
                raise
            except BaseException as error:
                self._break(error)
                raise self._refusal() from error
            if self._asleep or type(request) in _IN_STEPS:
                self._asleep = False
                self._wake.notify()
            if answer is not None:
                return answer
            waiter = self._waiters[op] = threading.Lock()
            waiter.acquire()
        return self._wait(op, waiter, self.config.op_timeout if timeout is None else timeout)

    def _by(self, way: Callable[[Given, float, Writer], Got | None], given: Given) -> Got | None:
        """Take the short way; None where it is barred, and the long one has to be taken."""
        fast.take_turns(self._lock.acquire)
        try:
            core = self._core
            if self._broken is not None or core.closing is not None:
                return None
            try:
                now = core.now = self._clock()
                got = way(given, now, self._write)
                if core.effects:
                    self._perform(now)
            except BaseException as error:
                self._break(error)
                raise self._refusal() from error
            if self._asleep:
                self._asleep = False
                self._wake.notify()
            return got
        finally:
            self._lock.release()

    def _broken_by(self, error: BaseException) -> StoreBroken:
        """An error that nobody foresaw has come out of a call."""
        self._die(error)
        return self._refusal()

    def _refusal(self) -> StoreBroken:
        return StoreBroken(f"the store at {self.path} is broken: close it, and open it again")

    def _wait(self, op: int, waiter: threading.Lock, timeout: float) -> Answer:
        """Wait for the answer. When time is up this thread says so itself, so that no client
        depends on another thread being alive."""
        until = time.monotonic() + timeout
        while not waiter.acquire(timeout=min(max(until - time.monotonic(), 0.001), 3600.0)):
            with self._lock:
                self._advance()
        with self._lock:
            return self._answers.pop(op)

    def _advance(self) -> None:
        """Tell the core the time. (The lock is held.)"""
        if self._broken is None:
            try:
                now = self._clock()
                self._core.tick(now)
                self._perform(now)
            except Exception as error:
                # Whatever it was: the caller learns of it from its answer, UNKNOWN, and the next
                # call from `StoreBroken`.
                self._break(error)

    def _perform(self, now: float, mine: int = 0) -> Answer | None:
        """Have everything done that the core asks for; returns the answer of operation `mine`, if there is one. (The
        lock is held.)

        What goes to the page cache is done here and now; what waits for the disk, elsewhere.
        """
        core = self._core
        answer = None
        for io, effect in core.effects:  # completing one appends what follows from it
            if isinstance(effect, _AT_ONCE) and effect.file not in self._offset_files:
                core.complete(io, perform(self._disk, effect), now)
            elif isinstance(effect, Answer):
                if effect.op == mine:
                    answer = effect
                if self._callbacks or self._waiters:
                    self._deliver(effect)
            elif isinstance(effect, Durable):
                callback = self._callbacks.pop(effect.op, None)
                if callback is not None:
                    self._calling_back.put(callback)
            else:
                self._flushing[io % self._pools].put((io, effect))
        core.effects.clear()
        return answer

    def _deliver(self, answer: Answer) -> None:
        """Give an answer to the thread that waits for it, if one does."""
        if answer.reply not in _MAY_BE_DURABLE:
            self._callbacks.pop(answer.op, None)
        waiter = self._waiters.pop(answer.op, None)
        if waiter is not None:
            self._answers[answer.op] = answer
            waiter.release()

    # The other threads

    def _flush_work(self, job: tuple[int, Effect]) -> None:
        io, effect = job
        result = perform(self._disk, effect)
        with self._lock:
            if self._broken is None:
                now = self._clock()
                self._core.complete(io, result, now)
                self._perform(now)
                self._tell()

    def _time(self) -> None:
        try:
            with self._lock:
                while not self._core.closed and self._broken is None:
                    now = self._clock()
                    self._core.tick(now)
                    self._perform(now)
                    self._tell()
                    due = self._core.next_tick()
                    # Anything that comes up meanwhile is due a flush interval later at the
                    # earliest, or wakes this thread, or is waited for by a thread that looks at
                    # the clock itself.
                    self._asleep = due is None
                    wait = None if due is None else max(due - self._clock(), 0.0005)
                    self._wake.wait(None if wait is None else min(wait, self.config.flush_interval))
        except BaseException as error:
            # The thread's top: without a timer nothing is synced in time.
            self._die(error)

    def _tell(self) -> None:
        """Have it logged, by a thread that may wait, when the store's state has changed. (The lock is held.)"""
        for watch in self._watches:
            if watch.changed():
                for notice in watch.look():
                    self._calling_back.put(notice.emit)

    def _die(self, error: BaseException) -> None:
        """A thread has died of `error`."""
        with self._lock:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        """Promise nothing more. (The lock is held.)"""
        if self._broken is None:
            log.critical("the store at %s is broken", self.path, exc_info=error, extra=self._fields("broken"))
            self._broken = error
        for op in list(self._waiters):
            self._deliver(Answer(op, Reply.UNKNOWN))
        self._wake.notify_all()

    def _let_go(self) -> None:
        """Stop the threads and leave the directory to others."""
        with self._lock:
            self._callbacks.clear()
            self._wake.notify_all()
            for queue in self._core.queues.values():
                queue.let_go_of_acks()
        self._timer.join(GRACE)
        until = time.monotonic() + GRACE
        stuck = [effect for pool in self._flushing for _io, effect in pool.stop(max(until - time.monotonic(), 0.0))]
        self._calling_back.stop(GRACE, drain=True)
        self._disk.close()
        if all(isinstance(effect, Sync | SyncDir) for effect in stuck):
            self._directory_lock.release()
        else:
            log.error("%s stays locked: %s is still going on", self.path, stuck, extra=self._fields("locked"))

    def _fields(self, event: str) -> dict[str, object]:
        return {"event": event, "store": str(self.path)}


#: What only reaches the page cache; of the offset file even this waits for a flush thread, with all the rest of it.
_AT_ONCE = (Write, Create, Unlink)
#: Of what they ask for the core may leave the rest to ticks, which are due at once.
_IN_STEPS = (Flush, Close)
#: Answers after which an ack may still become FLUSHED.
_MAY_BE_DURABLE = frozenset({Reply.OK, Reply.SETTLED, Reply.UNKNOWN})
