"""What is seen of a store from outside: as it is, or, while a write keeps everybody out, as it was seen last.

>>> from ackstore.core.sharded import open_engine
>>> from ackstore.words.config import Config
>>> class Nothing:
...     def names(self): return []
>>> beside = lambda: Beside(healthy=True, callbacks=0, refused=3)
>>> sight = Sight(open_engine(Config(), Nothing(), 0.0), StoreLock(print), lambda: 0.0, beside)
>>> sight.stats(count=True).replies[Reply.BUSY]
3
"""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import evolve, frozen

from ackstore.core.engine import Engine
from ackstore.runtime import lock
from ackstore.runtime.lock import StoreLock
from ackstore.runtime.memory import resident_bytes
from ackstore.words.replies import Reply
from ackstore.words.stats import Stats


@frozen
class Beside:
    """What the core does not know of itself."""

    healthy: bool
    callbacks: int
    """Durable callbacks that have not run to their end."""
    refused: int
    """Answers of BUSY that it was not asked for."""


class Sight:
    """Looks into a core, whose lock it takes for that."""

    def __init__(
        self, core: Engine, lock_: StoreLock, clock: Callable[[], float], beside: Callable[[], Beside]
    ) -> None:
        self._core = core
        self._lock = lock_
        self._clock = clock
        self._beside = beside
        self._seen: tuple[Stats, float] | None = None
        """What was seen last, and when."""

    def look(self, *, count: bool = True) -> Stats:
        """Return what there is to see; with `count`, of the messages by state too. (The lock is held.)"""
        found, beside = self._core.stats(count=count), self._beside()
        seen = evolve(
            found,
            healthy=beside.healthy,
            resident_bytes=resident_bytes(),
            callbacks=beside.callbacks,
            replies={**found.replies, Reply.BUSY: found.replies[Reply.BUSY] + beside.refused},
        )
        self._seen = seen, time.monotonic()
        return seen

    def stats(self, *, count: bool) -> Stats:
        """Return what there is to see; what was seen last where nobody can look."""
        found = self._lock.run(lock.STALLED, self._see, count=count)
        if found:
            return found
        assert self._seen is not None  # a store looks once before anybody can call it
        seen, at = self._seen
        return evolve(
            seen,
            healthy=self._beside().healthy,
            stalled=0.0 if self._lock.owned() else self._lock.stalled() or lock.STALLED,  # it may be returning just now
            age=time.monotonic() - at,
            resident_bytes=resident_bytes(),
        )

    def _see(self, *, count: bool) -> Stats:
        if self._beside().healthy:
            self._core.now = self._clock()
        return self.look(count=count)
