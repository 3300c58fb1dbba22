"""What is to be modelled: how many messages, which level, which policy, which faults, which rules.

>>> config = Config(messages=2, power_losses=1, rules={"rewrite-after-failure": False})
>>> sorted(config.without)
['rewrite-after-failure']
>>> Config(messages=0)
Traceback (most recent call last):
...
ackmodel.config.BadConfig: messages must be from 1 to 64, not 0
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import Attribute, evolve, field, frozen

from .rules import Rule, rule_named
from .stages import Level
from .state import Budget, Message, Shared

MOST_MESSAGES = 64
MOST_OF_A_FAULT = 64


class BadConfig(ValueError):
    """A setting is out of its range; the message names the setting and the range."""


class CommitPolicy(enum.Enum):
    """When the consumer offset may pass a message (specs/README.md)."""

    ACK = "ack"
    """Its ack is FLUSHED: the brokers with a cursor."""
    CHECKPOINT = "checkpoint"
    """A checkpoint that can redeliver it is FLUSHED, or its ack is: RocketMQ pop."""


def _between(low: int, high: int) -> Any:
    def check(_: object, attribute: Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadConfig(f"{attribute.name} must be from {low} to {high}, not {value!r}")

    return check


_Choice = TypeVar("_Choice", bound=enum.Enum)


def _one_of(choices: type[_Choice], value: object) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        names = ", ".join(repr(choice.value) for choice in choices)
        raise BadConfig(f"{choices.__name__} must be one of {names}, not {value!r}") from None


def _level(value: Level | str) -> Level:
    return _one_of(Level, value)


def _commit(value: CommitPolicy | str) -> CommitPolicy:
    return _one_of(CommitPolicy, value)


def _switched_off(rules: Mapping[str, bool] | frozenset[str]) -> frozenset[str]:
    names = rules if isinstance(rules, frozenset) else [name for name, on in rules.items() if not on]
    if not isinstance(rules, frozenset):
        for name in rules:
            rule_named(name)
    return frozenset(rule_named(name).name for name in names)


def _count(default: int, low: int, high: int) -> Any:
    return field(default=default, validator=_between(low, high))


@frozen(kw_only=True)
class Config:
    """One configuration of the model; every field has the unit "how many", but for the three last.

    `messages` in the queue; `deliveries` each may have; a budget for each fault; `degrade_after` consecutive failed
    syncs the store answers at DISK level; `level` the store answers at; `commit` policy; `rules` switched off, given
    as `{"name": False}` and kept as a set in `without`. Raises `BadConfig` or `UnknownRule`.
    """

    messages: int = _count(1, 1, MOST_MESSAGES)
    deliveries: int = _count(1, 1, MOST_OF_A_FAULT)
    process_crashes: int = _count(0, 0, MOST_OF_A_FAULT)
    power_losses: int = _count(0, 0, MOST_OF_A_FAULT)
    sync_failures: int = _count(0, 0, MOST_OF_A_FAULT)
    sync_timeouts: int = _count(0, 0, MOST_OF_A_FAULT)
    write_failures: int = _count(0, 0, MOST_OF_A_FAULT)
    degrade_after: int = _count(1, 1, MOST_OF_A_FAULT)
    level: Level = field(default=Level.PAGE_CACHE, converter=_level)
    commit: CommitPolicy = field(default=CommitPolicy.CHECKPOINT, converter=_commit)
    without: frozenset[str] = field(default=frozenset(), converter=_switched_off, alias="rules")

    def keeps(self, rule: Rule) -> bool:
        """Whether the protocol has `rule` switched on."""
        return rule.name not in self.without

    def dropping(self, rule: Rule) -> Config:
        """Return this configuration with `rule` switched off, and the settings that show what it is for."""
        changes: dict[str, Any] = {**rule.shown_by, "rules": self.without | {rule.name}}
        return evolve(self, **changes)

    def initial(self) -> tuple[Shared, tuple[Message, ...]]:
        """Return the state that everything begins in."""
        budget = Budget(
            process_crashes=self.process_crashes,
            power_losses=self.power_losses,
            sync_failures=self.sync_failures,
            sync_timeouts=self.sync_timeouts,
            write_failures=self.write_failures,
        )
        return Shared(budget=budget), tuple(Message(index=i) for i in range(self.messages))
