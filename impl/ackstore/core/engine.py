"""What drives a store needs to know of it, whether it has one log or several.

The threaded runtime and every simulator go through `Engine`: `ackstore.core.core.Core` is one, for a store with one
log, and `ackstore.core.sharded.Sharded` is the other. `ackstore.core.sharded.open_engine` makes the right one from what
a directory holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ackstore.core.effects import Effect, Result
from ackstore.core.flusher import Flusher
from ackstore.core.log import Log
from ackstore.core.offsets import Offsets
from ackstore.core.operations import Operations
from ackstore.core.queues import Queue
from ackstore.fields.classes import MergeFields
from ackstore.words.config import Config
from ackstore.words.identity import QueueId
from ackstore.words.replies import DeadLetter, Stage
from ackstore.words.requests import Request
from ackstore.words.stats import Recovery, Stats


class Room(Protocol):
    """What is kept in reserve on the disk, in bytes, and what the log takes up (see `ackstore.core.space`)."""

    @property
    def reserved(self) -> int:
        """In the reserve."""

    @property
    def size(self) -> int:
        """In the log."""


class OneLog(Protocol):
    """What is seen of the core of one log by whoever watches it, or passes it by on the fast path."""

    now: float
    config: Config
    log: Log
    flusher: Flusher
    offsets: Offsets
    operations: Operations
    recovery: Recovery
    queues: dict[str, Queue]

    def collect(self) -> None:
        """See `Engine.collect`."""

    @property
    def merge(self) -> MergeFields:
        """Its merge buffer."""

    @property
    def space(self) -> Room:
        """Its room on the disk."""


class Engine(Protocol):
    """A store without threads, clocks and files. Its methods are described at `ackstore.core.core.Core`."""

    now: float
    """The latest time that it was told."""

    @property
    def effects(self) -> list[tuple[int, Effect]]:
        """What `take_effects` will return. A driver that performs effects at once may work off this list in place."""

    @property
    def pools(self) -> int:
        """Into how many pools the effects fall: an effect with I/O id n is of pool n modulo this. Those of one pool may
        have to wait for each other, and those of different pools should not."""

    @property
    def cores(self) -> Sequence[OneLog]:
        """The core of each log."""

    def log_of(self, receipt: Any) -> int:
        """Return which log, counted from 0, a receipt's queue is in; any for what is no receipt."""

    def collect(self) -> None:
        """Take up what the cores ask for, where they are others than this."""

    @property
    def queues(self) -> Mapping[str, Queue]:
        """By token."""

    @property
    def closing(self) -> Any:
        """None until a `Close` was submitted."""

    @property
    def closed(self) -> bool:
        """Whether nothing happens any more."""

    def submit(self, op: int, request: Request, now: float, timeout: float | None = None) -> None:
        """Take a request."""

    def complete(self, io: int, result: Result, now: float) -> None:
        """Take the result of an effect."""

    def give_up(self, op: int) -> None:
        """End an operation whose client waits no longer."""

    def tick(self, now: float) -> None:
        """Do what is due at `now`."""

    def next_tick(self) -> float | None:
        """Return when `tick` will next have something to do."""

    def take_effects(self) -> list[tuple[int, Effect]]:
        """Return the effects that came up since the last call."""

    def stage(self, receipt: str) -> Stage | None:
        """Return how far the ack of a message has come."""

    def dead_letters(self, queue: QueueId) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a queue."""

    def stats(self, *, count: bool = True) -> Stats:
        """Return what there is to see."""
