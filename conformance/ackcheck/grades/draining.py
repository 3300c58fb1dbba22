"""How long a message is to be hidden that is popped until its queue is empty: until after the last of these pops.

A quick target is popped for the shortest time. A slow one, or a slow machine, would never come to an end so: what the
first pop took would be due again before the last.

>>> pace = Pace()
>>> pace.hidden(since=7.0)
0.25
>>> pace.took(0.5); pace.hidden(since=7.0)
3.0
>>> pace.hidden(since=9.0)      # another queue: nothing is known of it yet
0.25
>>> pace.longer(), pace.hidden(since=9.0)   # it was not long enough to ack it all
(True, 0.5)
"""

from __future__ import annotations

from typing import Final

from attrs import define

from ackcheck.grades.workload import SHORT
from ackcheck.rig.errors import RigError

POPS: Final = 6
"""Pops that it may take until a queue is empty."""

LONGEST: Final = 15.0
"""Seconds that a message is hidden so, at most."""


BATCH: Final = 64
"""Most messages popped, and receipts acked, in one call; more where a queue could not be emptied else."""

RECORDED: Final = 32
"""Bytes, at least, of what says that a message was handed out, and settled."""

TOO_SLOW: Final = "messages keep coming: the target is too slow, or hands them out too early"
"""Why a queue is not empty in the end."""


DRAINING: Final = 30.0
"""Seconds after which a queue that still is not empty never will be."""


class QueueNeverEmpty(RigError):
    """A queue could not be popped empty, so nothing can be said of what did not come."""


def never_empty_after(seconds: float, queue: str) -> None:
    """Raise `QueueNeverEmpty` where a queue was popped for so long that it never will be."""
    if seconds > DRAINING:
        raise QueueNeverEmpty(f"{queue} was popped for {DRAINING:g} s, and {TOO_SLOW}")


def at_once(wanted: float, hidden: float, messages: int) -> int:
    """Return how many messages a pop asks for, of a queue that holds so many, if it is to empty it: all of them where
    the target cannot hide them for as long as is wanted.

    >>> at_once(0.25, 2.0, messages=100), at_once(3.0, 2.0, messages=100), at_once(3.0, 3.0, messages=100)
    (64, 100, 64)
    """
    return BATCH if hidden >= wanted else max(BATCH, messages)


@define
class Pace:
    """How slow the pops of one queue are, which is popped since a moment."""

    shortest: float = SHORT
    _since: float = 0.0
    _slowest: float = 0.0

    def hidden(self, since: float) -> float:
        """Return for how many seconds the next pop is to hide what it takes; the queue is popped since then."""
        if since != self._since:
            self._since, self._slowest = since, 0.0
        return min(max(self.shortest, POPS * self._slowest), LONGEST)

    def longer(self) -> bool:
        """Hide what is popped from now on for twice as long, at least; False where that would be too long."""
        if 2 * self.shortest > LONGEST / 2:
            return False
        self.shortest *= 2
        return True

    def took(self, seconds: float) -> None:
        """Note how long a pop took."""
        self._slowest = max(self._slowest, seconds)
