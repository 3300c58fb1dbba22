"""How long calls have been waiting for their answers, on a machine that has other things to do as well.

Where this process gets no time, nobody can answer. So between two looks no more than `most` seconds count, however many
have passed: a watch that is itself late says that the machine is slow, and nothing of the store.

>>> watch = Watch(most=0.2)
>>> [watch.waited(now, [0.0, None]) for now in (0.1, 0.2, 9.0)]     # for almost nine seconds this process was stopped
[[(0, 0.0)], [(0, 0.1)], [(0, 0.3)]]
>>> watch.waited(9.1, [9.05, None]), watch.waited(9.2, [None, 9.15])      # other calls
([(0, 0.0)], [(1, 0.0)])
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, define


@define
class Watch:
    """Counts the seconds between looks, no more than `most` of each time."""

    most: float
    _counted: float = 0.0
    _looked: float | None = None
    _first_seen: dict[int, tuple[float, float]] = Factory(dict)
    """Of each client since when its call is under way, and the seconds that had been counted when that was seen."""

    def waited(self, now: float, since: Sequence[float | None]) -> list[tuple[int, float]]:
        """Return of each client whose call is under way how long it has been seen so, in seconds; `since` has the time
        at which the call of each began, None where none is under way."""
        if self._looked is not None:
            self._counted += min(now - self._looked, self.most)
        self._looked = now
        under_way = {number: began for number, began in enumerate(since) if began is not None}
        for number, began in under_way.items():
            if self._first_seen.get(number, (None, 0.0))[0] != began:
                self._first_seen[number] = began, self._counted
        return [(number, round(self._counted - self._first_seen[number][1], 3)) for number in under_way]
