"""The store's one lock: word of a write that keeps it, and nobody who keeps it by mistake.

Writes to the page cache are made under the lock, so a write that hangs shuts everybody out. Whoever wants the lock
waits for as long as it may, and no longer; the first that has waited for `STALLED` seconds notes that the store hangs.

>>> told = []
>>> lock = StoreLock(lambda event, seconds: told.append((event, seconds > 0.0)))
>>> lock.run(1.0, lambda: lock.run(1.0, print))     # from a signal handler in the midst of a call: refused at once
False
>>> from threading import Thread
>>> def holds(): lock.take(1.0); time.sleep(2.5 * STALLED); lock.leave()
>>> thread = Thread(target=holds); thread.start()
>>> lock.run(STALLED, print), lock.stalled() > 0.0
(False, True)
>>> thread.join(); lock.run(1.0, lambda: "done"), lock.stalled(), told
('done', 0.0, [('stalled', True), ('resumed', True)])

**Exceptions at any moment.** A signal handler may raise between any two steps of Python: after the lock is taken and
before anybody has noted it, or on the way to giving it back. So the lock knows which thread owns it (an `RLock` does,
in the same step as it is taken), `run` gives back what its thread owns, and does so twice: an exception that comes
while it is given back finds that somebody tries again. A thread that owns it already is not let in again: a signal
handler or a finalizer may call the store in the midst of a call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

from ackstore.fields.classes import LockFields
from ackstore.runtime.threads import within

STALLED = 1.0
"""How long the lock may be kept, in seconds, before it is told that the store hangs."""

Given = ParamSpec("Given")
Got = TypeVar("Got")


class OwnedLock(LockFields):
    """A lock that no exception keeps taken.

    >>> lock = OwnedLock()
    >>> lock.run(1.0, lambda: "done"), lock.run(1.0, lambda: lock.run(1.0, print)), lock.owned()
    ('done', False, False)
    """

    def __init__(self) -> None:
        owned = threading.RLock()
        self.acquire, self.release = owned.acquire, owned.release
        self.owned: Callable[[], bool] = owned._is_owned  # type: ignore[attr-defined]
        """Whether this thread has the lock."""
        self.inside = False
        """Somebody has the lock, and is not done."""

    def run(
        self, seconds: float, work: Callable[Given, Got], *given: Given.args, **named: Given.kwargs
    ) -> Got | Literal[False]:
        """Do `work`, which does not return False, with the lock taken; False where somebody keeps it for that long."""
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
        """Take the lock; False where somebody keeps it for that long, or where this thread has it. Whoever calls it
        calls `leave`, whatever comes of it."""
        if self.owned():
            return False
        if not self.acquire(timeout=within(seconds)):
            return False
        self.inside = True
        return True

    def leave(self) -> None:
        """Give the lock back, if this thread has it."""
        if self.owned():
            self.inside = False
            self.release()


class StoreLock(OwnedLock):
    """The store's. `tell` hears once that it has been kept too long (`stalled`), and once that it is no longer
    (`resumed`), with the seconds; it must not wait."""

    def __init__(self, tell: Callable[[str, float], None]) -> None:
        super().__init__()
        self._tell = tell
        self._noting = threading.Lock()
        self._since = 0.0
        """When the write began that hangs, at the latest, by `time.monotonic`; 0.0 when none is known to."""

    def take(self, seconds: float) -> bool:
        """Do as any; note a holder that keeps it too long, and that it is back."""
        if super().take(seconds):
            if self._since:
                self._goes_on()
            return True
        if seconds >= STALLED and not self.owned():
            self._stalls(seconds)
        return False

    def stalled(self) -> float:
        """Return for how many seconds, at least, a write has hung; 0.0 when none is known to."""
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
