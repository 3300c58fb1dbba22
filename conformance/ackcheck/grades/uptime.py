"""For how long a target has been waited for, in time that it could use.

A store may take a moment to notice a deadline, and to write a dead letter (`session.PATIENCE`): if something that must
come is missing it is asked again for so long, and what may or may not be settled is held to be settled only if it does
not come for so long. That is time which the store has had since it was opened.

A machine that is very busy stands still for seconds: the target, or this process, or both. A target that nobody has
heard from meanwhile was not given that time, and may owe afterwards what was due before. So the time between two
answers counts for `MOST` at the most, and none of what came before the target was opened:

>>> uptime = Uptime()
>>> uptime.opened(100.0)
>>> for at in (100.25, 100.5, 107.0, 107.25):   # it stood still for more than six seconds
...     uptime.answered(at)
>>> uptime.since(0.5), uptime.since(1.25)
(100.5, -inf)
"""

from __future__ import annotations

from bisect import bisect_right

from attrs import Factory, define

MOST = 0.25
"""Seconds that pass between two answers, at most, as far as the target is concerned."""


@define
class Uptime:
    """When a target answered, and how much time it has had by then."""

    _at: list[float] = Factory(list)
    _had: list[float] = Factory(list)

    def opened(self, at: float) -> None:
        """Note that the target is up, at this time: what was before does not count."""
        self._at, self._had = [at], [0.0]

    def answered(self, at: float) -> None:
        """Note that it has answered something, at this time."""
        if self._at:
            self._had.append(self._had[-1] + min(max(at - self._at[-1], 0.0), MOST))
            self._at.append(max(at, self._at[-1]))

    def since(self, seconds: float) -> float:
        """Return the latest time since which the target had this many seconds; minus infinity where there is none."""
        if not self._had or self._had[-1] < seconds:
            return float("-inf")
        return self._at[bisect_right(self._had, self._had[-1] - seconds) - 1]
