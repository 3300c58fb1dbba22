"""The settings of a store.

>>> Config(mode="sync").mode
'sync'
>>> Config(mode="fast")
Traceback (most recent call last):
    ...
ackstore.words.errors.ConfigInvalid: mode is 'fast': choose one of 'async', 'sync'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from attrs import Attribute, evolve, field, frozen

from ackstore.words.errors import ConfigInvalid, shown


def _one_of(*allowed: str) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_config: Any, attribute: Attribute[Any], value: Any) -> None:
        if value not in allowed:
            names = ", ".join(map(repr, allowed))
            raise ConfigInvalid(f"{attribute.name} is {shown(value)}: choose one of {names}")

    return check


def _whole(least: int, most: int | None = None) -> Callable[[Any, Attribute[Any], Any], None]:
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def check(_config: Any, attribute: Attribute[Any], value: Any) -> None:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise ConfigInvalid(f"{attribute.name} is {shown(value)}: give an integer {limits}")

    return check


def _count_or_none(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigInvalid(f"{attribute.name} is {shown(value)}: give an integer of at least 1, or None for no limit")


def _switch(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if type(value) is not bool:
        raise ConfigInvalid(f"{attribute.name} is {shown(value)}: give True or False")


def _seconds(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ConfigInvalid(f"{attribute.name} is {shown(value)}: give a positive number of seconds")


def _share(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ConfigInvalid(f"{attribute.name} is {shown(value)}: give a number from 0 to 1")


MOST_LOGS = 16
"""As many logs as a store may have."""


MOST_SEGMENT = 1 << 30
"""As large as a segment may be asked to grow: recovery has one of them in memory at a time."""


@frozen(kw_only=True)
class Config:
    """How a store behaves. Times are in seconds, sizes in bytes."""

    mode: Literal["async", "sync"] = field(default="async", validator=_one_of("async", "sync"))
    """When an operation is answered: once its record is CACHED (async) or FLUSHED (sync)."""

    commit: Literal["ack", "checkpoint"] = field(default="ack", validator=_one_of("ack", "checkpoint"))
    """What lets the consumer offset pass a message: its FLUSHED ack, or also a FLUSHED checkpoint
    of it.
    """

    logs: int = field(default=1, validator=_whole(1, MOST_LOGS))
    """Logs that the records are spread over, by queue; each is synced by itself, and all at once. A directory keeps
    the number that it was made with. `max_unflushed_records`, `max_unflushed_bytes`, `merge_messages` and
    `compact_above` are for all logs together, each of which gets an equal share; a log that fails degrades, refuses
    and recovers by itself.
    """

    flush_interval: float = field(default=0.1, validator=_seconds)
    """A CACHED record's sync begins at most this long after its write, though nothing new arrives.
    """

    offset_interval: float = field(default=0.5, validator=_seconds)
    """A moved consumer offset is written to the offset file at most this long after it moved."""

    drop_flushed: bool = field(default=True, validator=_switch)
    """Whether the page cache is told, after each MiB, that what syncs have covered need not be kept: nobody reads it
    before the store is opened again."""

    segment_bytes: int = field(default=64 << 20, validator=_whole(1, MOST_SEGMENT))
    """A segment that has reached this size is followed by a new one. Recovery takes as much memory."""

    merge: bool = field(default=False, validator=_switch)
    """Whether a first delivery's checkpoint and its ack may meet in memory and never be stored (level MEMORY). Only
    with mode 'async'.
    """

    merge_stay: float = field(default=3.0, validator=_seconds)
    """A checkpoint that is only in memory for this long is stored, and the acks that met it are."""

    merge_messages: int = field(default=100_000, validator=_whole(1))
    """Messages in the merge buffer, at most, each counted once, acked or not, until what is said of it is FLUSHED;
    beyond, checkpoints and acks are stored.
    """

    compact_above: int | None = field(default=128 << 20, validator=_count_or_none)
    """When the closed segments hold this many bytes, those in which nothing counts any more are removed, once what does
    is written again. None for only when there is no more room on the disk.
    """

    max_unflushed_records: int = field(default=200_000, validator=_whole(2))
    """Records not yet FLUSHED, at most: from half of it on, answers wait for the disk; at it, BUSY. An operation that
    comes below it is taken whole, a batch with a record for each of its queues.
    """

    max_unflushed_bytes: int = field(default=32 << 20, validator=_whole(2))
    """Bytes of records not yet FLUSHED, at most; halved as above."""

    max_outstanding: int = field(default=1_000_000, validator=_whole(1))
    """Messages of one queue kept in memory, at most; a pop of further new messages is BUSY."""

    max_queues: int = field(default=100_000, validator=_whole(1))
    """Queues, at most, of all logs together: publishing to another raises `TooManyQueues`. What recovery finds is kept.
    """

    max_callbacks: int = field(default=200_000, validator=_whole(1))
    """Durable callbacks that have not run to their end, at most; an ack with another is BUSY."""

    max_batch: int = field(default=4096, validator=_whole(1))
    """Messages in one pop, and receipts in one `ack_many`, at most."""

    max_attempts: int | None = field(default=None, validator=_count_or_none)
    """How often a message is handed out, at most: when the last delivery's deadline passes it becomes a dead letter.
    None for no limit.
    """

    max_dead: int = field(default=10_000, validator=_whole(1))
    """Dead letters of one queue that are listed, at most; the oldest are forgotten, and only counted."""

    op_timeout: float = field(default=10.0, validator=_seconds)
    """An operation without an outcome after this long ends as UNKNOWN."""

    sync_timeout: float = field(default=5.0, validator=_seconds)
    """A sync without a result after this long counts as failed, whatever it may return later."""

    retry_first: float = field(default=0.05, validator=_seconds)
    """Pause before the next sync after a failed one; doubled for each further failure."""

    retry_limit: float = field(default=5.0, validator=_seconds)
    """Longest such pause."""

    retry_jitter: float = field(default=0.2, validator=_share)
    """Up to this share is added to each pause, at random, so that stores on one disk do not retry
    in step.
    """

    degrade_after: int = field(default=3, validator=_whole(1))
    """After this many failed syncs in a row answers wait for the disk, until a sync succeeds."""

    max_sync_failures: int = field(default=8, validator=_whole(1))
    """After this many failed syncs in a row nothing new is accepted (BUSY), until a sync succeeds.
    """

    flush_threads: int = field(default=4, validator=_whole(1))
    """Threads that sync one log, at most; more than one are used only when a sync hangs past `sync_timeout`. While all
    of them hang no other sync is tried, so that there are never more copies of what is unflushed than this and one.
    """

    seed: int = field(default=0, validator=_whole(0))
    """Seed of the jitter: equal seeds and equal histories give equal effects."""

    def __attrs_post_init__(self) -> None:
        if self.merge and self.mode != "async":
            raise ConfigInvalid(
                f"merge is True and mode is {self.mode!r}: what stays in memory is only for mode 'async'"
            )
        for name, least in (("max_unflushed_records", 2), ("max_unflushed_bytes", 2), ("merge_messages", 1)):
            if getattr(self, name) < least * self.logs:
                found = shown(getattr(self, name))
                raise ConfigInvalid(f"{name} is {found} and logs is {self.logs}: give at least {least} for each log")

    def share(self, log: int) -> Config:
        """Return the settings of log `log`, numbered from 1, by itself.

        >>> config = Config(logs=4, max_unflushed_records=90)
        >>> config.share(2).max_unflushed_records, config.share(2).logs
        (22, 1)
        """
        most = self.compact_above
        return evolve(
            self,
            logs=1,
            max_unflushed_records=self.max_unflushed_records // self.logs,
            max_unflushed_bytes=self.max_unflushed_bytes // self.logs,
            merge_messages=self.merge_messages // self.logs,
            compact_above=None if most is None else max(most // self.logs, 1),
            seed=self.seed + log - 1,  # so that they do not retry in step
        )
