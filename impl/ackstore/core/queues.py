"""One queue: which messages are in whose hands, which are settled, and how far the consumer is.

No I/O and no clock: `Core` tells a queue what was asked, and later what became of the records.

- A message is *new* (at or above `next_new`), *delivered* (an `Entry` without an ack), *acking* (an
  `Entry` whose ack is not FLUSHED yet), *settled* (FLUSHED; the entry goes once the floor passes
  it), or *free* (its checkpoint could not be stored: as good as new).
- While a record is on its way the message is in transition: a checkpoint being written cannot
  expire or be acked, and a message whose ack is on its way is not handed out again. If the record
  fails the message goes back to where it was, timer included.
- A deadline of d means: an ack at d is late, and a pop at d gets the message again. At the last attempt's deadline
  nobody gets it: it is *exhausted*, and buried by a DEAD record, which settles it like an ack.
- A reset begins a new *generation*: what came before it does not count. It is on its way until it is FLUSHED, and
  until then nothing is handed out or settled.

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
from heapq import heappop, heappush

from ackstore.core.entries import MAX_ATTEMPT, Claim, Entry, epoch_of, generation_of, open_of
from ackstore.core.timers import next_of
from ackstore.fields.classes import QueueFields, RecordFields
from ackstore.fields.plain.settling import Timer
from ackstore.fields.settling import first_unsettled, timers_of
from ackstore.format.payloads import queue_prefix
from ackstore.words.identity import QueueId
from ackstore.words.replies import DeadLetter, Reply
from ackstore.words.stats import QueueStats

__all__ = ["Claim", "Entry", "Queue"]

SPARE_TIMERS = 1024
"""Deadlines of settled messages are swept out of the heap when they outnumber the entries by this."""


class Queue(QueueFields):
    """The state of one queue. `commits_checkpoints` is the policy `Config.commit`; the limits are those of `Config`."""

    __slots__ = (
        "ceiling",
        "commits_checkpoints",
        "committed",
        "dead",
        "end",
        "ending",
        "expiring",
        "forgotten",
        "free",
        "generation",
        "id",
        "max_attempts",
        "max_dead",
        "next_new",
        "reset_at",
        "unproved",
    )

    def __init__(
        self,
        queue: QueueId,
        *,
        commits_checkpoints: bool,
        max_attempts: int | None = None,
        max_dead: int = 10_000,
    ) -> None:
        self.id = queue
        self.token = queue.token
        self.prefix = queue_prefix(self.token)
        self.commits_checkpoints = commits_checkpoints
        self.max_attempts = max_attempts or MAX_ATTEMPT
        self.max_dead = max_dead
        self.end = 0
        self.next_new = 0
        self.floor = 0
        self.committed = 0
        self.ceiling: tuple[int, int] | None = None
        """The offset may not pass the first before a STATE is FLUSHED that says so of the second: of `unproved`."""
        self.unproved: list[RecordFields] = []
        self.entries: dict[int, Entry] = {}
        self.expiring: list[Timer] = []
        """Heap of the deadlines of what can be handed out again (see `ackstore.core.timers`)."""
        self.ending: list[Timer] = []
        """The same for last attempts."""
        self.free: list[int] = []
        """Heap of offsets."""
        self.dead: dict[int, DeadLetter] = {}
        """Messages whose attempts were exhausted, by offset, oldest first; the DEAD records are FLUSHED."""
        self.forgotten = 0
        """How many dead letters were dropped from the list because of its limit."""
        self.generation = 0
        """How many resets there were."""
        self.resetting: RecordFields | None = None
        """The RESET on its way."""
        self.reset_at = 0
        """LSN of the last RESET that counts, or of the STATE that tells of it."""

    def publish(self, end: int) -> None:
        """Note that messages 0 to `end` - 1 exist."""
        self.end = max(self.end, end)

    # Handing out

    def claim(self, count: int, *, now: float, deadline: float, epoch: int, limit: int) -> list[Claim]:
        """Take up to `count` messages: expired ones, oldest deadline first; free ones; new ones.

        New ones only while fewer than `limit` entries are kept.
        """
        claims: list[Claim] = []
        while len(claims) < count and self.expiring and self.expiring[0][0] <= now:
            due, offset = next_of(self.expiring)
            entry = self.entries.get(offset)
            if entry is None or entry.deadline != due:
                continue
            entry.timed = False
            if entry.may_return():
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

    def exhausted(self, now: float, most: int) -> list[Entry]:
        """Return up to `most` messages whose last attempt's deadline has passed, each of them once until `unsettle`."""
        found: list[Entry] = []
        while len(found) < most and self.ending and self.ending[0][0] <= now:
            due, offset = next_of(self.ending)
            entry = self.entries.get(offset)
            if entry is not None and entry.deadline == due:
                entry.timed = False
                if entry.may_return():
                    found.append(entry)
        return found

    def _time(self, *entries: Entry) -> None:
        """See that each deadline is in its heap, once: as one item where messages follow each other."""
        heap, item = self.expiring, None
        for entry in entries:
            if entry.timed:
                continue
            entry.timed = True
            own, deadline, offset = self._timers(entry), entry.deadline, entry.offset
            if item is not None and own is heap and item[0] == deadline and item[2] == offset - 1:
                item = deadline, item[1], offset
                continue
            if item is not None:
                heappush(heap, item)
            heap, item = own, (deadline, offset, offset)
        if item is not None:
            heappush(heap, item)

    def _timers(self, entry: Entry) -> list[Timer]:
        last = entry.attempt >= self.max_attempts
        return self.ending if last else self.expiring

    def has_new(self) -> bool:
        """Tell whether a message could be handed out for the first time."""
        return bool(self.free) or self.next_new < self.end

    def stored(self, claims: Iterable[Claim]) -> None:
        """Note that the checkpoint of `claims` is CACHED: their time runs."""
        entries = [claim.entry for claim in claims]
        for entry in entries:
            entry.moving = entry.held = False
        self._time(*entries)

    def unclaim(self, claims: Iterable[Claim]) -> None:
        """Put everything as it was before: the checkpoint of `claims` was not stored."""
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
        """Note that the checkpoint of `claims` is FLUSHED."""
        for claim in claims:
            claim.entry.saved = True

    def renewed(self, entries: Iterable[Entry], deadline: float) -> None:
        """Let the deliveries' time run anew: a RENEW is CACHED."""
        for entry in entries:
            entry.renewing = entry.held = False
            entry.deadline = deadline
            entry.timed = False  # what the heap holds of it agrees no more
            self._time(entry)
        self._sweep()

    def unrenew(self, entries: Iterable[Entry]) -> None:
        """Go back to the old deadline: a RENEW was not stored."""
        for entry in entries:
            entry.renewing = False
            self._time(entry)

    # Settling

    def judge(self, offset: int, attempt: int, epoch: int, now: float, current: int) -> Entry | Reply:
        """Judge an ack, renewal or release of this delivery at `now`: return its entry to change, or the reply.

        The entry may have an ack on its way already. `current` is the store's own open. A receipt
        of an earlier one that fits nothing is EXPIRED, not INVALID: the store may well have
        issued it, and power loss eaten the checkpoint.
        """
        entry = self.entries.get(offset)
        if entry is None or entry.attempt != attempt or entry.epoch != epoch or entry.moving or entry.settled:
            return self._judge_other(entry, offset, attempt, epoch, current)
        if entry.ack is None:
            if entry.renewing:
                return Reply.BUSY  # whether it is late is not decided yet
            if entry.deadline <= now:
                return Reply.EXPIRED
            if self.resetting is not None:
                return Reply.BUSY
        return entry

    def _judge_other(self, entry: Entry | None, offset: int, attempt: int, epoch: int, current: int) -> Reply:
        """Return the reply to a receipt that is not the current delivery's."""
        newest = epoch_of(self.generation, current)
        earlier = epoch < newest or open_of(epoch) < current
        if generation_of(epoch) != self.generation:
            return Reply.EXPIRED if earlier else Reply.INVALID
        if offset < self.floor or (entry is not None and entry.settled):
            return Reply.SETTLED
        issued = earlier or (entry is not None and epoch == newest and attempt < entry.attempt)
        return Reply.EXPIRED if issued else Reply.INVALID

    def unsettle(self, entries: Iterable[Entry]) -> None:
        """Put `entries` as they were before their ack, which was not stored: delivered, timer included."""
        for entry in entries:
            entry.ack = None
            self._time(entry)

    def settle(self, entries: Iterable[Entry]) -> None:
        """Settle `entries`, whose ack is FLUSHED: they are never handed out again (clause `no-return`)."""
        for entry in entries:
            entry.ack = None
            entry.settled = True

    def let_go_of_acks(self) -> None:
        """Let go of acks that have no outcome, as the store is closed. (Of a compiled ack the garbage collector knows
        nothing; so the cycle of it and its message ends here.)"""
        for entry in self.entries.values():
            entry.ack = None

    def bury(self, entries: Iterable[Entry], when: float) -> None:
        """Make `entries` dead letters: their DEAD record is FLUSHED."""
        for entry in entries:
            self.add_dead(DeadLetter(entry.offset, entry.attempt, when))
        self.settle(entries)

    def add_dead(self, letter: DeadLetter) -> None:
        """Note a dead letter, and forget the oldest beyond the limit."""
        self.dead[letter.offset] = letter
        while len(self.dead) > self.max_dead:
            del self.dead[next(iter(self.dead))]
            self.forgotten += 1

    def reset(self, offset: int, generation: int, lsn: int) -> None:
        """Take up a RESET that is FLUSHED: what is below `offset` is settled, the rest as if never handed out."""
        self.generation, self.reset_at, self.resetting = generation, lsn, None
        self.floor = self.committed = self.next_new = offset
        self.end = max(self.end, offset)
        self.entries.clear()
        self.dead = {at: letter for at, letter in self.dead.items() if at < offset}
        self.replayed()

    def advance(self) -> bool:
        """Move the floor and the consumer offset as far as FLUSHED records allow; True if the
        offset moved (clauses `commit-is-safe`, `commit-is-monotone`, `commit-progresses`).
        """
        floor = self.floor
        self.move_floor()
        if floor != self.floor:
            floor = self.floor
            self._sweep()
        before = self.committed
        safe = max(floor, self.safe()) if self.commits_checkpoints else floor
        self.committed = max(before, safe if self.ceiling is None else min(safe, self.ceiling[0]))
        return self.committed > before

    def move_floor(self) -> None:
        """Let go of what is settled without a gap."""
        self.floor = first_unsettled(self.entries, self.floor)

    def safe(self) -> int:
        """Return the offset behind the contiguous messages that a FLUSHED ack settles or a FLUSHED checkpoint brings
        back."""
        offset = max(self.floor, self.committed)
        while (entry := self.entries.get(offset)) is not None and (entry.saved or entry.settled):
            offset += 1
        return offset

    def settled_by(self, offset: int) -> RecordFields | None:
        """Return the record on its way that settles a message below the floor; None where it is FLUSHED."""
        if self.ceiling is None or offset < self.ceiling[0]:
            return None
        return next((record for record in self.unproved if offset < record.value), None)

    def lift(self, floor: int) -> None:
        """Lift the floor, as a STATE is FLUSHED: everything below `floor` is settled."""
        self.unproved = [record for record in self.unproved if record.value > floor]
        if floor > self.floor:
            self.move_floor()  # over what the merge buffer has settled one by one
            self._sweep()
        if floor > self.floor:
            self._drop_below(floor)
        if self.ceiling is not None:
            low, high = self.ceiling
            self.ceiling = None if floor >= high else (max(low, floor), high)

    def _drop_below(self, floor: int) -> None:
        if floor - self.floor < len(self.entries):
            for offset in range(self.floor, floor):
                self.entries.pop(offset, None)
        else:
            self.entries = {offset: entry for offset, entry in self.entries.items() if offset >= floor}
        self.floor = floor
        self.next_new = max(self.next_new, floor)
        self.end = max(self.end, floor)
        self._sweep()

    # Recovery

    def replay_state(self, floor: int, generation: int, forgotten: int, lsn: int, *, proved: bool) -> None:
        """Take over what a STATE says of the queue as a whole. The offset follows once it is FLUSHED.

        Where it tells of a generation whose RESET is gone, that was before here, and an offset file from before here
        may not know of it.
        """
        if generation > self.generation:
            self.generation, self.reset_at = generation, lsn
        self.forgotten = max(self.forgotten, forgotten)
        if floor > self.floor:
            if not proved:
                self.ceiling = (self.ceiling[0] if self.ceiling else max(self.floor, self.committed), floor)
            self._drop_below(floor)

    def replay_letter(self, offset: int, attempts: int, when: float) -> None:
        """Take over a dead letter of a STATE."""
        self.add_dead(DeadLetter(offset, attempts, when))

    def replay_checkpoint(
        self, messages: Iterable[tuple[int, int]], *, deadline: float, epoch: int, proved: bool
    ) -> list[Entry]:
        """Take over a CHECKPOINT, or a RENEW, that recovery read. Each says all there is to say of its deliveries."""
        entries = self.entries
        found = []
        for offset, attempt in messages:
            entry = entries.get(offset)
            if entry is None:
                if offset < self.floor:
                    continue
                entry = entries[offset] = Entry(offset, attempt, epoch, deadline)
                entry.moving = False
                if offset >= self.next_new:
                    self.next_new = offset + 1
            elif entry.settled or entry.ack is not None:
                continue
            else:
                entry.attempt, entry.epoch, entry.deadline = attempt, epoch, deadline
            if proved:
                entry.saved = True
            found.append(entry)
        return found

    def replay_ack(self, deliveries: Iterable[tuple[int, int, int]]) -> list[Entry]:
        """Take over an ACK that recovery read. It settles its messages, checkpoint or not."""
        found = []
        for offset, attempt, epoch in deliveries:
            entry = self.entries.get(offset)
            if entry is None:
                if offset < self.floor:
                    continue
                (entry,) = self.replay_checkpoint([(offset, attempt)], deadline=0.0, epoch=epoch, proved=False)
            found.append(entry)
        return found

    def replay_dead(self, messages: Iterable[tuple[int, int]], *, when: float, epoch: int, proved: bool) -> list[Entry]:
        """Take over a DEAD that recovery read: what it settles; it counts at once if it is `proved`."""
        messages = list(messages)
        entries = self.replay_ack([(offset, attempt, epoch) for offset, attempt in messages])
        if proved:
            for offset, attempt in messages:
                self.replay_letter(offset, attempt, when)
            self.settle(entries)
        return entries

    def replayed(self) -> None:
        """End recovery: start the timers, and find the messages in nobody's hands."""
        self.end = max(self.end, self.next_new)
        self._restart_timers()
        none = len(self.entries) == self.next_new - self.floor  # and there is no need to look for them
        self.free = [] if none else [each for each in range(self.floor, self.next_new) if each not in self.entries]

    def _restart_timers(self) -> None:
        """Rebuild the heap of deadlines without those of settled messages."""
        self.expiring, self.ending = timers_of(self.entries, self.max_attempts)

    def _sweep(self) -> None:
        """Rebuild the heaps when most of what they hold does not count."""
        if len(self.expiring) + len(self.ending) > 2 * len(self.entries) + SPARE_TIMERS:
            self._restart_timers()

    def stats(self, persisted: int, *, count: bool = True) -> QueueStats:
        """Return the figures, counted anew each time, so that none can drift; without `count`, the cheap ones only."""
        kept = len(self.entries)
        acking = sum(entry.ack is not None for entry in self.entries.values()) if count else None
        settled = sum(entry.settled for entry in self.entries.values()) if count else None
        return QueueStats(
            end=self.end,
            next_new=self.next_new,
            floor=self.floor,
            committed=self.committed,
            persisted=persisted,
            kept=kept,
            delivered=None if acking is None or settled is None else kept - acking - settled,
            acking=acking,
            settled=settled,
            free=len(self.free),
            dead=len(self.dead) + self.forgotten,
        )
