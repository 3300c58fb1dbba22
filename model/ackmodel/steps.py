"""The two kinds of steps of the system.

A **local** step concerns one message and the shared part. A **broadcast** step changes the shared part, and every
message with it. What a correct store does stands in `ackmodel.protocol`; what the operating system, the disk and the
consumers may do in `ackmodel.environment`; `ackmodel.system` puts them together.

>>> from ackmodel import Config, protocol
>>> config = Config()
>>> shared, (message,) = config.initial()
>>> [step.action for step in protocol.pop(config, shared, message)]
['pop']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

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
    message.
    """

    action: str
    shared: Shared
    outcomes: Callable[[Message], tuple[Message, ...]] = _unchanged
    some: Callable[[Message], bool] = _always


LocalRule: TypeAlias = Callable[[Config, Shared, Message], Iterator[Step]]
"""A function that yields the local steps of one name that are possible."""

BroadcastRule: TypeAlias = Callable[[Config, Shared], Iterator[Broadcast]]
"""A function that yields the broadcast steps of one name that are possible."""
