"""One queue: which messages are in whose hands, which are settled, and how far the consumer is.

No I/O and no clock: `Core` tells a queue what was asked, and later what became of the records.

- A message is *new* (at or above `next_new`), *delivered* (an `Entry` without an ack), *acking* (an
  `Entry` whose ack is not FLUSHED yet), *settled* (FLUSHED; the entry goes once the floor passes
  it), or *free* (its checkpoint could not be stored: as good as new).
- While a record is on its way the message is in transition: a checkpoint being written cannot
  expire or be acked, and a message whose ack is on its way is not handed out again. If the record
  fails the message goes back to where it was, timer included.
- A deadline of d means: an ack at d is late, and a pop at d gets the message again.

>>> queue = Queue(QueueId.parse("orders"), commits_checkpoints=False)
>>> queue.publish(2)
>>> claims = queue.claim(1, now=0.0, deadline=30.0, epoch=1, limit=100)
>>> queue.stored(claims)
>>> entry = queue.judge(0, 1, epoch=1, now=29.9, current=1)
>>> queue.judge(0, 1, epoch=1, now=30.0, current=1)
<Reply.EXPIRED: 'EXPIRED'>
>>> queue.settle([entry]), queue.advance(), queue.committed
(None, True, 1)
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from attrs import frozen

from ackstore.identity import QueueId
from ackstore.payloads import queue_prefix
from ackstore.replies import Reply
from ackstore.stats import QueueStats

if TYPE_CHECKING:
    from ackstore.log import Record

#: Deadlines of settled messages are swept out of the heap when they outnumber the entries by this.
SPARE_TIMERS = 1024


class Entry:
    """A message that was handed out and is not yet below the floor."""

    __slots__ = (
        "ack",
        "attempt",
        "deadline",
        "epoch",
        "moving",
        "offset",
        "saved",
        "settled",
        "timed",
    )

    def __init__(self, offset: int, attempt: int, epoch: int, deadline: float) -> None:
        self.offset = offset
        self.attempt = attempt
        """Which delivery this is, from 1."""
        self.epoch = epoch
        """Which open of the store handed it out."""
        self.deadline = deadline
        self.moving = True
        """The checkpoint of this delivery is not CACHED yet."""
        self.timed = False
        """The heap of deadlines holds this delivery's."""
        self.saved = False
        """Some checkpoint of this message is FLUSHED: it can be handed out again after power
        loss."""
        self.ack: Record | None = None
        """The ack on its way; None before, and after it is FLUSHED or has failed."""
        self.settled = False
        """The ack is FLUSHED."""


@frozen
class Claim:
    """A message taken for a delivery, and the delivery before it (None: it was new or free)."""

    entry: Entry
    before: tuple[int, int, float] | None
    """Attempt, epoch and deadline."""


class Queue:
    """The state of one queue. `commits_checkpoints` is the policy `Config.commit`."""

    __slots__ = (
        "commits_checkpoints",
        "committed",
        "end",
        "entries",
        "expiring",
        "floor",
        "free",
        "id",
        "next_new",
        "prefix",
        "token",
    )

    def __init__(self, queue: QueueId, *, commits_checkpoints: bool) -> None:
        self.id = queue
        self.token = queue.token
        self.prefix = queue_prefix(self.token)
        self.commits_checkpoints = commits_checkpoints
        self.end = 0
        self.next_new = 0
        self.floor = 0
        self.committed = 0
        self.entries: dict[int, Entry] = {}
        self.expiring: list[tuple[float, int]] = []
        """Heap of (deadline, offset). An item counts only while it agrees with its entry."""
        self.free: list[int] = []
        """Heap of offsets."""

    def publish(self, end: int) -> None:
        """Messages 0 to `end` - 1 exist."""
        self.end = max(self.end, end)

    # Handing out

    def claim(self, count: int, *, now: float, deadline: float, epoch: int, limit: int) -> list[Claim]:
        """Take up to `count` messages: expired ones, oldest deadline first; free ones; new ones.

        New ones only while fewer than `limit` entries are kept.
        """
        claims: list[Claim] = []
        while len(claims) < count and self.expiring and self.expiring[0][0] <= now:
            due, offset = heappop(self.expiring)
            entry = self.entries.get(offset)
            if entry is None or entry.deadline != due:
                continue
            entry.timed = False
            if self._may_return(entry):
                claims.append(Claim(entry, (entry.attempt, entry.epoch, entry.deadline)))
                entry.attempt += 1
                entry.epoch = epoch
                entry.deadline = deadline
                entry.moving = True
        while len(claims) < count and (self.free or self.next_new < self.end):
            if len(self.entries) >= limit:
                break
            offset = heappop(self.free) if self.free else self.next_new
            self.next_new = max(self.next_new, offset + 1)
            entry = self.entries[offset] = Entry(offset, 1, epoch, deadline)
            claims.append(Claim(entry, None))
        return claims

    @staticmethod
    def _may_return(entry: Entry) -> bool:
        return entry.ack is None and not entry.settled and not entry.moving

    def _time(self, entry: Entry) -> None:
        """See that the entry's deadline is in the heap, once."""
        if not entry.timed:
            entry.timed = True
            heappush(self.expiring, (entry.deadline, entry.offset))

    def has_new(self) -> bool:
        """Whether a message could be handed out for the first time."""
        return bool(self.free) or self.next_new < self.end

    def stored(self, claims: Iterable[Claim]) -> None:
        """The checkpoint of `claims` is CACHED: their time runs."""
        for claim in claims:
            claim.entry.moving = False
            self._time(claim.entry)

    def unclaim(self, claims: Iterable[Claim]) -> None:
        """The checkpoint of `claims` was not stored: everything is as before."""
        for claim in claims:
            entry = claim.entry
            entry.moving = False
            if claim.before is None:
                del self.entries[entry.offset]
                heappush(self.free, entry.offset)
            else:
                entry.attempt, entry.epoch, entry.deadline = claim.before
                self._time(entry)

    def saved(self, claims: Iterable[Claim]) -> None:
        """The checkpoint of `claims` is FLUSHED."""
        for claim in claims:
            claim.entry.saved = True

    # Settling

    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        """What an ack of this delivery means at `now`: its entry to settle, or the reply.

        The entry may have an ack on its way already. `current` is the store's own epoch. A receipt
        of an earlier epoch that fits nothing is EXPIRED, not INVALID: the store may well have
        issued it, and power loss eaten the checkpoint.
        """
        if offset < self.floor:
            return Reply.SETTLED
        entry = self.entries.get(offset)
        if entry is None:
            return Reply.EXPIRED if epoch < current else Reply.INVALID
        if entry.settled:
            return Reply.SETTLED
        if entry.attempt != attempt or entry.epoch != epoch or entry.moving:
            issued = epoch < current or (epoch == current and attempt < entry.attempt)
            return Reply.EXPIRED if issued else Reply.INVALID
        if entry.ack is None and entry.deadline <= now:
            return Reply.EXPIRED
        return entry

    def unsettle(self, entries: Iterable[Entry]) -> None:
        """The ack of `entries` was not stored: they are delivered as before, timer included."""
        for entry in entries:
            entry.ack = None
            self._time(entry)

    def settle(self, entries: Iterable[Entry]) -> None:
        """The ack of `entries` is FLUSHED."""
        for entry in entries:
            entry.ack = None
            entry.settled = True

    def advance(self) -> bool:
        """Move the floor and the consumer offset as far as FLUSHED records allow; True if the
        offset moved (clauses `commit-is-safe`, `commit-is-monotone`, `commit-progresses`).
        """
        entries = self.entries
        floor = self.floor
        while (entry := entries.get(floor)) is not None and entry.settled:
            del entries[floor]
            floor += 1
        self.floor = floor
        if len(self.expiring) > 2 * len(entries) + SPARE_TIMERS:
            self._restart_timers()
        before = self.committed
        self.committed = max(before, floor, self.safe() if self.commits_checkpoints else 0)
        return self.committed > before

    def safe(self) -> int:
        """The contiguous messages that a FLUSHED ack settles or a FLUSHED checkpoint brings
        back."""
        offset = max(self.floor, self.committed)
        while (entry := self.entries.get(offset)) is not None and (entry.saved or entry.settled):
            offset += 1
        return offset

    # Recovery

    def replay_checkpoint(self, messages: Iterable[tuple[int, int]], *, deadline: float, epoch: int) -> list[Claim]:
        """Take over a CHECKPOINT that recovery read."""
        claims = []
        for offset, attempt in messages:
            entry = self.entries.get(offset)
            if offset < self.floor or (entry is not None and (entry.settled or entry.ack)):
                continue
            if entry is None:
                entry = self.entries[offset] = Entry(offset, attempt, epoch, deadline)
            entry.attempt, entry.epoch, entry.deadline = attempt, epoch, deadline
            entry.moving = False
            claims.append(Claim(entry, None))
            self.next_new = max(self.next_new, offset + 1)
        self.end = max(self.end, self.next_new)
        return claims

    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        """Take over an ACK that recovery read. It settles its messages, checkpoint or not."""
        entries = []
        for offset, attempt, epoch in deliveries:
            if offset < self.floor:
                continue
            entry = self.entries.get(offset)
            if entry is None:
                self.replay_checkpoint([(offset, attempt)], deadline=0.0, epoch=epoch)
                entry = self.entries[offset]
            entries.append(entry)
        return entries

    def replayed(self) -> None:
        """Recovery is over: start the timers, and find the messages in nobody's hands."""
        self._restart_timers()
        self.free = [offset for offset in range(self.floor, self.next_new) if offset not in self.entries]

    def _restart_timers(self) -> None:
        """Rebuild the heap of deadlines without those of settled messages."""
        timed = [entry for entry in self.entries.values() if self._may_return(entry)]
        for entry in self.entries.values():
            entry.timed = False
        for entry in timed:
            entry.timed = True
        self.expiring = [(entry.deadline, entry.offset) for entry in timed]
        heapify(self.expiring)

    def stats(self, persisted: int) -> QueueStats:
        """Counted anew each time, so that no counter can drift."""
        acking = sum(entry.ack is not None for entry in self.entries.values())
        settled = sum(entry.settled for entry in self.entries.values())
        return QueueStats(
            end=self.end,
            next_new=self.next_new,
            floor=self.floor,
            committed=self.committed,
            persisted=persisted,
            delivered=len(self.entries) - acking - settled,
            acking=acking,
            settled=settled,
            free=len(self.free),
        )
