"""How a core is driven with threads, one lock, and a real disk. It holds no rule of the protocol.

- Request threads run the core under the lock, and write to the page cache themselves. In async mode they never wait
  for the disk.
- What may wait for the disk, clients' callbacks and log lines have threads of their own (`ackstore.runtime.pools`).
- A timer thread says what time it is.

**A write that hangs** holds the lock, and the thread that is in it cannot be called back. Every other thread keeps its
bounds: it waits for the lock no longer than it may for an answer. A request that does not get it was never submitted,
and is BUSY; one that was, and whose time is up, is UNKNOWN. So nobody waits for the lock without a limit, but for
threads that nobody waits for.

If a thread meets an unexpected error, the store is *broken*: it refuses every call with `StoreBroken`, until
it is opened again. Nothing is lost by that which a process crash would not lose.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ackstore.core.effects import Answer, Create, Durable, Effect, Result, Write
from ackstore.core.engine import Engine
from ackstore.core.operations import check_timeout
from ackstore.fastpath.clock import wall_clock
from ackstore.fields.classes import DriverFields
from ackstore.runtime import forks, lock, pools, refusals
from ackstore.runtime.directory_lock import DirectoryLock
from ackstore.runtime.files import Disk, FileReader, RealDisk, perform, prepare, writes_to
from ackstore.runtime.lock import StoreLock
from ackstore.runtime.logs import Watch, stall_notice
from ackstore.runtime.sight import Beside, Sight
from ackstore.runtime.threads import Bell, join
from ackstore.runtime.waiting import MAY_BE_DURABLE, Waiter, Waiting, unsubmitted, wait_until
from ackstore.words.config import Config
from ackstore.words.errors import StoreBroken, StoreClosed, StoreForked, StoreStalled, UsageError
from ackstore.words.identity import QueueId
from ackstore.words.replies import DeadLetter, Reply
from ackstore.words.requests import AckMany, Close, Flush, Request
from ackstore.words.stats import Stats

log = logging.getLogger("ackstore")

MOMENT = 0.1
"""How long a thread whose time is up waits for the lock, in seconds, to end its operation itself."""
LINES = 100
"""Log lines that wait for a slow handler, at most; what happens meanwhile is told together in a later one."""
AHEAD = 1.0
"""Seconds that the store's clock may be ahead of the system's, or of what is noted of it."""

Opens = Callable[[FileReader, float], tuple[Engine, tuple[Any, ...]]]
"""Takes up what a directory holds, at a time: the engine, and the fast path of each of its logs; none where it is
barred."""


class Driver(DriverFields):
    """What a `ackstore.store.Store` has behind it: the engine that it `opens`, its threads, its lock and its disk."""

    core: Engine
    lock: StoreLock

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self._opened_by = os.getpid()
        self.config = config
        self.started = False

    def start(self, disk: Disk | None, opens: Opens, clock: Callable[[], float] | None) -> None:
        """Take the directory, and begin. Whoever made this has it by now, and can end it whatever comes in between."""
        prepare(self.path)
        self._directory_lock = DirectoryLock(self.path)
        try:
            self._take_up(disk, opens, clock)
            self._make_ready()
        except BaseException:
            if hasattr(self, "disk"):
                self.disk.close()
            self._directory_lock.release()
            raise
        try:
            self._start()
            self.started = True
        except BaseException as error:
            self._refuse_all(error)
            self.let_go()
            raise

    def _take_up(self, disk: Disk | None, opens: Opens, clock: Callable[[], float] | None) -> None:
        """Read what the directory holds."""
        self.clock = clock or wall_clock(self._directory_lock.last_written)
        self._note_at = 0.0 if clock is None and self.clock() > time.time() + AHEAD else math.inf
        """When the next open is to be told how late it is, by a clock that is ahead of the system's."""
        self.core, self.paths = opens(FileReader(self.path), self.clock())
        self.disk = disk or RealDisk(self.path, drop_flushed=self.config.drop_flushed)
        self.writes = writes_to(self.disk)

    def _make_ready(self) -> None:
        """Make all that it works with; no thread runs yet."""
        cores = self.core.cores
        self.lock = StoreLock(self._stalls)
        """Guards the core, and what is below but for `_waiting`, `broken` and `_refused`."""
        self._op = 0
        self._waiting = Waiting()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._counting = threading.Lock()
        """Guards the next, for a moment."""
        self._refused = 0
        """Answers of BUSY that the core knows nothing of."""
        self.broken: BaseException | None = None
        """Why nothing is done any more. Set without the lock: a thread in a write that hangs sees it when it is back,
        and writes nothing else."""
        self.wake = Bell()
        self.asleep = False
        """The timer waits for something to happen."""
        self._looks_at = -math.inf
        """When the timer looks again by itself, by the store's clock."""
        self._offset_files = frozenset(core.log.names.offsets_tmp for core in cores)
        self._pools = pools.Pools(
            self._disk_work, pools=self.core.pools, flush_threads=self.config.flush_threads, died=self.break_off
        )
        self._timer = threading.Thread(target=self._time, name="ackstore-timer", daemon=True)
        self._sight = Sight(self.core, self.lock, self.clock, self._beside)
        self._watches = [Watch(core, str(self.path)) for core in cores]

    def _start(self) -> None:
        """Begin: with the timer, and with what the core asks for."""
        forks.watch(self, self._opened_by)
        self._check_process()
        for watch in self._watches:
            watch.recovered().emit()
        self.lock.run(threading.TIMEOUT_MAX, self._begin)
        self._timer.start()

    def leave_behind(self) -> None:
        """Do nothing any more: this is a forked child. No lock is taken: a thread that it lacks may have had it."""
        self.paths = ()
        self.broken = refusals.left_behind(self.path, self._opened_by)
        self._waiting.tell_all(Reply.UNKNOWN)  # one that goes on with a call, by a signal handler, waits in vain
        self._directory_lock.forget()

    @property
    def left_behind(self) -> bool:
        """Whether this is a child of the process that opened the store."""
        return isinstance(self.broken, StoreForked)

    def _begin(self) -> None:
        self.perform(self.clock())
        self._sight.look()

    # How a call becomes an operation

    def call(
        self, request: Request, timeout: float | None = None, on_durable: Callable[[], None] | None = None
    ) -> Answer:
        """Have a request answered, in time; by BUSY where nobody could be let in."""
        seconds = self.config.op_timeout if timeout is None else check_timeout(timeout)
        until = time.monotonic() + seconds
        self.check()
        submitted = self.lock.run(seconds, self._submit_in_time, request, until, on_durable)
        if not submitted:
            return self._busy(request)
        answer = submitted if isinstance(submitted, Answer) else self._wait(*submitted, until)
        self._check_process()  # a signal handler may have forked meanwhile, and returned in both
        return answer

    def _submit_in_time(
        self, request: Request, until: float, on_durable: Callable[[], None] | None
    ) -> tuple[int, Waiter] | Answer:
        """Submit a request: its answer, or its operation and what waits for the answer. (The lock is held.)"""
        self.check()
        if on_durable is not None and self._callbacks_left() >= self.config.max_callbacks:
            return self._busy(request)
        op, answer = self._submit(request, max(until - time.monotonic(), 0.001), on_durable)
        if answer is not None:
            return answer
        waiter = self._waiting.add(op, request)
        if self.broken is not None:  # since the check: whoever broke it may have missed the waiter
            self._waiting.drop(op)
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
        if self.asleep or type(request) in _IN_STEPS:
            self._rouse()  # before anything else, lest an exception come between; it waits for the lock
        try:
            now = self.clock()
            self.core.submit(op, request, now, timeout)
            # Closing may take writes. Whoever closes leaves them to the timer: it has to be back in time.
            answer = None if closes else self.perform(now, op)
        except UsageError:
            self._callbacks.pop(op, None)
            raise
        except BaseException as error:
            raise self.broken_by(error) from error
        return op, answer

    def broken_by(self, error: BaseException) -> StoreBroken | StoreClosed | StoreForked:
        """Break the store: an error that no code here expects has come out of a call. Return what to raise."""
        self.break_off(error)
        return self._refusal()

    def check(self) -> None:
        """Raise what a call of a store does that is broken, or left to its parent."""
        if self.broken is not None:
            raise self._refusal() from self.broken

    def _check_process(self) -> None:
        if self.left_behind:
            raise self._refusal()

    def _refusal(self) -> StoreBroken | StoreClosed | StoreForked:
        return refusals.refusal(self.path, self.broken, self._opened_by)

    def _busy(self, request: Request) -> Answer:
        """Return BUSY, as nothing was submitted."""
        with self._counting:
            self._refused += len(request.receipts) if isinstance(request, AckMany) else 1
        return unsubmitted(request, Reply.BUSY)

    def _wait(self, op: int, waiter: Waiter, until: float) -> Answer:
        """Wait for the answer. When time is up this thread says so itself, so that no client depends on another thread
        being alive, or on the lock."""
        done = waiter.wait(until - time.monotonic()) or self.lock.run(MOMENT, self._give_up, op)
        if not done and not self._waiting.drop(op):
            waiter.wait(MOMENT)  # somebody is about to tell it
        return waiter.answer or unsubmitted(waiter.request, Reply.UNKNOWN)

    def _give_up(self, op: int) -> bool:
        """End an operation whose time is up. What else the core asks for is left to the timer. (The lock is held.)"""
        if self.broken is None:
            try:
                self.core.give_up(op)
                if self.core.closed:
                    self.perform(self.clock())  # nothing but answers is left
            except BaseException as error:
                # Whatever it was: the caller is told by its answer, UNKNOWN, and the next call by `StoreBroken`.
                self.break_off(error)
                if not isinstance(error, Exception):
                    raise
            self.wake.notify()
        self._waiting.drop(op)
        return True

    def dead_letters(self, queue: QueueId) -> list[DeadLetter]:
        """Return the dead letters of a queue."""
        self._check_process()
        found = self.lock.run(self.config.op_timeout, self.core.dead_letters, queue)
        if found is False:
            raise self.stalled()
        return list(found)

    def stalled(self) -> StoreStalled:
        """Return what is wrong where nobody could be let in."""
        return refusals.stalled(self.path, self.config.op_timeout)

    def stats(self, *, count: bool) -> Stats:
        """Return what there is to see; what was seen last where nobody can look."""
        self._check_process()
        return self._sight.stats(count=count)

    def _beside(self) -> Beside:
        return Beside(healthy=self.broken is None, callbacks=self._callbacks_left(), refused=self._refused)

    # What the core asks for

    def perform(self, now: float, mine: int = 0) -> Answer | None:
        """Have everything done that the core asks for; returns the answer of operation `mine`, if there is one. (The
        lock is held.)

        What goes to the page cache is done here and now; what may wait for the disk, elsewhere.
        """
        core = self.core
        answer = None
        for io, effect in core.effects:  # completing one appends what follows from it
            if isinstance(effect, _AT_ONCE) and effect.file not in self._offset_files:
                if self.broken is None:
                    core.complete(io, perform(self.disk, effect), now)
            elif isinstance(effect, Answer):
                if effect.op == mine:
                    answer = effect
                if self._callbacks or self._waiting.by_op:
                    self._deliver(effect)
            elif isinstance(effect, Durable):
                callback = self._callbacks.pop(effect.op, None)
                if callback is not None:
                    self._pools.call_back(callback)
            else:
                self._pools.perform(io, effect)
        core.effects.clear()
        return answer

    def _deliver(self, answer: Answer) -> None:
        """Give an answer to the thread that waits for it, if one does."""
        if answer.reply not in MAY_BE_DURABLE:
            self._callbacks.pop(answer.op, None)
        self._waiting.tell(answer)

    def _callbacks_left(self) -> int:
        """Count the durable callbacks that have not run to their end."""
        return len(self._callbacks) + self._pools.callbacks

    # The other threads

    def _disk_work(self, job: tuple[int, Effect]) -> None:
        io, effect = job
        result = perform(self.disk, effect)
        self.lock.run(threading.TIMEOUT_MAX, self._complete, io, result)

    def _complete(self, io: int, result: Result) -> None:
        if self.broken is None:
            now = self.clock()
            self.core.complete(io, result, now)
            self.perform(now)
            self._watch()
            due = self._due()
            if due is not None and due < self._looks_at:
                self._rouse()

    def _rouse(self) -> None:
        """Have the timer look at once. (The lock is held.)"""
        self.wake.notify()
        self.asleep = False

    def _due(self) -> float | None:
        """Return when something is due next, if nothing else happens; None for never."""
        dues = [self.core.next_tick(), *(watch.due for watch in self._watches)]
        return min((each for each in dues if each is not None), default=None)

    def _time(self) -> None:
        try:
            while self.broken is None:
                ticked = self.lock.run(lock.STALLED, self._tick)
                if ticked:
                    closed, wait = ticked
                    if closed:  # and its last answers are given
                        return
                    self.wake.wait(wait)
        except BaseException as error:
            # The thread's top: without a timer nothing is synced in time.
            self.break_off(error)

    def _tick(self) -> tuple[bool, float | None]:
        """Tell the core the time; whether it is closed, and for how long it need not be told. (The lock is held.)"""
        now = self.clock()
        if now >= self._note_at:
            self._directory_lock.note(now)
            self._note_at = now + AHEAD
        self.core.tick(now)
        self.perform(now)
        self._watch()
        due = self._due()
        # What a call brings up meanwhile is seen a flush interval later at the latest: a timer that is asleep is woken,
        # and so it is for what `_complete` brings up that is due before it looks again.
        self.asleep = due is None
        wait = None if due is None else min(max(due - self.clock(), 0.0005), self.config.flush_interval)
        self._looks_at = math.inf if wait is None else self.clock() + wait
        return self.core.closed, wait

    def _watch(self, *, closing: bool = False) -> None:
        """Have it logged when the store's state has changed. (The lock is held.)"""
        if self._pools.lines < LINES:
            for watch in self._watches:
                if watch.changed(closing=closing):
                    for notice in watch.look(closing=closing):
                        self._pools.tell(notice.emit)

    def _stalls(self, event: str, seconds: float) -> None:
        self._pools.tell(stall_notice(str(self.path), event, seconds).emit)

    # Ends

    def break_off(self, error: BaseException) -> None:
        """Promise nothing more: a thread has met an unexpected error."""
        if self.broken is None:
            log.critical("the store at %s is broken", self.path, exc_info=error, extra=self.fields("broken"))
        self._refuse_all(self.broken or error)

    def _refuse_all(self, why: BaseException) -> None:
        """Begin nothing more, and end what waits."""
        self.broken = why
        self._waiting.tell_all(Reply.UNKNOWN)
        self.wake.notify()

    def drain(self, timeout: float) -> Reply:
        """Make everything durable; the reply to a close. UNKNOWN where an exception has come into an earlier one."""
        try:
            reply = self.call(Close(), timeout).reply
        except StoreBroken:
            return Reply.UNKNOWN
        except StoreClosed:
            reply = Reply.UNKNOWN
            wait_until(lambda: self.broken is not None or self.core.closed, timeout)  # the timer goes on with it
        if not self.core.closed:  # a write holds it, and must be the last
            self._refuse_all(StoreClosed("closed while a write hung"))
        return reply if reply is Reply.OK else Reply.UNKNOWN

    def let_go(self) -> None:
        """Leave the directory to others, as soon as nothing of this store is written any more."""
        self.lock.run(MOMENT, self._watch, closing=True)
        if goes_on := self._stop():
            log.error("%s stays locked: %s is still going on", self.path, goes_on, extra=self.fields("locked"))
            threading.Thread(target=self._let_go_later, name="ackstore-leaving", daemon=True).start()

    def _let_go_later(self) -> None:
        while self._stop():
            pass  # each takes a while
        log.info("%s is free", self.path, extra=self.fields("unlocked"))

    def _stop(self) -> Sequence[Effect | str]:
        """Stop the threads, and let go of the directory; or say what is still going on."""
        self.wake.notify()
        join(self._timer, pools.GRACE)
        stuck = self._pools.stop()
        if stuck:
            return stuck
        if not self.lock.run(pools.GRACE, self._let_go_of_files):
            return ["a write"]
        self._directory_lock.release()
        return []

    def _let_go_of_files(self) -> bool:
        self._callbacks.clear()
        for queue in self.core.queues.values():
            queue.let_go_of_acks()
        self.disk.close()
        refusals.forget_frames(self.broken)
        return True

    def fields(self, event: str) -> dict[str, object]:
        """Return the fields of a log line."""
        return {"event": event, "store": str(self.path)}


_AT_ONCE = (Write, Create)
"""What only reaches the page cache; of the offset file even this waits for a flush thread, with all the rest of it."""
_IN_STEPS = (Flush, Close)
"""Of what they ask for the core may leave the rest to ticks, which are due at once."""
