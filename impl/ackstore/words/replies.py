"""The words a store answers with.

>>> Reply("OK") is Reply.OK
True
>>> Stage.FLUSHED.survives_power_loss, Stage.CACHED.survives_power_loss
(True, False)
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Reply(Enum):
    """How an operation ended (clauses `reply-after-stage`, `reply-never-false`)."""

    OK = "OK"
    """Done, and stored to the stage the mode promises: CACHED in async mode, FLUSHED in sync mode.
    """
    SETTLED = "SETTLED"
    """The message was already settled, to the stage the mode promises; nothing changed."""
    EXPIRED = "EXPIRED"
    """Not the current delivery's receipt, or its deadline has passed; nothing changed."""
    FAILED = "FAILED"
    """Certainly not stored; nothing changed."""
    UNKNOWN = "UNKNOWN"
    """No outcome within the time allowed: it may be stored, now or later, or not."""
    BUSY = "BUSY"
    """Refused, and not stored: the store is over a limit, or its disk has been failing. Try again
    later.
    """
    INVALID = "INVALID"
    """Not a receipt this store has issued, or a receipt of another queue; nothing changed."""


class Stage(Enum):
    """How far a record has come on its way to the disk."""

    PENDING = "PENDING"
    """Accepted, only in the process's memory."""
    CACHED = "CACHED"
    """Written, in the operating system's page cache."""
    FLUSHING = "FLUSHING"
    """CACHED, and a sync that covers it is running."""
    SUSPECT = "SUSPECT"
    """CACHED, but a sync that covered it failed or timed out, and it has not been written again
    yet.
    """
    FLUSHED = "FLUSHED"
    """A sync that began after the write has returned success."""
    COMMITTED = "COMMITTED"
    """FLUSHED, and the consumer offset on disk is past it."""

    @property
    def survives_power_loss(self) -> bool:
        """Whether a record at this stage is certain to be found again after power loss."""
        return self in (Stage.FLUSHED, Stage.COMMITTED)


@frozen
class DeadLetter:
    """One message that nobody settled in the attempts allowed: it was handed out `attempts` times, and given up at
    `when` (wall clock, seconds).
    """

    offset: int
    attempts: int
    when: float
