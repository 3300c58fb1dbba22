"""The merge buffer: checkpoints and acks that meet in memory never reach the log (`Config.merge`, level MEMORY).

As in RocketMQ's PopBufferMerge, a first delivery is *held*: its checkpoint stays in memory, the pop is answered at
once, and so is an ack that finds it there: it is *merged*. All that the log hears of both, now and then, is how far the
queue is settled, so that the offset can move: one STATE record for thousands of messages. What a crash of the process
takes are acks that were answered OK at level MEMORY, and their messages may come back.

What stays longer than `Config.merge_stay` is handed over to the store, checkpoints and then the acks still unmatched,
in STATE records of one batch each; a flush and close hand over everything. When the buffer is full, or answers have to
wait for the disk, or nothing has been synced yet, pops take the asynchronous path, as redeliveries always do, and so do
acks of what is not held.

A hand-over that fails changes nothing but that it is owed: no barrier is lifted and no store closed before it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from attrs import define

from ackstore.config import Config
from ackstore.flusher import Flusher
from ackstore.identity import parse_receipt
from ackstore.lane import Lane, Writer
from ackstore.log import Log, Record
from ackstore.operations import Operation, Operations
from ackstore.queues import Claim, Entry, Queue
from ackstore.records import ACK
from ackstore.replies import Reply
from ackstore.states import DELIVERED, SETTLED, State, StateRecord, encode_state


class Merged(Record):
    """An ack in memory, in the place of the record that it may never need."""

    __slots__ = ()


@define(eq=False)
class Kept:
    """Messages in the buffer, and when they are handed over."""

    queue: Queue
    entries: Sequence[Entry]
    until: float

    def left(self) -> list[Entry]:
        """Those that still are what they were: a reset, a redelivery or a renewal may have come between."""
        there = self.queue.entries
        return [entry for entry in self.entries if there.get(entry.offset) is entry]


class MergeBuffer:
    """The buffer of one store. Without `Config.merge` it holds nothing."""

    def __init__(
        self, config: Config, queues: dict[str, Queue], log: Log, flusher: Flusher, operations: Operations
    ) -> None:
        self.config = config
        self.queues = queues
        self.log = log
        self.flusher = flusher
        self.operations = operations
        self.held: deque[Kept] = deque()
        """Deliveries whose checkpoint is only here, the oldest first."""
        self.merged: deque[Kept] = deque()
        """Acks that are only here, the oldest first."""
        self.count = 0
        """Messages in `held`, those already acked included."""
        self.next_at: float | None = None
        """When the buffer is looked through next; None while it is empty."""
        self.written: dict[StateRecord, tuple[list[Entry], list[Entry]]] = {}
        """What each STATE on its way takes over: deliveries, and acks."""
        self.owes = False
        """A hand-over failed, and was not tried again yet."""
        self.merges = 0
        """Acks that met their checkpoint here."""

    # Pops and acks

    def hold(self, queue: Queue, claims: Sequence[Claim], now: float) -> bool:
        """Keep a checkpoint in memory; False where it has to be stored."""
        config = self.config
        if not config.merge or self.count + len(self.merged) + len(claims) > config.merge_messages:
            return False
        if not self.flusher.opened or not self.flusher.answers_when_cached() or self.log.stuck:
            return False
        if any(claim.before is not None for claim in claims):
            return False
        queue.stored(claims)
        entries = [claim.entry for claim in claims]
        for entry in entries:
            entry.held = True
        self.held.append(Kept(queue, entries, now + config.merge_stay))
        self.count += len(entries)
        self._wake(now)
        return True

    def settle(self, queue: Queue, entry: Entry, now: float, operation: Operation | None = None) -> bool:
        """Settle a delivery in memory; False where its ack has to be stored."""
        if not entry.held or not self.flusher.answers_when_cached() or self.log.stuck:
            return False
        record = entry.ack = Merged(ACK, queue)
        if operation is not None and operation.durable:
            record.durables = [operation]
        entry.held = False
        self.merged.append(Kept(queue, (entry,), now + self.config.merge_stay))
        self.merges += 1
        self._wake(now)
        return True

    def _wake(self, now: float) -> None:
        if self.next_at is None:
            self.next_at = now + self.config.offset_interval

    # When

    @property
    def outstanding(self) -> int:
        """Messages of which something is only in memory."""
        acks = sum(type(entry.ack) is Merged for kept in self.merged for entry in kept.entries)
        return acks + sum(entry.held for kept in self.held for entry in kept.entries)

    @property
    def empty(self) -> bool:
        """Whether nothing is only in memory, or on its way from here."""
        return not self.held and not self.merged and not self.written and not self.owes

    def due(self) -> float | None:
        """The earliest time at which `tick` has something to do; None for never."""
        return self.next_at

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.next_at is None or now < self.next_at:
            return
        self.next_at = now + self.config.offset_interval
        if not self.flusher.refuses():
            self.hand_over(now)
        if self.empty:
            self.next_at = None

    # Handing over

    def hand_over(self, now: float, *, everything: bool = False) -> None:
        """Write down how far each queue is settled, and what has stayed too long, or with `everything` all there is."""
        self.owes = False
        late = float("inf") if everything else now
        held, merged = self._take(self.held, late), self._take(self.merged, late)
        for queue in {kept.queue.token: kept.queue for kept in [*held, *merged, *self.merged]}.values():
            given = [entry for entry in _of(queue, held) if entry.held and not entry.settled]
            if queue.resetting is not None:
                self._put_back(queue, given, _of(queue, merged), now)  # if it comes to nothing they still count
                continue
            floor = self._settled_to(queue)
            deliveries: list[Entry] = []
            others: list[Entry] = []
            for entry in given:
                (deliveries if entry.ack is None and not entry.renewing else others).append(entry)
            self._put_back(queue, others, [], now)
            acks = [entry for entry in _of(queue, merged) if entry.offset >= floor]
            self._write(queue, floor, deliveries, acks)
        self.held = deque(kept for kept in self.held if any(entry.held for entry in kept.left()))
        self.count = sum(len(kept.entries) for kept in self.held)

    def drain(self, now: float) -> bool:
        """The store is closing: hand over everything; True once that is done."""
        if (self.held or self.merged) and (not self.owes or self.next_at is None or now >= self.next_at):
            self.next_at = now + self.config.offset_interval
            self.hand_over(now, everything=True)
        return self.empty

    def drain_due(self) -> float | None:
        """When `drain` hands over again what a failed write gave back; None while nothing waits for it."""
        return self.next_at if self.held or self.merged else None

    @staticmethod
    def _take(source: deque[Kept], late: float) -> list[Kept]:
        """Those whose time is up."""
        taken = []
        while source and source[0].until <= late:
            taken.append(source.popleft())
        return taken

    @staticmethod
    def _settled_to(queue: Queue) -> int:
        """Everything below is settled, on disk or in memory."""
        floor = queue.floor
        while (entry := queue.entries.get(floor)) is not None and (entry.settled or type(entry.ack) is Merged):
            floor += 1
        return floor

    def _write(self, queue: Queue, floor: int, deliveries: list[Entry], acks: list[Entry]) -> None:
        """Append STATE records that say all of this."""
        covered = [
            entry
            for offset in range(queue.floor, floor)
            if (entry := queue.entries.get(offset)) is not None and type(entry.ack) is Merged
        ]
        pending = [entry for _, taken in self.written.values() for entry in taken]
        fresh = set(map(id, covered)) - set(map(id, pending))
        if not fresh and not deliveries and not acks:
            return
        most = self.config.max_batch
        parts = [(DELIVERED, entry) for entry in deliveries] + [(SETTLED, entry) for entry in acks]
        for at in range(0, max(len(parts), 1), most):
            part = parts[at : at + most]
            record = StateRecord(queue, floor, self)
            given = [entry for how, entry in part if how == DELIVERED]
            taken = [entry for how, entry in part if how == SETTLED]
            for entry in given:
                entry.held = False
            self.written[record] = given, [*(covered if not at else ()), *taken]
            items = [(how, entry.offset, entry.attempt, entry.epoch, entry.deadline) for how, entry in part]
            record.payload = encode_state(queue.prefix, State(floor, queue.generation, queue.forgotten, 0), items)
            self.log.append(record)

    def state_cached(self, _record: Record) -> None:
        """A hand-over is CACHED, which changes nothing: its acks were answered, and its deliveries wait for theirs."""

    def state_failed(self, record: Record) -> None:
        """A hand-over was not stored: all of it is still here."""
        assert isinstance(record, StateRecord)
        given, taken = self.written.pop(record)
        self.owes = True
        self._put_back(record.queue, given, taken, 0.0)

    def _put_back(self, queue: Queue, given: list[Entry], taken: list[Entry], now: float) -> None:
        """To be handed over when the buffer is looked through next."""
        if given:
            for entry in given:
                entry.held = True
            self.held.appendleft(Kept(queue, given, now))
            self.count += len(given)
        if taken:
            self.merged.appendleft(Kept(queue, taken, now))
        if given or taken:
            self._wake(now)

    def state_flushed(self, record: Record) -> None:
        """A hand-over is FLUSHED."""
        assert isinstance(record, StateRecord)
        given, taken = self.written.pop(record)
        for entry in given:
            entry.saved = True
        for entry in taken:
            ack, entry.ack = entry.ack, None
            entry.settled = True
            if ack is not None:
                for operation, item, reply in ack.waiters or ():
                    self.operations.reply(operation, item, reply)
                for operation in ack.durables or ():
                    self.operations.durable(operation)
        self._drop_settled()

    def _drop_settled(self) -> None:
        while self.merged and not any(type(entry.ack) is Merged for entry in self.merged[0].entries):
            self.merged.popleft()


def _of(queue: Queue, kept: Iterable[Kept]) -> list[Entry]:
    """The messages of one queue that still are what they were."""
    return [entry for each in kept if each.queue is queue for entry in each.left()]


class MergeLane(Lane):
    """The short way of one ack with a merge buffer: to the buffer, or the long way."""

    __slots__ = ("merge",)

    def __init__(
        self, log: Log, flusher: Flusher, queues: dict[str, Queue], counts: dict[str, int], merge: MergeBuffer
    ) -> None:
        super().__init__(log, flusher, queues, counts)
        self.merge = merge

    def ack(self, receipt: str, now: float, _write: Writer) -> Reply | None:
        """Settle one delivery in memory; None, and nothing done, if it takes more."""
        parsed = parse_receipt(receipt)
        queue = self.queues.get(parsed[0]) if parsed is not None else None
        if parsed is None or queue is None:
            return None
        entry = queue.judge(parsed[1], parsed[2], parsed[3], now, self.log.epoch)
        if isinstance(entry, Reply) or entry.ack is not None or not self.merge.settle(queue, entry, now):
            return None
        self.counts["OK"] += 1
        return Reply.OK

    def ack_many(self, _receipts: tuple[str, ...], _now: float, _write: Writer) -> list[Reply] | None:
        """Batches go the long way, which is as good for them: they are answered at once too."""
        return None
