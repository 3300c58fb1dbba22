"""The two kinds of steps of the system.

A **local** step concerns one message and the shared part. A **broadcast** step changes the shared part, and every
message with it. What a correct store does stands in `ackmodel.spec.protocol`; what the operating system, the disk and
the consumers may do in `ackmodel.spec.environment`; `ackmodel.spec.system` puts them together.

>>> from . import protocol
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [step.action for step in protocol.pop(config, shared, message)]
['pop']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from attrs import frozen

from .config import Config
from .state import Message, Shared


@frozen
class Step:
    """A local step: what is done, and the shared part and the message after it."""

    action: str
    shared: Shared
    message: Message


def _unchanged(message: Message) -> tuple[Message, ...]:
    return (message,)


def _always(_: Message) -> bool:
    return True


@frozen
class Broadcast:
    """A broadcast step: what is done, the shared part after it, and what becomes of each message.

    `outcomes` gives every message that one message may become (several where chance decides, as in a power loss); the
    outcomes of different messages are independent. The step is possible only when `some` holds for at least one
    message, and when every message may become something: one without outcomes forbids the step.
    """

    action: str
    shared: Shared
    outcomes: Callable[[Message], tuple[Message, ...]] = _unchanged
    some: Callable[[Message], bool] = _always


Outcomes: TypeAlias = Callable[[Message], tuple[Message, ...]]
"""What a broadcast makes of one message."""


def in_log(config: Config, log: int, outcomes: Outcomes) -> Outcomes:
    """Return outcomes that concern the messages of one log only; message i is in log i modulo `Config.logs`."""
    if config.logs == 1:
        return outcomes

    def of_this_log(message: Message) -> tuple[Message, ...]:
        return outcomes(message) if message.index % config.logs == log else (message,)

    return of_this_log


def of_log(action: str, log: int) -> str:
    """Return the name of a step of one log; the first log's has no number.

    >>> of_log("begin_sync", 0), of_log("begin_sync", 1), kind_of(of_log("begin_sync", 1))
    ('begin_sync', 'begin_sync[1]', 'begin_sync')
    """
    return f"{action}[{log}]" if log else action


def kind_of(action: str) -> str:
    """Return the name of a step without the number of its log."""
    return action.partition("[")[0]


Item = TypeVar("Item")


def replaced(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    """Return `items` with another one at `place`."""
    return (*items[:place], item, *items[place + 1 :])


LocalRule: TypeAlias = Callable[[Config, Shared, Message], Iterator[Step]]
"""A function that yields the local steps of one name that are possible."""

BroadcastRule: TypeAlias = Callable[[Config, Shared], Iterator[Broadcast]]
"""A function that yields the broadcast steps of one name that are possible."""
