"""Acknowledging: the ack is written, answered, and made known to be durable.

>>> config = Config()
>>> shared, (message,) = config.initial()
>>> asked = evolve(message, phase=Phase.ACKING, asked=True, ack=WRITTEN)
>>> [answered] = answer_ack(config, shared, asked)
>>> answered.message.promise.name
'SURVIVES_PROCESS_CRASH'
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..stages import WRITTEN, Level, Promise, Stage
from ..state import Message, Phase, Shared
from ..steps import Step
from .answering import answer_level, ended, may_answer, promise_of


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(), record="ack")
def write_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Write the ack: the page cache has it."""
    if shared.up and message.ack.stage is Stage.PENDING:
        yield Step("write_ack", shared, evolve(message, ack=WRITTEN))


@step(by=By.STORE, kind=Kind.ANSWERED_OK, fair=True, needs=(), record="ack", client="told OK")
def answer_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer the ack OK (clause reply-after-stage)."""
    if message.phase is not Phase.ACKING or message.dead:
        return
    if shared.up and may_answer(config, shared, message.ack):
        promise = promise_of(answer_level(config, shared))
        yield Step("answer_ack", ended(config, shared), evolve(message, phase=Phase.SETTLED, promise=promise))


@step(by=By.STORE, kind=Kind.ANSWERED_OTHERWISE, fair=True, needs=(needs.FAILING_SYNCS,), client="told UNKNOWN")
def answer_unknown(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer UNKNOWN: the record of an ack or a renewal is written, but cannot be flushed for now; it takes effect."""
    if not shared.up or message.dead or answer_level(config, shared) is not Level.DISK:
        return
    if message.phase is Phase.ACKING and message.ack.stage is Stage.SUSPECT:
        yield Step("answer_unknown", ended(config, shared), evolve(message, phase=Phase.SETTLED))
    if message.phase is Phase.RENEWING and message.renewal.stage is Stage.SUSPECT:
        phase = Phase.DUE if message.released else Phase.DELIVERED
        yield Step("answer_unknown", ended(config, shared), evolve(message, phase=phase))


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(), record="ack", client="called back")
def durable_callback(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Make the flush of the ack known, by a callback or by a barrier (clause survives-power-loss).

    A barrier speaks of all that is settled: also of what was answered UNKNOWN, and of what recovery found.
    """
    promised = message.promise is Promise.SURVIVES_POWER_LOSS
    if not shared.up or message.phase is not Phase.SETTLED or promised or not message.ack.stored or message.dead:
        return
    if message.ack.stage is Stage.FLUSHED or not config.keeps(rules.CALLBACK_AFTER_FLUSH):
        yield Step("durable_callback", shared, evolve(message, promise=Promise.SURVIVES_POWER_LOSS))
