"""What a correct store does: one function a step, named as what it does.

Each function yields the step where it is possible, and nothing where it is not. A rule that is switched off
(`Config.rules`) turns the step into what a broken store would do.

>>> from ackmodel import Config
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [popped] = pop(config, shared, message)
>>> popped.message.checkpoint.stage
<Stage.PENDING: 'pending'>
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from . import rules
from .config import CommitPolicy, Config
from .stages import ABSENT, ACCEPTED, WRITTEN, Level, Promise, Record, Stage, Truth
from .state import Message, Mode, Phase, Power, Shared, Syncing
from .steps import Broadcast, BroadcastRule, LocalRule, Step


def answer_level(config: Config, shared: Shared) -> Level:
    """Return the level at which the store answers now (clauses reply-after-stage, flush-degrades)."""
    return Level.DISK if shared.mode is Mode.SYNC else config.level


def may_answer(config: Config, shared: Shared, record: Record) -> bool:
    """Return whether an operation whose record stands at this stage may be answered OK (clause reply-after-stage)."""
    level = answer_level(config, shared)
    if level is Level.DISK and not config.keeps(rules.ANSWER_AFTER_FLUSH):
        level = Level.PAGE_CACHE
    if record.stage is Stage.PENDING and not config.keeps(rules.ANSWER_AFTER_WRITE):
        return True
    return record.reaches(level)


def promise_of(level: Level) -> Promise:
    """Return what an OK at `level` promises (the observable core, specs/README.md)."""
    return Promise.SURVIVES_POWER_LOSS if level is Level.DISK else Promise.SURVIVES_PROCESS_CRASH


# --- local: handing out ---------------------------------------------------------------------------------------------


def pop(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """A pop takes a message that nobody has, or whose deadline has passed, and accepts a checkpoint for it."""
    if not shared.up or message.phase not in (Phase.WAITING, Phase.DUE) or message.delivery >= config.deliveries:
        return
    taken = evolve(
        message,
        phase=Phase.POPPING,
        delivery=message.delivery + 1,
        checkpoint=ACCEPTED,
        earlier=better(message.checkpoint, message.earlier),
        asked=False,
    )
    yield Step("pop", shared, taken)


def better(newer: Record, older: Record) -> Record:
    """Return the checkpoint on which recovery, and so the offset, may rely more."""
    rank = (Truth.NOWHERE, Truth.PHANTOM, Truth.DIRTY, Truth.DISK)
    return max(newer, older, key=lambda record: rank.index(record.truth))


def write_checkpoint(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The checkpoint is written: the page cache has it."""
    if shared.up and message.checkpoint.stage is Stage.PENDING:
        yield Step("write_checkpoint", shared, evolve(message, checkpoint=WRITTEN))


def deliver(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The pop is answered: the consumer has the message (clause reply-after-stage)."""
    if shared.up and message.phase is Phase.POPPING and may_answer(config, shared, message.checkpoint):
        yield Step("deliver", shared, evolve(message, phase=Phase.DELIVERED))


# --- local: acknowledging -------------------------------------------------------------------------------------------


def write_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The ack is written: the page cache has it."""
    if shared.up and message.ack.stage is Stage.PENDING:
        yield Step("write_ack", shared, evolve(message, ack=WRITTEN))


def answer_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The ack is answered OK (clause reply-after-stage)."""
    if shared.up and message.phase is Phase.ACKING and may_answer(config, shared, message.ack):
        promise = promise_of(answer_level(config, shared))
        yield Step("answer_ack", shared, evolve(message, phase=Phase.SETTLED, promise=promise))


def answer_unknown(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The ack is written, but cannot be flushed for now: answered UNKNOWN, and effective if it survives."""
    waits_for_disk = answer_level(config, shared) is Level.DISK
    if shared.up and message.phase is Phase.ACKING and waits_for_disk and message.ack.stage is Stage.SUSPECT:
        yield Step("answer_unknown", shared, evolve(message, phase=Phase.SETTLED))


def durable_callback(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The flush of the ack is made known, by a callback or by a barrier (clause survives-power-loss)."""
    promised = message.promise is Promise.SURVIVES_POWER_LOSS
    if not shared.up or message.phase is not Phase.SETTLED or promised or not message.ack.stored:
        return
    if message.ack.stage is Stage.FLUSHED or not config.keeps(rules.CALLBACK_AFTER_FLUSH):
        yield Step("durable_callback", shared, evolve(message, promise=Promise.SURVIVES_POWER_LOSS))


# --- local: keeping -------------------------------------------------------------------------------------------------


def rewrite(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """A record that a failed sync may have lost is written again, into a new file (clause flush-rewrites)."""
    if not shared.up:
        return
    if message.checkpoint.stage is Stage.SUSPECT:
        again = rewritten(config, message.checkpoint)
        yield Step("rewrite_checkpoint", shared, evolve(message, checkpoint=again))
    if message.earlier.stage is Stage.SUSPECT:
        yield Step("rewrite_earlier", shared, evolve(message, earlier=rewritten(config, message.earlier)))
    if message.ack.stage is Stage.SUSPECT:
        yield Step("rewrite_ack", shared, evolve(message, ack=rewritten(config, message.ack)))


def rewritten(config: Config, record: Record) -> Record:
    """Return a SUSPECT record after it was written again: what the disk has stays there, the rest is DIRTY."""
    lost = record.truth is not Truth.DISK and config.keeps(rules.REWRITE_AFTER_FAILURE)
    return Record(Stage.CACHED, Truth.DIRTY if lost else record.truth)


def commit(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The consumer offset passes the message (clauses commit-is-safe, commit-progresses)."""
    offset = shared.offset.volatile
    in_order = message.index == offset
    if not config.keeps(rules.COMMIT_IN_ORDER):
        in_order = message.index >= offset
    if shared.up and in_order and may_commit(config, message):
        passed = evolve(shared.offset, volatile=message.index + 1)
        yield Step("commit", evolve(shared, offset=passed), message)


def may_commit(config: Config, message: Message) -> bool:
    """Return whether the records about a message let the offset pass it (clause commit-is-safe)."""
    enough = [message.ack]
    if config.commit is CommitPolicy.CHECKPOINT:
        enough += [message.checkpoint, message.earlier]
    if config.keeps(rules.COMMIT_AFTER_FLUSH):
        return any(record.stage is Stage.FLUSHED for record in enough)
    return any(record.stored for record in enough)


# --- broadcast: syncing ---------------------------------------------------------------------------------------------


def begin_sync(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """A sync begins: it covers what is CACHED now (clause flush-when-idle)."""
    if shared.up and shared.syncing is Syncing.IDLE:
        yield Broadcast(
            "begin_sync",
            evolve(shared, syncing=Syncing.RUNNING),
            outcomes=lambda message: (message.with_records(covered),),
            some=lambda message: any(record.stage is Stage.CACHED for record in message.records),
        )


def covered(record: Record) -> Record:
    """Return a record after a sync began."""
    return evolve(record, stage=Stage.FLUSHING) if record.stage is Stage.CACHED else record


def believe_sync_ok(config: Config, record: Record) -> Record:
    """Return what a successful sync makes of the belief in a record (clause flush-is-real)."""
    moved = [Stage.FLUSHING]
    if not config.keeps(rules.SYNC_COVERS_WHAT_IT_FOUND):
        moved.append(Stage.CACHED)
    return evolve(record, stage=Stage.FLUSHED) if record.stage in moved else record


def believe_sync_failed(config: Config, record: Record) -> Record:
    """Return what a failed sync makes of the belief in a record (clauses flush-is-real, flush-rewrites)."""
    if record.stage is Stage.FLUSHING:
        kept = config.keeps(rules.FAILED_SYNC_IS_NOT_FLUSHED)
        return evolve(record, stage=Stage.SUSPECT if kept else Stage.FLUSHED)
    if record.stage is Stage.CACHED and config.keeps(rules.SUSPECT_WRITTEN_DURING_SYNC):
        return evolve(record, stage=Stage.SUSPECT)
    return record


def believe_sync_timed_out(config: Config, record: Record) -> Record:
    """Return what a timed-out sync makes of the belief in a record (clause reply-never-false)."""
    if record.stage is Stage.FLUSHING and not config.keeps(rules.TIMEOUT_IS_UNKNOWN):
        return evolve(record, stage=Stage.FLUSHED)
    return evolve(record, stage=Stage.SUSPECT) if record.unflushed else record


def believe_late_result(config: Config, record: Record) -> Record:
    """Return what the late success of a sync that was given up makes of the belief (clause reply-exactly-once)."""
    if record.stage is Stage.SUSPECT and not config.keeps(rules.LATE_RESULT_IS_IGNORED):
        return evolve(record, stage=Stage.FLUSHED)
    return record


def after_sync_ok(shared: Shared) -> Shared:
    """Return the shared part after a successful sync: the store answers as configured again (clause flush-degrades)."""
    return evolve(shared, syncing=Syncing.IDLE, failures=0, mode=Mode.ASYNC)


def after_sync_lost(config: Config, shared: Shared) -> Shared:
    """Return the shared part after a failed or timed-out sync (clause flush-degrades)."""
    failures = min(shared.failures + 1, config.degrade_after)
    degraded = failures >= config.degrade_after and config.keeps(rules.DEGRADE_AFTER_FAILURES)
    return evolve(shared, syncing=Syncing.IDLE, failures=failures, mode=Mode.SYNC if degraded else shared.mode)


# --- broadcast: the offset file -------------------------------------------------------------------------------------


def write_offset(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The offset file is replaced: written beside, synced, renamed (clause derived-never-ahead)."""
    offset = shared.offset
    if shared.up and offset.volatile != offset.cached:
        yield Broadcast("write_offset", evolve(shared, offset=evolve(offset, cached=offset.volatile)))


def sync_directory(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The directory is synced: the renamed offset file is what a power loss leaves."""
    offset = shared.offset
    if shared.up and offset.cached != offset.disk:
        yield Broadcast("sync_directory", evolve(shared, offset=evolve(offset, disk=offset.cached)))


# --- broadcast: recovering ------------------------------------------------------------------------------------------


def recover(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """A new process opens the directory, and takes up what it reads (clause recovered-is-cached)."""
    if shared.up:
        return
    offset = shared.offset.cached if config.keeps(rules.RECOVERY_KEEPS_OFFSET) else 0
    yield Broadcast(
        "recover",
        evolve(shared, power=Power.UP, offset=evolve(shared.offset, volatile=offset)),
        outcomes=lambda message: (recovered_message(config, message, offset),),
    )


def recovered(config: Config, record: Record) -> Record:
    """Return a record as recovery takes it: to be written again, since it may be PHANTOM (clause flush-rewrites)."""
    if not record.readable:
        return ABSENT
    if not config.keeps(rules.RECOVERED_IS_CACHED):
        return evolve(record, stage=Stage.FLUSHED)
    return evolve(record, stage=Stage.SUSPECT if config.keeps(rules.REWRITE_AFTER_RECOVERY) else Stage.CACHED)


def recovered_message(config: Config, message: Message, offset: int) -> Message:
    """Return a message as recovery finds it: settled, still with its consumer, or waiting (clause no-limbo)."""
    found = message.with_records(lambda record: recovered(config, record))
    if not found.checkpoint.readable:
        delivery = max(1, message.delivery - 1) if found.earlier.readable else 0
        found = evolve(found, checkpoint=found.earlier, earlier=ABSENT, delivery=delivery)
    if found.ack.readable and config.keeps(rules.RECOVERY_READS_ACKS):
        return evolve(found, phase=Phase.SETTLED)
    if found.checkpoint.readable:
        phase = Phase.DELIVERED if config.keeps(rules.RECOVERY_REDELIVERS) else Phase.SETTLED
    else:
        phase = Phase.SETTLED if message.passed_by(offset) else Phase.WAITING
    return evolve(found, phase=phase, asked=False)


LOCAL: tuple[LocalRule, ...] = (
    pop,
    write_checkpoint,
    deliver,
    write_ack,
    answer_ack,
    answer_unknown,
    durable_callback,
    rewrite,
    commit,
)
BROADCAST: tuple[BroadcastRule, ...] = (begin_sync, write_offset, sync_directory, recover)
