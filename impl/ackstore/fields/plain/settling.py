"""What becomes of acks that a sync has covered.

>>> entries = {offset: EntryFields() for offset in (4, 5, 6)}
>>> for entry in entries.values():
...     entry.ack, entry.settled = None, False
>>> settle_run([entries[4], entries[5]])
[]
>>> first_unsettled(entries, 4), [*entries]
(6, [6])
"""

from __future__ import annotations

from heapq import heapify
from typing import Any, TypeVar

from .classes import EntryFields, RecordFields

MERGED = 0
"""The `Record.kind` of an ack that is only in the merge buffer: no record of the log has it."""
ACK = 2
"""That of an ack in the log, as in `ackstore.format.records`."""

Timer = tuple[float, int, int]
"""A deadline, and the messages that have it, from the first offset to the last: one item for those that were handed out
together."""

Entry = TypeVar("Entry", bound=EntryFields)


def settle_one(entry: EntryFields) -> None:
    """Settle a message whose ack is FLUSHED."""
    entry.ack = None
    entry.settled = True


def settle(records: list[Any], at: int, queues: dict[str, Any]) -> int:
    """Settle what the ACK records from `at` on settle, up to one that somebody waits for, or that is no ACK; returns
    where that is. `queues` gets their queues, by token."""
    queue = None
    most = len(records)
    while at < most:
        record = records[at]
        if record.kind != ACK or record.waiters is not None or record.durables is not None:
            break
        settles = record.settles
        if isinstance(settles, (list, tuple)):
            for entry in settles:
                settle_one(entry)
        else:
            settle_one(settles)
        if record.queue is not queue:
            queue = record.queue
            queues[queue.token] = queue
        at += 1
    return at


def first_unsettled(entries: dict[int, Entry], floor: int) -> int:
    """Let go of the entries from `floor` on that are settled; returns the first offset whose is not, or that has
    none."""
    while True:
        entry = entries.get(floor)
        if entry is None or not entry.settled:
            return floor
        del entries[floor]
        floor += 1


def timers_of(entries: dict[int, Entry], most: int | None) -> tuple[list[Timer], list[Timer]]:
    """Return the deadlines of the entries that may be handed out again, as heaps: of those that are not at their last
    attempt, of `most` (None for no limit), and of those that are."""
    expiring: list[Timer] = []
    ending: list[Timer] = []
    due: Any = None
    first: Any = None
    end: Any = None
    latest, at = -1.0, -1
    ordered = True
    for entry in entries.values():
        entry.timed = entry.ack is None and not (entry.settled or entry.moving or entry.renewing)
        if not entry.timed:
            continue
        if most is not None and entry.attempt >= most:
            ending.append((entry.deadline, entry.offset, entry.offset))
            continue
        deadline, offset = entry.deadline, entry.offset
        if deadline == latest and offset - 1 == at:
            at = offset
            end = entry.offset
            continue
        if due is not None:
            expiring.append((due, first, end))
        ordered = ordered and (deadline > latest or (deadline == latest and offset > at))
        latest, at = deadline, offset
        due, first, end = entry.deadline, entry.offset, entry.offset
    if due is not None:
        expiring.append((due, first, end))
    if not ordered:  # what is sorted is a heap
        heapify(expiring)
    heapify(ending)
    return expiring, ending


def settled_run(entries: dict[int, Entry], floor: int, most: int) -> list[Entry]:
    """Return the messages from `floor` on that are settled, or whose ack is in the merge buffer, without a gap; at most
    this many."""
    found: list[Entry] = []
    while len(found) < most:
        entry = entries.get(floor)
        if entry is None:
            break
        if not entry.settled:
            record = entry.ack
            if record is None or record.kind != MERGED:
                break
        found.append(entry)
        floor += 1
    return found


def settle_run(entries: list[Entry]) -> list[RecordFields]:
    """Settle messages; returns those of their acks that somebody waits for."""
    found: list[RecordFields] = []
    for entry in entries:
        record = entry.ack
        settle_one(entry)
        if record is not None and (record.waiters is not None or record.durables is not None):
            found.append(record)
    return found


def bytes_of(records: list[Any]) -> int:
    """Return how long the records are together."""
    total = 0
    for record in records:
        total += len(record.data)
    return total
