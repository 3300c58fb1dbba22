"""Whom a flush cycle waits for, so that one sync serves many clients: group commit.

Clients that have been answered mostly come again at once. Were the next cycle to begin with the first of them, the
others would wait for the one after it, and a sync would serve only half of them. So a cycle that answered several has
the next one wait until as many records are there again: for twice the time that the sync took at most, and for `MOST`
seconds. Clients that do not come again cost others that long once: where fewer than a third came, the next `ALONE`
cycles wait for nobody, and twice as many each time that it happens again.

>>> gathering = Gathering()
>>> gathering.begins(answered=2, last=7, now=5.0, took=0.0005)
>>> gathering.due(since=5.0, last=8), gathering.due(since=5.0, last=9)
(5.001, 5.0)
>>> gathering.ends(last=9); gathering.due(since=6.0, last=9)
6.0
"""

from __future__ import annotations

MOST = 0.002
"""Seconds that anybody is waited for, at most."""

ALONE, LONGEST_ALONE = 16, 1024
"""Cycles that wait for nobody after one that has in vain: at first, and at most."""


class Gathering:
    """The wait before one cycle of a log, and what came of the waits before."""

    def __init__(self) -> None:
        self.until: float | None = None
        """When the wait ends; None where there is none."""
        self.begun_at = self.all_there = 0
        """The last LSN when it began, and the one by which all have come again."""
        self.alone = 0
        """Cycles that are still to wait for nobody."""
        self.next_alone = ALONE
        """As many will, after the next that waits in vain."""

    def begins(self, answered: int, last: int, now: float, took: float) -> None:
        """Have the next cycle wait, after one that took so long and has answered so many; `last` is the last LSN."""
        if answered < 2:
            return
        if self.alone:
            self.alone -= 1
            return
        self.until = now + min(2 * took, MOST)
        self.begun_at, self.all_there = last, last + answered

    def due(self, since: float, last: int) -> float:
        """Return when the cycle is due for which somebody waits `since` then."""
        return since if self.until is None or last >= self.all_there else max(since, self.until)

    def ends(self, last: int) -> None:
        """Note that a cycle begins, whoever has come."""
        if self.until is None:
            return
        self.until = None
        if 3 * (last - self.begun_at) >= self.all_there - self.begun_at:
            self.next_alone = ALONE
        else:
            self.alone = self.next_alone
            self.next_alone = min(2 * self.next_alone, LONGEST_ALONE)
