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

from collections.abc import Callable, Collection
from typing import Final

from attrs import Factory, define

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
"""Seconds after which a queue that still is not empty never will be: from the first pop, or, where something has not
come that must, from the last pop in which a message came for the first time."""


class QueueNeverEmpty(RigError):
    """A queue could not be popped empty, so nothing can be said of what must have come and did not."""


def at_once(wanted: float, hidden: float, messages: int) -> int:
    """Return how many messages a pop asks for, of a queue that holds so many, if it is to empty it: all of them where
    the target cannot hide them for as long as is wanted.

    >>> at_once(0.25, 2.0, messages=100), at_once(3.0, 2.0, messages=100), at_once(3.0, 3.0, messages=100)
    (64, 100, 64)
    """
    return BATCH if hidden >= wanted else max(BATCH, messages)


@define
class Pace:
    """How slow the pops of one queue are, which is popped since a moment, and what has come of it."""

    shortest: float = SHORT
    _since: float = 0.0
    _slowest: float = 0.0
    _came: set[int] = Factory(set)
    _grew: float = 0.0
    """When a message came for the first time since then."""

    def hidden(self, since: float) -> float:
        """Return for how many seconds the next pop is to hide what it takes; the queue is popped since then."""
        if since != self._since:
            self._since, self._slowest, self._came, self._grew = since, 0.0, set(), since
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

    def is_endless(
        self, queue: str, now: float, given: Collection[int], misses: Callable[[Collection[int]], bool]
    ) -> bool:
        """Tell, of a pop that gave these, whether the queue never will be empty, though nothing is missing: what came
        first is due again before the last. Raise `QueueNeverEmpty` where something is, and nothing new comes.

        >>> pace = Pace()
        >>> pace.hidden(since=7.0)
        0.25
        >>> [pace.is_endless("orders", now, [0, 1], lambda came: 2 not in came) for now in (20.0, 50.0)]
        [False, False]
        >>> pace.is_endless("orders", 51.0, [1, 2], lambda came: 2 not in came)
        True
        """
        if not self._came.issuperset(given):
            self._came.update(given)
            self._grew = now
        if not given or now - self._since <= DRAINING:
            return False
        missing = misses(self._came)
        if missing and now - self._grew > DRAINING:
            raise QueueNeverEmpty(f"{queue}: after {now - self._since:.0f} s of pops {TOO_SLOW}")
        return not missing
