"""A histogram with fixed bounds, as Prometheus wants it: how many values fell into each, and their sum.

>>> seconds = Histogram((0.001, 0.1))
>>> for value in (0.0005, 0.001, 0.05, 7.0):
...     seconds.observe(value)
>>> seconds.snapshot()
HistogramStats(bounds=(0.001, 0.1), counts=(2, 1, 1), sum=7.0515)
"""

from __future__ import annotations

from bisect import bisect_left

from attrs import frozen

SYNC_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for the time of a sync: from one that a drive's cache answers to one that hangs."""
BATCH_RECORDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0)
"""Bounds for the records that one sync covers."""


@frozen
class HistogramStats:
    """A histogram at one instant."""

    bounds: tuple[float, ...]
    """Upper bounds, inclusive, ascending."""
    counts: tuple[int, ...]
    """Values between a bound and the one before; one more than `bounds`, for those above all of them."""
    sum: float
    """Of all values."""

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: HistogramStats) -> HistogramStats:
        """Return both together; they have the same bounds."""
        counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        return HistogramStats(self.bounds, tuple(counts), self.sum + other.sum)


class Histogram:
    """Counts values by size."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def snapshot(self) -> HistogramStats:
        """Return the counts as they are now."""
        return HistogramStats(self.bounds, tuple(self.counts), self.sum)
