"""What can be seen of one message from outside the store: the alphabet of a history.

Times are seconds of the clock that the store is given; receipts are compared, never read.

>>> AckAnswered(op=7, reply=Reply.OK, at=1.5).reply.value
'OK'
"""

from __future__ import annotations

import enum
from typing import TypeAlias

from attrs import frozen


class Reply(enum.Enum):
    """How an operation ended (specs/README.md)."""

    OK = "OK"
    SETTLED = "SETTLED"
    """The message was already settled; nothing changed."""
    EXPIRED = "EXPIRED"
    """Not the receipt of the current delivery, or its deadline has passed."""
    FAILED = "FAILED"
    """Not stored, and never will be."""
    UNKNOWN = "UNKNOWN"
    """Timed out, or the store died first: stored or not."""
    BUSY = "BUSY"
    """Refused: over a limit."""
    INVALID = "INVALID"
    """Not a receipt of this store."""


@frozen
class Popped:
    """A pop was answered with this message, as its delivery number `attempt`; None where that is not told."""

    receipt: str
    at: float
    deadline: float
    attempt: int | None = None


@frozen
class PopUnanswered:
    """A pop that may have taken this message ended without saying so; it would have hidden it until `deadline`, or,
    where nobody knows when it took it, until some time from `earliest` to `deadline`."""

    deadline: float
    earliest: float | None = None


@frozen
class AckAsked:
    """An ack with this receipt was asked for, as operation `op`."""

    op: int
    receipt: str
    at: float


@frozen
class AckAnswered:
    """Operation `op` ended."""

    op: int
    reply: Reply
    at: float


@frozen
class RenewAsked:
    """A new deadline was asked for, as operation `op`, for the delivery with this receipt."""

    op: int
    receipt: str
    at: float
    deadline: float


@frozen
class ReleaseAsked:
    """The delivery with this receipt was to be given back, as operation `op`."""

    op: int
    receipt: str
    at: float


@frozen
class ResetAsked:
    """The offset of the queue was to be set, as operation `op`: `anew` says that this message is not below it."""

    op: int
    anew: bool


@frozen
class ChangeAnswered:
    """A renewal or a release, operation `op`, ended."""

    op: int
    reply: Reply
    at: float


@frozen
class ResetAnswered:
    """A reset, operation `op`, ended; OK says that it sticks, whatever happens."""

    op: int
    reply: Reply


@frozen
class MadeDurable:
    """A barrier that began after the OK returned, the durable callback ran, or the stage was seen FLUSHED; or the file
    system, which was in doubt when it was answered OK at level DISK, is seen not to have given up.

    `at` is when a callback ran. Its ack may have met a dead letter on its way, which then settled the message; an ack
    that was answered UNKNOWN never said which of them it was. A barrier and a stage speak of what was answered before,
    so they need no time.
    """

    by: str = "barrier"
    at: float = float("-inf")


@frozen
class Secured:
    """A barrier was answered OK that began after the delivery with this receipt, and these changes, were answered."""

    receipt: str
    ops: frozenset[int] = frozenset()
    by: str = "barrier"


@frozen
class Absent:
    """The queue was popped until it was empty, and this message did not come.

    `dead` says whether it was among the dead letters; None where those cannot be seen.
    """

    at: float
    dead: bool | None = None


@frozen
class DeadLettered:
    """The message was among the dead letters."""

    at: float


@frozen
class Discarded:
    """The store removed a file with the last record on the disk that spoke of this message."""

    file: str = ""


@frozen
class Damaged:
    """A file of the store was damaged while the store was closed: bytes in it that were on the disk, or all of it."""

    file: str = ""


@frozen
class ProcessCrashed:
    """The process died and was started again on the same directory; the page cache lived."""


@frozen
class PowerLost:
    """The machine lost power, and the store was started again; only what was synced was sure to live."""


@frozen
class Restarted:
    """The store was closed, answered OK to that, and was opened again. `proved` says that it is not in doubt what a
    sync is worth, so that all that it had done by then is on the disk."""

    proved: bool = True


@frozen
class ClockSetBack:
    """While the store was closed its clock was set back to within the time of these earlier deliveries, each with its
    deadline; `lost` says that there was a fault since the first of them which may have taken newer ones."""

    again: tuple[tuple[str, float], ...]
    lost: bool = False


@frozen
class WriteFailed:
    """A write returned an error."""


@frozen
class SyncEnded:
    """A sync returned success ("ok"), an error ("failed"), or has taken too long ("timed out")."""

    outcome: str


Event: TypeAlias = (
    Popped
    | PopUnanswered
    | AckAsked
    | AckAnswered
    | RenewAsked
    | ReleaseAsked
    | ResetAsked
    | ChangeAnswered
    | ResetAnswered
    | MadeDurable
    | Secured
    | Absent
    | DeadLettered
    | Discarded
    | Damaged
    | ProcessCrashed
    | PowerLost
    | Restarted
    | ClockSetBack
    | WriteFailed
    | SyncEnded
)
