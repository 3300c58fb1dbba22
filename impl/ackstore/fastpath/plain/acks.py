"""The fast path of an ack, or of a batch of them for one queue: judged, written and answered in one go.

The long way through the core exists for whatever may come between: a write that is outstanding, a sync that fails
meanwhile, an answer that has to wait. When none of that is so (async mode, the log at rest, a driver that can write at
once) an ack needs no operation, no effect and no completion of its own. This module does to the log and the queue what
the long way does, byte for byte. Where anything is out of the ordinary it hands over: before the write by doing
nothing, after a failed one through the log's own handling.

The types for C are in `ackstore/fastpath/compiled/acks.pxd`.

>>> from ackstore.words.config import Config
>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> from ackstore.fastpath.path import FastPath
>>> path = FastPath(Core(Config(), Recovered(), now=0.0))
>>> ack(path, "no receipt", 0.0, None) is None     # the long way answers it
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ackstore.core.effects import DONE
from ackstore.fields.plain.settling import ACK, MERGED

from . import basics

if TYPE_CHECKING:
    from ackstore.core.queues import Entry, Queue
    from ackstore.core.record import Record
    from ackstore.core.segment import Segment
    from ackstore.fastpath.path import FastPath
    from ackstore.words.replies import Reply


# Judging


def queue_of(path: FastPath, deliveries: basics.Deliveries) -> Queue | None:
    """Return the queue that receipts name; None if there is none. Mostly it is the one before: queues stay for ever."""
    queue = path.latest
    if queue is None or not deliveries.of(queue.token):
        queue = path.queues.get(deliveries.queue())
        path.latest = queue
    return queue


def judged(queue: Queue, deliveries: basics.Deliveries, n: int, now: float) -> Entry | None:
    """Return the entry that the ack of delivery `n` settles at `now`; None where there is more to say."""
    entry = queue.entries.get(deliveries.offsets[n])
    if entry is None:
        return None
    epoch, deadline = entry.epoch, entry.deadline
    if (
        entry.attempt != deliveries.attempts[n]
        or epoch != deliveries.epochs[n]
        or entry.ack is not None
        or deadline <= now
        or entry.moving
        or entry.settled
        or entry.renewing
    ):
        return None
    return entry


def judge_all(queue: Queue, deliveries: basics.Deliveries, now: float, record: Record) -> bool:
    """Find the entries that `record` settles, which is their ack now; False, and nothing done, where there is more to
    say of one."""
    found: list[Entry] = []
    for n in range(deliveries.count):
        entry = judged(queue, deliveries, n, now)
        if entry is None or entry.held:
            for entry in found:
                entry.ack = None
            return False
        entry.ack = record  # so that `judged` does not find it twice
        found.append(entry)
    record.settles = found
    return True


# Into the log


def segment_for(path: FastPath, size: int) -> Segment | None:
    """Return where a record of `size` bytes can be written, and answered, at once; None if it takes more than that."""
    log, flusher = path.log, path.flusher
    segment = log.current
    if segment is None or log.busy or log.fresh or log.rewrites or log.stuck or log.condemned:
        return None
    if not 0 < segment.size < path.most_segment or segment.torn or flusher.hurry or flusher.mode != "async":
        return None  # a new file is due, or somebody waits for the disk
    if (log.unflushed + 1) * 2 >= log.most_records or (log.unflushed_bytes + size) * 2 >= log.most_bytes:
        return None
    return None if flusher.wanted > log.flushed else segment


def new_record(queue: Queue, kind: int) -> Any:
    """Return an ack on its way: a `Record`, to whoever has to do with it."""
    record: Any = basics.blank_record()
    record.kind = kind
    record.queue = queue
    record.payload = record.data = b""
    record.claims = record.settles = ()
    record.waiters = record.durables = None
    record.lsn = 0
    return record


def stored(path: FastPath, segment: Segment, record: Record, now: float, disk: basics.Writes, count: int) -> Reply:
    """Write a record; its reply, each of its deliveries' own."""
    log = path.log
    data = record.data
    result = basics.put(disk, segment, data)
    if result is not DONE:
        return path.failed(record, result, now)
    size = len(data)
    segment.dirty = True
    segment.size += size
    if log.dirty_since is None:
        log.dirty_since = now
    log.tail.append(record)
    log.last = record.lsn
    log.submitted += 1
    log.resolved += 1
    log.unflushed += 1
    log.unflushed_bytes += size
    log.answered += count
    return path.ok


# Into the merge buffer (`ackstore.core.merge`): nothing is written


def takes_acks(path: FastPath) -> bool:
    """Tell whether an answer may be given before anything is stored."""
    log = path.log
    return (
        path.flusher.mode == "async"
        and not log.stuck
        and log.unflushed * 2 < log.most_records
        and log.unflushed_bytes * 2 < log.most_bytes
    )


def merged(
    path: FastPath, queue: Queue, deliveries: basics.Deliveries, now: float, first: Entry | None
) -> Reply | None:
    """Settle deliveries whose checkpoints are in memory only; None, and nothing done, if that is not so of all. The
    entry of the `first` is known."""
    if not takes_acks(path):
        return None
    entry = first
    for n in range(deliveries.count):
        if n:
            entry = judged(queue, deliveries, n, now)
        if entry is None or not entry.held:
            for m in range(n):
                entry = queue.entries[deliveries.offsets[m]]
                entry.ack = None
                entry.held = True
            return None
        entry.ack = new_record(queue, MERGED)  # so that `judged` does not find it twice
        entry.held = False
    path.merge.merges += deliveries.count
    path.log.answered += deliveries.count
    return path.ok


# The whole of it


def take(path: FastPath, deliveries: basics.Deliveries, now: float, disk: basics.Writes) -> Reply | None:
    """Settle deliveries of one queue, with `disk` to perform the write at once; returns the reply to each. None, and
    nothing done, if it takes more."""
    if deliveries.count > path.most_items:
        return None
    queue = queue_of(path, deliveries)
    if queue is None or queue.resetting is not None:
        return None
    entry = judged(queue, deliveries, 0, now)
    if entry is None:
        return None
    if entry.held:
        return merged(path, queue, deliveries, now, entry)
    prefix = queue.prefix
    segment = segment_for(path, deliveries.record_bytes(prefix))
    if segment is None:
        return None
    record: Record = new_record(queue, ACK)
    if deliveries.count == 1:
        record.settles = entry
        entry.ack = record
    elif not judge_all(queue, deliveries, now, record):
        return None
    log = path.log
    record.lsn = log.last + 1
    record.data = deliveries.record(prefix, record.lsn, log.flushed)
    return stored(path, segment, record, now, disk, deliveries.count)


def ack(path: FastPath, receipt: str, now: float, disk: basics.Writes) -> Reply | None:
    """Settle one delivery; None, and nothing done, if it takes more."""
    deliveries = basics.parse(receipt)
    return None if deliveries is None else take(path, deliveries, now, disk)


def ack_many(path: FastPath, receipts: list[str], now: float, disk: basics.Writes) -> list[Reply] | None:
    """Settle several deliveries of one queue, likewise, if all of them can be."""
    deliveries = basics.parse_all(receipts)
    if deliveries is None:
        return None
    reply = take(path, deliveries, now, disk)
    return None if reply is None else [reply] * deliveries.count
