"""Renewing and giving back: another deadline is written, a later one or none, and answered.

While a renewal is on its way its delivery does not end; the record is enough to know the delivery by, so that recovery
takes it for a checkpoint too.

>>> config = Config(renewals=1)
>>> shared, (message,) = config.initial()
>>> list(answer_renewal(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs
from ..config import Config
from ..facts import By, Kind, step
from ..stages import WRITTEN, Stage
from ..state import Message, Phase, Shared
from ..steps import Step
from .answering import answer_level, ended, may_answer, promise_of


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.CHANGES,), record="renewal")
def write_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Write the renewal, or the release: the page cache has it."""
    if shared.up and message.renewal.stage is Stage.PENDING:
        yield Step("write_renewal", shared, evolve(message, renewal=WRITTEN))


@step(
    by=By.STORE,
    kind=Kind.ANSWERED_OK,
    fair=True,
    needs=(needs.RENEWALS,),
    record="renewal",
    client="told OK, has more time",
)
def answer_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer the renewal OK (clauses reply-after-stage, deadline-is-exact)."""
    if message.phase is not Phase.RENEWING or message.released:
        return
    if shared.up and may_answer(config, shared, message.renewal):
        promise = promise_of(answer_level(config, shared))
        yield Step("answer_renewal", ended(config, shared), evolve(message, phase=Phase.DELIVERED, renewed=promise))


@step(
    by=By.STORE,
    kind=Kind.ANSWERED_OK,
    fair=True,
    needs=(needs.RETURNING, needs.RELEASES),
    record="renewal",
    client="told OK, it is given back",
)
def answer_release(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer the release OK: the message is due (clause reply-after-stage)."""
    if message.phase is not Phase.RENEWING or not message.released:
        return
    if shared.up and may_answer(config, shared, message.renewal):
        yield Step("answer_release", ended(config, shared), evolve(message, phase=Phase.DUE))
