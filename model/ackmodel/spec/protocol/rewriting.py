"""Writing again what a failed sync may have lost (clause flush-rewrites).

The steps are retries: a record is made ready for another sync. That it is *written* again for that is the rule
`rewrite-after-failure`; without it the step is taken all the same, and writes nothing.

>>> rewritten(Config(), Record(Stage.SUSPECT, Truth.PHANTOM))
Record(stage=<Stage.CACHED: 'cached'>, truth=<Truth.DIRTY: 'dirty'>)
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config, InPlace
from ..facts import By, Kind, step
from ..stages import Record, Stage, Truth
from ..state import Message, Shared
from ..steps import Step


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(), record="checkpoint")
def retry_checkpoint(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ready the checkpoint for another sync, if a failed one may have lost it (clause flush-rewrites)."""
    if suspected(config, shared, message.checkpoint):
        yield Step("retry_checkpoint", shared, evolve(message, checkpoint=rewritten(config, message.checkpoint)))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.MANY_DELIVERIES,), record="earlier")
def retry_earlier(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ready an earlier checkpoint for another sync, if a failed one may have lost it (clause flush-rewrites)."""
    if suspected(config, shared, message.earlier):
        yield Step("retry_earlier", shared, evolve(message, earlier=rewritten(config, message.earlier)))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(), record="ack")
def retry_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ready the ack for another sync, if a failed one may have lost it (clause flush-rewrites)."""
    if suspected(config, shared, message.ack):
        yield Step("retry_ack", shared, evolve(message, ack=rewritten(config, message.ack)))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.CHANGES,), record="renewal")
def retry_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ready the renewal, or the release, for another sync, if a failed one may have lost it (clause flush-rewrites)."""
    if suspected(config, shared, message.renewal):
        yield Step("retry_renewal", shared, evolve(message, renewal=rewritten(config, message.renewal)))


def suspected(config: Config, shared: Shared, record: Record) -> bool:
    """Return whether a record is to be written again, into a new file."""
    return shared.up and record.stage is Stage.SUSPECT and config.keeps(rules.RETRY_AFTER_FAILURE)


def rewritten(config: Config, record: Record) -> Record:
    """Return a SUSPECT record after it was written again: what the disk has stays there, the rest is DIRTY; but what is
    written in place may stay lost."""
    again = record.truth is not Truth.DISK and config.keeps(rules.REWRITE_AFTER_FAILURE)
    return Record(Stage.CACHED, Truth.DIRTY if again and not stays_lost(config, record) else record.truth)


def stays_lost(config: Config, record: Record) -> bool:
    """Return whether bytes that a sync has lost are written again where that is in vain."""
    in_vain = config.in_place is InPlace.LOST and not config.keeps(rules.REWRITE_TO_NEW_BLOCKS)
    return in_vain and record.truth is config.lost
