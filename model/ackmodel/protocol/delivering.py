"""Handing messages out: a pop takes one, its checkpoint is written, and the pop is answered.

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

from ..config import Config
from ..stages import ACCEPTED, WRITTEN, Record, Stage, Truth
from ..state import Message, Phase, Shared
from ..steps import Step
from .answering import may_answer


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
