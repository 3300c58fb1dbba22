"""The bytes of a segment: its header, its records, and what a scan finds in a file.

A segment is a header and then records, back to back (all integers little-endian):

    header  magic "ACKSTORE" | version u32 | number u64 | epoch u64 | parent u64 | keeps u64
            | base u64 | first u64 | synced u64 | with steps, four times (epoch u64, limit u64) | crc32
    record  mark ac 52 45 43 | crc32 | kind u8, 3 zero bytes | length u32 | lsn u64 | synced u64
            | payload of `length` bytes

Records are numbered: the *log sequence number* (LSN) counts from 1, over all segments. Each CRC-32
covers what follows it in a record, and what precedes it in a header. The fields that recovery
reasons with:

- `synced`: every record up to this LSN had been synced when this was written. It is a statement
  about the past, so it holds wherever it is found, and it is what tells damage from a torn tail.
- `epoch`: which open of the store wrote this segment, named by the number of its first segment;
  `parent`: the latest epoch that this open found a segment of, 0 for none.
- `keeps`: where the history ended when that open began; `base`: up to where it was proved then. Both
  are equal in all segments of an epoch. What segments of earlier epochs hold beyond `keeps` is not
  part of the history: power loss had cut it off, and its LSNs were given again. Where no segment of
  the parent is left, nobody says any more what the parent had cut off, but for the `steps`.
- `steps`: what was history of the epochs before the parent when that open began: of those from this epoch on, the
  records up to this limit; of those before the first step, the ones up to `base`. Limits only ever rise, and there is a
  step only where more than `base` is history: so there are none once an epoch has proved what it found. A header
  without any is of version 1, and shorter.
- `first`: the LSN of this segment's first record. Earlier segments may hold it too: a record is
  written again, unchanged, when a sync of it failed or when it was not proved synced.

>>> header = Header(number=3, epoch=3, parent=1, keeps=9, base=9, first=10, synced=9)
>>> data = header.encode() + encode_record(ACK, b"...", lsn=10, synced=9)
>>> found = scan("log-00000003.seg", data + b"torn")
>>> found.header == header, [(run.first, run.last) for run in found.runs], found.damaged_at
(True, [(10, 10)], 107)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from zlib import crc32

from attrs import define, frozen

from ackstore.fields.reading import whole_records
from ackstore.format.payloads import stated_start
from ackstore.words.errors import FutureFormat

MAGIC = b"ACKSTORE"
VERSION = 2
"""The latest format version."""
MARK = b"\xacREC"
"""Starts every record. Not ASCII, so no queue name can imitate it."""

CHECKPOINT = 1
"""Kind of record: messages were handed out, until a deadline."""
ACK = 2
"""Kind of record: deliveries were settled."""
RENEW = 3
"""Kind of record: deliveries have another deadline."""
DEAD = 4
"""Kind of record: messages are settled because their attempts are exhausted."""
RESET = 5
"""Kind of record: the consumer begins again at an offset, and nothing of the queue before this counts."""
STATE = 6
"""Kind of record: how a queue stands, so that earlier records are not needed."""

_VERSION = struct.Struct("<8sI")
_HEADERS = {1: struct.Struct("<8sI7Q"), 2: struct.Struct("<8sI15Q")}
"""By version."""
_CRC = struct.Struct("<I")
_LEAD = struct.Struct("<4sI")
_BODY = struct.Struct("<B3xIQQ")
_RECORD = struct.Struct("<4sIB3xIQQ")
_LENGTH = struct.Struct("<I")

HEADER_BYTES = _HEADERS[1].size + _CRC.size
"""Of a header without steps."""
MOST_STEPS = 4
"""Steps that a header has room for."""
LEAD_BYTES = _LEAD.size
RECORD_BYTES = _RECORD.size
KIND_AT = 8
"""Where a record says of what kind it is, and then how long its payload is."""
LENGTH_AT = 12

_lead = _LEAD.pack
_body = _BODY.pack
_one_ack: dict[int, Callable[..., bytes]] = {}
"""Packs all that the CRC-32 of an ACK of one delivery covers, by the length of the prefix."""
DELIVERY_BYTES = struct.calcsize("<QIQ")


Step = tuple[int, int]
"""An epoch, and a limit."""


@frozen
class Header:
    """What a segment says of itself; the fields are explained above."""

    number: int
    epoch: int
    parent: int
    keeps: int
    base: int
    first: int
    synced: int
    steps: tuple[Step, ...] = ()
    """At most `MOST_STEPS`, by epoch."""

    def encode(self) -> bytes:
        """Return the header's bytes, `size` of them."""
        fields = [self.number, self.epoch, self.parent, self.keeps, self.base, self.first, self.synced]
        if self.steps:
            fields += [each for step in self.steps for each in step] + [0, 0] * (MOST_STEPS - len(self.steps))
        data = _HEADERS[self.version].pack(MAGIC, self.version, *fields)
        return data + _CRC.pack(crc32(data))

    @property
    def version(self) -> int:
        """The format version that it takes."""
        return 2 if self.steps else 1

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return size_of_header(self.steps)

    def limit_of(self, epoch: int, *, parent_is_there: bool) -> int:
        """Return up to which LSN the records of an earlier epoch were history when this segment's epoch began."""
        if parent_is_there:
            return self.keeps
        if epoch >= self.parent:
            return self.base  # this open has not seen it
        return max([limit for first, limit in self.steps if first <= epoch], default=self.base)


def size_of_header(steps: tuple[Step, ...]) -> int:
    """Return the length in bytes of a header with these steps."""
    return _HEADERS[2 if steps else 1].size + _CRC.size


def decode_header(file: str, data: bytes) -> Header | None:
    """Read the header of `file`; None when it is torn; `FutureFormat` when its version is newer."""
    if len(data) < _VERSION.size:
        return None
    magic, version = _VERSION.unpack_from(data)
    if magic == MAGIC and version > VERSION:
        raise FutureFormat(
            f"{file} has format version {version}, and this release reads up to {VERSION}: "
            "open the store with the release that wrote it, or a later one"
        )
    layout = _HEADERS.get(version)
    if magic != MAGIC or layout is None or len(data) < layout.size + _CRC.size:
        return None
    _magic, _version, *fields = layout.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, layout.size)
    if crc32(data[: layout.size]) != crc:
        return None
    number, epoch, parent, keeps, base, first, synced, *rest = fields
    steps = tuple(step for step in zip(rest[::2], rest[1::2], strict=True) if step != (0, 0))
    if version > 1 and not steps:
        return None
    return Header(number, epoch, parent, keeps, base, first, synced, steps)


def encode_record(kind: int, payload: bytes, lsn: int, synced: int) -> bytes:
    """Return one record, as it stands in a segment."""
    body = _body(kind, len(payload), lsn, synced) + payload
    return _lead(MARK, crc32(body)) + body


def encode_ack_record(prefix: bytes, offset: int, attempt: int, epoch: int, lsn: int, synced: int) -> bytes:
    """Return the record of an ACK of one delivery, `prefix` being its queue's (see `ackstore.format.payloads`).

    What `encode_record` and `encode_ack` make of it, in one step.
    """
    pack = _one_ack.get(len(prefix)) or _one_ack_of(len(prefix))
    body = pack(ACK, len(prefix) + DELIVERY_BYTES, lsn, synced, prefix, offset, attempt, epoch)
    return _lead(MARK, crc32(body)) + body


def _one_ack_of(size: int) -> Callable[..., bytes]:
    pack = _one_ack[size] = struct.Struct(f"<B3xIQQ{size}sQIQ").pack
    return pack


def decode_record(data: bytes, at: int) -> tuple[int, bytes, bytes]:
    """Return the record that a scan found at byte `at`: its kind, its payload, and all of its bytes."""
    _mark, _crc, kind, length, _lsn, _synced = _RECORD.unpack_from(data, at)
    start = at + RECORD_BYTES
    return kind, data[start : start + length], data[at : start + length]


def skip_records(data: bytes, at: int, count: int) -> int:
    """Return the byte behind `count` whole records from byte `at` on."""
    for _ in range(count):
        at += RECORD_BYTES + _LENGTH.unpack_from(data, at + LENGTH_AT)[0]
    return at


@define
class Run:
    """Whole records with consecutive LSNs, `first` to `last`, from byte `at` on."""

    first: int
    last: int
    at: int


@frozen(kw_only=True)
class Scan:
    """What a segment's file really holds. It keeps none of the file's bytes."""

    file: str
    size: int
    header: Header | None
    """None when the header is torn; then no record of this file can be placed in the history."""
    runs: tuple[Run, ...]
    """The whole records. More than one run means holes between them."""
    synced: int
    """The highest `synced` that the header or any whole record states."""
    damaged_at: int | None
    """The first byte that belongs to no whole record, or to no header; None for a clean file."""
    starts: tuple[tuple[int, int], ...]
    """LSN, and what it states, of each record that states where the log begins."""


def scan(file: str, data: bytes) -> Scan:
    """Find every whole record of a segment, also behind a hole.

    After power loss any subset of the unsynced pages may be on disk, so whole records may follow a
    hole: they count only for what they state about earlier ones (`synced`), unless another segment
    fills the hole.
    """
    header = decode_header(file, data)
    at = header.size if header else 0
    damaged_at = None if header else 0
    synced = header.synced if header else 0
    runs: list[Run] = []
    starts: list[tuple[int, int]] = []
    run = None
    expected = header.first if header else 0
    size = len(data)
    unpack = _RECORD.unpack_from
    while at + RECORD_BYTES <= size:
        if run is not None:
            at, expected, synced = whole_records(data, at, expected, synced)
            run.last = expected - 1
            if at + RECORD_BYTES > size:
                break
        mark, crc, kind, length, lsn, stated = unpack(data, at)
        end = at + RECORD_BYTES + length
        if mark == MARK and lsn >= expected and end <= size and crc32(data[at + LEAD_BYTES : end]) == crc:
            if lsn != expected or run is None:
                run = Run(lsn, lsn, at)
                runs.append(run)
            run.last = lsn
            expected = lsn + 1
            synced = max(synced, stated)
            if kind == STATE and (start := stated_start(data, at + RECORD_BYTES, end)):
                starts.append((lsn, start))
            at = end
        else:
            damaged_at = at if damaged_at is None else damaged_at
            run = None  # the records of a run are back to back: whoever reads them goes by their lengths
            found = data.find(MARK, at + 1)
            at = found if found >= 0 else size
    if at < size and damaged_at is None:
        damaged_at = at
    return Scan(
        file=file,
        size=size,
        header=header,
        runs=tuple(runs),
        synced=synced,
        damaged_at=damaged_at,
        starts=tuple(starts),
    )
