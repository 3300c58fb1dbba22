"""What the fast path stands on: the clock, the bytes of receipts and of ACK records, and the write.

Compiled, this is `ackstore/fastpath/compiled/basics.pyx`, which does the same in C.

>>> from ackstore.words.identity import receipt_text
>>> found = parse(receipt_text("orders/billing/3", 7, 1, 4))
>>> found.token, found.count, found.offsets, found.attempts, found.epochs
('orders/billing/3', 1, (7,), (1,), (4,))
>>> parse("no receipt"), parse_all(["no receipt"])
(None, None)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ackstore.core.effects import Result
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_flat_ack
from ackstore.format.records import ACK, DELIVERY_BYTES, RECORD_BYTES, encode_ack_record, encode_record
from ackstore.words.identity import parse_receipt, parse_receipts


class Writes(Protocol):
    """Performs a write to the page cache at once."""

    def write(self, file: str, at: int, data: bytes, /) -> Result:
        """Write all of `data` at byte `at` of a file."""


class HasPlace(Protocol):
    """What is asked of a segment."""

    file: str
    size: int


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


def shown_by(clock: Callable[[], float]) -> float:
    """Return the time."""
    return clock()


class Deliveries:
    """What receipts of one queue name."""

    __slots__ = ("attempts", "count", "epochs", "fields", "offsets", "token")

    def __init__(self, token: str, fields: tuple[int, ...]) -> None:
        self.token = token
        self.fields = fields
        """Offset, attempt, epoch, offset, ..."""
        self.count = len(fields) // 3
        self.offsets = fields[::3]
        self.attempts = fields[1::3]
        self.epochs = fields[2::3]

    def of(self, token: str) -> bool:
        """Tell whether they are the queue's."""
        return self.token == token

    def queue(self) -> str:
        """Return the token of their queue."""
        return self.token

    def record_bytes(self, prefix: bytes) -> int:
        """Return how long their ACK record is; `prefix` is that of their queue."""
        return RECORD_BYTES + len(prefix) + self.count * DELIVERY_BYTES

    def record(self, prefix: bytes, lsn: int, synced: int) -> bytes:
        """Return their ACK record."""
        if self.count == 1:
            return encode_ack_record(prefix, self.offsets[0], self.attempts[0], self.epochs[0], lsn, synced)
        return encode_record(ACK, encode_flat_ack(prefix, self.fields), lsn, synced)


def parse(receipt: str) -> Deliveries | None:
    """Read a receipt; None for what is none."""
    found = parse_receipt(receipt)
    return None if found is None else Deliveries(found[0], found[1:])


def parse_all(receipts: list[str]) -> Deliveries | None:
    """Read receipts of one queue; None where they are not all such."""
    found = parse_receipts(receipts)
    return None if found is None else Deliveries(*found)


def blank_record() -> RecordFields:
    """Return a record that says nothing yet."""
    return RecordFields.__new__(RecordFields)


def put(disk: Writes, segment: HasPlace, data: bytes) -> Result:
    """Write behind the end of a segment."""
    return disk.write(segment.file, segment.size, data)
