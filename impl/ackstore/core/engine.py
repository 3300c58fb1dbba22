"""What drives a store needs to know of it, whether it has one log or several.

The threaded runtime and every simulator go through `Engine`: `ackstore.core.core.Core` is one, for a store with one
log, and `ackstore.core.sharded.Sharded` is the other. `open_engine` makes the right one from what a directory
holds.

>>> class Nothing:
...     def names(self): return []
...     def read(self, name): raise AssertionError(name)
>>> one = open_engine(Config(), Nothing(), now=0.0)
>>> four = open_engine(Config(logs=4), Nothing(), now=0.0)
>>> [effect.file for _io, effect in one.take_effects() + four.take_effects()[:2]]
['log-00000001.seg', 'log-1of4-00000001.seg', 'log-2of4-00000001.seg']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from ackstore.core.core import Core
from ackstore.core.effects import Effect, Result
from ackstore.core.queues import Queue
from ackstore.core.sharded import Sharded
from ackstore.format.recovery import Reader, recover
from ackstore.words.config import Config
from ackstore.words.identity import QueueId
from ackstore.words.replies import DeadLetter, Stage
from ackstore.words.requests import Request
from ackstore.words.stats import Stats


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


def open_engine(config: Config, reader: Reader, now: float, core_class: type[Core] = Core) -> Engine:
    """Take up what a directory holds; raises what `ackstore.format.recovery.recover` and `ackstore.core.replay.replay`
    raise.

    A variant, `core_class`, may say what is to hold its cores.
    """
    if config.logs == 1:
        return core_class(config, recover(config, reader), now)
    cores = [core_class(config.share(log), recover(config, reader, log), now) for log in range(1, config.logs + 1)]
    sharded = cast("type[Sharded]", core_class.sharded_class or Sharded)
    return sharded(config, cores, now)


def cores_of(engine: Engine) -> Sequence[Core]:
    """Return the core of each log."""
    if isinstance(engine, Sharded):
        return engine.cores
    assert isinstance(engine, Core)
    return (engine,)
