"""What a client lost by a finding: the words in which brokers are set side by side.

A clause says which promise fell, and one clause may fall in several ways: after a power loss an ack may come back, a
message may be lost, or the store may not open at all. To who runs a broker these are not the same.

>>> from ackmodel import Clause
>>> effect_of(CannotOpen(Clause.SURVIVES_POWER_LOSS, "the store cannot be opened any more"))
<Effect.CANNOT_OPEN: 'cannot open'>
>>> effect_of(Broken(Clause.CLOSE_DRAINS, "3 calls have no answer"))
<Effect.OTHER: 'other'>
"""

from __future__ import annotations

from enum import StrEnum

from ackmodel import Clause
from ackmodel.observe.broken import Broken, CannotOpen
from ackmodel.observe.contract import ContractBroken
from ackmodel.observe.events import Absent, Popped


class Effect(StrEnum):
    """What became of a message, or of the store."""

    LOST = "lost"
    """A message that nobody has settled never came again."""
    RETURNED = "returned"
    """A message came again whose ack was answered OK."""
    DUPLICATED = "duplicated"
    """A message came to a second consumer while the first one still had it."""
    CANNOT_OPEN = "cannot open"
    """The store could not be opened on what it had written."""
    OTHER = "other"
    """An answer, an offset or a barrier that says what is not so."""


def effect_of(broken: Broken) -> Effect:
    """Return what a client lost when a clause broke."""
    if isinstance(broken, CannotOpen):
        return Effect.CANNOT_OPEN
    if not isinstance(broken.__cause__, ContractBroken):
        return Effect.OTHER
    match broken.__cause__.event:
        case Absent(dead=None | False):
            return Effect.LOST
        case Popped() if broken.clause is Clause.NO_LIMBO:  # under a number that it cannot have
            return Effect.OTHER
        case Popped():
            return Effect.DUPLICATED if broken.clause is Clause.DEADLINE_IS_EXACT else Effect.RETURNED
    return Effect.OTHER
