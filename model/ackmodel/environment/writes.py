"""Writes that fail (ENOSPC), and how their operations end.

>>> from ackmodel import Config
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> list(fail_ack_write(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import rules
from ..config import Config
from ..remains import spend
from ..stages import ABSENT, Promise, Record, Stage, Truth
from ..state import Message, Phase, Shared
from ..steps import Step


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
