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
    CLOSED = "closed"
    """The store was closed, and had drained before."""


class Mode(enum.Enum):
    """How the store answers now: as configured, or only once the disk has the record."""

    ASYNC = "async"
    SYNC = "sync"


class Syncing(enum.Enum):
    """The sync of one log."""

    IDLE = "idle"
    RUNNING = "running"
    CONFIRMING = "confirming"
    """It has returned success, and runs once more before it counts (`Config.confirm_syncs`)."""


class Phase(enum.Enum):
    """Where one message stands between the store and its consumers."""

    WAITING = "waiting"
    """Not handed out; the next pop may take it."""
    POPPING = "popping"
    """A pop took it; its checkpoint is not yet at the level of an answer."""
    DELIVERED = "delivered"
    """A consumer has it, and its deadline has not passed."""
    RENEWING = "renewing"
    """The consumer asked for a later deadline, or gave the delivery back, and the operation has not ended."""
    ACKING = "acking"
    """The consumer asked to ack it, and the operation has not ended; or a dead letter is being stored."""
    DUE = "due"
    """Its deadline has passed, or it was given back; the next pop hands it out again."""
    SETTLED = "settled"
    """The store holds it for acknowledged, and will not hand it out again."""


IN_FLIGHT = frozenset({Phase.POPPING, Phase.RENEWING, Phase.ACKING})


@frozen(cache_hash=True)
class Offset:
    """The consumer offset: how many messages of the queue it has passed.

    `volatile` is in memory, `cached` is what a process that opened the offset file would read, `disk` is what a
    machine that lost power now would read.
    """

    volatile: int = 0
    cached: int = 0
    disk: int = 0


@frozen(cache_hash=True)
class Budget:
    """How many faults of each kind the environment may still inject."""

    process_crashes: int = 0
    power_losses: int = 0
    sync_failures: int = 0
    sync_timeouts: int = 0
    write_failures: int = 0
    renewals: int = 0
    releases: int = 0
    restarts: int = 0
    resets: int = 0


@frozen(cache_hash=True)
class Shared:
    """What the messages have in common.

    Of each log: `syncing`; `late`, a sync that the store has given up may still complete in the kernel; `owed`, the
    kernel has lost bytes in a sync that returned success, and will say so in the next one. `failures` counts
    consecutive failed or timed-out syncs, up to the largest threshold. `inflight` counts operations that were taken up
    and have not ended, where there is a limit to them.
    """

    power: Power = Power.UP
    mode: Mode = Mode.ASYNC
    syncing: tuple[Syncing, ...] = (Syncing.IDLE,)
    late: tuple[bool, ...] = (False,)
    owed: tuple[bool, ...] = (False,)
    failures: int = 0
    inflight: int = 0
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
    `renewal` moves its deadline, to now if it was `released`, `earlier` is the best of the checkpoints before it: what
    recovery falls back on while the newest is not durable. `ack` settles the message; it is a dead letter if `dead`.
    `unrecorded` says that the message is settled and no record about it is left, or was ever written: the offset alone
    will tell.
    The ghosts: `asked` (the consumer of this delivery asked to ack it), `promise` and `renewed` (what the answers to
    its ack and to its renewal still promise), `garbled` (the ack is no longer what was submitted). Of these another
    delivery begins anew all but `promise`: what was said of an ack stands until a fault voids it.
    """

    index: int
    phase: Phase = Phase.WAITING
    delivery: int = 0
    checkpoint: Record = ABSENT
    earlier: Record = ABSENT
    ack: Record = ABSENT
    renewal: Record = ABSENT
    released: bool = False
    dead: bool = False
    unrecorded: bool = False
    asked: bool = field(default=False, metadata={"ghost": True})
    promise: Promise = field(default=Promise.NOTHING, metadata={"ghost": True})
    renewed: Promise = field(default=Promise.NOTHING, metadata={"ghost": True})
    garbled: bool = field(default=False, metadata={"ghost": True})

    @property
    def records(self) -> tuple[Record, Record, Record, Record]:
        """The records about this message: (checkpoint, earlier, ack, renewal)."""
        return (self.checkpoint, self.earlier, self.ack, self.renewal)

    @property
    def in_flight(self) -> bool:
        """Whether an operation about this message has not ended."""
        return self.phase in IN_FLIGHT

    def with_records(self, change: Callable[[Record], Record]) -> Message:
        """Return the message with `change` applied to each of its records."""
        return evolve(
            self,
            checkpoint=change(self.checkpoint),
            earlier=change(self.earlier),
            ack=change(self.ack),
            renewal=change(self.renewal),
        )

    def passed_by(self, offset: int) -> bool:
        """Tell whether a consumer offset of `offset` has passed this message."""
        return self.index < offset
