"""The threads of a store, but for its timer: who does what, so that nothing that hangs holds up what need not wait.

- Flush threads sync, and replace the offset file. They are in pools, one for each log (and with several logs, one for
  the directory), and more of a pool are started, up to `Config.flush_threads`, when a sync hangs.
- One thread removes files, one after the other, and makes the one that keeps room.
- One runs durable callbacks, and one writes log lines: foreign code, both.

>>> import threading
>>> done = threading.Event()
>>> pools = Pools(print, pools=1, flush_threads=4, died=print)
>>> pools.call_back(done.set)
>>> done.wait(5.0), pools.stop(), pools.callbacks
(True, [], 0)
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ackstore.core.effects import Effect, Reserve, Sync, SyncDir, Unlink
from ackstore.runtime.threads import Workers, call_back

GRACE = 1.0
"""How long a closing store waits for threads once all of its operations have ended, in seconds."""


class Pools:
    """The threads. `work` performs an effect, which it gets with its I/O id; `died` hears of an error in it."""

    def __init__(
        self,
        work: Callable[[tuple[int, Effect]], None],
        *,
        pools: int,
        flush_threads: int,
        died: Callable[[BaseException], None],
    ) -> None:
        self._flushing = [Workers(work, limit=flush_threads, died=died) for _ in range(pools)]
        self._removing = Workers(work, limit=1, died=died)
        self._calling_back = Workers(call_back, limit=1, died=died)
        self._telling = Workers(_emit, limit=1, died=died)

    def perform(self, io: int, effect: Effect) -> None:
        """Have an effect performed."""
        pool = self._removing if isinstance(effect, Unlink | Reserve) else self._flushing[io % len(self._flushing)]
        pool.put((io, effect))

    def call_back(self, callback: Callable[[], None]) -> None:
        """Have a client's callback run."""
        self._calling_back.put(callback)

    def tell(self, emit: Callable[[], None]) -> None:
        """Have a line logged."""
        self._telling.put(emit)

    @property
    def callbacks(self) -> int:
        """Callbacks that have not run to their end."""
        return self._calling_back.outstanding

    @property
    def lines(self) -> int:
        """Lines that are not logged yet."""
        return self._telling.outstanding

    def stop(self) -> list[Effect]:
        """Begin nothing more on the disk, wait a little, and say what is still going on. Syncs may be: they change
        nothing that another store reads. Can be called again."""
        until = time.monotonic() + GRACE
        stuck: list[Effect] = [
            effect
            for pool in (*self._flushing, self._removing)
            for _io, effect in pool.stop(until - time.monotonic())
            if not isinstance(effect, Sync | SyncDir)
        ]
        until = time.monotonic() + GRACE
        for pool in (self._calling_back, self._telling):
            pool.stop(until - time.monotonic(), drain=True)
        return stuck


def _emit(emit: Callable[[], None]) -> None:
    emit()
