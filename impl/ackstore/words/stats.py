"""What a store tells about itself, and what the conformance suite observes.

All counters are exact, and taken at one instant. At quiescence (nothing submitted, everything
flushed) every field under "outstanding" is zero (clause `quiescence-is-zero`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from ackstore.words.histogram import HistogramStats
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply

Mode = Literal["async", "sync", "refuse"]

MODES: tuple[Mode, ...] = ("async", "sync", "refuse")
"""How a store may answer, from the mode that takes most to the one that takes least."""


@frozen(kw_only=True)
class QueueStats:
    """One queue. Offsets count messages: an offset of n means that messages 0 to n - 1 are behind
    it.
    """

    end: int
    """Published: messages 0 to `end` - 1 exist."""
    next_new: int
    """Handed out at least once: all new messages below this one."""
    floor: int
    """Settled without a gap, every ack FLUSHED."""
    committed: int
    """The consumer offset, as in memory."""
    persisted: int
    """The consumer offset, as certainly on disk."""
    kept: int
    """Messages in memory: handed out, and not below the floor. They are the sum of the next three."""
    delivered: int | None
    """Handed out and not acked, expired ones included; None where it was not counted (see `Store.stats`)."""
    acking: int | None
    """Acked, but not FLUSHED yet; None as above."""
    settled: int | None
    """Acked and FLUSHED, above the floor; None as above."""
    free: int
    """Below `next_new`, but in nobody's hands: their checkpoint was never stored."""
    dead: int = 0
    """Dead letters: settled because their attempts were exhausted."""


@frozen(kw_only=True)
class Recovery:
    """What opening the store found."""

    records: int = 0
    """Records read back."""
    rewritten: int = 0
    """Of those, records not proved synced, which are written again."""
    cut_records: int = 0
    """Whole records behind a hole in the unproved tail: not part of the log."""
    cut_bytes: int = 0
    """Bytes not part of the log, those records included."""


@frozen(kw_only=True)
class Stats:
    """A store at one instant."""

    mode: Mode
    """How it answers now: once a record is CACHED (async), once it is FLUSHED (sync), or BUSY (refuse). Beside
    `Config.mode` it depends on how many syncs failed in a row, on how near the limits are, on whether there is a file
    to write to, and on `forced`."""
    forced: bool = False
    """Whether `Store.degrade` has every answer wait for the disk."""
    healthy: bool
    """Whether every thread the store needs is alive."""
    stalled: float = 0.0
    """Seconds for which a write to the page cache, or the creation of a file, has not returned: as long as it does not,
    nobody can look into the store, and all figures are those seen last. 0.0 otherwise."""
    age: float = 0.0
    """Seconds since the figures were seen; 0.0 unless `stalled`."""
    epoch: int
    """Which open of the store this is."""
    resident_bytes: int = 0
    """Memory that is resident, of the whole process; 0 where the system does not tell."""

    written: int
    """Log sequence number (LSN) of the last CACHED record."""
    flushed: int
    """LSN of the last FLUSHED record."""

    # Outstanding: zero at quiescence.
    operations: int
    """Operations without an answer."""
    effects: int
    """Effects without a result."""
    pending_records: int
    """Records not CACHED yet."""
    unflushed_records: int
    """Records not FLUSHED yet, pending ones included."""
    unflushed_bytes: int
    """Their bytes, which are kept in memory."""
    dirty_bytes: int
    """What the page cache may hold of the log for the disk: bytes written that no sync has covered, and every copy of
    them in a segment that was given up, until that is removed and no sync of it hangs."""
    oldest_unflushed: float
    """Seconds since the oldest CACHED record that is not FLUSHED was written; 0.0 when there is
    none.
    """
    offsets_dirty: bool
    """Whether a consumer offset is ahead of the offset file."""
    short: bool = False
    """Whether there is not enough room on the disk, so that no new message is handed out."""
    reserve_bytes: int = 0
    """Room that is kept on the disk (see `ackstore.core.space`)."""
    callbacks: int = 0
    """Durable callbacks that have not run to their end."""
    merging: int = 0
    """Messages in the merge buffer, those included that it has handed over and that are not FLUSHED yet."""

    # Since the store was opened.
    failures: int
    """Failed syncs in a row, up to now; also those that nobody was left to begin, because every thread hung in one."""
    syncs: int
    """Flush cycles that succeeded."""
    sync_failures: int
    """Flush cycles that failed, those that timed out included."""
    sync_timeouts: int
    """Flush cycles that timed out."""
    write_failures: int
    """Writes and segment creations that failed."""
    retries: int
    """Flush cycles that began after a failure."""
    rewritten: int
    """Records written again after a failed sync, or after recovery."""
    offset_writes: int
    """Times the offset file was replaced."""
    offset_failures: int
    """Attempts to replace it that failed."""
    merged: int = 0
    """Acks that met their checkpoint in the merge buffer."""
    compactions: int = 0
    """Rounds of compaction completed."""
    removed_segments: int = 0
    """Segments removed by them."""
    segments: int = 0
    """Segments there are now, the current one included."""
    segment_bytes: int = 0
    """Their bytes."""
    flush_seconds: HistogramStats
    """How long the flush cycles took that succeeded, in seconds."""
    flush_failed_seconds: HistogramStats
    """How long those took that failed, until they did or were given up."""
    flush_records: HistogramStats
    """How many records each that succeeded made FLUSHED."""
    replies: Mapping[Reply, int]
    """Answers, by kind."""

    recovery: Recovery
    queues: Mapping[QueueId, QueueStats]

    logs: tuple[Stats, ...] = ()
    """Each log by itself; empty where there is only one. Of several, the figures above are sums, or the mode that
    takes least, the latest `epoch`, the longest `oldest_unflushed` and the most `failures`."""
