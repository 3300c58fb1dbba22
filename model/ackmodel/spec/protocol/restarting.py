"""Closing and recovering: what has to be done before the end, and what a new process takes up.

>>> from ... import Truth
>>> recovered(Config(), Record(Stage.CACHED, Truth.DISK)).stage
<Stage.SUSPECT: 'suspect'>
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..remains import forgotten, spend, stopped
from ..stages import ABSENT, Record, Stage
from ..state import Message, Phase, Power, Shared, Syncing
from ..steps import Broadcast


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(needs.RESTARTS,))
def close(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Close the store: possible once it has drained, no sync runs, and the offset is on the disk (close-drains)."""
    if not shared.up or not shared.budget.restarts:
        return
    offset = shared.offset
    at_rest = offset.volatile == offset.cached == offset.disk and set(shared.syncing) == {Syncing.IDLE}
    if at_rest or not config.keeps(rules.CLOSE_DRAINS):
        after = spend(stopped(shared, Power.CLOSED), "restarts")
        yield Broadcast("close", after, lambda message: closed(config, message, offset.disk))


def closed(config: Config, message: Message, offset: int) -> tuple[Message, ...]:
    """Return a message after the store was closed; nothing where it has yet to drain."""
    if not drained(config, message, offset) and config.keeps(rules.CLOSE_DRAINS):
        return ()
    return (message.with_records(forgotten),)


def drained(config: Config, message: Message, offset: int) -> bool:
    """Return whether nothing about a message is pending; what a merge buffer holds is to be handed over first."""
    left_in_memory = config.keeps(rules.CLOSE_HANDS_OVER) and (
        any(record.stage is Stage.PENDING for record in message.records)
        or (message.unrecorded and not message.passed_by(offset))
    )
    return not message.in_flight and not left_in_memory and not any(record.unflushed for record in message.records)


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.STOPS,))
def recover(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Open the directory in a new process, and take up what it reads (clause recovered-is-cached)."""
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
    """Return a message as recovery finds it: settled, still with its consumer, or waiting (clause no-limbo).

    Where nothing of the newest delivery can be read, the one before it counts as the newest, or none was. Below the
    offset nobody looks for a message: one without a record is settled there, rightly or not.
    """
    found = message.with_records(lambda record: recovered(config, record))
    if not config.keeps(rules.RECOVERY_READS_RENEWALS):
        found = evolve(found, renewal=ABSENT)
    if not found.checkpoint.readable and not found.renewal.readable:
        delivery = max(1, message.delivery - 1) if found.earlier.readable else 0
        found = evolve(found, checkpoint=found.earlier, earlier=ABSENT, delivery=delivery)
    if found.ack.readable and config.keeps(rules.RECOVERY_READS_ACKS):
        return evolve(found, phase=Phase.SETTLED)
    passed = message.passed_by(offset)
    if found.checkpoint.readable or found.renewal.readable:
        released = message.released and found.renewal.readable
        phase = Phase.DUE if released else Phase.DELIVERED
        phase = phase if config.keeps(rules.RECOVERY_REDELIVERS) else Phase.SETTLED
        return evolve(found, phase=phase, asked=False, dead=False, unrecorded=False, released=released)
    if message.unrecorded and passed:
        return evolve(found, phase=Phase.SETTLED)
    phase = Phase.SETTLED if passed else Phase.WAITING
    return evolve(found, phase=phase, asked=False, dead=False, unrecorded=False, released=False)
