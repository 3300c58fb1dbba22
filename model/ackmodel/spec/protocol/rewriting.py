"""Writing again what a failed sync may have lost (clause flush-rewrites).

>>> rewritten(Config(), Record(Stage.SUSPECT, Truth.PHANTOM))
Record(stage=<Stage.CACHED: 'cached'>, truth=<Truth.DIRTY: 'dirty'>)
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import rules
from ..config import Config
from ..stages import Record, Stage, Truth
from ..state import Message, Shared
from ..steps import Step


def rewrite(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """A record that a failed sync may have lost is written again, into a new file (clause flush-rewrites)."""
    if not shared.up or not config.keeps(rules.RETRY_AFTER_FAILURE):
        return
    if message.checkpoint.stage is Stage.SUSPECT:
        again = rewritten(config, message.checkpoint)
        yield Step("rewrite_checkpoint", shared, evolve(message, checkpoint=again))
    if message.earlier.stage is Stage.SUSPECT:
        yield Step("rewrite_earlier", shared, evolve(message, earlier=rewritten(config, message.earlier)))
    if message.ack.stage is Stage.SUSPECT:
        yield Step("rewrite_ack", shared, evolve(message, ack=rewritten(config, message.ack)))
    if message.renewal.stage is Stage.SUSPECT:
        yield Step("rewrite_renewal", shared, evolve(message, renewal=rewritten(config, message.renewal)))


def rewritten(config: Config, record: Record) -> Record:
    """Return a SUSPECT record after it was written again: what the disk has stays there, the rest is DIRTY."""
    lost = record.truth is not Truth.DISK and config.keeps(rules.REWRITE_AFTER_FAILURE)
    return Record(Stage.CACHED, Truth.DIRTY if lost else record.truth)
