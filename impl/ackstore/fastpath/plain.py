"""What `ackstore.fastpath._fast` has compiled, in Python: for where it could not be built, and to read.

The classes named `...Fields` hold the attributes of the class of that name, which says what they are for. There is no
plain form of `ack` and `ack_many`: they leave every ack to `ackstore.fastpath.lane`, which is the plain form.

>>> record = RecordFields()
>>> record.data = b"abc"
>>> bytes_of([record, record]), ack(StoreFields(), "a receipt")
(6, None)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heapify
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ackstore.core.entries import Entry
    from ackstore.core.log import Record
    from ackstore.core.queues import Queue
    from ackstore.core.replies import Reply

Timer = tuple[float, int]
"""A deadline, and the offset of the message that has it."""


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
    """The attributes of `ackstore.core.log.Record`."""

    __slots__ = ("claims", "data", "durables", "entries", "kind", "lsn", "payload", "queue", "value", "waiters")


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


class LaneFields:
    """The attributes of `ackstore.fastpath.lane.Lane`."""

    __slots__ = ("counts", "flusher", "log", "merge", "most_items", "most_segment", "ok", "queues")


class CoreFields:
    """Attributes of `ackstore.core.core.Core`."""


class FileFields:
    """The attributes of `ackstore.runtime.files.OpenFile`."""

    __slots__ = ("dirty", "fd", "leaving", "syncs")


class DiskFields:
    """Attributes of `ackstore.runtime.files.RealDisk`."""


class StoreFields:
    """Attributes of `ackstore.store.Store`."""

    def _lock_with(self, _lock: object) -> None:
        """What to hold while acks go the short way."""


class Clock:
    """Shows `start` more than the system's clock number `source`, in seconds.

    >>> clock = Clock(0.0, time.CLOCK_MONOTONIC)
    >>> clock() <= time.monotonic() <= clock()
    True
    """

    def __init__(self, start: float, source: int) -> None:
        self.start = start
        self.source = source

    def __call__(self) -> float:
        return self.start + time.clock_gettime(self.source)


TURNS, NAP = 50, 0.0002
"""How often, and for how many seconds each time, a thread stays aside that finds another in the store."""
SLEEP = 0.05
"""For how many seconds it then sleeps on the lock."""


def take_turns(acquire: Callable[..., bool]) -> bool:
    """Take a lock whose holders keep the GIL while they have it, but for now and then. False where a holder keeps it
    for longer than that takes, as in a write that hangs: then the long way answers in time.

    A thread that sleeps on such a lock is given it while it still waits for the GIL; so whoever runs meanwhile finds
    the lock taken and lets the GIL go, to sleep likewise. From then on every turn takes two wake-ups, and no thread
    ever finds the lock free: all of them together are much slower than one alone. One that stays aside instead finds
    it free, as soon as the holder has the GIL. (In the end it sleeps on the lock all the same, lest others starve it.)
    """
    for _ in range(TURNS):
        if acquire(False):
            return True
        time.sleep(NAP)
    return acquire(True, SLEEP)


def ack(_store: StoreFields, _receipt: str) -> Reply | None:
    """The reply to an ack; None, and nothing done, where it has to go another way."""
    return None


def ack_many(_store: StoreFields, _receipts: object) -> list[Reply] | None:
    """The replies to a batch; None, and nothing done, where it has to go another way."""
    return None


def settle(_records: list[Record], at: int, _queues: dict[str, Queue]) -> int:
    """Settle what the ACK records from `at` on settle, up to one that has to go another way; returns where that is."""
    return at


def first_unsettled(entries: dict[int, Entry], floor: int) -> int:
    """Let go of the entries from `floor` on that are settled; returns the first offset whose is not, or that has
    none."""
    while (entry := entries.get(floor)) is not None and entry.settled:
        del entries[floor]
        floor += 1
    return floor


def timers_of(entries: dict[int, Entry], most: int | None) -> tuple[list[Timer], list[Timer]]:
    """The deadlines of the entries that may be handed out again, as heaps of (deadline, offset): of those that are not
    at their last attempt, of `most` (None for no limit), and of those that are."""
    expiring: list[Timer] = []
    ending: list[Timer] = []
    for entry in entries.values():
        entry.timed = entry.may_return()
        if entry.timed:
            last = most is not None and entry.attempt >= most
            (ending if last else expiring).append((entry.deadline, entry.offset))
    heapify(expiring)
    heapify(ending)
    return expiring, ending


MERGED = 0
"""The `Record.kind` of an ack that is only in the merge buffer: no record of the log has it."""


def settled_run(entries: dict[int, Entry], floor: int, most: int) -> list[Entry]:
    """The messages from `floor` on that are settled, or whose ack is in the merge buffer, without a gap; at most so
    many."""
    found: list[Entry] = []
    while len(found) < most and (entry := entries.get(floor)) is not None:
        if not entry.settled and (entry.ack is None or entry.ack.kind != MERGED):
            break
        found.append(entry)
        floor += 1
    return found


def settle_run(entries: list[Entry]) -> list[Record]:
    """Settle messages; returns those of their acks that somebody waits for."""
    found: list[Record] = []
    for entry in entries:
        ack, entry.ack = entry.ack, None
        entry.settled = True
        if ack is not None and (ack.waiters is not None or ack.durables is not None):
            found.append(ack)
    return found


def bytes_of(records: list[Record]) -> int:
    """How long the records are together."""
    return sum([len(record.data) for record in records])


def whole_records(_data: bytes, at: int, expected: int, synced: int) -> tuple[int, int, int]:
    """Go over whole records from byte `at` on, the first of which would have the LSN `expected`, up to one that has to
    be looked at otherwise: here, the first. Returns where that is, its LSN if it were whole, and the highest `synced`
    so far."""
    return at, expected, synced


def replay_acks(_data: bytes, at: int, _count: int, _queues: dict[bytes, Queue]) -> tuple[int, int]:
    """Settle what the ACK records from byte `at` on settle, up to one that has to be looked at otherwise: here, the
    first. Returns where that is, and how many there were."""
    return at, 0
