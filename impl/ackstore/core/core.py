"""The store as a state machine: requests and results go in, effects come out.

No thread, clock or file in here. Whoever drives it performs the effects (see `ackstore.core.effects`)
and reports their results in any order; `now` is wall-clock time in seconds, and never goes back.
The threaded runtime is one driver, a deterministic simulator another:

>>> from ackstore.core.effects import DONE
>>> core = Core(Config(), Recovered(), now=0.0)
>>> def answers(now):
...     found = []
...     while effects := core.take_effects():
...         for io, effect in effects:
...             if io == 0:
...                 found.append(effect)
...             else:
...                 core.complete(io, DONE, now)  # a disk that never fails
...     return found
>>> core.submit(1, Publish("orders", 5), now=0.0)
>>> core.submit(2, Pop("orders", 1, invisible=30.0), now=0.0)
>>> _, popped = answers(now=0.0)
>>> (delivery,) = popped.value
>>> core.submit(3, Ack(delivery.receipt), now=0.1)
>>> answers(now=0.1)[0].reply, core.stage(delivery.receipt)
(<Reply.OK: 'OK'>, <Stage.CACHED: 'CACHED'>)
>>> core.next_tick()
0.2
>>> core.tick(now=0.2)
>>> answers(now=0.2), core.stage(delivery.receipt)
([Durable(op=3)], <Stage.FLUSHED: 'FLUSHED'>)
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, ClassVar

from ackstore.core.acks import Acks
from ackstore.core.compaction import Compaction
from ackstore.core.dead_letters import DeadLetters
from ackstore.core.directory import Directory, SharedDirectory
from ackstore.core.effects import Effect, Handler, Result
from ackstore.core.entries import generation_of
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.merge import MergeBuffer
from ackstore.core.offsets import Offsets
from ackstore.core.operations import Barrier, Operation, Operations, check_timeout
from ackstore.core.parts import Part
from ackstore.core.pops import Pops
from ackstore.core.publishing import Publishing
from ackstore.core.queues import Queue
from ackstore.core.renewals import Renewals
from ackstore.core.replay import replay
from ackstore.core.resets import Resets
from ackstore.core.space import Space
from ackstore.core.states import States
from ackstore.fields.classes import CoreFields, RecordFields
from ackstore.fields.settling import settle
from ackstore.format.records import ACK, CHECKPOINT, DEAD, RENEW, RESET, STATE
from ackstore.format.recovery import Recovered
from ackstore.words.config import Config
from ackstore.words.errors import StoreClosed
from ackstore.words.identity import QueueId, parse_receipt
from ackstore.words.replies import DeadLetter, Reply, Stage
from ackstore.words.requests import Ack, AckMany, Close, Degrade, Flush, Pop, Publish, Release, Renew, Request, Reset
from ackstore.words.stats import Recovery, Stats


class Core(CoreFields):
    """One store. Its parts are class attributes, so that a variant can put others in their place.

    `submit` raises a `UsageError` for a mistake in the call, and then nothing was submitted.
    """

    log_class: ClassVar[type[Log]] = Log
    flusher_class: ClassVar[type[Flusher]] = Flusher
    offsets_class: ClassVar[type[Offsets]] = Offsets
    queue_class: ClassVar[type[Queue]] = Queue
    pops_class: ClassVar[type[Pops]] = Pops
    acks_class: ClassVar[type[Acks]] = Acks
    merge_class: ClassVar[type[MergeBuffer]] = MergeBuffer
    compaction_class: ClassVar[type[Compaction]] = Compaction
    sharded_class: ClassVar[type | None] = None
    """What holds the cores of a store with several logs; None for `ackstore.core.sharded.Sharded`."""

    pools = 1
    """See `Engine.pools`."""

    def __init__(self, config: Config, recovered: Recovered, now: float) -> None:
        self.config = config
        self.now = now
        """The latest time this core was told."""
        self.barriers: list[Barrier] = []
        self.closing: Operation | None = None
        self.closed = False
        self.effects: list[tuple[int, Effect]] = []
        """What `take_effects` will return. A driver that performs effects at once may work off this list in place."""
        self._handlers: dict[int, Handler] = {}
        self._io = 0
        self.queues, rewrites = replay(recovered, self._new_queue)
        """By token."""
        self.recovery = Recovery(
            records=recovered.count,
            rewritten=len(rewrites),
            cut_records=recovered.cut_records,
            cut_bytes=recovered.cut_bytes,
        )
        random = Random(config.seed)
        self.log = self.log_class.behind(recovered, rewrites, self, config)
        self.directory = Directory(self, config.flush_threads)
        self.flusher = self.flusher_class(self, config, self.log, self.directory, random)
        self.offsets = self.offsets_class(self, config, self.log, self.directory, self.queues, random)
        self.operations = Operations(self.effects.append)
        parts = config, self.queues, self.log, self.flusher, self.operations
        self.pops = self.pops_class(*parts)
        self.acks = self.acks_class(*parts)
        self.merge = self.merge_class(config, self.log, self.flusher, self.operations, self._lift_barriers)
        if config.merge:
            self.pops.merge = self.acks.merge = self.merge
        self.renewals = Renewals(self.acks)
        self.dead_lettering = DeadLetters(config, self.acks)
        self.resets = Resets(self.acks, self.merge.take_back)
        self._parts: dict[int, Part] = {
            CHECKPOINT: self.pops,
            ACK: self.acks,
            RENEW: self.renewals,
            DEAD: self.dead_lettering,
            RESET: self.resets,
            STATE: States(self.operations),
        }
        """Who writes which kind of record, and hears what becomes of it."""
        self.compaction = self.compaction_class(self, config, self.queues, self.log, self.flusher, self.offsets.hasten)
        self.space = Space(self, config, self.queues, self.log, self.flusher, self.compaction)
        self.space.there = recovered.reserve
        self.timed: list[DeadLetters | Compaction | MergeBuffer | Space] = [self.compaction, self.space, self.merge]
        """What has something to do from time to time, until the store is closing."""
        if config.max_attempts is not None:
            self.timed.append(self.dead_lettering)
        self.plain_acks = (self.acks_class, self.queue_class) == (Acks, Queue)  # no variant's
        self._submit: dict[type, Callable[[int, Any, float, float], None]] = {
            Publish: Publishing(config, self.queues, self.operations, self._new_queue).submit,
            Pop: self._pop,
            Ack: self.acks.submit,
            AckMany: self.acks.submit_many,
            Renew: self.renewals.submit,
            Release: self.renewals.release,
            Reset: self.resets.submit,
            Flush: self._flush,
            Degrade: self._degrade,
            Close: self._close,
        }
        if any(queue.committed or queue.reset_at for queue in self.queues.values()):
            self.offsets.moved(now)  # read from a file not known to be on disk, or from the log alone
        self.log.pump()

    def _new_queue(self, queue: QueueId) -> Queue:
        config = self.config
        return self.queue_class(
            queue,
            commits_checkpoints=config.commit == "checkpoint",
            max_attempts=config.max_attempts,
            max_dead=config.max_dead,
        )

    def share(self, directory: Directory) -> None:
        """Have the directory synced together with the other logs in it; before anything is done with this core."""
        self.directory = self.flusher.directory = self.offsets.directory = SharedDirectory(directory, self)

    # What the driver calls

    @property
    def cores(self) -> tuple[Core]:
        """See `ackstore.core.engine.Engine`."""
        return (self,)

    def log_of(self, _receipt: Any) -> int:
        """Return 0: there is no other."""
        return 0

    def collect(self) -> None:
        """Do nothing: what it asks for is here."""

    def submit(self, op: int, request: Request, now: float, timeout: float | None = None) -> None:
        """Take a request. `op` is the caller's name for the operation, new each time; `timeout` is
        in seconds, by default `Config.op_timeout`, and at its end the answer is UNKNOWN."""
        if self.closing is not None:
            raise StoreClosed("the store is closed: open it again")
        timeout = self.config.op_timeout if timeout is None else check_timeout(timeout)
        self.now = now
        self._submit[type(request)](op, request, now, now + timeout)
        if self.flusher.wanted > self.log.flushed or self.closing is not None:
            self._progress(now)

    def complete(self, io: int, result: Result, now: float) -> None:
        """Take the result of an effect. One that is not awaited is ignored."""
        then = self._handlers.pop(io, None)
        if then is None or self.closed:
            return
        self.now = now
        then(result, now)
        flusher = self.flusher
        if flusher.hurry or flusher.wanted > self.log.flushed:
            self._progress(now)

    def give_up(self, op: int) -> None:
        """End an operation as UNKNOWN, unless it has ended: its client waits no longer. Asks for no I/O."""
        operation = self.operations.live.get(op)
        if operation is not None:
            self.operations.end(operation, Reply.UNKNOWN)
            if operation is self.closing:
                self._end()

    def tick(self, now: float) -> None:
        """Do what is due at `now`. Early and repeated calls do no harm."""
        if self.closed:
            return
        self.now = now
        if self.closing is None:
            for part in self.timed:
                part.tick(now)
        self._progress(now)
        self.offsets.tick(now)
        self.operations.expire(now)
        if self.closing is not None and self.closing.ended:
            self._end()

    def next_tick(self) -> float | None:
        """Return when `tick` will next have something to do, if nothing else happens; None for never."""
        if self.closed:
            return None
        times = [self.flusher.due(), self.offsets.due(), self.operations.next_deadline()]
        times += [part.due() for part in self.timed] if self.closing is None else [self.merge.due()]
        return min((time for time in times if time is not None), default=None)

    def take_effects(self) -> list[tuple[int, Effect]]:
        """Return the effects that came up since the last call, in order, each with its I/O id."""
        effects = self.effects.copy()
        self.effects.clear()
        return effects

    def stage(self, receipt: str) -> Stage | None:
        """Return how far the ack of the message that `receipt` names has come; None when it has none."""
        parsed = parse_receipt(receipt)
        queue = self.queues.get(parsed[0]) if parsed else None
        if parsed is None or queue is None or generation_of(parsed[3]) != queue.generation:
            return None
        offset = parsed[1]
        entry = queue.entries.get(offset)
        if offset < queue.floor or (entry is not None and entry.settled):
            offsets = self.offsets
            on_disk = offset < offsets.persisted.get(queue.token, 0) and queue.reset_at <= offsets.persisted_lsn
            return Stage.COMMITTED if on_disk else Stage.FLUSHED
        if entry is None or entry.ack is None:
            return None
        return self._stage_of(entry.ack)

    def dead_letters(self, queue: QueueId) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a queue, the oldest first; those beyond `Config.max_dead` are forgotten."""
        found = self.queues.get(queue.token)
        return () if found is None else tuple(found.dead.values())

    def _stage_of(self, record: RecordFields) -> Stage:
        if not 0 < record.lsn <= self.log.last:
            return Stage.PENDING
        if self.log.to_rewrite:
            return Stage.SUSPECT
        flushing = self.flusher.left and record.lsn <= self.flusher.covers
        return Stage.FLUSHING if flushing else Stage.CACHED

    # What its parts call

    def request(self, effect: Effect, then: Handler) -> int:
        """Have `effect` performed; `then` gets its result and the time."""
        self._io += 1
        self._handlers[self._io] = then
        self.effects.append((self._io, effect))
        return self._io

    def cached(self, records: list[RecordFields]) -> None:
        """Answer records that have become CACHED, where that is enough (clauses `reply-after-stage`,
        `survives-process-crash`)."""
        prompt = self.flusher.answers_when_cached()
        for record in records:
            self._parts[record.kind].cached(record, prompt)
        self._lift_barriers()

    def failed(self, records: list[RecordFields]) -> None:
        """Answer records that were certainly not stored (clause `reply-never-false`)."""
        for record in records:
            self._parts[record.kind].failed(record)
        self._lift_barriers()

    def flushed(self, records: list[RecordFields], now: float) -> None:
        """Take it that records have become FLUSHED: only now may offsets move."""
        queues: dict[str, Queue] = {}
        parts = self._parts
        at = 0
        while at < len(records):
            at = settle(records, at, queues) if self.plain_acks else at
            for record in records[at : at + 1]:  # the one that takes more
                parts[record.kind].flushed(record)
                queues[record.queue.token] = record.queue
                at += 1
        for queue in queues.values():
            if queue.advance():
                self.offsets.moved(now)
        if self.resets.applied:
            self.resets.applied = False
            self.offsets.hasten(now)
        self.compaction.flushed(now)
        self.space.flushed()
        self.pops.open_gate()
        self._lift_barriers()

    def persisted(self, lsn: int) -> None:
        """Note that the offset file on disk derives from all records up to `lsn`."""
        self.resets.persisted(lsn)
        self.compaction.persisted(lsn)

    def log_stuck(self, now: float) -> None:
        """Note that the log has no file to write to."""
        self.flusher.rewrite_failed(now)

    def directory_failed(self, now: float) -> None:
        """Note that a sync of the directory failed: no entry is certain that none has covered."""
        self.flusher.entry_failed(now)
        self.offsets.rename_suspect()

    # Popping, barriers, closing

    def ran_out(self, errno: int, now: float) -> None:
        """Hear that something could not be written, perhaps for want of room."""
        self.space.ran_out(errno, now)

    def _pop(self, op: int, request: Pop, now: float, deadline: float) -> None:
        queue = self.queues.get(request.queue.token)
        if queue is not None and queue.ending:
            self.dead_lettering.look(queue, now)
        self.pops.submit(op, request, now, deadline)

    def _flush(self, op: int, _request: Flush, now: float, deadline: float) -> None:
        self.merge.hand_over(now)
        self.barriers.append(Barrier(self.operations.begin(op, deadline), now + self.config.merge_stay))
        self._lift_barriers()

    def _lift_barriers(self) -> None:
        """Answer the barriers that everything before is FLUSHED for; hurry for the others."""
        log = self.log
        kept_until = self.merge.oldest if self.barriers else 0.0
        for barrier in self.barriers:
            if barrier.lsn is None and kept_until <= barrier.merged_until:
                barrier.submitted = None  # the merge buffer has something that came before, or has it again
                continue
            if barrier.submitted is None:
                barrier.submitted = log.submitted
            # Records are resolved in the order in which they were submitted: once all that came
            # before the barrier are, none of them is beyond the last LSN.
            if barrier.lsn is None and log.resolved >= barrier.submitted:
                barrier.lsn = log.last
            if barrier.lsn is not None and barrier.lsn <= log.flushed:
                self.operations.end(barrier.operation, Reply.OK)
            elif barrier.lsn is not None:
                self.flusher.want(barrier.lsn)
        self.barriers = [barrier for barrier in self.barriers if not barrier.operation.ended]

    def _degrade(self, op: int, request: Degrade, _now: float, deadline: float) -> None:
        self.flusher.degrade(forced=request.forced)
        self.operations.end(self.operations.begin(op, deadline), Reply.OK)

    def _close(self, op: int, _request: Close, _now: float, deadline: float) -> None:
        self.closing = self.operations.begin(op, deadline)
        self.flusher.draining = self.flusher.hurry = True
        self.offsets.hurry = True

    def _progress(self, now: float) -> None:
        """Sync if it is due; when closing, see whether all is done."""
        self.flusher.tick(now)
        if self.closing is not None and not self.closed:
            self._drain(now)

    def _drain(self, now: float) -> None:
        """Close once every record is FLUSHED and every offset on disk (clause `close-drains`)."""
        log, offsets = self.log, self.offsets
        if not self.merge.drain(now) or log.unflushed or log.dirty_since is not None or log.busy or self.flusher.left:
            return
        if not offsets.dirty and offsets.persisted_lsn < log.flushed:
            offsets.moved(now)  # its mark proves to the next recovery that all of it was synced
        if offsets.dirty:
            offsets.tick(now)
        else:
            assert self.closing is not None
            self.operations.end(self.closing, Reply.OK)
            self._end()

    def _end(self) -> None:
        """Let nothing happen after this. What has no outcome by now ends as UNKNOWN."""
        self.operations.end_all()
        self.closed = True
        self._handlers.clear()
        self.effects[:] = [(io, effect) for io, effect in self.effects if io == 0]

    def stats(self, *, count: bool = True) -> Stats:
        """Return what there is to see, at the latest time this core was told. `count`: see `ackstore.Store.stats`."""
        log, flusher, offsets, persisted = self.log, self.flusher, self.offsets, self.offsets.persisted
        oldest = flusher.oldest() if log.last > log.flushed else None
        return Stats(
            mode=flusher.shown,
            forced=flusher.forced,
            healthy=True,
            epoch=log.epoch,
            written=log.last,
            flushed=log.flushed,
            operations=len(self.operations.live),
            effects=len(self._handlers),
            pending_records=log.pending,
            unflushed_records=log.unflushed,
            unflushed_bytes=log.unflushed_bytes,
            dirty_bytes=log.dirty_bytes,
            flush_seconds=flusher.seconds.snapshot(),
            flush_failed_seconds=flusher.failed_seconds.snapshot(),
            flush_records=flusher.records.snapshot(),
            oldest_unflushed=0.0 if oldest is None else self.now - oldest,
            offsets_dirty=offsets.dirty,
            failures=flusher.failures,
            syncs=flusher.syncs,
            sync_failures=flusher.sync_failures,
            sync_timeouts=flusher.sync_timeouts,
            write_failures=log.write_failures,
            retries=flusher.retries,
            rewritten=log.rewritten,
            offset_writes=offsets.writes,
            offset_failures=offsets.failures,
            short=flusher.short,
            reserve_bytes=self.space.reserved,
            merging=self.merge.count,
            merged=self.merge.merges,
            segments=len(log.closed) + (log.current is not None),
            segment_bytes=log.closed_bytes + (log.current.size if log.current else 0),
            compactions=self.compaction.rounds,
            removed_segments=self.compaction.removed,
            replies=self.operations.replied(log.answered),
            recovery=self.recovery,
            queues={each.id: each.stats(persisted.get(token, 0), count=count) for token, each in self.queues.items()},
        )
