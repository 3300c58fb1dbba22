"""How a sync ends: it succeeds, fails, or takes so long that the store gives it up; and what is then on the disk.

>>> from ackmodel import Config
>>> config = Config(sync_failures=1)
>>> shared, _ = config.initial()
>>> list(sync_fails(config, shared))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ..config import Config
from ..protocol import syncing
from ..remains import each_choice, spend
from ..stages import Record, Stage, Truth
from ..state import Shared, Syncing
from ..steps import Broadcast


def sync_ok(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync succeeds: what it covered and was dirty is on the disk."""

    def outcome(record: Record) -> Record:
        reached = record.stage is Stage.FLUSHING and record.truth is Truth.DIRTY
        truth = Truth.DISK if reached else record.truth
        return syncing.believe_sync_ok(config, evolve(record, truth=truth))

    if shared.up and shared.syncing is Syncing.RUNNING:
        after = syncing.after_sync_ok(shared)
        yield Broadcast("sync_ok", after, lambda message: (message.with_records(outcome),))


def sync_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync fails (EIO): what it covered is PHANTOM, and what was written meanwhile may be."""

    def outcomes(record: Record) -> tuple[Record, ...]:
        truths = [record.truth]
        if record.truth is Truth.DIRTY and record.stage is Stage.FLUSHING:
            truths = [Truth.PHANTOM]
        elif record.truth is Truth.DIRTY and record.stage is Stage.CACHED:
            truths = [Truth.DIRTY, Truth.PHANTOM]
        return tuple(syncing.believe_sync_failed(config, evolve(record, truth=truth)) for truth in truths)

    if shared.up and shared.syncing is Syncing.RUNNING and shared.budget.sync_failures:
        after = spend(syncing.after_sync_lost(config, shared), "sync_failures")
        yield Broadcast("sync_fails", after, lambda message: each_choice(message, outcomes))


def sync_times_out(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The running sync has taken too long: its outcome is unknown, and it may still end in the kernel."""

    def outcome(record: Record) -> Record:
        return syncing.believe_sync_timed_out(config, record)

    if shared.up and shared.syncing is Syncing.RUNNING and shared.budget.sync_timeouts:
        after = evolve(syncing.after_sync_lost(config, shared), late=True)
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
        return syncing.believe_late_result(config, evolve(record, truth=truth))

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
