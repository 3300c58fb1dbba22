"""A state of the system: one shared part, and N equal messages.

>>> shared, message = Shared(), Message(index=0)
>>> message.phase, message.passed_by(shared.offset.volatile)
(<Phase.WAITING: 'waiting'>, False)
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from attrs import evolve, field, frozen

from .stages import ABSENT, Promise, Record


class Power(enum.Enum):
    """Whether the store runs, and if not, what stopped it."""

    UP = "up"
    CRASHED = "crashed"
    """The process died; the page cache lives."""
    LOST = "lost"
    """The machine lost power; only the disk lives."""


class Mode(enum.Enum):
    """How the store answers now: as configured, or only once the disk has the record."""

    ASYNC = "async"
    SYNC = "sync"


class Syncing(enum.Enum):
    """The sync of the log."""

    IDLE = "idle"
    RUNNING = "running"


class Phase(enum.Enum):
    """Where one message stands between the store and its consumers."""

    WAITING = "waiting"
    """Not handed out; the next pop may take it."""
    POPPING = "popping"
    """A pop took it; its checkpoint is not yet at the level of an answer."""
    DELIVERED = "delivered"
    """A consumer has it, and its deadline has not passed."""
    ACKING = "acking"
    """The consumer asked to ack it, and the operation has not ended."""
    DUE = "due"
    """Its deadline has passed; the next pop hands it out again."""
    SETTLED = "settled"
    """The store holds it for acknowledged, and will not hand it out again."""


@frozen
class Offset:
    """The consumer offset: how many messages of the queue it has passed.

    `volatile` is in memory, `cached` is what a process that opened the offset file would read, `disk` is what a
    machine that lost power now would read.
    """

    volatile: int = 0
    cached: int = 0
    disk: int = 0


@frozen
class Budget:
    """How many faults of each kind the environment may still inject."""

    process_crashes: int = 0
    power_losses: int = 0
    sync_failures: int = 0
    sync_timeouts: int = 0
    write_failures: int = 0


@frozen(cache_hash=True)
class Shared:
    """What the messages have in common.

    `failures` counts consecutive failed or timed-out syncs, up to the threshold of degrading. `late` says that a sync
    which the store has given up may still complete in the kernel.
    """

    power: Power = Power.UP
    mode: Mode = Mode.ASYNC
    syncing: Syncing = Syncing.IDLE
    late: bool = False
    failures: int = 0
    offset: Offset = Offset()
    budget: Budget = Budget()

    @property
    def up(self) -> bool:
        """Whether the store runs."""
        return self.power is Power.UP


@frozen(cache_hash=True)
class Message:
    """One message of the queue, the records about it, and the ghosts that no store sees.

    `delivery` numbers its deliveries from 1 (0: never handed out). `checkpoint` belongs to the newest delivery,
    `earlier` is the best of the checkpoints before it: what recovery falls back on while the newest is not durable.
    The ghosts: `asked` (the consumer of this delivery asked to ack it), `promise` (what the answers to it still
    promise).
    """

    index: int
    phase: Phase = Phase.WAITING
    delivery: int = 0
    checkpoint: Record = ABSENT
    earlier: Record = ABSENT
    ack: Record = ABSENT
    asked: bool = field(default=False, metadata={"ghost": True})
    promise: Promise = field(default=Promise.NOTHING, metadata={"ghost": True})

    @property
    def records(self) -> tuple[Record, Record, Record]:
        """The records about this message: (checkpoint, earlier, ack)."""
        return (self.checkpoint, self.earlier, self.ack)

    def with_records(self, change: Callable[[Record], Record]) -> Message:
        """Return the message with `change` applied to each of its records."""
        return evolve(
            self,
            checkpoint=change(self.checkpoint),
            earlier=change(self.earlier),
            ack=change(self.ack),
        )

    def passed_by(self, offset: int) -> bool:
        """Whether a consumer offset of `offset` has passed this message."""
        return self.index < offset
