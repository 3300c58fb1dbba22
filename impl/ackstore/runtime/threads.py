"""Threads that work off a queue, and what threads wait on.

>>> done = []
>>> workers = Workers(done.append, limit=2, died=print)
>>> workers.put(1); workers.put(2)
>>> workers.stop(timeout=5.0, drain=True), sorted(done), workers.outstanding
([], [1, 2], 0)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

log = logging.getLogger("ackstore")

Job = TypeVar("Job")


def within(seconds: float) -> float:
    """Return a time in seconds as what waits for locks takes it.

    >>> within(-1.0), within(2.5), within(float("inf")) == threading.TIMEOUT_MAX
    (0.0, 2.5, True)
    """
    return min(max(seconds, 0.0), threading.TIMEOUT_MAX)


def join(thread: threading.Thread, seconds: float) -> None:
    """Wait that long for a thread to end; not at all for one that an exception has kept from starting."""
    if thread.is_alive():
        thread.join(within(seconds))


class Workers(Generic[Job]):
    """Daemon threads that `work` off jobs. Another is started, up to `limit`, when a job comes and
    all are at work. An exception in `work` ends its thread, and `died` is told."""

    def __init__(self, work: Callable[[Job], None], *, limit: int, died: Callable[[BaseException], None]) -> None:
        self._work = work
        self._limit = limit
        self._died = died
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self.outstanding = 0
        """Jobs that are not done."""
        self._threads: list[threading.Thread] = []
        self._at_work: dict[int, Job] = {}
        self._stopped = False

    def put(self, job: Job) -> None:
        """Have a job done."""
        with self._lock:
            self.outstanding += 1
            self._jobs.put(job)
            if len(self._threads) < min(self.outstanding, self._limit):
                number = len(self._threads) + 1
                thread = threading.Thread(target=self._run, name=f"ackstore-{number}", daemon=True)
                self._threads.append(thread)
                try:
                    thread.start()
                except BaseException:
                    if not thread.is_alive():
                        self._threads.remove(thread)  # the next job has another start
                    raise

    def stop(self, timeout: float, *, drain: bool = False) -> list[Job]:
        """Start no further job, or with `drain` no job after those put before; wait up to `timeout`
        seconds, and return the jobs still at work. Can be called again."""
        self._stopped = not drain
        until = time.monotonic() + timeout
        self._jobs.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                join(thread, until - time.monotonic())
        return list(self._at_work.values())

    def _run(self) -> None:
        me = threading.get_ident()
        try:
            while (job := self._jobs.get()) is not None:
                if not self._stopped:
                    self._at_work[me] = job
                    self._work(job)
                    del self._at_work[me]
                with self._lock:
                    self.outstanding -= 1
            self._jobs.put(None)  # to the next: also to one that nobody has noted, as an exception came into its start
        except BaseException as error:
            # The thread's top: whatever it was, the store must hear that nobody syncs any more.
            self._at_work.pop(me, None)
            self._died(error)


def call_back(callback: Callable[[], None]) -> None:
    """Run a client's callback. What it raises is logged and harms nobody."""
    try:
        callback()
    except BaseException:
        # Top of the callbacks' thread: any error in foreign code ends here, KeyboardInterrupt and SystemExit too, which
        # concern nobody but the thread that they are raised in.
        log.exception("a durable callback failed", extra={"event": "callback-failed"})


class Bell:
    """Wakes the one thread that waits, or the next time that it would.

    It is a bare lock, which is free while the bell rings: to ring it and to hear it are one step of the interpreter
    each. An `Event` has a lock of its own inside, and an exception from a signal handler, which may come between that
    lock being taken and the `with` around it, would leave it taken: then nobody could ring or hear it ever again.

    >>> bell = Bell()
    >>> bell.notify(), bell.notify()
    (None, None)
    >>> bell.wait(None), bell.wait(0.001)
    (True, False)
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def notify(self) -> None:
        """Ring it."""
        if self._silent.locked():
            with suppress(RuntimeError):  # another thread has just rung it
                self._silent.release()

    def wait(self, seconds: float | None) -> bool:
        """Wait until it rings, or for that long; return whether it has."""
        return self._silent.acquire(timeout=-1 if seconds is None else within(seconds))
