"""Compaction: old segments go once nothing in them counts any more (clause `retire-is-safe`).

When the closed segments have reached `Config.compact_above` bytes, and twice what it takes to say how everything
stands, a *round* begins. It retires all records up to the LSN that is FLUSHED then:

1. **Copy.** Queue by queue, how the messages stand is written again as STATE records, one batch a tick. What changes
   meanwhile is in newer records anyway. A message in transition is left for later, and the last STATE of a queue says
   how far it is settled by then.
2. **State.** When all of these are CACHED, one more STATE says that the log may begin behind the retired records.
3. **Persist.** When that one is FLUSHED the offset file is written, so that the offset on disk is past what is gone.
4. **Remove.** Only then are the segments removed, the oldest first.

A crash at any point leaves either the old segments, or all that counts of them. A copy that fails ends the round; the
next begins after a pause. Segments that a crash or an error left behind go in a later round: until then recovery passes
over records below the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

from ackstore.core.effects import Failed, Result, Unlink
from ackstore.core.flusher import Flusher
from ackstore.core.log import Host, Log
from ackstore.core.queues import Queue
from ackstore.core.segment import Segment
from ackstore.core.states import DELIVERED, DIED, ITEM_BYTES, SETTLED, Item, State, StateRecord, encode_state
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import STATE_HEAD
from ackstore.format.records import RECORD_BYTES
from ackstore.words.config import Config

REMOVALS, TICKS = 4, 8
"""Segments removed in one tick, so that a round ends within `TICKS` ticks if there are more."""

QUEUE_BYTES, MESSAGE_BYTES = 512, 64
"""Bytes that it takes, at most, to say how one queue stands, and each message in it."""

MANY = 64
"""As many closed segments begin a round, however small they are: opening the store reads each of them."""

BLOCK = 4096
"""What a file takes up of the disk is a multiple of so many bytes."""

Phase = Literal["idle", "copy", "state", "persist", "remove"]


def taken_up(segments: Iterable[Segment]) -> int:
    """Return how many bytes of the disk these take up."""
    return sum(-(-segment.size // BLOCK) * BLOCK for segment in segments)


def in_segments(size: int, records: int, segment_bytes: int) -> int:
    """Return how much of the disk records of `size` bytes take up at most, where a segment ends at `segment_bytes`."""
    return size + BLOCK * (min(records, size // segment_bytes) + 1)


class Compaction:
    """The rounds of one log (clause `space-is-bounded`)."""

    def __init__(
        self,
        host: Host,
        config: Config,
        queues: dict[str, Queue],
        log: Log,
        flusher: Flusher,
        hasten: Callable[[float], None],
    ) -> None:
        self.host = host
        self.config = config
        self.queues = queues
        self.log = log
        self.flusher = flusher
        self.hasten = hasten
        """Has the offset file written."""
        self.phase: Phase = "idle"
        self.next_at = 0.0
        """Not before this."""
        self.pressed = False
        """Another log on this disk is short of room: what this one need not keep is in its way."""
        self.victims: list[Segment] = []
        self.at_once = REMOVALS
        """How many of them are removed in one tick."""
        self.sealed: Segment | None = None
        """What was the current segment when the round began, and is to go with them."""
        self.start = 0
        """The LSN that the log will begin with."""
        self.stated_at = 0
        """LSN of the record that says so."""
        self.to_copy: list[Queue] = []
        self.offsets: deque[int] | None = None
        """What is left to copy of the first queue; None before it has begun."""
        self.pending = 0
        """Copies that are not CACHED yet."""
        self.failed = False
        """A copy failed: the round cannot be completed."""
        self.asks = False
        """The offset file is to be written."""
        self.ended = False
        """A round was completed since somebody looked."""
        self.rounds = self.removed = 0

    # When

    def due(self) -> float | None:
        """Return the earliest time at which `tick` has something to do; None for never."""
        if self.phase in ("copy", "remove") or self.failed:
            return self.next_at
        if self.phase != "idle":
            return None
        return self.next_at if self.short or self._much() else None

    @property
    def short(self) -> bool:
        """Whether a round begins as soon as it makes room."""
        return self.flusher.short or self.pressed

    def _much(self) -> bool:
        """Return whether there is so much that it may be worth a round."""
        most, log = self.config.compact_above, self.log
        return most is not None and (len(log.closed) >= MANY or log.closed_bytes >= most)

    def tick(self, now: float) -> None:
        """Do what is due."""
        due = self.due()
        if due is None or now < due:
            return
        self.next_at = now + self.config.flush_interval
        if self.failed:
            self.failed = False
            self.end(now, pause=0.0 if self.flusher.short else self.config.retry_limit)
        elif self.phase == "idle":
            self.begin(now)
        elif self.phase == "copy":
            self.copy()
        elif self.phase == "remove":
            self.remove(now)

    def cost(self) -> int:
        """Return how much of the disk a round takes up: it says how everything stands, and writes the offset file."""
        size = records = 0
        for queue in self.queues.values():
            messages, name = len(queue.entries) + len(queue.dead), len(queue.prefix)
            batches = messages // self.config.max_batch + 2
            size += batches * (RECORD_BYTES + STATE_HEAD.size + name) + ITEM_BYTES * messages + name + 8
            records += batches
        return in_segments(size, records, self.config.segment_bytes)

    # A round, step by step

    def begin(self, now: float) -> None:
        """Begin a round, if it is worth it."""
        if not (self._gains_room() if self.short else self._is_worth_it()):
            self.next_at = now + self.config.offset_interval
            return
        log = self.log
        self.victims = [segment for segment in log.closed if self._can_go(segment, log.flushed)]
        self.start = log.flushed + 1
        if not log.last:  # there are only segments without a record, of earlier opens
            self.phase = "remove"
            return
        if self.short:
            self.sealed = log.seal()
        self.phase = "copy"
        self.to_copy = list(self.queues.values())
        self.offsets = None
        self.copy()

    def _can_go(self, segment: Segment, last: int) -> bool:
        """Return whether a closed segment can be retired with the records up to `last`: not while it is still to be
        synced, or is being, for that would fail."""
        return segment.last <= last and not segment.dirty and segment.file not in self.flusher.syncing

    def _is_worth_it(self) -> bool:
        """Return whether a round gains twice what it costs."""
        log, flusher = self.log, self.flusher
        victims = [segment for segment in log.closed if self._can_go(segment, log.flushed)]
        gain = taken_up(victims) if len(log.closed) >= MANY else sum(segment.size for segment in victims)
        cost = sum(
            QUEUE_BYTES + MESSAGE_BYTES * (len(queue.entries) + len(queue.dead)) for queue in self.queues.values()
        )
        known = bool(self.queues) or (not log.last and flusher.opened)
        return bool(victims) and known and gain >= 2 * cost and not flusher.refuses()

    def _gains_room(self) -> bool:
        """Return whether a round makes room: the current segment can go too, once everything is FLUSHED."""
        log = self.log
        gain = taken_up(segment for segment in log.closed if self._can_go(segment, log.flushed))
        if log.current is not None and log.last == log.flushed:
            gain += taken_up([log.current])
        return bool(self.queues) and gain > self.cost() + 2 * BLOCK and not log.stuck

    def copy(self) -> None:
        """Say of some messages how they stand."""
        barred = self.log.stuck if self.flusher.short else self.flusher.refuses()
        if barred or self.log.unflushed * 2 >= self.log.most_records:
            return  # what clients want comes first
        if not self.to_copy:
            if not self.pending:
                self.state()
            return
        queue = self.to_copy[0]
        if queue.resetting is not None:
            return
        if self.offsets is None:
            self.offsets = deque([*queue.dead, *queue.entries])
        items: list[Item] = []
        for _ in range(min(len(self.offsets), self.config.max_batch)):
            offset = self.offsets.popleft()
            item = self.item(queue, offset)
            if item is None:
                self.offsets.append(offset)
            elif item:
                items.append(item)
        if items or not self.offsets:
            self.write(queue, items, start=0)
        if not self.offsets:
            self.offsets = None
            del self.to_copy[0]

    @staticmethod
    def item(queue: Queue, offset: int) -> Item | tuple[()] | None:
        """Return how a message stands; None while it is in transition, and nothing if it is settled below the floor."""
        letter = queue.dead.get(offset)
        if letter is not None:
            return DIED, offset, letter.attempts, 0, letter.when
        entry = queue.entries.get(offset)
        if entry is None:
            return ()
        if entry.moving or entry.renewing:
            return None
        # An ack on its way is in a record that is not retired, or was not stored.
        how = SETTLED if entry.settled else DELIVERED
        return how, offset, entry.attempt, entry.epoch, entry.deadline

    def write(self, queue: Queue, items: list[Item], start: int) -> StateRecord:
        """Append a STATE."""
        record = StateRecord(queue, queue.floor, self)
        state = State(queue.floor, queue.generation, queue.forgotten, start)
        record.payload = encode_state(queue.prefix, state, items)
        self.pending += 1
        self.log.append(record)
        return record

    def state(self) -> None:
        """Say that the log may begin behind what is retired."""
        queue = next(iter(self.queues.values()))
        if queue.resetting is None:
            self.phase = "state"
            self.write(queue, [], self.start)

    def state_cached(self, record: RecordFields) -> None:
        """Note that a copy is CACHED."""
        self.pending -= 1
        if self.phase == "state":
            self.stated_at = record.lsn

    def state_failed(self, _record: RecordFields) -> None:
        """Give the round up, as a copy was not stored: without it nothing may go."""
        self.pending -= 1
        self.failed = True

    def state_flushed(self, record: RecordFields) -> None:
        """Note that a copy is FLUSHED, and maybe the last."""
        if self.phase == "state" and record.lsn == self.stated_at:
            self.phase = "persist"
            self.asks = True

    def flushed(self, now: float) -> None:
        """Note that a flush cycle has succeeded, and all its records were told so."""
        if self.asks:
            self.asks = False
            self.hasten(now)

    def persisted(self, lsn: int) -> None:
        """Note that the offset file on disk derives from everything up to `lsn`."""
        if self.phase == "persist" and lsn >= self.stated_at:
            self.phase = "remove"
            sealed = self.sealed
            if sealed is not None and sealed in self.log.closed and self._can_go(sealed, self.start - 1):
                self.victims.append(sealed)

    def remove(self, now: float) -> None:
        """Remove some of the segments."""
        self.at_once = max(self.at_once, len(self.victims) // TICKS)
        for segment in self.victims[: self.at_once]:
            self.log.closed.remove(segment)
            self.host.request(Unlink(segment.file), partial(self._gone, segment))
        del self.victims[: self.at_once]
        if not self.victims:
            self.rounds += 1
            self.ended = True
            self.end(now, pause=0.0)

    def _gone(self, segment: Segment, result: Result, now: float) -> None:
        if isinstance(result, Failed):
            self.log.closed.insert(0, segment)  # it only takes space; a later round may have better luck
            self.next_at = now + self.config.retry_limit
        else:
            self.removed += 1

    def end(self, now: float, *, pause: float) -> None:
        """End the round."""
        self.phase = "idle"
        self.victims = []
        self.at_once = REMOVALS
        self.sealed = None
        self.to_copy = []
        self.offsets = None
        self.next_at = now + max(pause, self.config.flush_interval)
