"""The attributes that compiled code reads and changes, by the class that has them.

Each class `...Fields` is the base of the class that says what they are for. Compiled, they are C values where no file
can make them too large (`ackstore/fields/compiled/classes.pxd`).

>>> entry, record = EntryFields(), RecordFields()
>>> record.settles = entry
>>> record.entries == (entry,)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class EntryFields:
    """The attributes of `ackstore.core.entries.Entry`."""

    __slots__ = (
        "ack",
        "attempt",
        "deadline",
        "epoch",
        "held",
        "moving",
        "offset",
        "renewing",
        "saved",
        "settled",
        "timed",
    )

    offset: int
    attempt: int
    epoch: int
    deadline: float
    moving: bool
    renewing: bool
    held: bool
    timed: bool
    saved: bool
    settled: bool
    ack: RecordFields | None


class RecordFields:
    """The attributes of `ackstore.core.record.Record`.

    A record of the fast path is one of these and no `Record`: compiled, the garbage collector does not follow it, so
    that acks do not make it run. `Queue.let_go_of_acks` ends the cycle of an entry and its ack in a store that is
    closed.
    """

    __slots__ = ("claims", "data", "durables", "kind", "lsn", "payload", "queue", "settles", "value", "waiters")

    kind: int
    lsn: int
    queue: Any
    data: bytes
    payload: bytes
    value: float
    claims: Sequence[Any]
    waiters: list[Any] | None
    durables: list[Any] | None
    settles: Any
    """The entries; or the only one as it is, without a tuple around it that the garbage collector would follow."""

    @property
    def entries(self) -> Sequence[Any]:
        """See there."""
        return self.settles if isinstance(self.settles, (list, tuple)) else (self.settles,)

    @entries.setter
    def entries(self, entries: Sequence[Any]) -> None:
        self.settles = entries


class SegmentFields:
    """The attributes of `ackstore.core.segment.Segment`."""

    __slots__ = ("dirty", "file", "last", "number", "size", "synced", "torn")


class LogFields:
    """Attributes of `ackstore.core.log.Log`."""


class FlusherFields:
    """Attributes of `ackstore.core.flusher.Flusher`."""

    hurry: bool
    wanted: int
    mode: Any


class QueueFields:
    """Attributes of `ackstore.core.queues.Queue`."""

    __slots__ = ("entries", "floor", "prefix", "resetting", "token")


class MergeFields:
    """Attributes of `ackstore.core.merge.MergeBuffer`."""

    merges: int


class PathFields:
    """The attributes of `ackstore.fastpath.path.FastPath`."""

    __slots__ = (
        "core",
        "counts",
        "flusher",
        "latest",
        "log",
        "merge",
        "most_items",
        "most_segment",
        "ok",
        "queues",
        "then",
    )


class CoreFields:
    """Attributes of `ackstore.core.core.Core`."""


class FileFields:
    """The attributes of `ackstore.runtime.files.OpenFile`."""

    __slots__ = ("dirty", "fd", "leaving", "syncs")


class DiskFields:
    """Attributes of `ackstore.runtime.files.RealDisk`."""


class LockFields:
    """Attributes of `ackstore.runtime.lock.StoreLock`."""

    acquire: Callable[..., bool]
    release: Callable[[], None]
    owned: Callable[[], bool]
    inside: bool

    leave: Callable[[], None]


class DriverFields:
    """Attributes of `ackstore.runtime.driver.Driver`."""

    paths: tuple[Any, ...]
    core: Any
    lock: LockFields
    broken: BaseException | None
    clock: Callable[[], float]
    writes: Any
    wake: Any
    asleep: bool

    perform: Callable[..., Any]
