"""The bytes of the offset file: how far each consumer has come.

    magic "ACKOFFST" | version u32 | flushed u64 | count u32 | (queue, offset u64) each | crc32

`flushed` is the LSN up to which the log was FLUSHED when the offsets were taken: they derive from
records up to it and from no later one, so the file never claims more than the log.

>>> data = encode_offsets({"orders/billing/3": 17}, flushed=40)
>>> decode_offsets("offsets", data)
OffsetFile(flushed=40, committed={'orders/billing/3': 17})
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

from attrs import frozen

from ackstore.format.payloads import queue_prefix
from ackstore.words.errors import FutureFormat, OffsetsDamaged

MAGIC = b"ACKOFFST"
VERSION = 1

_VERSION = struct.Struct("<8sI")
_HEADER = struct.Struct("<8sIQI")
_LENGTH = struct.Struct("<H")
_OFFSET = struct.Struct("<Q")
_CRC = struct.Struct("<I")


@frozen
class OffsetFile:
    """What the offset file says."""

    flushed: int
    committed: Mapping[str, int]
    """Consumer offset by `QueueId.token`."""


def encode_offsets(committed: Mapping[str, int], flushed: int) -> bytes:
    """Return the whole file."""
    parts = [_HEADER.pack(MAGIC, VERSION, flushed, len(committed))]
    for token, offset in sorted(committed.items()):
        parts += queue_prefix(token), _OFFSET.pack(offset)
    data = b"".join(parts)
    return data + _CRC.pack(crc32(data))


def decode_offsets(file: str, data: bytes) -> OffsetFile:
    """Read the file; `OffsetsDamaged` or `FutureFormat` when it is not what was written."""
    if len(data) >= _VERSION.size:
        magic, version = _VERSION.unpack_from(data)
        if magic == MAGIC and version > VERSION:
            raise FutureFormat(
                f"{file} has format version {version}, and this release reads up to {VERSION}: "
                "open the store with the release that wrote it, or a later one"
            )
    content = data[: -_CRC.size]
    if len(data) < _HEADER.size + _CRC.size or data[-_CRC.size :] != _CRC.pack(crc32(content)):
        raise _damaged(file, data, "checksum wrong")
    magic, version, flushed, count = _HEADER.unpack_from(content)
    if magic != MAGIC or version != VERSION:
        raise _damaged(file, data, "it does not begin as an offset file")
    committed: dict[str, int] = {}
    at = _HEADER.size
    try:
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(content, at)
            end = at + _LENGTH.size + length
            (offset,) = _OFFSET.unpack_from(content, end)
            committed[content[at + _LENGTH.size : end].decode("ascii")] = offset
            at = end + _OFFSET.size
    except (struct.error, UnicodeDecodeError) as error:
        raise _damaged(file, data, f"{count} queues do not fit in it") from error
    if at != len(content):
        raise _damaged(file, data, f"it is more than {count} queues")
    return OffsetFile(flushed=flushed, committed=committed)


def _damaged(file: str, data: bytes, why: str) -> OffsetsDamaged:
    return OffsetsDamaged(
        f"{file} is not what was written ({len(data)} bytes, {why}): restore it from "
        "a copy, or move it away and open the store again, which rebuilds it from the log"
    )
