"""Recovering: a new process opens the directory, and takes up what it reads.

>>> from ackmodel import Config, Record, Stage, Truth
>>> recovered(Config(), Record(Stage.CACHED, Truth.DISK)).stage
<Stage.SUSPECT: 'suspect'>
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import rules
from ..config import Config
from ..stages import ABSENT, Record, Stage
from ..state import Message, Phase, Power, Shared
from ..steps import Broadcast


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
