"""Handing messages out: a pop takes one, its checkpoint is written, and the pop is answered.

What was handed out as often as it may be, and came back, is settled as a dead letter.

>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [popped] = pop(config, shared, message)
>>> popped.message.checkpoint.stage
<Stage.PENDING: 'pending'>
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..stages import ABSENT, ACCEPTED, WRITTEN, Level, Promise, Record, Stage, Truth
from ..state import Message, Phase, Shared
from ..steps import Step
from .answering import ended, may_answer, refuses, taken_up


@step(by=By.STORE, kind=Kind.ASKED, fair=True, needs=(), record="checkpoint", client="pops")
def pop(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Pop a message that nobody has, or whose deadline has passed, and accept a checkpoint for it."""
    free = [Phase.WAITING, Phase.DUE]
    if not config.keeps(rules.WAIT_FOR_DEADLINE):
        free.append(Phase.DELIVERED)
    if not shared.up or message.phase not in free or message.delivery >= config.deliveries or refuses(config, shared):
        return
    taken = evolve(
        message,
        phase=Phase.POPPING,
        delivery=message.delivery + 1,
        checkpoint=ACCEPTED,
        earlier=best_stored(message),
        renewal=ABSENT,
        asked=False,
        renewed=Promise.NOTHING,
        released=False,
        garbled=False,
    )
    yield Step("pop", taken_up(config, shared), taken)


def best_stored(message: Message) -> Record:
    """Return the record of the deliveries so far on which recovery may rely most; what was never written is none."""
    newest = ABSENT if message.checkpoint.stage is Stage.PENDING else message.checkpoint
    renewal = ABSENT if message.renewal.stage is Stage.PENDING else message.renewal
    return better(better(newest, renewal), message.earlier)


def better(newer: Record, older: Record) -> Record:
    """Return the one whose bytes are safer, so that recovery may rely on it more; the newer of equal ones."""
    rank = (Truth.NOWHERE, Truth.PHANTOM, Truth.DIRTY, Truth.DISK)
    return max(newer, older, key=lambda record: rank.index(record.truth))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(), record="checkpoint")
def write_checkpoint(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Write the checkpoint: the page cache has it."""
    if shared.up and message.checkpoint.stage is Stage.PENDING:
        yield Step("write_checkpoint", shared, evolve(message, checkpoint=WRITTEN))


@step(by=By.STORE, kind=Kind.ANSWERED_OK, fair=True, needs=(), record="checkpoint", client="has the message")
def deliver(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Answer the pop: the consumer has the message (clause reply-after-stage)."""
    if shared.up and message.phase is Phase.POPPING and may_answer(config, shared, message.checkpoint):
        yield Step("deliver", ended(config, shared), evolve(message, phase=Phase.DELIVERED))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.DEAD_LETTERS,), record="ack")
def bury(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Accept a dead letter for a message whose last delivery has ended without an ack (clause no-limbo).

    That it was given back stays known: should the dead letter be lost, recovery finds the message DUE, not in hand.
    """
    if not shared.up or not config.dead_letters or message.phase is not Phase.DUE:
        return
    if message.delivery < config.deliveries:
        return
    if config.keeps(rules.DEAD_LETTER_IS_STORED):
        yield Step("bury", shared, evolve(message, phase=Phase.ACKING, ack=ACCEPTED, dead=True))
    else:
        yield Step("bury", shared, evolve(message, phase=Phase.SETTLED, dead=True))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.DEAD_LETTERS,), record="ack")
def buried(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Store the dead letter: the message is settled."""
    if shared.up and message.dead and message.phase is Phase.ACKING and message.ack.reaches(Level.PAGE_CACHE):
        yield Step("buried", shared, evolve(message, phase=Phase.SETTLED))
