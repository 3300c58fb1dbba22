"""Room on the disk: what is kept in reserve, and how the store goes on when there is no more.

Compaction makes room, and needs some first: for the STATE records that say how everything stands, and for the offset
file. So, once the log has some size (`BEGIN`), a *reserve* is kept: a file that only takes up space, enough to say how
everything stands, to settle all that is in hand, and to write again what is not FLUSHED. It takes at most half of what
is free when it is made. Where so much cannot be had, fewer records may be unflushed; and where there is not even room
for what is in hand, room is *short*:

- No new message is handed out (BUSY). What settles something, moves a deadline or hands a message out again goes on.
- A round of compaction begins as soon as it gains something, whatever `Config.compact_above` says.
- When a write has failed for want of room, the reserve is given up, and its space is for what is named above. When only
  as much is left as a round takes, everything but the round is BUSY.

Each round makes room for a new reserve. So the store comes back by itself, at the latest when everything is settled.

>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> space = Core(Config(), Recovered(), now=0.0).space
>>> space.due(), space.reserved, space.flusher.short
(None, 0, False)
"""

from __future__ import annotations

from errno import EDQUOT, ENOSPC
from functools import partial

from ackstore.core.compaction import BLOCK, Compaction, in_segments, taken_up
from ackstore.core.effects import Failed, Reserve, Result, Unlink
from ackstore.core.flusher import Flusher
from ackstore.core.log import Host, Log
from ackstore.core.queues import Queue
from ackstore.format.records import RECORD_BYTES
from ackstore.words.config import Config

NO_ROOM = frozenset({ENOSPC, EDQUOT})
"""The errors that say so."""

BEGIN = 64 << 10
"""Bytes of log from which a reserve is kept. Below, there is nothing to gain by compaction either."""

SPARE = 32 << 10
"""Bytes for what takes whole blocks: two segments that are begun, a torn one, an offset file, a larger directory."""

MOST_AGAIN = 64 << 20
"""Bytes for what is unflushed and has to be written again, at most, however much may be."""

ACK_BYTES = RECORD_BYTES + 20
"""What it takes to settle one message by itself, beside its queue's name."""


class Space:
    """The reserve of one log, and whether room is short."""

    def __init__(
        self, host: Host, config: Config, queues: dict[str, Queue], log: Log, flusher: Flusher, compaction: Compaction
    ) -> None:
        self.host = host
        self.config = config
        self.queues = queues
        self.log = log
        self.flusher = flusher
        self.compaction = compaction
        self.file = log.names.reserve
        self.there = False
        """A file of that name may be there."""
        self.reserved = 0
        """Bytes in the reserve, for certain."""
        self.asking = False
        """It is being made, or given up."""
        self.cramped = False
        """The disk had not as much room as was asked for last."""
        self.without = False
        """This disk keeps none: it goes without."""
        self.need = 0
        """Bytes that the reserve has to have, as of the last look."""
        self.free = 0
        """Bytes that were free when somebody last looked, without the reserve."""
        self.size_then = 0
        """The size of the log at that time."""
        self.most_bytes = log.most_bytes
        """Bytes of records that may be unflushed where there is room."""
        self.seen: tuple[int, int] = (0, 0)
        """The segment that was written then, and its size."""
        self.next_at = 0.0
        """The next look is not before this."""

    @property
    def size(self) -> int:
        """What the log takes up of the disk."""
        current = self.log.current
        return taken_up(self.log.closed) + (taken_up([current]) if current else 0)

    @property
    def holds_back(self) -> bool:
        """Whether less may be unflushed than where there is room: that has to end some time."""
        return self.log.most_bytes < self.most_bytes

    # When

    def due(self) -> float | None:
        """Return the earliest time at which `tick` has something to do; None for never."""
        if self.asking:
            return None
        if self.flusher.short or self.holds_back or (self.compaction.ended and self.size >= BEGIN):
            return self.next_at
        current = self.log.current
        if current is None or self.without:
            return None
        number, size = self.seen
        if current.number == number and current.size < size + BEGIN:
            return None
        return self.next_at if self.size >= BEGIN else None

    def tick(self, now: float) -> None:
        """Look how much is needed, and see to it."""
        due = self.due()
        if due is None or now < due:
            return
        self.look(now)
        if self.size < BEGIN:
            self.settle()
        elif self.reserved < self.need + (0 if self.cramped else self.again) or self._may_grow_now():
            self.cramped = False
            self.ask(self.wanted)
        elif self.reserved > 2 * self.wanted:
            self.ask(self.wanted)  # less is in hand than there was
        else:
            self.settle()
        self.compaction.ended = False

    def _may_grow_now(self) -> bool:
        return self.compaction.ended and self.reserved < self.wanted

    def look(self, now: float) -> None:
        """See how much is needed."""
        self.next_at = now + self.config.offset_interval + len(self.queues) * 1e-4  # many take long to look at
        current = self.log.current
        self.seen = (current.number, current.size) if current else (0, 0)
        records = sum(len(queue.entries) for queue in self.queues.values())
        acks = sum(len(queue.entries) * (ACK_BYTES + len(queue.prefix)) for queue in self.queues.values())
        self.need = SPARE + self.compaction.cost() + in_segments(acks, records, self.config.segment_bytes)

    @property
    def wanted(self) -> int:
        """How large a reserve is made where there is room: for more in hand, and for what may be unflushed."""
        return self.need + self.need // 4 + self.again

    @property
    def again(self) -> int:
        """Bytes for what is unflushed, to be written again."""
        return min(self.config.max_unflushed_bytes, MOST_AGAIN)

    # The reserve

    def ask(self, size: int) -> None:
        """Have the reserve made, or made larger."""
        self.asking = self.there = True
        self.host.request(Reserve(self.file, size), partial(self._made, size))

    def _made(self, size: int, result: Result, _now: float) -> None:
        self.asking = False
        if not isinstance(result, Failed):
            self.reserved, self.without = size, False
        elif result.errno in NO_ROOM:
            self.cramped = True
            self.free, self.size_then = 2 * result.written - self.reserved, self.size
            if self.need <= result.written < size and result.written > self.reserved:
                self.ask(result.written)
                return
        else:
            self.without = True
        self.settle()

    def settle(self) -> None:
        """Say what follows for clients."""
        applies = not self.without and self.size >= BEGIN
        self.flusher.short = applies and self.reserved < self.need
        most = self.most_bytes
        if applies and self.reserved:
            most = min(most, max(self.reserved - self.need, SPARE)) if self.cramped else most
        elif applies:
            segment = self.config.segment_bytes
            most = min(most, max(self.log.unflushed_bytes + self.left * segment // (segment + BLOCK), 0))
        self.log.most_bytes = most

    @property
    def left(self) -> int:
        """How many bytes are free, beside those that a round of compaction takes, when there is no reserve."""
        taken = self.size - self.size_then
        return self.free - taken - SPARE // 2 - self.compaction.cost()

    def flushed(self) -> None:
        """Hear that records are FLUSHED."""
        if self.flusher.short and not self.asking:
            self.settle()

    def ran_out(self, errno: int, now: float) -> None:
        """Hear that something could not be written. If it was for want of room the reserve is for this."""
        if errno not in NO_ROOM or (self.size < BEGIN and not self.there):
            return
        if not self.need:
            self.look(now)  # else nothing seems to be missing before the first look
        self.flusher.short = True
        self.flusher.hurry = True
        self.compaction.next_at = now
        self.next_at = now
        if self.there and not self.asking:
            self.asking, self.there = True, False
            self.host.request(Unlink(self.file), self._given_up)

    def _given_up(self, result: Result, now: float) -> None:
        self.asking = False
        if not isinstance(result, Failed):
            self.free, self.size_then = self.reserved, self.size
        self.reserved = 0
        self.look(now)
        self.settle()
        if self.log.stuck:
            self.flusher.retry_at = now
