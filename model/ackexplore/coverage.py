"""What happened in an exploration, and what never did: an action that is never taken was never checked.

>>> from ackmodel import Config
>>> "sync_fails" in ACTIONS, never_possible(Config())["sync_fails"]
(True, 'no sync failure in the budget')
>>> "pop" in never_possible(Config())
False
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import attrs

from ackexplore.values import wording
from ackmodel import Config, Record
from ackmodel.spec.catalogue import STEPS

ACTIONS: tuple[str, ...] = tuple(STEPS)
"""The name of every step there is, in the order of the model."""


def never_possible(config: Config) -> dict[str, str]:
    """Return the actions that a configuration rules out, each with the reason."""
    reasons = {name: facts.impossible(config) for name, facts in STEPS.items()}
    return {name: why for name, why in reasons.items() if why is not None}


def count_hits(counts: Mapping[str, int], actions: tuple[str, ...] = ACTIONS) -> dict[str, int]:
    """Return the transitions per action, with a zero for every action that never happened."""
    return {action: counts.get(action, 0) for action in (*actions, *sorted(set(counts) - set(actions)))}


def _features(value: Any) -> Iterable[str]:
    for attribute in _fields(type(value)):
        item = getattr(value, attribute.name)
        for one in dict.fromkeys(item) if isinstance(item, tuple) else (item,):
            if isinstance(one, (Record, enum.Enum)):
                yield f"{attribute.name} is {wording(one)}"


def _fields(kind: type[Any]) -> Iterable[Any]:
    return attrs.fields(kind) if attrs.has(kind) else ()


def count_reached(shareds: Iterable[tuple[Any, int]], messages: Iterable[tuple[Any, int]]) -> dict[str, int]:
    """Return how often each value of each enumerated field was seen, given how often each whole value was.

    Phases, modes and the like that never occur are listed with a zero; of belief and truth together, only what occurs.
    """
    counts: Counter[str] = Counter()
    shareds, messages = list(shareds), list(messages)
    for kind in dict.fromkeys(type(value) for value, _ in (*shareds[:1], *messages[:1])):
        for attribute in _fields(kind):
            default = attribute.default[0] if isinstance(attribute.default, tuple) else attribute.default
            if isinstance(default, enum.Enum) and default is not attrs.NOTHING:
                counts.update({f"{attribute.name} is {wording(choice)}": 0 for choice in type(default)})
    for value, times in ((value, times) for value, times in chain(shareds, messages) if times):
        for feature in _features(value):
            counts[feature] += times
    return dict(counts)
