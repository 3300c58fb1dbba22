"""The fast path of an engine: that of each of its logs, where it is open.

>>> from ackstore.core.sharded import open_engine
>>> from ackstore.words.config import Config
>>> class Nothing:
...     def names(self): return []
>>> path = EnginePath(open_engine(Config(logs=2), Nothing(), now=0.0))
>>> len(path.paths), path.open, path.ack("no receipt", 0.0, None) is None     # the long way answers it
(2, True, True)
"""

from __future__ import annotations

from collections.abc import Sequence

from ackstore.core.acks import Acks
from ackstore.core.core import Core
from ackstore.core.engine import Engine, OneLog
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.merge import MergeBuffer
from ackstore.core.queues import Queue
from ackstore.fastpath import acks
from ackstore.fastpath.path import FastPath
from ackstore.fastpath.plain.basics import Writes
from ackstore.words.replies import Reply

PASSED_BY: tuple[tuple[str, type, tuple[str, ...]], ...] = (
    ("", Core, ("submit", "complete", "cached")),
    ("acks", Acks, ("submit", "submit_many", "accept", "judge", "cached", "answer")),
    ("log", Log, ("append", "full", "_write", "_written", "_store")),
    ("flusher", Flusher, ("refuses", "answers_when_cached", "would_answer")),
    ("merge", MergeBuffer, ("settle", "takes_acks")),
)
"""What of a core the fast path does in its own way, by part."""


def paths_of(engine: Engine) -> tuple[FastPath, ...]:
    """Return the fast path of each log. None of a variant that has put something else in place of what they pass by:
    its acks go the long way."""
    return all_paths(engine) if all(map(_passes_by_no_variant, engine.cores)) else ()


def all_paths(engine: Engine) -> tuple[FastPath, ...]:
    """Return the fast path of each log, whatever it passes by."""
    paths = tuple(FastPath(core) for core in engine.cores)
    for path in paths:
        path.then = engine.collect
    return paths


def _passes_by_no_variant(core: OneLog) -> bool:
    parts = ((getattr(core, part) if part else core, original, names) for part, original, names in PASSED_BY)
    same = all(
        getattr(type(part), name) is getattr(original, name) for part, original, names in parts for name in names
    )
    assert isinstance(core, Core)
    return same and core.queue_class.judge is Queue.judge and core.sharded_class is None


class EnginePath:
    """The fast path of an ack in an engine that nobody shares: without a lock."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.paths = all_paths(engine)
        self.open = bool(paths_of(engine))
        """Whether nothing is passed by that a variant has put in its place."""

    def ack(self, receipt: str, now: float, disk: Writes) -> Reply | None:
        """Settle one delivery, with `disk` to perform the write at once; None, and nothing done, if it takes more."""
        return acks.ack(self._path(receipt, now), receipt, now, disk)

    def ack_many(self, receipts: Sequence[str], now: float, disk: Writes) -> list[Reply] | None:
        """Settle several deliveries of one queue, likewise, if all of them can be."""
        return acks.ack_many(self._path(receipts[0] if receipts else "", now), list(receipts), now, disk)

    def _path(self, receipt: str, now: float) -> FastPath:
        path = self.paths[self.engine.log_of(receipt)]
        path.core.now = now
        return path
