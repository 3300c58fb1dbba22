"""Whether the memory of this process stays flat.

Resident memory is sampled all the time. The first quarter is warm-up: allocators, caches and threads take what they
need. Of the rest, the median of the last third is held against the median of the first: what is lost a little at a time
shows as growth between the two, and a peak that passes does not.

>>> flat = Samples()
>>> for second in range(100):
...     flat.add(second, 50 * MIB + (second % 5) * 1024)
>>> flat.growth() < ALLOWED
True
>>> leaking = Samples()
>>> for second in range(100):
...     leaking.add(second, 50 * MIB + second * MIB // 4)
>>> leaking.growth() / MIB
12.5
"""

from __future__ import annotations

import os
from statistics import median

from attrs import Factory, define

from ackmodel.observe.remembered import forget_remembered
from ackstore.runtime.memory import resident_bytes

MIB = 1 << 20

ALLOWED = 8 * MIB
"""Bytes of growth after the warm-up that are still called flat: what allocators take and give back by themselves."""

WARM_UP = 0.25
"""Share of the time that does not count."""

LONG_ENOUGH = 20.0
"""Seconds of samples below which nothing is said: a process takes that long until it has what it needs."""

FORGETS = 1.0
"""Seconds after which the oracle forgets again."""

FEWEST = 3
"""Samples after the warm-up below which nothing is said."""


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


@define
class Samples:
    """Bytes resident, over time in seconds; of less than `least` seconds of them nothing is said."""

    least: float = LONG_ENOUGH
    taken: list[tuple[float, int]] = Factory(list)
    _forgot: float = float("-inf")

    def measure(self, at: float) -> None:
        """Note what is resident now. The oracle, in the same process, first forgets what it has only reckoned, once a
        second: that grows for minutes on a slow machine, and is not the store's."""
        if at - self._forgot >= FORGETS:
            self._forgot = at
            forget_remembered()
        self.add(at, resident_bytes())

    def add(self, at: float, size: int) -> None:
        """Note one."""
        self.taken.append((at, size))

    def judged(self) -> list[int]:
        """Return the sizes after the warm-up."""
        if not self.taken:
            return []
        first, last = self.taken[0][0], self.taken[-1][0]
        return [size for at, size in self.taken if at >= first + WARM_UP * (last - first)]

    def growth(self) -> int | None:
        """Return by how many bytes the last third is above the first; None where there are too few samples."""
        sizes = self.judged()
        if len(sizes) < FEWEST or self.taken[-1][0] - self.taken[0][0] < self.least:
            return None
        third = len(sizes) // 3
        return int(median(sizes[-third:]) - median(sizes[:third]))
