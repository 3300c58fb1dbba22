"""Segments made by hand, and files given as a dict.

>>> Reader({"a": b"1"}).names(), len(segment(1, [1, 2])) > len(segment(1, [1]))
(['a'], True)
"""

from __future__ import annotations

from typing import Any

from ackstore.format.records import ACK, Header, encode_record


class Reader:
    """Files given as a dict."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name]


def segment(
    number: int,
    lsns: Any,
    *,
    epoch: int = 1,
    parent: int = 0,
    keeps: int = 0,
    base: int = 0,
    synced: int = 0,
) -> bytes:
    """A segment whose records say which segment and LSN they are of."""
    lsns = list(lsns)
    first = lsns[0] if lsns else keeps + 1
    header = Header(number, epoch, parent, keeps, base, first, synced)
    records = [encode_record(ACK, f"{number}:{lsn}".encode(), lsn, synced) for lsn in lsns]
    return header.encode() + b"".join(records)
