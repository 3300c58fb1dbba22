"""Opening a store: what its files prove, and what history they hold.

Recovery reads and never writes. It puts the segments together into one history, the records with
LSN 1 to `last`, and finds out up to which LSN that history is *proved*: some header, record or
offset file states that everything up to there had been synced (see `ackstore.format.records`).

- A hole at or below the proved LSN is damage. It is reported by name, file and byte
  (`LogDamaged`), and never skipped: those records were FLUSHED, and promises rest on them.
- A hole above it is what power loss leaves of records that were never synced. The history ends
  there, and whatever lies behind is counted and left where it is.
- The records between are CACHED and no more (clause `recovered-is-cached`). After a process crash
  they may be phantoms: readable, but dropped by a sync that failed, and never to reach the disk. So
  the core writes them again (clause `flush-rewrites`).

Where several segments hold the same LSN the newest whole copy counts. A segment's `keeps` says how
much of the earlier epochs it continues; what they hold beyond that belongs to a history that power
loss had ended, and is dropped before the segment's own records are added. Every segment says so for
itself, because the one that said it first may be lost; and it says what the parent epoch and those before it had
said, because all of their segments may be lost, while the records that they kept are on the disk (`Header.steps`).

>>> class Nothing:
...     def names(self): return []
...     def read(self, name): raise AssertionError(name)
>>> recovered = recover(Config(), Nothing())
>>> recovered.last, recovered.proved, recovered.next_number
(0, 0, 1)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from attrs import field, frozen

from ackstore.format.filenames import PLAIN, FileNames, check_logs
from ackstore.format.offsetfile import OffsetFile, decode_offsets
from ackstore.format.records import MOST_STEPS, Run, Scan, Step, decode_record, scan, skip_records
from ackstore.words.config import Config
from ackstore.words.errors import LogDamaged, NumbersExhausted, OffsetsAheadOfLog

MOST_SEGMENTS = 2**40 - 2
"""The highest number of a segment that an open begins after: epochs are numbers of segments, in 40 bits."""
MOST_LSN = 2**64 - 1
"""The highest LSN that a record can name."""


class Reader(Protocol):
    """The files of one directory, as recovery sees them."""

    def names(self) -> list[str]:
        """Return every file name in the directory, in any order."""

    def read(self, name: str) -> bytes:
        """Return all bytes of a file."""


@frozen
class Piece:
    """Part of the history: the records with LSN `first` to `last`, and where they are."""

    first: int
    last: int
    run: Run
    file: Scan

    def part(self, first: int, last: int) -> Piece:
        """Return the same, narrowed."""
        return Piece(max(self.first, first), min(self.last, last), self.run, self.file)


@frozen
class Span:
    """Part of the history: the records with LSN `first` to `last` begin at byte `at` of `data`."""

    first: int
    last: int
    data: bytes = field(repr=False)
    at: int


@frozen(kw_only=True)
class Recovered:
    """What the files hold, for `Core` to start from."""

    next_number: int = 1
    """The number of the segment to create."""
    parent: int = 0
    """The latest epoch of which there is a segment."""
    steps: tuple[Step, ...] = ()
    """What is history of the epochs before that one."""
    proved: int = 0
    """Everything up to this LSN had been synced."""
    last: int = 0
    """Where the history ends."""
    offsets: OffsetFile = field(factory=lambda: OffsetFile(0, {}))
    cut_records: int = 0
    cut_bytes: int = 0
    pieces: tuple[Piece, ...] = ()
    segments: tuple[tuple[int, int, int, str], ...] = ()
    """Number, last LSN, bytes and file of every segment there is."""
    reader: Reader | None = None
    """Where the records are read from; None if there are none."""
    reserve: bool = False
    """Whether there is a file that keeps room on the disk."""
    names: FileNames = PLAIN
    """What the files of this log are called."""

    @property
    def count(self) -> int:
        """How many records the history has."""
        return sum(piece.last - piece.first + 1 for piece in self.pieces)

    def spans(self) -> Iterator[Span]:
        """Yield the history, in order. One segment's bytes are in memory at a time, if whoever asks lets go of a span
        before the next."""
        file, data = "", b""
        for piece in self.pieces:
            if piece.file.file != file:
                assert self.reader is not None
                file, data = piece.file.file, b""
                data = self.reader.read(file)
            at = skip_records(data, piece.run.at, piece.first - piece.run.first)
            yield Span(piece.first, piece.last, data, at)

    def records(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Yield the history: LSN, kind, payload and whole bytes of each record, up to `last`."""
        for span in self.spans():
            at = span.at
            for lsn in range(span.first, span.last + 1):
                kind, payload, whole = decode_record(span.data, at)
                yield lsn, kind, payload, whole
                at += len(whole)
            del span


@frozen
class Laid:
    """What history the segments of one log hold."""

    proved: int
    """Everything up to this LSN had been synced."""
    limits: dict[int, int]
    """Up to which LSN the records of each epoch are history."""
    pieces: tuple[Piece, ...]
    """From where the log begins up to the first hole."""

    @property
    def last(self) -> int:
        """Where the history ends."""
        return self.pieces[-1].last if self.pieces else 0


def lay_out(scans: list[Scan], flushed: int) -> Laid:
    """Put segments together, the oldest first; the offset file derives from records up to `flushed`."""
    proved = max([flushed, *(found.synced for found in scans)])
    history, limits = _history(scans)
    return Laid(proved, limits, tuple(_begun(history, scans, proved, flushed)))


def recover(config: Config, reader: Reader, log: int = 1) -> Recovered:
    """Read the files of one of a store's `Config.logs` logs, which are numbered from 1.

    Raises `LogDamaged`, `OffsetsDamaged`, `OffsetsAheadOfLog`, `FutureFormat`, `LogsDiffer` where the directory holds
    another number of logs, or what `reader` raises.
    """
    names = reader.names()
    check_logs(names, config.logs)
    files = FileNames(log, config.logs)
    numbers = {number: name for name in names if (number := files.number_of(name)) is not None}
    if max(numbers, default=0) >= MOST_SEGMENTS:
        raise NumbersExhausted(
            f"segment {max(numbers)} is there, and an epoch numbers no open beyond {MOST_SEGMENTS}: nothing was "
            "changed. Begin with an empty directory, and publish its messages there"
        )
    scans = [scan(name, reader.read(name)) for _number, name in sorted(numbers.items())]
    offsets = OffsetFile(0, {})
    if files.offsets in names:
        offsets = decode_offsets(files.offsets, reader.read(files.offsets))
    found = lay_out(scans, offsets.flushed)
    proved, last, limits, pieces = found.proved, found.last, found.limits, found.pieces
    if offsets.flushed > last:
        raise _ahead(files, offsets, last, scans)
    if proved > last:
        raise _damage(scans, last + 1, proved)
    cut_records, cut_bytes = _cut(scans, last, reader)
    return Recovered(
        next_number=max(numbers, default=0) + 1,
        parent=max(limits, default=0),
        steps=_steps(limits, proved, last),
        proved=proved,
        last=last,
        offsets=offsets,
        cut_records=cut_records,
        cut_bytes=cut_bytes,
        pieces=pieces,
        segments=tuple(
            (number, min(max((run.last for run in found.runs), default=0), last), found.size, name)
            for (number, name), found in zip(sorted(numbers.items()), scans, strict=True)
        ),
        reader=reader,
        reserve=files.reserve in names,
        names=files,
    )


def _history(scans: list[Scan]) -> tuple[list[Piece], dict[int, int]]:
    """Lay the segments over each other, oldest first. The result may still have holes.

    Beside it, the limits: up to which LSN the records of each epoch are history.
    """
    history: list[Piece] = []
    limits: dict[int, int] = {}
    for found in scans:
        header = found.header
        if header is None:
            continue
        there = not header.parent or header.parent in limits
        for epoch in limits.keys() - {header.epoch}:
            limits[epoch] = min(limits[epoch], header.limit_of(epoch, parent_is_there=there))
        limits.setdefault(header.epoch, MOST_LSN)
        history = [piece for old in history for piece in _kept(old, limits)]
        for run in found.runs:
            history = _laid_over(history, Piece(run.first, run.last, run, found))
    return history, limits


def _kept(old: Piece, limits: dict[int, int]) -> list[Piece]:
    """Return what of `old` is still history."""
    assert old.file.header is not None
    limit = limits[old.file.header.epoch]
    return [old.part(0, limit)] if old.first <= limit else []


def _steps(limits: dict[int, int], proved: int, last: int) -> tuple[Step, ...]:
    """Return what the next epoch says of those before its parent (see `ackstore.format.records`).

    Where there are more steps than a header has room for, the oldest rise less than they could.
    """
    steps: list[Step] = []
    for epoch in sorted(limits)[:-1]:
        limit = min(limits[epoch], last)
        if limit > max(proved, steps[-1][1] if steps else 0):
            steps.append((epoch, limit))
    return (*steps[:1], *steps[1:][-(MOST_STEPS - 1) :])


def _laid_over(history: list[Piece], new: Piece) -> list[Piece]:
    """Return `history` with its records from `new.first` to `new.last` replaced by those of `new`."""
    pieces = [new]
    for old in history:
        if old.first < new.first:
            pieces.append(old.part(old.first, new.first - 1))
        if old.last > new.last:
            pieces.append(old.part(new.last + 1, old.last))
    return sorted(pieces, key=lambda piece: piece.first)


def _contiguous(history: list[Piece], begin: int) -> list[Piece]:
    """Return the pieces from LSN `begin` up to the first hole."""
    pieces: list[Piece] = []
    for piece in history:
        if piece.first != (pieces[-1].last + 1 if pieces else begin):
            break
        pieces.append(piece)
    return pieces


def _begun(history: list[Piece], scans: list[Scan], proved: int, flushed: int) -> list[Piece]:
    """Return the pieces from where the log begins, up to the first hole.

    It begins with LSN 1, or where the latest proved STATE says that from there to itself nothing is missing. Records
    below are retired, also if they are still there: the segments go one by one. One that is not proved counts only if
    the log cannot begin otherwise, as when the offset file that proved it was moved away.

    A proved STATE that the offset file does not derive from, as the power went between the two, has had nothing removed
    yet. The log then begins where it did before: a RESET that is retired tells which offsets of the file are from
    before it, and a STATE does not.
    """
    begins = {lsn: start for found in scans for lsn, start in found.starts if _stands(history, found, lsn, start)}
    known = [lsn for lsn in begins if lsn <= proved]
    if not known:
        begin = begins[max(begins)] if begins and history[0].first > 1 else 1
        return _from(history, begin)
    latest = _from(history, begins[max(known)])
    if max(known) <= flushed:
        return latest
    before = [lsn for lsn in known if lsn <= flushed]
    whole = _from(history, begins[max(before)] if before else 1)
    return whole if whole and whole[-1].last == latest[-1].last else latest


def _from(history: list[Piece], begin: int) -> list[Piece]:
    """Return the pieces from LSN `begin` up to the first hole, whatever lies before."""
    return _contiguous([piece.part(begin, piece.last) for piece in history if piece.last >= begin], begin)


def _stands(history: list[Piece], found: Scan, lsn: int, start: int) -> bool:
    """Tell whether a STATE at `lsn` of this file is part of the history, and everything from `start` to itself."""
    if not any(piece.file is found and piece.first <= lsn <= piece.last for piece in history):
        return False
    there = _from(history, start)
    return bool(there) and there[-1].last >= lsn


def _hole(found: Scan) -> int:
    """Return the LSN that the first damaged byte of a segment with a header belongs to."""
    assert found.header is not None
    assert found.damaged_at is not None
    before = [run.last for run in found.runs if run.at < found.damaged_at]
    return before[-1] + 1 if before else found.header.first


def _cut(scans: list[Scan], last: int, reader: Reader) -> tuple[int, int]:
    """Count whole records, and bytes, that lie beyond the history and are cut off now.

    What the `keeps` of a later epoch had already cut off is not counted again.
    """
    records = cut = 0
    keeps: dict[int, int] = {}
    for found in reversed(scans):
        header = found.header
        if header is None:
            if not keeps:
                records += sum(run.last - run.first + 1 for run in found.runs)
                cut += found.size
            continue
        limit = min([keeps[epoch] for epoch in keeps if epoch > header.epoch], default=MOST_LSN)
        starts = []
        for run in found.runs:
            count = min(run.last, limit) - max(run.first, last + 1) + 1
            if count > 0:
                records += count
                starts.append(skip_records(reader.read(found.file), run.at, max(last + 1 - run.first, 0)))
        if found.damaged_at is not None and last < _hole(found) <= limit:
            starts.append(found.damaged_at)
        if starts:
            cut += found.size - min(starts)
        keeps[header.epoch] = header.keeps
    return records, cut


def _where(scans: list[Scan], lsn: int) -> str:
    """Name the file and byte where record `lsn` should be."""
    able = [found for found in scans if found.header is None or found.header.first <= lsn]
    damaged = [found for found in able if found.damaged_at is not None]
    if damaged:
        return f"{damaged[-1].file}, byte {damaged[-1].damaged_at}"
    if able:
        return f"{able[-1].file}, byte {able[-1].size} (its end)"
    return f"{scans[0].file} begins later: an earlier segment is missing" if scans else "no segment"


_MEND = "Nothing was changed. Restore the directory from a copy, or move it away to begin with an empty store"


def _damage(scans: list[Scan], lsn: int, proved: int) -> LogDamaged:
    return LogDamaged(
        f"record {lsn} is missing or changed at {_where(scans, lsn)}, "
        f"but records up to {proved} had been synced. {_MEND}"
    )


def _ahead(files: FileNames, offsets: OffsetFile, last: int, scans: list[Scan]) -> OffsetsAheadOfLog:
    return OffsetsAheadOfLog(
        f"{files.offsets} derives from records up to {offsets.flushed}, but the log ends with record "
        f"{last}, at {_where(scans, last + 1)}. {_MEND}"
    )
