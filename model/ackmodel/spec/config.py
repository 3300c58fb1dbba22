"""What is to be modelled: how many messages, which level, which policy, which faults, which rules.

>>> config = Config(messages=2, power_losses=1, rules={"rewrite-after-failure": False})
>>> sorted(config.without)
['rewrite-after-failure']
>>> try:
...     Config(messages=0)
... except BadConfig as error:
...     print(error)
messages must be from 1 to 64, not 0
>>> try:
...     Config.of({"mesages": 2})
... except BadConfig as error:
...     print(error)
no setting 'mesages'; did you mean 'messages'?
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import Attribute, evolve, field, fields, frozen

from .nearest import nearest
from .rules import Rule, rule_named
from .stages import Level, Truth
from .state import Budget, Message, Shared, Syncing

MOST_MESSAGES = 64
MOST_OF_A_FAULT = 64
MOST_LOGS = 4


class BadConfig(ValueError):
    """A setting is out of its range; the message names the setting and the range."""


class CommitPolicy(enum.Enum):
    """When the consumer offset may pass a message (specs/README.md)."""

    ACK = "ack"
    """Its ack is FLUSHED: the brokers with a cursor."""
    CHECKPOINT = "checkpoint"
    """A checkpoint that can redeliver it is FLUSHED, or its ack is: RocketMQ pop."""


class SyncError(enum.Enum):
    """Which sync reports that bytes were lost (Rebello et al., USENIX ATC 2020)."""

    ONCE = "once"
    """The one that lost them, and no other."""
    EACH = "each"
    """That one, and every later one until the bytes have been written again."""
    LATE = "late"
    """The one after it: the one that lost them returns success."""


class FailedPage(enum.Enum):
    """What can be read where a failed sync has lost bytes, until they are written again or the machine stops."""

    KEPT = "kept"
    """The bytes: they are in the page cache, marked clean (ext4, XFS)."""
    REVERTED = "reverted"
    """What the disk has: nothing, as a log only grows (Btrfs)."""


class InPlace(enum.Enum):
    """What becomes of bytes that are written again at the place where a failed sync has lost them."""

    KEPT = "kept"
    """They are as any other bytes: the next sync that succeeds has them on the disk."""
    LOST = "lost"
    """That sync succeeds, and they are not on the disk: the block stays marked unwritten (ext4 since Linux 6.15)."""


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


def _on_or_off(_: object, attribute: Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise BadConfig(f"{attribute.name} must be True or False, not {value!r}")


# One function for each enum: mypy takes the type of an argument from a converter with a name only.
def _level(value: Level | str) -> Level:
    return _one_of(Level, value)


def _commit(value: CommitPolicy | str) -> CommitPolicy:
    return _one_of(CommitPolicy, value)


def _sync_error(value: SyncError | str) -> SyncError:
    return _one_of(SyncError, value)


def _failed_page(value: FailedPage | str) -> FailedPage:
    return _one_of(FailedPage, value)


def _in_place(value: InPlace | str) -> InPlace:
    return _one_of(InPlace, value)


def _switched_off(rules: Mapping[str, bool] | frozenset[str]) -> frozenset[str]:
    names = rules if isinstance(rules, frozenset) else [name for name, on in rules.items() if not on]
    if not isinstance(rules, frozenset):
        for name in rules:
            rule_named(name)
    return frozenset(rule_named(name).name for name in names)


def _count(default: int, low: int, high: int) -> Any:
    return field(default=default, validator=_between(low, high))


def _budget() -> Any:
    return _count(0, 0, MOST_OF_A_FAULT)


def _switch() -> Any:
    return field(default=False, validator=_on_or_off)


@frozen(kw_only=True, cache_hash=True)
class Config:
    """One configuration of the model. Raises `BadConfig` or `UnknownRule`.

    How many: `messages` in the queue, `deliveries` each may have, `logs` (flush threads) that the messages are
    partitioned into; of each budget how many such faults (or renewals, releases, clean restarts, resets of the offset)
    there may be. After `degrade_after` consecutive failed syncs the store answers at DISK level; after `refuse_after`
    it refuses (0: never). At most `limit` operations are in flight (0: no limit, and not counted).

    `level` is what the store answers at, `commit` when the offset may pass, `sync_error`, `failed_page` and `in_place`
    how syncs fail here, `confirm_syncs` whether a sync counts only when another one after it has succeeded too. The
    switches: `dead_letters` settle what was delivered often enough; the `merge_buffer` never writes a checkpoint and an
    ack that meet in memory; `compaction` discards records; `careless` consumers ack late, twice, and what they gave
    back, and write into what they have submitted; `uncommitted` leaves the offset where it began, so that the messages
    of a log are alike, and nothing is said of the offset. `rules` are switched off as `{"name": False}`, kept as a set
    in `without`.
    """

    messages: int = _count(1, 1, MOST_MESSAGES)
    deliveries: int = _count(1, 1, MOST_OF_A_FAULT)
    process_crashes: int = _budget()
    power_losses: int = _budget()
    sync_failures: int = _budget()
    sync_timeouts: int = _budget()
    write_failures: int = _budget()
    renewals: int = _budget()
    releases: int = _budget()
    restarts: int = _budget()
    resets: int = _budget()
    degrade_after: int = _count(1, 1, MOST_OF_A_FAULT)
    refuse_after: int = _count(0, 0, MOST_OF_A_FAULT)
    limit: int = _count(0, 0, MOST_MESSAGES)
    logs: int = _count(1, 1, MOST_LOGS)
    level: Level = field(default=Level.PAGE_CACHE, converter=_level)
    commit: CommitPolicy = field(default=CommitPolicy.CHECKPOINT, converter=_commit)
    sync_error: SyncError = field(default=SyncError.ONCE, converter=_sync_error)
    failed_page: FailedPage = field(default=FailedPage.KEPT, converter=_failed_page)
    in_place: InPlace = field(default=InPlace.KEPT, converter=_in_place)
    confirm_syncs: bool = _switch()
    dead_letters: bool = _switch()
    merge_buffer: bool = _switch()
    compaction: bool = _switch()
    careless: bool = _switch()
    uncommitted: bool = _switch()
    without: frozenset[str] = field(default=frozenset(), converter=_switched_off, alias="rules")

    def __attrs_post_init__(self) -> None:
        if self.logs > self.messages:
            raise BadConfig(f"{self.logs} logs for {self.messages} messages: set messages to at least as many as logs")
        if 0 < self.refuse_after < self.degrade_after:
            raise BadConfig(
                f"refuse_after ({self.refuse_after}) comes before degrade_after ({self.degrade_after}): "
                "set it to at least as many, or to 0 for never"
            )
        if self.merge_buffer and self.level is not Level.MEMORY:
            raise BadConfig(f"a merge buffer answers from memory: set level to 'memory', not {self.level.value!r}")
        if self.uncommitted and (self.merge_buffer or self.compaction):
            raise BadConfig("a merge buffer and compaction rely on the offset: switch them off, or uncommitted off")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Config:
        """Return the configuration of settings by name; `BadConfig` offers the nearest to a name that there is not."""
        names = [item.alias for item in fields(cls)]
        for name in settings:
            if name not in names:
                raise BadConfig(f"no setting {name!r}; {nearest(name, names, 'they are')}")
        return cls(**settings)

    @property
    def lost(self) -> Truth:
        """Where bytes are that a failed sync has lost."""
        return Truth.PHANTOM if self.failed_page is FailedPage.KEPT else Truth.NOWHERE

    def keeps(self, rule: Rule) -> bool:
        """Tell whether the protocol has `rule` switched on."""
        return rule.name not in self.without

    def dropping(self, rule: Rule) -> Config:
        """Return this configuration with `rule` switched off, and the settings that show what it is for."""
        changes: dict[str, Any] = {**rule.shown_by, "rules": self.without | {rule.name}}
        changes["uncommitted"] = False
        changes["logs"] = min(changes.get("logs", self.logs), changes.get("messages", self.messages))
        if changes.get("level", self.level) is not Level.MEMORY:
            changes["merge_buffer"] = False
        return evolve(self, **changes)

    def initial(self) -> tuple[Shared, tuple[Message, ...]]:
        """Return the state that everything begins in."""
        budget = Budget(**{item.name: getattr(self, item.name) for item in fields(Budget)})
        none = (False,) * self.logs
        shared = Shared(syncing=(Syncing.IDLE,) * self.logs, late=none, owed=none, budget=budget)
        return shared, tuple(Message(index=i) for i in range(self.messages))
