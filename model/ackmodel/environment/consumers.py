"""Consumers and the clock: what is asked of the store, and when time is up.

>>> from ackmodel import Config
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> list(ask_ack(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import rules
from ..config import Config
from ..stages import ACCEPTED
from ..state import Message, Phase, Shared
from ..steps import Step


def ask_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The consumer asks to ack its delivery, and the store accepts the record."""
    if shared.up and message.phase is Phase.DELIVERED:
        yield Step("ask_ack", shared, evolve(message, phase=Phase.ACKING, asked=True, ack=ACCEPTED))


def late_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """A consumer asks to ack an earlier delivery: answered EXPIRED, nothing changes (clause receipt-is-exact)."""
    if not shared.up or message.delivery < 2 or message.phase is not Phase.DELIVERED:
        return
    if config.keeps(rules.RECEIPT_NAMES_DELIVERY):
        yield Step("late_ack", shared, message)
    else:
        yield Step("late_ack", shared, evolve(message, phase=Phase.ACKING, ack=ACCEPTED))


def expire(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The invisible time passes: the message is due again, unless its ack is effective or on its way."""
    may = [Phase.DELIVERED]
    if not config.keeps(rules.SETTLED_IS_FINAL):
        may.append(Phase.SETTLED)
    if shared.up and message.phase in may and message.delivery < config.deliveries:
        yield Step("expire", shared, evolve(message, phase=Phase.DUE))
