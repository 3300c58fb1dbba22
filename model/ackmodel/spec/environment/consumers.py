"""Consumers and the clock: what is asked of the store, and when time is up.

>>> config = Config()
>>> shared, (message,) = config.initial()
>>> list(ask_ack(config, shared, message))
[]
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..protocol.answering import answer_level, may_answer, promise_of, refuses, taken_up
from ..remains import spend
from ..stages import ACCEPTED, Promise, Stage
from ..state import Message, Phase, Shared
from ..steps import Step


@step(by=By.CONSUMER, kind=Kind.ASKED, fair=False, needs=(), record="ack", client="asks to ack")
def ask_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Have the consumer ask to ack its delivery; the store accepts the record."""
    if shared.up and message.phase is Phase.DELIVERED and not refuses(config, shared):
        asked = evolve(message, phase=Phase.ACKING, asked=True, ack=ACCEPTED)
        yield Step("ask_ack", taken_up(config, shared), asked)


@step(by=By.CONSUMER, kind=Kind.TRIED, fair=False, needs=(needs.OLD_RECEIPTS,), client="acks an earlier delivery")
def late_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ack by a receipt that is not current: answered EXPIRED, nothing changes (clause receipt-is-exact)."""
    superseded = message.delivery > 1 and message.phase is Phase.DELIVERED
    returned = config.careless and message.phase is Phase.DUE
    if not shared.up or not (superseded or returned):
        return
    rule = rules.RECEIPT_NAMES_DELIVERY
    if returned:
        rule = rules.RELEASE_ENDS_DELIVERY if message.released else rules.EXPIRED_IS_REFUSED
    if config.keeps(rule):
        yield Step("late_ack", shared, message)
    else:
        yield Step("late_ack", taken_up(config, shared), evolve(message, phase=Phase.ACKING, ack=ACCEPTED))


@step(by=By.CONSUMER, kind=Kind.TRIED, fair=False, needs=(needs.CARELESS,), client="acks once more")
def duplicate_ack(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Ack a settled message again: answered SETTLED, nothing changes (clause receipt-is-exact).

    SETTLED promises what OK does: it is answered once the first ack, whatever became of its own answer, is that far.
    Where no record of the ack is left (it was merged, or retired) it promises nothing anew.
    """
    if not shared.up or not config.careless or message.phase is not Phase.SETTLED or message.dead:
        return
    if config.keeps(rules.DUPLICATE_CHANGES_NOTHING):
        if message.ack.stage is Stage.NONE:
            yield Step("duplicate_ack", shared, message)
        elif may_answer(config, shared, message.ack):
            promise = max(message.promise, promise_of(answer_level(config, shared)))
            yield Step("duplicate_ack", shared, evolve(message, promise=promise))
    else:
        again = evolve(message, phase=Phase.ACKING, ack=ACCEPTED, unrecorded=False)
        yield Step("duplicate_ack", taken_up(config, shared), again)


@step(by=By.CONSUMER, kind=Kind.TRIED, fair=False, needs=(needs.CARELESS,), client="writes into what it submitted")
def reuse_buffer(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Have a client write into what it has submitted, before it is written: nothing changes (submitted-is-written)."""
    unwritten = message.phase is Phase.ACKING and message.ack.stage is Stage.PENDING and not message.dead
    if not shared.up or not config.careless or not unwritten or message.garbled:
        return
    yield Step("reuse_buffer", shared, evolve(message, garbled=not config.keeps(rules.ARGUMENTS_ARE_FROZEN)))


@step(
    by=By.CONSUMER, kind=Kind.ASKED, fair=False, needs=(needs.RENEWALS,), record="renewal", client="asks for more time"
)
def ask_renewal(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Have the consumer ask for a later deadline, once a delivery; the store accepts the record."""
    new = message.phase is Phase.DELIVERED and message.renewal.stage is Stage.NONE
    if shared.up and new and shared.budget.renewals and not refuses(config, shared):
        after = spend(taken_up(config, shared), "renewals")
        yield Step("ask_renewal", after, evolve(message, phase=Phase.RENEWING, renewal=ACCEPTED))


@step(
    by=By.CONSUMER,
    kind=Kind.ASKED,
    fair=False,
    needs=(needs.RETURNING, needs.RELEASES),
    record="renewal",
    client="gives it back",
)
def release(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Have the consumer give its delivery back: a record like a renewal, with a past deadline, is accepted."""
    new = message.phase is Phase.DELIVERED and message.renewal.stage is Stage.NONE and may_return(config, message)
    if shared.up and new and shared.budget.releases and not refuses(config, shared):
        after = spend(taken_up(config, shared), "releases")
        yield Step("release", after, evolve(message, phase=Phase.RENEWING, renewal=ACCEPTED, released=True))


def may_return(config: Config, message: Message) -> bool:
    """Return whether something becomes of a delivery that ends without an ack: another one, or a dead letter."""
    return message.delivery < config.deliveries or config.dead_letters


@step(by=By.TIME, kind=Kind.WORK, fair=True, needs=(needs.RETURNING,), client="deadline passed")
def expire(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Let the invisible time pass: the message is due again, unless its ack is effective or on its way.

    It is the deadline that the store knows of that passes; a renewal that it has forgotten still stands (`renewed`).
    """
    may = [Phase.DELIVERED] if config.keeps(rules.DEADLINE_IS_WATCHED) else []
    if not config.keeps(rules.SETTLED_IS_FINAL):
        may.append(Phase.SETTLED)
    if shared.up and message.phase in may and may_return(config, message):
        renewed = message.renewed if message.renewal.stage is Stage.NONE else Promise.NOTHING
        yield Step("expire", shared, evolve(message, phase=Phase.DUE, renewed=renewed))
