"""One message in somebody's hands: what a queue remembers of it.

>>> entry = Entry(offset=7, attempt=1, epoch=4, deadline=30.0)
>>> entry.may_return()
False
>>> entry.moving = False
>>> entry.may_return()
True
"""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from ackstore.fields.classes import EntryFields, RecordFields

RELEASED = 0.0
"""The deadline of a delivery that was released: always past, whatever the clock says after a restart."""

OPEN_BITS = 40
"""An epoch is the open of the store that handed a message out; above these bits, the number of resets of its queue."""
_OPEN = (1 << OPEN_BITS) - 1
MAX_GENERATION = (1 << 64 - OPEN_BITS) - 1
"""No queue is reset more often, so that an epoch fits in a record and in a receipt."""
MAX_ATTEMPT = 2**32 - 1
"""No message is handed out more often."""


@lru_cache(maxsize=4096)  # one integer object for all deliveries of an epoch
def epoch_of(generation: int, opened: int) -> int:
    """Return the epoch of deliveries by the open numbered `opened`, of a queue that was reset `generation` times.

    >>> epoch_of(0, 7), epoch_of(1, 7) > epoch_of(0, 8)
    (7, True)
    """
    return generation << OPEN_BITS | opened


def generation_of(epoch: int) -> int:
    """Return how many times the queue had been reset when a delivery of this epoch was made."""
    return epoch >> OPEN_BITS


def open_of(epoch: int) -> int:
    """Return which open of the store made a delivery of this epoch."""
    return epoch & _OPEN


class Entry(EntryFields):
    """A message that was handed out and is not yet below the floor."""

    __slots__ = ()

    def __init__(self, offset: int, attempt: int, epoch: int, deadline: float) -> None:
        self.offset = offset
        self.attempt = attempt
        """Which delivery this is, from 1."""
        self.epoch = epoch
        """Which open of the store handed it out, after how many resets of the queue (see `epoch_of`)."""
        self.deadline = deadline
        self.moving = True
        """The checkpoint of this delivery is not CACHED yet."""
        self.renewing = False
        """A new deadline of this delivery is not CACHED yet."""
        self.held = False
        """The checkpoint of this delivery is only in the merge buffer, and its ack may meet it there."""
        self.timed = False
        """A heap of deadlines holds this delivery's."""
        self.saved = False
        """Some checkpoint of this message is FLUSHED: it can be handed out again after power
        loss."""
        self.ack: RecordFields | None = None
        """The ack on its way, or the DEAD record; None before, and after it is FLUSHED or has failed."""
        self.settled = False
        """The ack is FLUSHED."""

    def may_return(self) -> bool:
        """Tell whether the message may be handed out again once its deadline has passed."""
        return self.ack is None and not self.settled and not self.moving and not self.renewing


@frozen
class Claim:
    """A message taken for a delivery, and the delivery before it (None: it was new or free)."""

    entry: Entry
    before: tuple[int, int, float] | None
    """Attempt, epoch and deadline."""
