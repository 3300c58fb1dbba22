"""Every step there is, in the order of the model, each with its facts.

>>> from .facts import Kind
>>> [name for name, facts in STEPS.items() if facts.kind is Kind.STOPPED]
['process_crash', 'power_loss']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from . import environment, protocol
from .facts import BadStep, Facts, all_with_facts, facts_of
from .steps import BroadcastRule, LocalRule, kind_of

LOCAL: tuple[LocalRule, ...] = (*protocol.LOCAL, *environment.LOCAL)
"""The steps of one message."""

BROADCAST: tuple[BroadcastRule, ...] = (*protocol.BROADCAST, *environment.BROADCAST)
"""The steps of all messages at once."""


def catalogued(functions: Iterable[Callable[..., Any]]) -> Mapping[str, Facts]:
    """Return the facts of each step by its name; raise `BadStep` where a step has none, or has them and is left out."""
    every = tuple(functions)
    facts = {each.name: each for each in map(facts_of, every)}
    for function in sorted(all_with_facts() - set(every), key=lambda left: left.__name__):
        raise BadStep(f"step {function.__name__!r} is in no list: add it to LOCAL or BROADCAST of its package")
    return MappingProxyType(facts)


STEPS: Mapping[str, Facts] = catalogued((*LOCAL, *BROADCAST))
"""The facts of every step by its name; `named` for the step of one log."""


def named(action: str) -> Facts:
    """Return the facts of a step, which may carry the number of its log.

    >>> named("begin_sync[1]").each_log
    True
    """
    return STEPS[kind_of(action)]


def names(wanted: Callable[[Facts], object]) -> frozenset[str]:
    """Return the names of the steps of which something is so."""
    return frozenset(name for name, facts in STEPS.items() if wanted(facts))
