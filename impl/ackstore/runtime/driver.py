"""How a core is driven with threads, one lock, and a real disk. It holds no rule of the protocol.

- Request threads run the core under the lock, and write to the page cache themselves. In async mode they never wait
  for the disk.
- What may wait for the disk, clients' callbacks and log lines have threads of their own (`ackstore.runtime.crew`).
- A timer thread says what time it is.

**A write that hangs** holds the lock, and the thread that is in it cannot be called back. Every other thread keeps its
bounds: it waits for the lock no longer than it may for an answer. A request that does not get it was never submitted,
and is BUSY; one that was, and whose time is up, is UNKNOWN. So nobody waits for the lock without a limit, but for
threads that nobody waits for.

If a thread meets an error that nobody foresaw, the store is *broken*: it refuses every call with `StoreBroken`, until
it is opened again. Nothing is lost by that which a process crash would not lose.

>>> from ackstore.core.requests import Flush
>>> unsubmitted(Flush(), Reply.BUSY), unsubmitted(AckMany(["one", "other"]), Reply.UNKNOWN).value
(Answer(op=0, reply=<Reply.BUSY: 'BUSY'>, value=None), (<Reply.UNKNOWN: 'UNKNOWN'>, <Reply.UNKNOWN: 'UNKNOWN'>))
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve

from ackstore.config import Config
from ackstore.core.core import Core
from ackstore.core.effects import Answer, Create, Durable, Effect, Result, Write
from ackstore.core.engine import cores_of, open_engine, paths_of
from ackstore.core.operations import check_timeout
from ackstore.core.replies import Reply
from ackstore.core.requests import AckMany, Close, Flush, Pop, Request
from ackstore.core.stats import Stats
from ackstore.errors import StoreBroken, StoreClosed, StoreForked, UsageError
from ackstore.fastpath.clock import wall_clock
from ackstore.fastpath.fields import StoreFields
from ackstore.runtime import crew, forks, gate
from ackstore.runtime.crew import Crew
from ackstore.runtime.files import DirectoryLock, Disk, FileReader, RealDisk, WritesBy, perform, prepare
from ackstore.runtime.gate import Gate
from ackstore.runtime.logs import Notice, Watch
from ackstore.runtime.memory import resident_bytes
from ackstore.runtime.threads import Bell, Waiter

log = logging.getLogger("ackstore")

#: How long a thread whose time is up waits for the lock, in seconds, to end its operation itself.
MOMENT = 0.1
#: Log lines that wait for a slow handler, at most; what happens meanwhile is told together in a later one.
LINES = 100


def unsubmitted(request: Request, reply: Reply) -> Answer:
    """The answer to a request that the core has not answered: `reply`, for every item."""
    if isinstance(request, AckMany):
        return Answer(0, reply, (reply,) * len(request.receipts))
    return Answer(0, reply, () if isinstance(request, Pop) else None)


AHEAD = 1.0
"""Seconds that the store's clock may be ahead of the system's, or of what is noted of it."""


class Driver(StoreFields):
    """What is behind the methods of `ackstore.store.Store`."""

    def __init__(
        self,
        path: Path,
        config: Config,
        disk: Disk | None,
        core_class: type[Core],
        clock: Callable[[], float] | None,
    ) -> None:
        self.path = path
        self._opened_by = os.getpid()
        self.config = config
        prepare(self.path)
        self._directory_lock = DirectoryLock(self.path)
        self._clock = clock or wall_clock(self._directory_lock.last_written)
        self._note_at = 0.0 if clock is None and self._clock() > time.time() + AHEAD else math.inf
        """When the next open is to be told how late it is, by a clock that is ahead of the system's."""
        try:
            self._core = open_engine(self.config, FileReader(self.path), self._clock(), core_class)
            self._disk = disk or RealDisk(self.path, drop_flushed=self.config.drop_flushed)
            real = self._disk if isinstance(self._disk, RealDisk) and self._disk.writes_at_once() else None
            self._writes = real or WritesBy(self._disk)
        except BaseException:
            self._directory_lock.release()
            raise
        self._paths = paths_of(self._core)
        self._gate = Gate(self._stalls, self)
        """Guards the core, and what is below but for `_waiters`, `_broken` and `_refused`."""
        self._op = 0
        self._waiters: dict[int, Waiter] = {}
        """By operation, those of the threads that wait for an answer. Whoever pops one tells it: no lock is needed."""
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._counting = threading.Lock()
        """Guards the next, for a moment."""
        self._refused = 0
        """Answers of BUSY that the core knows nothing of."""
        self._broken: BaseException | None = None
        """Why nothing is done any more. Set without the lock: a thread in a write that hangs sees it when it is back,
        and writes nothing else."""
        self._acquire, self._release, self._leave = self._gate.acquire, self._gate.release, self._gate.leave
        self._wake = Bell()
        self._asleep = False
        """The timer waits for something to happen."""
        self._start()

    def _start(self) -> None:
        """Begin: with the threads, and with what the core asks for."""
        cores = cores_of(self._core)
        self._offset_files = frozenset(core.log.names.offsets_tmp for core in cores)
        self._crew = Crew(
            self._disk_work, pools=self._core.pools, flush_threads=self.config.flush_threads, died=self._break
        )
        self._timer = threading.Thread(target=self._time, name="ackstore-timer", daemon=True)
        self._watches = [Watch(core, str(self.path)) for core in cores]
        for watch in self._watches:
            watch.recovered().emit()
        self._gate.run(threading.TIMEOUT_MAX, self._begin)
        self._timer.start()
        forks.watch(self)

    def _begin(self) -> None:
        self._perform(self._clock())
        self._seen = self._look(), time.monotonic()
        """What was seen last, and when."""

    def leave_behind(self) -> None:
        """Do nothing any more: this is a child of the process that opened the store. No lock is taken, since a thread
        that there is no more may have had it."""
        self._paths = ()
        self._broken = StoreForked(f"the store at {self.path} belongs to process {self._opened_by}, not to its child")
        self._directory_lock.forget()

    @property
    def _left_behind(self) -> bool:
        return isinstance(self._broken, StoreForked)

    # How a call becomes an operation

    def _call(self, request: Request, timeout: float | None, on_durable: Callable[[], None] | None = None) -> Answer:
        seconds = self.config.op_timeout if timeout is None else check_timeout(timeout)
        until = time.monotonic() + seconds
        self._check()
        submitted = self._gate.run(seconds, self._submit_in_time, request, until, on_durable)
        if not submitted:
            return self._busy(request)
        return submitted if isinstance(submitted, Answer) else self._wait(*submitted, until)

    def _submit_in_time(
        self, request: Request, until: float, on_durable: Callable[[], None] | None
    ) -> tuple[int, Waiter] | Answer:
        """Submit a request: its answer, or its operation and what waits for the answer. (The lock is held.)"""
        self._check()
        if on_durable is not None and self._callbacks_left() >= self.config.max_callbacks:
            return self._busy(request)
        op, answer = self._submit(request, max(until - time.monotonic(), 0.001), on_durable)
        if answer is not None:
            return answer
        waiter = self._waiters[op] = Waiter(request)
        if self._broken is not None:  # since the check: whoever broke it may have missed the waiter
            self._waiters.pop(op, None)
            return unsubmitted(request, Reply.UNKNOWN)
        return op, waiter

    def _submit(
        self, request: Request, timeout: float, on_durable: Callable[[], None] | None
    ) -> tuple[int, Answer | None]:
        """Give a request to the core; the operation, and its answer if it has one by then. (The lock is held.)"""
        op = self._op = self._op + 1
        if on_durable is not None:
            self._callbacks[op] = on_durable
        closes = isinstance(request, Close)
        try:
            now = self._clock()
            self._core.submit(op, request, now, timeout)
            # Closing may take writes. Whoever closes leaves them to the timer: it has to be back in time.
            answer = None if closes else self._perform(now, op)
        except UsageError:
            self._callbacks.pop(op, None)
            raise
        except BaseException as error:
            self._break(error)
            raise self._refusal() from error
        if self._asleep or type(request) in _IN_STEPS:
            self._asleep = False
            self._wake.notify()
        return op, answer

    def _broken_by(self, error: BaseException) -> StoreBroken | StoreClosed | StoreForked:
        """An error that nobody foresaw has come out of a call."""
        self._break(error)
        return self._refusal()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._refusal() from self._broken

    def _refusal(self) -> StoreBroken | StoreClosed | StoreForked:
        if self._left_behind:
            return StoreForked(
                f"the store at {self.path} was opened by process {self._opened_by}, and this is process {os.getpid()}, "
                "forked from it: ask that process, or open a store in another directory"
            )
        if isinstance(self._broken, StoreClosed):
            return StoreClosed("the store is closed: open it again")
        return StoreBroken(f"the store at {self.path} is broken: close it, and open it again")

    def _busy(self, request: Request) -> Answer:
        """Nothing was submitted."""
        with self._counting:
            self._refused += len(request.receipts) if isinstance(request, AckMany) else 1
        return unsubmitted(request, Reply.BUSY)

    def _wait(self, op: int, waiter: Waiter, until: float) -> Answer:
        """Wait for the answer. When time is up this thread says so itself, so that no client depends on another thread
        being alive, or on the lock."""
        done = waiter.wait(until - time.monotonic()) or self._gate.run(MOMENT, self._give_up, op)
        if not done and self._waiters.pop(op, None) is None:
            waiter.wait(MOMENT)  # somebody is about to tell it
        return waiter.answer or unsubmitted(waiter.request, Reply.UNKNOWN)

    def _give_up(self, op: int) -> bool:
        """End an operation whose time is up. What else the core asks for is left to the timer. (The lock is held.)"""
        if self._broken is None:
            try:
                self._core.give_up(op)
                if self._core.closed:
                    self._perform(self._clock())  # nothing but answers is left
            except Exception as error:
                # Whatever it was: the caller learns of it from its answer, UNKNOWN, and the next
                # call from `StoreBroken`.
                self._break(error)
            self._wake.notify()
        self._waiters.pop(op, None)
        return True

    # What the core asks for

    def _perform(self, now: float, mine: int = 0) -> Answer | None:
        """Have everything done that the core asks for; returns the answer of operation `mine`, if there is one. (The
        lock is held.)

        What goes to the page cache is done here and now; what may wait for the disk, elsewhere.
        """
        core = self._core
        answer = None
        for io, effect in core.effects:  # completing one appends what follows from it
            if isinstance(effect, _AT_ONCE) and effect.file not in self._offset_files:
                if self._broken is None:
                    core.complete(io, perform(self._disk, effect), now)
            elif isinstance(effect, Answer):
                if effect.op == mine:
                    answer = effect
                if self._callbacks or self._waiters:
                    self._deliver(effect)
            elif isinstance(effect, Durable):
                callback = self._callbacks.pop(effect.op, None)
                if callback is not None:
                    self._crew.call_back(callback)
            else:
                self._crew.perform(io, effect)
        core.effects.clear()
        return answer

    def _deliver(self, answer: Answer) -> None:
        """Give an answer to the thread that waits for it, if one does."""
        if answer.reply not in _MAY_BE_DURABLE:
            self._callbacks.pop(answer.op, None)
        waiter = self._waiters.pop(answer.op, None)
        if waiter is not None:
            waiter.tell(answer)

    def _callbacks_left(self) -> int:
        """Durable callbacks that have not run to their end."""
        return len(self._callbacks) + self._crew.callbacks

    def _look(self, *, count: bool = True) -> Stats:
        """What there is to see; with `count`, of the messages by state too. (The lock is held.)"""
        found = self._core.stats(count=count)
        return evolve(
            found,
            healthy=self._broken is None,
            resident_bytes=resident_bytes(),
            callbacks=self._callbacks_left(),
            replies={**found.replies, Reply.BUSY: found.replies[Reply.BUSY] + self._refused},
        )

    # The other threads

    def _disk_work(self, job: tuple[int, Effect]) -> None:
        io, effect = job
        result = perform(self._disk, effect)
        self._gate.run(threading.TIMEOUT_MAX, self._complete, io, result)

    def _complete(self, io: int, result: Result) -> None:
        if self._broken is None:
            now = self._clock()
            self._core.complete(io, result, now)
            self._perform(now)
            self._watch()

    def _time(self) -> None:
        try:
            while self._broken is None:
                wait = self._gate.run(gate.STALLED, self._tick)
                if wait is False:
                    continue
                if self._core.closed:  # and its last answer is given, by the tick
                    return
                self._wake.wait(wait)
        except BaseException as error:
            # The thread's top: without a timer nothing is synced in time.
            self._break(error)

    def _tick(self) -> float | None:
        """Tell the core the time; for how long it need not be told again. (The lock is held.)"""
        now = self._clock()
        if now >= self._note_at:
            self._directory_lock.note(now)
            self._note_at = now + AHEAD
        self._core.tick(now)
        self._perform(now)
        self._watch()
        dues = [self._core.next_tick(), *(watch.due for watch in self._watches)]
        due = min((each for each in dues if each is not None), default=None)
        # Anything that comes up meanwhile is due a flush interval later at the earliest, or wakes the timer, or is
        # waited for by a thread that looks at the clock itself.
        self._asleep = due is None
        return None if due is None else min(max(due - self._clock(), 0.0005), self.config.flush_interval)

    def _watch(self, *, closing: bool = False) -> None:
        """Have it logged when the store's state has changed. (The lock is held.)"""
        if self._crew.lines < LINES:
            for watch in self._watches:
                if watch.changed(closing=closing):
                    for notice in watch.look(closing=closing):
                        self._crew.tell(notice)

    def _stalls(self, event: str, seconds: float) -> None:
        """A write has kept the lock for so long, and still does (`stalled`) or no longer (`resumed`)."""
        if event == "stalled":
            level, text = (
                logging.WARNING,
                f"a write has hung for {seconds:.1f} s: until it returns, calls are BUSY",
            )
        else:
            level, text = logging.INFO, f"the write has returned, after {seconds:.1f} s"
        self._crew.tell(Notice(level, f"{self.path}: {text}", {**self._fields(event), "seconds": seconds}))

    # Ends

    def _break(self, error: BaseException) -> None:
        """Promise nothing more: a thread has met an error that nobody foresaw."""
        if self._broken is None:
            log.critical("the store at %s is broken", self.path, exc_info=error, extra=self._fields("broken"))
        self._refuse_all(self._broken or error)

    def _refuse_all(self, why: BaseException) -> None:
        """Begin nothing more, and end what waits."""
        self._broken = why
        for op in list(self._waiters):
            waiter = self._waiters.pop(op, None)
            if waiter is not None:
                waiter.tell(unsubmitted(waiter.request, Reply.UNKNOWN))
        self._wake.notify()

    def _drain(self, timeout: float) -> Reply:
        """Make everything durable; the reply to a close."""
        try:
            reply = self._call(Close(), timeout).reply
        except StoreBroken:
            return Reply.UNKNOWN
        if not self._core.closed:  # a write holds it, and must be the last
            self._refuse_all(StoreClosed("closed while a write hung"))
        return reply if reply is Reply.OK else Reply.UNKNOWN

    def _let_go(self) -> None:
        """Leave the directory to others, as soon as nothing of this store is written any more."""
        self._gate.run(MOMENT, self._watch, closing=True)
        goes_on = self._stop()
        if goes_on:
            log.error("%s stays locked: %s is still going on", self.path, goes_on, extra=self._fields("locked"))
            threading.Thread(target=self._let_go_later, name="ackstore-leaving", daemon=True).start()

    def _let_go_later(self) -> None:
        while self._stop():
            pass  # each takes a while
        log.info("%s is free", self.path, extra=self._fields("unlocked"))

    def _stop(self) -> Sequence[Effect | str]:
        """Stop the threads, and let go of the directory; or say what is still going on."""
        self._wake.notify()
        self._timer.join(crew.GRACE)
        stuck = self._crew.stop()
        if stuck:
            return stuck
        if not self._gate.run(crew.GRACE, self._let_go_of_files):
            return ["a write"]
        self._directory_lock.release()
        return []

    def _let_go_of_files(self) -> bool:
        self._callbacks.clear()
        for queue in self._core.queues.values():
            queue.let_go_of_acks()
        self._disk.close()
        return True

    def _fields(self, event: str) -> dict[str, object]:
        return {"event": event, "store": str(self.path)}


#: What only reaches the page cache; of the offset file even this waits for a flush thread, with all the rest of it.
_AT_ONCE = (Write, Create)
#: Of what they ask for the core may leave the rest to ticks, which are due at once.
_IN_STEPS = (Flush, Close)
#: Answers after which an ack may still become FLUSHED.
_MAY_BE_DURABLE = frozenset({Reply.OK, Reply.SETTLED, Reply.UNKNOWN})
