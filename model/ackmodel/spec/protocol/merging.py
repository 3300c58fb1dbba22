"""The merge buffer: a checkpoint and an ack that meet in memory are never written.

At level MEMORY an operation is answered while its record is PENDING. How long a record stays in the buffer is left
open, and so is whether it was taken into the buffer at all or written at once, because the buffer was full: to be
written is possible at any time.

>>> config = Config(level="memory", merge_buffer=True)
>>> shared, (message,) = config.initial()
>>> [merged] = merge(config, shared, evolve(message, phase=Phase.SETTLED, checkpoint=ACCEPTED, ack=ACCEPTED))
>>> merged.message.unrecorded, merged.message.ack.stage.value
(True, 'none')
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..stages import ABSENT, ACCEPTED, Record, Stage
from ..state import Message, Phase, Shared
from ..steps import Step


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(needs.MERGING,))
def merge(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Leave out a checkpoint and its ack that meet in the buffer, where nothing about the message is stored."""
    if not shared.up or not config.merge_buffer or message.phase is not Phase.SETTLED:
        return
    if message.ack.stage is Stage.PENDING and (in_memory_only(message) or not config.keeps(rules.MERGE_NEEDS_BOTH)):
        yield Step("merge", shared, evolve(message, checkpoint=without_pending(message), ack=ABSENT, unrecorded=True))


def in_memory_only(message: Message) -> bool:
    """Return whether the buffer has the checkpoint, and no record of an earlier delivery or a renewal was written."""
    unwritten = message.earlier.stage is Stage.NONE and message.renewal.stage is Stage.NONE
    return message.checkpoint.stage is Stage.PENDING and unwritten


def without_pending(message: Message) -> Record:
    """Return the checkpoint after merging: what was in the buffer is gone."""
    return ABSENT if message.checkpoint.stage is Stage.PENDING else message.checkpoint


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(needs.MERGING,), record="ack")
def hand_over(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Hand to the store after all, at any time, what was settled by merging, and the offset has not come to."""
    if shared.up and config.merge_buffer and message.unrecorded and not message.passed_by(shared.offset.volatile):
        yield Step("hand_over", shared, evolve(message, ack=ACCEPTED, unrecorded=False))
