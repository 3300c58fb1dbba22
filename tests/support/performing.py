"""Performing an effect of the store's core on the simulated disk, with a result that somebody chose.

>>> disk = Disk()
>>> for effect in (Create("a"), Write("a", 0, b"abc"), Sync("a"), Rename("a", "b")):
...     perform_on(disk, effect)
>>> perform_on(disk, Write("b", 3, b"def"), Failed(28, written=1))
>>> disk.names(), disk.read("b")
(['b'], b'abcd')
"""

from __future__ import annotations

from ackcheck.sim.disk import Disk
from ackstore.core.effects import (
    DONE,
    Create,
    Effect,
    Failed,
    Rename,
    Reserve,
    Result,
    Sync,
    SyncDir,
    Unlink,
    Write,
)


def perform_on(disk: Disk, effect: Effect, result: Result = DONE) -> None:
    """Perform an effect as far as its result says; a file that only takes up room is empty here."""
    match effect:
        case Write(file, at, data):
            disk.write(file, at, data[: result.written] if isinstance(result, Failed) else data)
        case Create(file) if result is DONE:
            disk.create(file)
        case Reserve(file) if result is DONE and file not in disk.names():
            disk.create(file)
        case Sync(file) if result is DONE:
            disk.sync(file)
        case SyncDir() if result is DONE:
            disk.sync_directory()
        case Rename(source, target) if result is DONE:
            disk.rename(source, target)
        case Unlink(file) if result is DONE:
            disk.unlink(file)
