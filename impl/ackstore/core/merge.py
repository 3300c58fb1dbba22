"""The merge buffer: checkpoints and acks that meet in memory never reach the log (`Config.merge`, level MEMORY).

As in RocketMQ's PopBufferMerge, a first delivery is *held*: its checkpoint stays in memory, the pop is answered at
once, and so is an ack that finds it there: it is *merged*. All that the log hears of both, now and then, is how far the
queue is settled, so that the offset can move: one STATE record for thousands of messages. What a crash of the process
takes are acks that were answered OK at level MEMORY, and their messages may come back.

What was popped `Config.merge_stay` ago is handed over to the store, checkpoints and then the acks still unmatched, in
STATE records of one batch each; a flush and close hand over everything. When the buffer is full, or answers have to
wait for the disk, or nothing has been synced yet, pops take the asynchronous path, as redeliveries always do, and so do
acks of what is not held.

The buffer is looked through in *rounds*, queue by queue. A round goes on step by step, a tick each, so that no client
waits for more than a step, however much there is; and no barrier is lifted, and no store closed, while something is
here that came before. A hand-over that fails changes nothing: all of it is here again.

Who waits for what is here hears of it when the buffer lets go of it: when its hand-over is FLUSHED, or when a reset of
its queue counts. What is here then came before the reset, as the acks did that are in the log before a RESET, and who
waits is told the same: no fault can undo it.

>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> buffer = Core(Config(merge=True), Recovered(), now=0.0).merge
>>> buffer.due(), buffer.count, buffer.empty
(None, 0, True)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from attrs import define

from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.operations import Operation, Operations
from ackstore.core.queues import Claim, Entry, Queue
from ackstore.core.record import Record
from ackstore.core.states import DELIVERED, SETTLED, State, StateRecord, encode_state
from ackstore.fields.classes import MergeFields, RecordFields
from ackstore.fields.plain.settling import MERGED
from ackstore.fields.settling import settle_run, settled_run
from ackstore.words.config import Config

STEP = 2048
"""Messages that one step deals with, about: a few milliseconds."""

QUEUE_COST = 16
"""As many messages is a queue worth, however few it has: the record that says how it stands has to be written."""


@define(eq=False)
class Kept:
    """Messages of one pop, and when they are handed over."""

    entries: Sequence[Entry]
    until: float


class Share:
    """What the buffer has of one queue."""

    __slots__ = ("flying", "kept", "late", "queue", "rest", "told")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.kept: deque[Kept] = deque()
        """What is only here, the oldest first."""
        self.rest: list[Entry] = []
        """What this round could not hand over: the messages are in transition."""
        self.late = 0.0
        """What is kept until then is to be handed over at once."""
        self.flying = 0
        """Hand-overs that are not FLUSHED yet."""
        self.told = 0
        """Up to where they say that everything is settled; 0 while there is none."""


class HandOver(StateRecord):
    """A STATE that takes over from the buffer."""

    __slots__ = ("given", "share", "taken")

    def __init__(self, share: Share, floor: int, owner: MergeBuffer) -> None:
        super().__init__(share.queue, floor, owner)
        self.share = share
        self.given: list[Entry] = []
        """Deliveries."""
        self.taken: list[Entry] = []
        """Messages that are settled."""


class MergeBuffer(MergeFields):
    """The buffer of one store. Without `Config.merge` it holds nothing."""

    def __init__(
        self, config: Config, log: Log, flusher: Flusher, operations: Operations, let_go: Callable[[], None]
    ) -> None:
        self.config = config
        self.log = log
        self.flusher = flusher
        self.operations = operations
        self.let_go = let_go
        """To be called at the end of a round, when something may be here no more that a barrier waited for. (Of what a
        record that is FLUSHED lets go, who hears of that record looks after.)"""
        self.shares: dict[str, Share] = {}
        """By token of their queue; those of which there is something here, or on its way."""
        self.count = 0
        """Messages that are here, or handed over and not FLUSHED yet, each once. Of what has left the buffer otherwise,
        by a renewal, redelivery or reset, it hears when it is looked through."""
        self.round: dict[str, Share] = {}
        """Those that are still to be looked through in this round."""
        self.next_at: float | None = None
        """When the next step is due; None while the buffer is empty."""
        self.draining = False
        """The store is closing."""
        self.merges = 0
        """Acks that met their checkpoint here."""

    # Pops and acks

    def hold(self, queue: Queue, claims: Sequence[Claim], now: float) -> bool:
        """Keep a checkpoint in memory; False where it has to be stored."""
        config = self.config
        if not config.merge or self.count + len(claims) > config.merge_messages:
            return False
        if not self.flusher.opened or not self.takes_acks():
            return False
        if any(claim.before is not None for claim in claims):
            return False
        queue.stored(claims)
        entries = [claim.entry for claim in claims]
        for entry in entries:
            entry.held = True
        share = self.shares.get(queue.token)
        if share is None:
            share = self.shares[queue.token] = Share(queue)
        share.kept.append(Kept(entries, now + config.merge_stay))
        self.count += len(entries)
        if self.next_at is None:
            self.next_at = now + config.offset_interval
        return True

    def takes_acks(self) -> bool:
        """Tell whether an answer may be given before anything is stored."""
        return self.flusher.answers_when_cached() and not self.log.stuck

    def settle(self, queue: Queue, entry: Entry, operation: Operation | None = None) -> bool:
        """Settle a delivery in memory; False where its ack has to be stored."""
        if not entry.held or not self.takes_acks():
            return False
        record = entry.ack = Record(MERGED, queue)
        if operation is not None and operation.durable:
            record.durables = [operation]
        entry.held = False
        self.merges += 1
        return True

    # When

    @property
    def empty(self) -> bool:
        """Whether nothing is only in memory, or on its way from here."""
        return not self.shares

    @property
    def oldest(self) -> float:
        """When the first of what is not on its way yet is to be handed over. All that came up to time t is on its way
        if this is later than t + `Config.merge_stay`."""
        return min(
            (0.0 if share.rest else share.kept[0].until for share in self.shares.values() if share.rest or share.kept),
            default=float("inf"),
        )

    def due(self) -> float | None:
        """Return the earliest time at which `tick`, or `drain`, has something to do; None for never."""
        return self.next_at

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.next_at is None or now < self.next_at:
            return
        if self.flusher.refuses():
            self.next_at = now + self.config.offset_interval
        else:
            self._go_on(now)

    def hand_over(self, now: float) -> None:
        """Begin to hand over everything there is; ticks go on with it."""
        for token, share in self.shares.items():
            share.late = now + self.config.merge_stay
            self.round.setdefault(token, share)
        self._go_on(now)

    def drain(self, now: float) -> bool:
        """Hand over everything, as the store is closing; True once that is done."""
        if not self.draining:
            self.draining = True
            self.hand_over(now)
        elif self.next_at is not None and now >= self.next_at:
            self._go_on(now)
        return self.empty

    # Handing over

    def _go_on(self, now: float) -> None:
        """Take a step of the round, or of a new one."""
        if not self.round:
            self.round = self.shares.copy()
        left = STEP
        while self.round and left > 0:
            token, share = next(iter(self.round.items()))
            self.round[token] = self.round.pop(token)  # behind the others, if it takes more than this
            left -= QUEUE_COST + self._look_through(share, now)
        if self.round:
            self.next_at = now
        else:
            self.next_at = now + self.config.offset_interval if self.shares else None
        self.let_go()

    def _look_through(self, share: Share, now: float) -> int:
        """Write down how far a queue is settled, and what has stayed too long; returns how many messages that were.
        More than a step is left for the next."""
        queue = share.queue
        if queue.resetting is not None:  # if it comes to nothing all of this still counts
            del self.round[queue.token]
            return 0
        floor = max(queue.floor, share.told)
        settled = settled_run(queue.entries, floor, STEP)
        floor += len(settled)
        if settled:
            self._trim(share, floor)
        given: list[Entry] = []
        acks: list[Entry] = []
        dealt_with = len(settled)
        if dealt_with < STEP:
            late = max(now, share.late)
            while share.kept and share.kept[0].until <= late and dealt_with < STEP:
                dealt_with += self._sort(share, given, acks)
            if not share.kept or share.kept[0].until > late:
                del self.round[queue.token]
                self._keep(share, share.rest)
                share.rest = []
        if settled or given or acks:
            share.told = floor
            self._write(share, given, acks, settled)
        self._forget(share)
        return dealt_with

    def _trim(self, share: Share, floor: int) -> None:
        """Let go of the oldest of a share as far as they are below `floor`."""
        kept = share.kept
        while kept:
            entries = kept[0].entries
            kept[0].entries = left = [entry for entry in entries if entry.offset >= floor]
            self.count -= len(entries) - len(left)
            if left:
                return
            kept.popleft()

    def _sort(self, share: Share, given: list[Entry], acks: list[Entry]) -> int:
        """Sort the oldest of a share, which stay no longer: deliveries to hand over, acks likewise, and those in
        transition. What a reset, a redelivery or a renewal has changed is none of them."""
        entries = share.kept.popleft().entries
        there = share.queue.entries
        self.count -= len(entries)
        for entry in entries:
            ack = entry.ack
            if entry.settled or there.get(entry.offset) is not entry:
                continue
            if ack is not None and ack.kind == MERGED:
                acks.append(entry)
            elif entry.held and ack is None and not (entry.renewing or entry.moving):
                given.append(entry)
            elif entry.held:
                share.rest.append(entry)
        return len(entries)

    def _write(self, share: Share, given: list[Entry], acks: list[Entry], settled: list[Entry]) -> None:
        """Append STATE records that say all of this: the checkpoints, then the acks."""
        queue, most = share.queue, self.config.max_batch
        parts = [(DELIVERED, entry) for entry in given] + [(SETTLED, entry) for entry in acks]
        state = State(share.told, queue.generation, queue.forgotten, 0)
        for at in range(0, max(len(parts), 1), most):
            part = parts[at : at + most]
            record = HandOver(share, share.told, self)
            record.given = [entry for how, entry in part if how == DELIVERED]
            record.taken = [entry for how, entry in part if how == SETTLED]
            if not at:
                record.taken += settled
            for entry in record.given:
                entry.held = False
            items = [(how, entry.offset, entry.attempt, entry.epoch, entry.deadline) for how, entry in part]
            record.payload = encode_state(queue.prefix, state, items)
            self.count += len(record.given) + len(record.taken)
            share.flying += 1
            self.log.append(record)

    def _keep(self, share: Share, entries: list[Entry]) -> None:
        """Have messages handed over when the buffer is looked through next."""
        if entries:
            share.kept.appendleft(Kept(entries, 0.0))
            self.count += len(entries)

    def _forget(self, share: Share) -> None:
        """Let go of a share with nothing in it."""
        if not share.kept and not share.rest and not share.flying:
            self.shares.pop(share.queue.token, None)
            self.round.pop(share.queue.token, None)

    # What becomes of it

    def take_back(self, queue: Queue) -> None:
        """Let go of all there is of a queue, as its RESET is FLUSHED and counts from now on."""
        for entry in queue.entries.values():
            if entry.ack is not None and entry.ack.kind == MERGED:
                self._tell(entry.ack)
        share = self.shares.get(queue.token)
        if share is not None:
            self.count -= sum(len(kept.entries) for kept in share.kept)
            share.kept.clear()
            share.rest.clear()
            self._forget(share)

    def _tell(self, ack: RecordFields) -> None:
        """Tell who waits for an ack that is as safe as the log can make it."""
        for operation, item, reply in ack.waiters or ():
            self.operations.reply(operation, item, reply)
        for operation in ack.durables or ():
            self.operations.durable(operation)

    def state_cached(self, _record: RecordFields) -> None:
        """Do nothing, as a hand-over is CACHED: its acks were answered, and its deliveries wait for theirs."""

    def state_failed(self, record: RecordFields) -> None:
        """Note that a hand-over was not stored: all of it is still here."""
        assert isinstance(record, HandOver)
        for entry in record.given:
            entry.held = True  # also of what is being handed out again, until its other checkpoint is stored
        self._keep(record.share, [*record.given, *record.taken])
        self._landed(record)
        record.share.told = 0

    def state_flushed(self, record: RecordFields) -> None:
        """Note that a hand-over is FLUSHED."""
        assert isinstance(record, HandOver)
        for entry in record.given:
            entry.saved = True
        for ack in settle_run(record.taken):
            self._tell(ack)
        self._landed(record)

    def _landed(self, record: HandOver) -> None:
        """Note that a hand-over is on its way no more."""
        share = record.share
        self.count -= len(record.given) + len(record.taken)
        share.flying -= 1
        if not share.flying:
            share.told = 0
            self._forget(share)
