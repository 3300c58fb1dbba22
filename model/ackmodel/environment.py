"""What the store has no say in: consumers, deadlines, the operating system, the disk, and the power.

Here the *truth* of a record changes; what the store makes of it stands in `ackmodel.protocol`. Each fault uses up a
budget of the configuration, so that every configuration is finite.

>>> from ackmodel import Config
>>> shared, _ = Config(power_losses=1).initial()
>>> [cast.action for cast in power_loss(Config(), shared)]
['power_loss']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from attrs import evolve

from . import protocol, rules
from .config import Config
from .stages import ABSENT, ACCEPTED, Promise, Record, Stage, Truth
from .state import Budget, Message, Mode, Phase, Power, Shared, Syncing
from .steps import Broadcast, BroadcastRule, LocalRule, Step


def spend(shared: Shared, fault: str) -> Shared:
    """Return the shared part with one `fault` less in the budget."""
    budget: Budget = shared.budget
    return evolve(shared, budget=evolve(budget, **{fault: getattr(budget, fault) - 1}))


# --- local: the consumers and the clock -----------------------------------------------------------------------------


def ask_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The consumer asks to ack its delivery, and the store accepts the record."""
    if shared.up and message.phase is Phase.DELIVERED:
        yield Step("ask_ack", shared, evolve(message, phase=Phase.ACKING, asked=True, ack=ACCEPTED))


def late_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """A consumer asks to ack an earlier delivery: answered EXPIRED, nothing changes (clause receipt-is-exact)."""
    if not shared.up or message.delivery < 2 or message.phase is not Phase.DELIVERED:
        return
    if config.keeps(rules.RECEIPT_NAMES_DELIVERY):
        yield Step("late_ack", shared, message)
    else:
        yield Step("late_ack", shared, evolve(message, phase=Phase.ACKING, ack=ACCEPTED))


def expire(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The invisible time passes: the message is due again, unless its ack is effective or on its way."""
    may = [Phase.DELIVERED]
    if not config.keeps(rules.SETTLED_IS_FINAL):
        may.append(Phase.SETTLED)
    if shared.up and message.phase in may and message.delivery < config.deliveries:
        yield Step("expire", shared, evolve(message, phase=Phase.DUE))


# --- local: writes that fail ----------------------------------------------------------------------------------------


def fail_checkpoint_write(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The write of a checkpoint fails (ENOSPC): the pop is answered FAILED, the message is free again."""
    if not shared.up or not shared.budget.write_failures or message.checkpoint.stage is not Stage.PENDING:
        return
    freed = evolve(
        message,
        phase=Phase.WAITING if message.delivery == 1 else Phase.DUE,
        delivery=message.delivery - 1,
        checkpoint=message.earlier,
        earlier=ABSENT,
    )
    yield Step("fail_checkpoint_write", spend(shared, "write_failures"), freed)


def fail_ack_write(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The write of an ack fails (ENOSPC): the ack is answered FAILED, the consumer still has the message."""
    if not shared.up or not shared.budget.write_failures or message.ack.stage is not Stage.PENDING:
        return
    failed = evolve(message, phase=Phase.DELIVERED, ack=ABSENT, asked=False)
    if not config.keeps(rules.FAILED_WRITE_IS_NOT_OK):
        failed = evolve(failed, promise=Promise.SURVIVES_PROCESS_CRASH)
    if not config.keeps(rules.FAILED_WRITE_IS_NOT_STORED):
        failed = evolve(failed, phase=Phase.SETTLED, ack=Record(Stage.CACHED, Truth.NOWHERE))
    yield Step("fail_ack_write", spend(shared, "write_failures"), failed)


# --- broadcast: how a sync ends -------------------------------------------------------------------------------------


def sync_ok(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync succeeds: what it covered and was dirty is on the disk."""

    def outcome(record: Record) -> Record:
        reached = record.stage is Stage.FLUSHING and record.truth is Truth.DIRTY
        truth = Truth.DISK if reached else record.truth
        return protocol.believe_sync_ok(config, evolve(record, truth=truth))

    if shared.up and shared.syncing is Syncing.RUNNING:
        after = protocol.after_sync_ok(shared)
        yield Broadcast("sync_ok", after, lambda message: (message.with_records(outcome),))


def sync_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync fails (EIO): what it covered is PHANTOM, and what was written meanwhile may be."""

    def outcomes(record: Record) -> tuple[Record, ...]:
        truths = [record.truth]
        if record.truth is Truth.DIRTY and record.stage is Stage.FLUSHING:
            truths = [Truth.PHANTOM]
        elif record.truth is Truth.DIRTY and record.stage is Stage.CACHED:
            truths = [Truth.DIRTY, Truth.PHANTOM]
        return tuple(protocol.believe_sync_failed(config, evolve(record, truth=truth)) for truth in truths)

    if shared.up and shared.syncing is Syncing.RUNNING and shared.budget.sync_failures:
        after = spend(protocol.after_sync_lost(config, shared), "sync_failures")
        yield Broadcast("sync_fails", after, lambda message: each_choice(message, outcomes))


def sync_times_out(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync has taken too long: its outcome is unknown, and it may still end in the kernel."""

    def outcome(record: Record) -> Record:
        return protocol.believe_sync_timed_out(config, record)

    if shared.up and shared.syncing is Syncing.RUNNING and shared.budget.sync_timeouts:
        after = evolve(protocol.after_sync_lost(config, shared), late=True)
        yield Broadcast(
            "sync_times_out",
            spend(after, "sync_timeouts"),
            lambda message: (message.with_records(outcome),),
        )


def late_sync_ok(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """A sync that was given up succeeds at last: what was not yet written again is on the disk."""

    def outcome(record: Record) -> Record:
        reached = record.stage is Stage.SUSPECT and record.truth is Truth.DIRTY
        truth = Truth.DISK if reached else record.truth
        return protocol.believe_late_result(config, evolve(record, truth=truth))

    if shared.up and shared.late:
        yield Broadcast(
            "late_sync_ok",
            evolve(shared, late=False),
            lambda message: (message.with_records(outcome),),
        )


def late_sync_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """A sync that was given up fails at last: what was not yet written again is PHANTOM."""

    def outcome(record: Record) -> Record:
        lost = record.stage is Stage.SUSPECT and record.truth is Truth.DIRTY
        return evolve(record, truth=Truth.PHANTOM) if lost else record

    if shared.up and shared.late and shared.budget.sync_failures:
        after = spend(evolve(shared, late=False), "sync_failures")
        yield Broadcast("late_sync_fails", after, lambda message: (message.with_records(outcome),))


# --- broadcast: crashes ---------------------------------------------------------------------------------------------


def process_crash(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The process dies: its memory goes, the page cache lives (clause survives-process-crash)."""
    if shared.up and shared.budget.process_crashes:
        after = spend(stopped(shared, Power.CRASHED), "process_crashes")
        yield Broadcast("process_crash", after, lambda message: (message.with_records(forgotten),))


def power_loss(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The machine stops: any subset of what was not synced survives (clause survives-power-loss)."""
    if shared.power is Power.LOST or not shared.budget.power_losses:
        return
    offset = shared.offset
    left = {offset.disk, offset.cached}
    if offset.cached != offset.disk and not config.keeps(rules.OFFSET_FILE_IS_ATOMIC):
        left.add(0)
    for survivor in sorted(left):
        after = stopped(shared, Power.LOST)
        after = evolve(after, offset=evolve(offset, volatile=0, cached=survivor, disk=survivor))
        yield Broadcast("power_loss", spend(after, "power_losses"), unpowered)


def stopped(shared: Shared, power: Power) -> Shared:
    """Return the shared part without all that lived in the memory of the process."""
    offset = evolve(shared.offset, volatile=0)
    return evolve(
        shared,
        power=power,
        mode=Mode.ASYNC,
        syncing=Syncing.IDLE,
        late=False,
        failures=0,
        offset=offset,
    )


def forgotten(record: Record) -> Record:
    """Return a record after the process died: the belief in it is gone, its bytes are where they were."""
    return Record(Stage.CACHED, record.truth) if record.readable else ABSENT


def unpowered(message: Message) -> tuple[Message, ...]:
    """Return what a power loss may leave of a message: each record that was not synced survives, or does not."""

    def outcomes(record: Record) -> tuple[Record, ...]:
        on_disk = Record(Stage.CACHED, Truth.DISK)
        return {Truth.DISK: (on_disk,), Truth.DIRTY: (ABSENT, on_disk)}.get(record.truth, (ABSENT,))

    kept = message.promise is Promise.SURVIVES_POWER_LOSS
    promise = message.promise if kept else Promise.NOTHING
    return tuple(evolve(left, promise=promise) for left in each_choice(message, outcomes))


def each_choice(message: Message, outcomes: Callable[[Record], tuple[Record, ...]]) -> tuple[Message, ...]:
    """Return the message with every combination of the outcomes of its records, without repetitions."""
    combinations = product(*map(outcomes, message.records))
    return tuple(
        dict.fromkeys(evolve(message, checkpoint=ck, earlier=earlier, ack=ack) for ck, earlier, ack in combinations)
    )


LOCAL: tuple[LocalRule, ...] = (ask_ack, late_ack, expire, fail_checkpoint_write, fail_ack_write)
BROADCAST: tuple[BroadcastRule, ...] = (
    sync_ok,
    sync_fails,
    sync_times_out,
    late_sync_ok,
    late_sync_fails,
    process_crash,
    power_loss,
)
