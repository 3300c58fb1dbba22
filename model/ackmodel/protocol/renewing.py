"""Renewing: a later deadline is written, and answered.

While a renewal is on its way its delivery does not end; the record is enough to know the delivery by, so that recovery
takes it for a checkpoint too.

>>> from ackmodel import Config
>>> config = Config(renewals=1)
>>> shared, (message,) = config.initial()
>>> list(answer_renewal(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ..config import Config
from ..stages import WRITTEN, Stage
from ..state import Message, Phase, Shared
from ..steps import Step
from .answering import answer_level, ended, may_answer, promise_of


def write_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The renewal is written: the page cache has it."""
    if shared.up and message.renewal.stage is Stage.PENDING:
        yield Step("write_renewal", shared, evolve(message, renewal=WRITTEN))


def answer_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The renewal is answered OK (clauses reply-after-stage, deadline-is-exact)."""
    if shared.up and message.phase is Phase.RENEWING and may_answer(config, shared, message.renewal):
        promise = promise_of(answer_level(config, shared))
        yield Step("answer_renewal", ended(config, shared), evolve(message, phase=Phase.DELIVERED, renewed=promise))
