"""What a store provides to be judged in the simulated grade: its I/O is handed out, and completed from outside.

A stepped target does no I/O, has no clock and starts no thread. It is told the time with every call; it hands out what
it wants done with `take`, and is told each result with `finish`, in any order, late, or never. Reading files is direct.

>>> Io(id=1, action="write", file="log", at=40, data=b"abc").describe()
'write log @40, 3 bytes'
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from attrs import Factory, field, frozen

from ackmodel.observe.broken import Key
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered

Action = Literal["create", "write", "sync", "sync_directory", "rename", "unlink"]


@frozen
class Io:
    """One thing that the target wants done; `id` is its own, and comes back with the result.

    `acks` are the receipts whose acks a write holds, `messages` those (queue and offset) that its records speak of;
    None where the target does not say. `purposes` are words of `ackcheck.sim.aims.PURPOSES`: what this is for, so that
    a fault can be aimed at it; where there is none, the action is.
    """

    id: int
    action: Action
    file: str = ""
    at: int = 0
    data: bytes = field(default=b"", repr=False)
    target: str = ""
    acks: tuple[str, ...] | None = field(default=None, repr=False)
    messages: tuple[Key, ...] | None = field(default=None, repr=False)
    purposes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def syncs(self) -> bool:
        """Whether this is a sync of a file or of the directory."""
        return self.action in ("sync", "sync_directory")

    def describe(self) -> str:
        """Return it in the words of a history."""
        match self.action:
            case "write":
                return f"write {self.file} @{self.at}, {len(self.data)} bytes"
            case "rename":
                return f"rename {self.file} to {self.target}"
            case "sync_directory":
                return "sync the directory"
        return f"{self.action} {self.file}"


@frozen
class Ended:
    """An operation ended: with a reply, and for a pop with deliveries, for a batch with a reply an item."""

    op: int
    reply: Reply
    deliveries: tuple[Delivered, ...] = ()
    replies: tuple[Reply, ...] = ()


@frozen
class BecameDurable:
    """The durable callback of an ack ran."""

    op: int


@frozen
class Wear:
    """For how long a store was used: the first message of each queue was handed out so many times, the store opened so
    often, and each queue reset."""

    attempts: int
    opens: int
    resets: int


Told: TypeAlias = Io | Ended | BecameDurable


@frozen
class Outcome:
    """The result of an I/O: success, or an error and how many bytes were written before it."""

    error: int = 0
    written: int = 0

    @property
    def ok(self) -> bool:
        """Whether it is success."""
        return not self.error

    def describe(self) -> str:
        """Return it in the words of a history."""
        return "ok" if self.ok else errno.errorcode[self.error]


@frozen
class Look:
    """What a target shows of itself; a field that is None cannot be seen, and what needs it is not judged.

    `offsets` by queue; `unflushed` counts records that are not flushed; `outstanding` is zero throughout when there is
    nothing to do; `flushed` says, for each receipt whose ack was accepted, whether the store believes it flushed.
    """

    offsets: Mapping[str, Sighting] | None = None
    unflushed: int | None = None
    outstanding: Mapping[str, float] = Factory(dict)
    limits: Mapping[str, float] = Factory(dict)
    flushed: Mapping[str, bool] | None = None
    space: float | None = None
    """How many bytes its files hold at most when everything is settled, flushed and committed."""


class Directory(Protocol):
    """What a target reads when it opens."""

    def names(self) -> list[str]:
        """Return the names of the files."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""


class SteppedTarget(Protocol):
    """A store whose I/O is handed to the simulation. `now` is in seconds, and never goes back.

    It may also have the methods of `Extended`, each by itself, and an attribute `max_attempts`: the number of
    deliveries after which it dead-letters a message. What it has not got is not judged.
    """

    def open(self, directory: Directory, now: float) -> None:
        """Take up what the directory holds; raise if it cannot be opened."""

    def publish(self, queue: str, end: int, now: float) -> None:
        """Note that `queue` holds the messages 0 to `end` - 1."""

    def pop(self, op: int, queue: str, count: int, invisible: float, now: float) -> None:
        """Begin operation `op`: hand out up to `count` messages."""

    def ack(self, op: int, receipts: Sequence[str], now: float) -> None:
        """Begin operation `op`: settle one delivery, or several as one batch."""

    def flush(self, op: int, now: float) -> None:
        """Begin operation `op`: a barrier."""

    def close(self, op: int, now: float) -> None:
        """Begin operation `op`: drain, and end."""

    def take(self) -> list[Told]:
        """Return what is new: I/O to be done, operations that ended."""

    def finish(self, io: int, outcome: Outcome, now: float) -> None:
        """Take the result of an I/O."""

    def tick(self, now: float) -> None:
        """Do what the time asks for."""

    def next_tick(self) -> float | None:
        """Return when `tick` matters next."""

    def look(self, receipts: Sequence[str]) -> Look:
        """Show what can be seen; `receipts` are the ones asked about."""


class Extended(SteppedTarget, Protocol):
    """What a stepped target may offer beyond the rest."""

    max_attempts: int | None
    write_now: Callable[[Io], Outcome]
    """Set by the simulation: does a write at once, for a target that writes in the thread of its client."""

    def renew(self, op: int, receipt: str, invisible: float, now: float) -> None:
        """Begin operation `op`: hide a delivery for so long from now."""

    def release(self, op: int, receipt: str, now: float) -> None:
        """Begin operation `op`: give a delivery back."""

    def pop_as(self, op: int, consumer: str, queue: str, count: int, invisible: float, now: float) -> None:
        """Begin operation `op`: as `pop`, by the consumer of this name."""

    def leave(self, op: int, consumer: str, now: float) -> None:
        """Begin operation `op`: a consumer goes, and what it has in hand is given back, and nothing else.

        It ends with one reply for each delivery that the consumer was handed since it came, in that order.
        """

    def reset(self, op: int, queue: str, offset: int, now: float) -> None:
        """Begin operation `op`: messages from `offset` on are as never handed out, those below it settled."""

    def worn(self, queues: Sequence[str], wear: Wear) -> Mapping[str, bytes]:
        """Return the files of a store that was used for so long, and closed; asked for before anything else."""

    def dead(self, queue: str) -> Sequence[int]:
        """Return the dead letters of a queue, by their offsets."""
