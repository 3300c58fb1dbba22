"""The attributes that the fast path reads and changes, by the class that has them.

Each class `...Fields` is the base of the class that says what they are for. Compiled, they are C values where no file
can make them too large (`ackstore/fastpath/compiled/fields.pxd`).

>>> entry, record = EntryFields(), RecordFields()
>>> record.settles = entry
>>> record.entries == (entry,)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ackstore.core.entries import Entry


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


class RecordFields:
    """The attributes of `ackstore.core.log.Record`.

    A record of the fast path is one of these and no `Record`: compiled, the garbage collector does not follow it, so
    that acks do not make it run. `Queue.let_go_of_acks` ends the cycle of an entry and its ack in a store that is
    closed.
    """

    __slots__ = ("claims", "data", "durables", "kind", "lsn", "payload", "queue", "settles", "value", "waiters")

    settles: Any
    """The entries; or the only one as it is, without a tuple around it that the garbage collector would follow."""

    @property
    def entries(self) -> Sequence[Entry]:
        """See there."""
        return self.settles if isinstance(self.settles, (list, tuple)) else (self.settles,)

    @entries.setter
    def entries(self, entries: Sequence[Entry]) -> None:
        self.settles = entries


class SegmentFields:
    """The attributes of `ackstore.core.segment.Segment`."""

    __slots__ = ("dirty", "file", "last", "number", "size", "synced", "torn")


class LogFields:
    """Attributes of `ackstore.core.log.Log`."""


class FlusherFields:
    """Attributes of `ackstore.core.flusher.Flusher`."""


class QueueFields:
    """Attributes of `ackstore.core.queues.Queue`."""

    __slots__ = ("entries", "floor", "prefix", "resetting", "token")


class MergeFields:
    """Attributes of `ackstore.core.merge.MergeBuffer`."""


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


class StoreFields:
    """Attributes of `ackstore.runtime.driver.Driver`."""

    _acquire: Callable[..., bool]
    _release: Callable[[], None]
    _leave: Callable[[], None]
    _inside: bool
