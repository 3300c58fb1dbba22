"""The log: records on their way into segments, and the bytes kept until they are FLUSHED.

A record is *fresh* until its write has returned, then CACHED and in the *tail* until a flush cycle
covers it. Its LSN is given when its write begins, so the LSNs of records that failed are used again
and the log has no gaps. One write is outstanding at a time; what is submitted meanwhile goes into
the next one.

**A failed write** stores the whole records within the bytes that were written, and no others: those
fail for certain. If it left a part of a record the file is *torn*, and what comes next goes into
another: written over that part, and lost with the power, it could leave there just the bytes that
the record lacks, and bring back what was answered FAILED.

**A failed sync** makes the tail suspect: the kernel may have marked its pages clean without writing
them, and a second sync of the same file would succeed and prove nothing. `condemn` gives up every
file that holds unflushed records, and the tail is written again, unchanged, to a new segment. The
failure may concern whatever was written before it was *reported*, so a write that is still
outstanding then is waited for and written again too.

`Flusher` decides when to sync; this class only knows what would have to be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Protocol, Self

from ackstore.core.abandoned import Abandoned
from ackstore.core.effects import DONE, Create, Done, Effect, Failed, Handler, Result, Unlink, Write
from ackstore.core.segment import Segment, old_segment
from ackstore.fields.classes import LogFields, RecordFields
from ackstore.fields.settling import bytes_of
from ackstore.format.filenames import FileNames
from ackstore.format.records import RECORD_BYTES, Header, Step, encode_record, size_of_header
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config

MOST = 1 << 60
"""No memory holds more bytes, or records."""


class Host(Protocol):
    """What the parts of the core need of it."""

    def request(self, effect: Effect, then: Handler) -> int:
        """Have `effect` performed; `then` gets its result and the time."""

    def cached(self, records: list[RecordFields]) -> None:
        """Note that records have become CACHED."""

    def failed(self, records: list[RecordFields]) -> None:
        """Note that records were certainly not stored."""

    def flushed(self, records: list[RecordFields], now: float) -> None:
        """Note that records have become FLUSHED."""

    def persisted(self, lsn: int) -> None:
        """Note that the offset file on disk derives from all records up to `lsn`."""

    def log_stuck(self, now: float) -> None:
        """Note that records that have to be written again could not be."""

    def directory_failed(self, now: float) -> None:
        """Note that a sync of the directory failed: no entry is certain that none has covered."""

    def ran_out(self, errno: int, now: float) -> None:
        """Hear that something could not be written, perhaps for want of room."""


class Log(LogFields):
    """Append-only storage of records, as effects asked of `host`."""

    def __init__(
        self,
        host: Host,
        config: Config,
        *,
        number: int,
        parent: int,
        flushed: int,
        rewrites: list[RecordFields],
        names: FileNames,
        steps: tuple[Step, ...] = (),
    ) -> None:
        self.host = host
        self.config, self.names = config, names
        self.epoch, self.parent, self.steps = number, parent, steps
        """Which open of the store this is, the number of the first segment it creates; the one whose history it
        continues; and what was history of those before."""
        self.next_number = number
        self.flushed = flushed
        """LSN of the last FLUSHED record."""
        self.last = rewrites[-1].lsn if rewrites else flushed
        """LSN of the last record that is, or ever was, CACHED: where the history ends."""
        self.keeps, self.base = self.last, flushed
        """Where it ended when the store was opened, and up to where it was proved then."""
        self.fresh: list[RecordFields] = []
        """Not CACHED, and in no write."""
        self.rewrites = rewrites
        """CACHED in files that cannot be trusted: to be written again, before anything fresh."""
        self.tail: list[RecordFields] = []
        """CACHED in files that can, not FLUSHED."""
        self.writing: list[RecordFields] = []
        """In the outstanding write: first those written again, then fresh ones."""
        self.busy = False
        """A creation or a write is outstanding."""
        self.stuck = False
        """Nothing can be written before `unstick`: writing again failed, or beginning a file."""
        self.condemned = False
        """The files written so far are to be given up once the outstanding effect has returned."""
        self.current: Segment | None = None
        self.earlier: list[Segment] = []
        """Segments before the current one that hold unflushed records."""
        self.closed: list[Segment] = []
        """Segments before the current one, those of earlier opens included, the oldest first."""
        self.superseded: list[Segment] = []
        """Never synced, and all their records about to be in a newer one."""
        self.abandoned = Abandoned()
        """Of the segments that were given up: what the page cache may still hold."""
        self.unsynced_entry = False
        """A segment's directory entry has not been synced since it was created."""
        self.dirty_since: float | None = None
        """When the first record was written that no flush cycle has begun to cover."""
        self.unflushed = len(rewrites)
        """Records not FLUSHED yet, PENDING ones included."""
        self.unflushed_bytes = sum(len(record.data) for record in rewrites)
        self.most_records, self.most_bytes = (
            min(most, MOST) for most in (config.max_unflushed_records, config.max_unflushed_bytes)
        )
        self.answered = self.submitted = self.resolved = 0
        """Deliveries that the fast path has answered OK; records that were submitted, and how many of them are no
        longer PENDING."""
        self.write_failures = self.rewritten = 0

    @classmethod
    def behind(cls, recovered: Recovered, rewrites: list[RecordFields], host: Host, config: Config) -> Self:
        """Return a log that goes on behind what was recovered, `rewrites` first."""
        log = cls(
            host,
            config,
            number=recovered.next_number,
            parent=recovered.parent,
            flushed=recovered.proved,
            rewrites=rewrites,
            names=recovered.names,
            steps=recovered.steps,
        )
        log.adopt(recovered.segments)
        return log

    def adopt(self, segments: Sequence[tuple[int, int, int, str]]) -> None:
        """Take over the files of earlier opens: number, last LSN, size and name of each, the oldest first."""
        self.closed = [old_segment(*found) for found in segments]

    # What others ask

    @property
    def header_bytes(self) -> int:
        """How long the headers of this open are."""
        return size_of_header(self.steps)

    @property
    def pending(self) -> int:
        """Records not CACHED yet."""
        return self.submitted - self.resolved

    @property
    def dirty_bytes(self) -> int:
        """What the page cache may hold for the disk: records that are written and not FLUSHED, and beside them every
        copy in a file that was given up and is not gone yet."""
        waiting = [*self.fresh, *self.writing[len(self.rewrites) :]]
        unwritten = sum(RECORD_BYTES + len(record.payload) for record in waiting)
        given_up = bytes_of(self.rewrites)  # which are in those files only
        return self.unflushed_bytes - unwritten - given_up + self.abandoned.bytes

    @property
    def to_rewrite(self) -> bool:
        """Whether CACHED records wait to be written again, so that no sync could cover them."""
        return bool(self.rewrites) or self.condemned

    @property
    def closed_bytes(self) -> int:
        """The size of all segments before the current one."""
        return sum(segment.size for segment in self.closed)

    def full(self, segment: Segment) -> bool:
        """Tell whether nothing more is written to a segment."""
        return segment.torn or segment.size >= self.config.segment_bytes

    def dirty_segments(self) -> list[Segment]:
        """Return the segments that a flush cycle has to sync."""
        segments = [*self.earlier, *([self.current] if self.current else [])]
        return [segment for segment in segments if segment.dirty]

    # Writing

    def append(self, record: RecordFields) -> None:
        """Take a record; `host` hears whether it became CACHED or failed."""
        self.submitted += 1
        self.unflushed += 1
        self.unflushed_bytes += RECORD_BYTES + len(record.payload)
        self.fresh.append(record)
        segment = self.current
        if self.busy or self.stuck:
            return
        if segment is not None and not self.full(segment):
            self._write(segment)
        else:
            self.pump()

    def pump(self) -> None:
        """Begin the next creation or write, if there is anything to do and nothing outstanding."""
        segment = self.current
        if self.busy or self.stuck:
            return
        if segment is None or (self.fresh and self.full(segment)):
            self.busy = True
            self.unsynced_entry = True
            self.host.request(Create(self.names.segment(self.next_number)), self._created)
        elif self.fresh or self.rewrites or not segment.size:
            self._write(segment)

    def _created(self, result: Result, now: float) -> None:
        self.busy = False
        if isinstance(result, Failed):
            lost, self.fresh = self.fresh, []
            self._give_up_condemned()
            self._write_failed(lost, now)
            self.host.ran_out(result.errno, now)
            return
        self.rotate(Segment(self.next_number, self.names.segment(self.next_number)))
        self.next_number += 1
        self._give_up_condemned()
        self.pump()

    def rotate(self, segment: Segment) -> None:
        """Go on in a new segment. What the old one holds is not FLUSHED yet: the next flush cycle
        has to sync both files, and the directory."""
        if self.current is not None:
            self._close(self.current)
            if self.current.dirty:
                self.earlier.append(self.current)
        self.current = segment
        self.unsynced_entry = True

    def _close(self, segment: Segment) -> None:
        segment.last = self.last
        self.closed.append(segment)

    def _write(self, segment: Segment) -> None:
        """Write the header if it is due, what has to be written again, and everything fresh (clause `written-once`)."""
        lsn = self.last
        for record in self.fresh:
            lsn += 1
            record.lsn = lsn
            record.data = encode_record(record.kind, record.payload, lsn, self.flushed)
        batch = self.writing = self.rewrites + self.fresh if self.rewrites else self.fresh
        self.fresh = []
        data = batch[0].data if len(batch) == 1 else b"".join([record.data for record in batch])
        if not segment.size:
            data = self._header(segment).encode() + data
        self.busy = True
        self.host.request(Write(segment.file, segment.size, data), self._written)

    def _header(self, segment: Segment) -> Header:
        return Header(
            number=segment.number,
            epoch=self.epoch,
            parent=self.parent,
            keeps=self.keeps,
            base=self.base,
            first=self.rewrites[0].lsn if self.rewrites else self.last + 1,
            synced=self.flushed,
            steps=self.steps,
        )

    def ended(self, record: RecordFields, result: Result, now: float) -> None:
        """Note that the write of one record has ended that was not asked for through `host`."""
        self.writing = [record]
        self._written(result, now)

    def _written(self, result: Result, now: float) -> None:
        self.busy = False
        segment = self.current
        assert segment is not None
        batch, self.writing = self.writing, []
        if result is DONE and segment.size and not self.rewrites:
            self._store(segment, batch, now)
        else:
            self._sort_out(segment, batch, result, now)
        if self.condemned:
            self._give_up_condemned()
        if self.fresh or self.current is None:
            self.pump()

    def _sort_out(self, segment: Segment, batch: list[RecordFields], result: Result, now: float) -> None:
        """See what of a write is in the file that has ended and wrote a header, or records again, or failed."""
        again = len(self.rewrites)
        whole = self.whole_records(segment, batch, result)
        stored, lost = batch[:whole], batch[whole:]
        header = 0 if segment.size else self.header_bytes
        if isinstance(result, Done) or result.written >= header:
            segment.size += header
        if isinstance(result, Failed) and whole >= again:  # what is written again is the same to the byte
            segment.torn = result.written > header + bytes_of(stored)
        self.rewrites = lost[: again - whole] if whole < again else []
        self.rewritten += min(whole, again)
        self._store(segment, stored, now, again)
        self._drop_superseded()
        if isinstance(result, Failed):
            self._write_failed(lost[max(again - whole, 0) :], now)
            self.host.ran_out(result.errno, now)

    def whole_records(self, segment: Segment, batch: list[RecordFields], result: Result) -> int:
        """Return how many records of an ended write reached the file whole."""
        if isinstance(result, Done):
            return len(batch)
        left = result.written - (0 if segment.size else self.header_bytes)
        for count, record in enumerate(batch):
            left -= len(record.data)
            if left < 0:
                return count
        return len(batch)

    def _store(self, segment: Segment, stored: list[RecordFields], now: float, again: int = 0) -> None:
        """Take whole records that are in the file for CACHED, the first `again` of them once more."""
        segment.dirty = True
        if self.dirty_since is None:
            self.dirty_since = now
        for record in stored:
            segment.size += len(record.data)
        self.tail.extend(stored)
        fresh = stored[again:] if again else stored
        if fresh:
            self.last = fresh[-1].lsn
            self.resolved += len(fresh)
            self.host.cached(fresh)

    def _write_failed(self, lost: list[RecordFields], now: float) -> None:
        """Take it that a creation or write failed: `lost` are certainly not stored. While there are records to
        write again, or no file to write to, nothing fresh is taken."""
        self.write_failures += 1
        self.stuck = bool(self.rewrites) or self.current is None or not self.current.size
        if self.stuck:
            lost, self.fresh = lost + self.fresh, []
        self.resolved += len(lost)
        self.unflushed -= len(lost)
        for record in lost:
            record.lsn = 0
            record.data = b""
            self.unflushed_bytes -= RECORD_BYTES + len(record.payload)
        self.host.failed(lost)
        if self.stuck:
            self.host.log_stuck(now)

    def seal(self) -> Segment | None:
        """Write nothing more to the current segment, so that it can be retired with the others; returns it."""
        segment = self.current
        if segment is not None and segment.size > self.header_bytes:
            segment.torn = True
        return segment

    def unstick(self) -> None:
        """Try again to write what has to be written again."""
        self.stuck = False
        self.pump()

    # Syncing

    def sync_begins(self) -> None:
        """Begin a flush cycle: it covers everything that is CACHED now."""
        for segment in self.dirty_segments():
            segment.dirty = False
        self.unsynced_entry = False
        self.dirty_since = None

    def sync_succeeded(self, segments: list[Segment], covered: int, now: float) -> None:
        """Take records up to `covered` for FLUSHED: every file and the directory were synced."""
        for segment in segments:
            segment.synced = True
        self.earlier = [segment for segment in self.earlier if segment.dirty]
        self.flushed = covered
        tail = self.tail
        if tail and tail[-1].lsn <= covered:  # nothing came meanwhile
            records = list(tail)
            tail.clear()
        else:
            records = []
            records = tail[: bisect_right(tail, covered, key=lambda record: record.lsn)]
            del tail[: len(records)]
        self.unflushed_bytes -= bytes_of(records)
        self.unflushed -= len(records)
        self.host.flushed(records, now)

    def condemn(self) -> None:
        """Have what is CACHED and not FLUSHED written again, elsewhere: a sync failed."""
        self.condemned = True
        if not self.busy:
            self._give_up_condemned()
            self.pump()

    def _give_up_condemned(self) -> None:
        if not self.condemned:
            return
        self.condemned = False
        if self.current is not None:
            self._close(self.current)
        self._leave([*self.earlier, *([self.current] if self.current else [])], bytes_of(list(self.tail)))
        self.rewrites = [*self.tail, *self.rewrites]
        self.tail.clear()
        self.closed = [segment for segment in self.closed if segment not in self.superseded]
        self.earlier = []
        self.current = None
        self.dirty_since = None  # nothing that a sync could cover, until it is written again

    def _leave(self, segments: list[Segment], left: int) -> None:
        """Give up segments, the oldest first, the last `left` bytes of which are not FLUSHED."""
        for segment in reversed(segments):
            unsynced = min(segment.size, left)
            left -= unsynced
            self.abandoned.give_up(segment.file, unsynced, removed=not segment.synced)
        self.superseded += [segment for segment in segments if not segment.synced]

    def _drop_superseded(self) -> None:
        """Give up the superseded segments: all they hold is CACHED in a newer one now. None of them was ever
        synced, so nothing rests on them, and retries do not fill the disk."""
        if self.superseded and not self.rewrites:
            for segment in self.superseded:
                self.host.request(Unlink(segment.file), partial(self._removed, segment.file))
            self.superseded = []

    def _removed(self, file: str, _result: Result, _now: float) -> None:
        """Ignore the outcome: a file that could not be removed only takes space."""
        self.abandoned.removed(file)
