"""The store's one lock, and word of a write that keeps it.

Writes to the page cache are made under the lock, so a write that hangs shuts everybody out. Whoever comes to the gate
waits for as long as it may, and no longer; the first that has waited for `STALLED` seconds notes that the store hangs.

>>> told = []
>>> gate = Gate(lambda event, seconds: told.append((event, seconds > 0.0)))
>>> gate.take(1.0), gate.take(0.01), gate.stalled()
(True, False, 0.0)
>>> gate.take(STALLED), gate.take(STALLED), gate.stalled() > STALLED
(False, False, True)
>>> gate.lock.release()
>>> gate.take(1.0), gate.stalled(), told
(True, 0.0, [('stalled', True), ('resumed', True)])
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ackstore.runtime.threads import within

#: How long the lock may be kept, in seconds, before it is told that the store hangs.
STALLED = 1.0


class Gate:
    """The lock. `tell` hears once that it has been kept too long (`stalled`), and once that it is no longer
    (`resumed`), with the seconds; it must not wait."""

    def __init__(self, tell: Callable[[str, float], None]) -> None:
        self.lock = threading.Lock()
        self._tell = tell
        self._noting = threading.Lock()
        self._since = 0.0
        """When the write began that hangs, at the latest, by `time.monotonic`; 0.0 when none is known to."""

    def take(self, seconds: float) -> bool:
        """Take the lock; False where somebody keeps it for so long."""
        if not self.lock.acquire(timeout=within(seconds)):
            if seconds >= STALLED:
                self._stalls(seconds)
            return False
        if self._since:
            self._goes_on()
        return True

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
