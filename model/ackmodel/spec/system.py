"""All that may happen next: the protocol and the environment put together.

`moves` is the definition that the engines of exploration must agree with; they call `local_steps` and
`broadcast_steps` once for each distinct argument, and combine the results themselves.

>>> config = Config(messages=2)
>>> [(move.action, move.actor) for move in moves(config, config.initial())]
[('pop', 0), ('pop', 1)]
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import product

from attrs import frozen

from .catalogue import BROADCAST, LOCAL
from .config import Config
from .facts import facts_of
from .state import Message, Shared
from .steps import Broadcast, LocalRule, Step

State = tuple[Shared, tuple[Message, ...]]
"""A state of the whole system: the shared part and the messages, by index."""


@functools.lru_cache(maxsize=64)
def local_rules(config: Config) -> tuple[LocalRule, ...]:
    """Return the functions of local steps that a configuration has a use for; the others would yield nothing.

    >>> from .protocol import retire
    >>> retire in local_rules(Config()), retire in local_rules(Config(compaction=True))
    (False, True)
    """
    return tuple(rule for rule in LOCAL if facts_of(rule).has_use_in(config))


def local_steps(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Yield every local step of `message`: the protocol's first, then the environment's; none while the store is down.

    A local step concerns a store that runs: what happens to one that does not happens to all messages at once.
    """
    if shared.up:
        for rule in local_rules(config):
            yield from rule(config, shared, message)


def broadcast_steps(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Yield every broadcast step: the protocol's first, then the environment's."""
    for rule in BROADCAST:
        yield from rule(config, shared)


@frozen
class Move:
    """One transition of the whole system. `actor` is the index of the message of a local step, None in a broadcast."""

    action: str
    actor: int | None
    after: State


def moves(config: Config, state: State) -> Iterator[Move]:
    """Yield every transition out of `state`."""
    shared, messages = state
    for index, message in enumerate(messages):
        for step in local_steps(config, shared, message):
            after = (*messages[:index], step.message, *messages[index + 1 :])
            yield Move(step.action, index, (step.shared, after))
    for cast in broadcast_steps(config, shared):
        if any(map(cast.some, messages)):
            for combination in product(*map(cast.outcomes, messages)):
                yield Move(cast.action, None, (cast.shared, combination))
