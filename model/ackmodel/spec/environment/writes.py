"""Writes that fail (ENOSPC), and how their operations end.

>>> config = Config()
>>> shared, (message,) = config.initial()
>>> list(fail_ack_write(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..protocol.answering import ended
from ..remains import spend
from ..stages import ABSENT, Promise, Record, Stage, Truth
from ..state import Message, Phase, Shared
from ..steps import Step


def failed(config: Config, shared: Shared) -> Shared:
    """Return the shared part after the write of an operation has failed: one failure less, one operation less."""
    after = spend(shared, "write_failures")
    return ended(config, after) if config.keeps(rules.FAILURE_CLEARS_INFLIGHT) else after


@step(by=By.DISK, kind=Kind.WRITE_FAILED, fair=False, needs=(needs.WRITE_FAILURES,), record="checkpoint")
def fail_checkpoint_write(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Let the write of a checkpoint fail (ENOSPC): the pop is answered FAILED, and is as if it had not been."""
    if not shared.up or not shared.budget.write_failures or message.checkpoint.stage is not Stage.PENDING:
        return
    if not config.keeps(rules.FAILURE_ENDS_OPERATION):
        yield Step("fail_checkpoint_write", spend(shared, "write_failures"), evolve(message, checkpoint=ABSENT))
    elif message.phase is not Phase.POPPING:
        # Answered from memory already: it stays in the buffer, to be tried again.
        yield Step("fail_checkpoint_write", spend(shared, "write_failures"), message)
    else:
        freed = evolve(
            message,
            phase=Phase.WAITING if message.delivery == 1 else Phase.DUE,
            delivery=message.delivery - 1,
            checkpoint=message.earlier,
            earlier=ABSENT,
        )
        yield Step("fail_checkpoint_write", failed(config, shared), freed)


@step(by=By.DISK, kind=Kind.WRITE_FAILED, fair=False, needs=(needs.WRITE_FAILURES,), record="ack")
def fail_ack_write(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Let the write of an ack fail (ENOSPC): the ack is answered FAILED, the consumer still has the message."""
    if not shared.up or not shared.budget.write_failures or message.ack.stage is not Stage.PENDING:
        return
    if not config.keeps(rules.FAILURE_ENDS_OPERATION):
        yield Step("fail_ack_write", spend(shared, "write_failures"), evolve(message, ack=ABSENT))
    elif message.dead:
        again = evolve(message, phase=Phase.DUE, ack=ABSENT, dead=False)
        yield Step("fail_ack_write", spend(shared, "write_failures"), again)
    elif message.phase is not Phase.ACKING:
        # Answered from memory already: it stays in the buffer, to be tried again.
        yield Step("fail_ack_write", spend(shared, "write_failures"), message)
    else:
        refused = evolve(message, phase=Phase.DELIVERED, ack=ABSENT, asked=False)
        if not config.keeps(rules.FAILED_WRITE_IS_NOT_OK):
            refused = evolve(refused, promise=Promise.SURVIVES_PROCESS_CRASH)
        if not config.keeps(rules.FAILED_WRITE_IS_NOT_STORED):
            refused = evolve(refused, phase=Phase.SETTLED, ack=Record(Stage.CACHED, Truth.NOWHERE))
        yield Step("fail_ack_write", failed(config, shared), refused)


@step(by=By.DISK, kind=Kind.WRITE_FAILED, fair=False, needs=(needs.WRITE_FAILURES, needs.CHANGES), record="renewal")
def fail_renewal_write(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Let the write of a renewal or release fail (ENOSPC): answered FAILED, the delivery keeps the deadline it had."""
    if not shared.up or not shared.budget.write_failures or message.renewal.stage is not Stage.PENDING:
        return
    if not config.keeps(rules.FAILURE_ENDS_OPERATION):
        yield Step("fail_renewal_write", spend(shared, "write_failures"), evolve(message, renewal=ABSENT))
    elif message.phase is not Phase.RENEWING:
        yield Step("fail_renewal_write", spend(shared, "write_failures"), message)
    else:
        kept = evolve(message, phase=Phase.DELIVERED, renewal=ABSENT, released=False)
        if not (message.released or config.keeps(rules.FAILED_WRITE_IS_NOT_OK)):
            kept = evolve(kept, renewed=Promise.SURVIVES_PROCESS_CRASH)
        yield Step("fail_renewal_write", failed(config, shared), kept)
