"""The store's one lock, and word of a write that keeps it.

Writes to the page cache are made under the lock, so a write that hangs shuts everybody out. Whoever comes to the gate
waits for as long as it may, and no longer; the first that has waited for `STALLED` seconds notes that the store hangs.

>>> told = []
>>> gate = Gate(lambda event, seconds: told.append((event, seconds > 0.0)), StoreFields())
>>> gate.run(1.0, lambda: gate.run(1.0, print))     # by a signal handler in the midst of a call: refused at once
False
>>> def keep(): gate.take(1.0); time.sleep(2.5 * STALLED); gate.leave()
>>> thread = threading.Thread(target=keep); thread.start()
>>> gate.run(STALLED, print), gate.stalled() > 0.0
(False, True)
>>> thread.join(); gate.run(1.0, lambda: "done"), gate.stalled(), told
('done', 0.0, [('stalled', True), ('resumed', True)])

**Exceptions at any moment.** A signal handler may raise between any two steps of Python: after the lock is taken and
before anybody has noted it, or on the way to giving it back. So the lock knows which thread owns it (an `RLock` does,
in the step in which it is taken), and `run` gives back what its thread owns, and does so twice: an exception that comes
while it is given back finds that somebody tries again. A thread that has the lock is not let in again: a signal handler
or a finalizer may call the store in the midst of a call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

from ackstore.fastpath.fields import StoreFields
from ackstore.runtime.threads import within

#: How long the lock may be kept, in seconds, before it is told that the store hangs.
STALLED = 1.0

Given = ParamSpec("Given")
Got = TypeVar("Got")


class Gate:
    """The lock. `tell` hears once that it has been kept too long (`stalled`), and once that it is no longer
    (`resumed`), with the seconds; it must not wait."""

    def __init__(self, tell: Callable[[str, float], None], host: StoreFields) -> None:
        lock = threading.RLock()
        self.acquire, self.release = lock.acquire, lock.release
        self.owned: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]
        """Whether this thread has the lock."""
        self._host = host
        host._inside = False
        self._tell = tell
        self._noting = threading.Lock()
        self._since = 0.0
        """When the write began that hangs, at the latest, by `time.monotonic`; 0.0 when none is known to."""

    def run(
        self, seconds: float, work: Callable[Given, Got], *given: Given.args, **named: Given.kwargs
    ) -> Got | Literal[False]:
        """Do `work`, which does not return False, with the lock taken; False where somebody keeps it for that long, or
        where this thread has it."""
        if self.owned():
            return False
        try:
            try:
                return work(*given, **named) if self.take(seconds) else False
            finally:
                self.leave()
        finally:
            self.leave()

    def take(self, seconds: float) -> bool:
        """Take the lock; False where somebody keeps it for that long. To be followed by `leave`, whatever comes."""
        if not self.acquire(timeout=within(seconds)):
            if seconds >= STALLED:
                self._stalls(seconds)
            return False
        self._host._inside = True
        if self._since:
            self._goes_on()
        return True

    def leave(self) -> None:
        """Give the lock back, if this thread has it."""
        if self.owned():
            self._host._inside = False
            self.release()

    def stalled(self) -> float:
        """For how many seconds, at least, a write has hung; 0.0 when none is known to."""
        since = self._since
        return time.monotonic() - since if since else 0.0

    def _stalls(self, seconds: float) -> None:
        with self._noting:
            known = self._since
            self._since = known or time.monotonic() - seconds
        if not known:
            self._tell("stalled", seconds)

    def _goes_on(self) -> None:
        with self._noting:
            seconds, self._since = self.stalled(), 0.0
        self._tell("resumed", seconds)
