"""The commit log of RocketMQ, as far as a tear in it has to be found: where its records begin, and their properties.

A record is a total size, a magic number and fixed fields, then the body, the topic and the properties, each with its
length before it. The checksum among the fixed fields is of the body alone.

>>> log = record(b"body", b"topic", b"UNIQ_KEY\\x017")
>>> [one] = records(log + bytes(100))
>>> one.topic, log[one.properties : one.end], one.end == len(log)
('topic', b'UNIQ_KEY\\x017', True)
>>> one.boundary(51), one.boundary(4096)
(102, None)
"""

from __future__ import annotations

import struct
from typing import Final

from attrs import frozen

MAGIC: Final = 0xDAA320A7
FIXED: Final = 84
"""Bytes of a record before the length of its body, where hosts have addresses of IPv4."""


@frozen
class Record:
    """Where a record lies in the log."""

    begin: int
    properties: int
    """Where its properties begin, behind their length."""
    end: int
    topic: str

    def boundary(self, page: int) -> int | None:
        """Return the page boundary that falls into its properties, None where there is none."""
        first = (self.properties // page + 1) * page
        return first if self.properties < first < self.end else None


def records(log: bytes) -> list[Record]:
    """Return the records of a log from its beginning, as far as they are whole."""
    found: list[Record] = []
    begin = 0
    while begin + FIXED + 4 <= len(log):
        total, magic = struct.unpack_from(">II", log, begin)
        if magic != MAGIC or total < FIXED or begin + total > len(log):
            break
        (body,) = struct.unpack_from(">I", log, begin + FIXED)
        at = begin + FIXED + 4 + body
        topic = log[at + 1 : at + 1 + log[at]].decode("utf-8", errors="replace")
        found.append(Record(begin, at + 1 + log[at] + 2, begin + total, topic))
        begin += total
    return found


def record(body: bytes, topic: bytes, properties: bytes) -> bytes:
    """Return a record whose fixed fields are zeros, for examples."""
    total = FIXED + 4 + len(body) + 1 + len(topic) + 2 + len(properties)
    head = struct.pack(">II", total, MAGIC) + bytes(FIXED - 8)
    lengths = struct.pack(">I", len(body)), bytes([len(topic)]), struct.pack(">H", len(properties))
    return head + lengths[0] + body + lengths[1] + topic + lengths[2] + properties
