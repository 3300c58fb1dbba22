"""What the table engine counts while it goes.

>>> found, tally = Found(), new_tally()
>>> tally.hits[3] = 7
>>> found.add(tally, 0, in_step=True)
>>> found.edges, found.places
(7, {})
"""

from __future__ import annotations

import numpy as np
from attrs import define, field

from .interning import CLAUSES
from .kernels import Counts, Tally

MOST_ACTIONS = 64


def zeros(*shape: int) -> Counts:
    """Return counts that are all zero."""
    return np.zeros(shape, dtype=np.int64)


def new_tally() -> Tally:
    """Return a tally of nothing, for one thread and one level."""
    first = np.full(len(CLAUSES), -1, dtype=np.int64)
    return Tally(hits=zeros(MOST_ACTIONS), violations=zeros(len(CLAUSES)), first=first)


@define(eq=False)
class Found:
    """What was counted so far.

    `places[bit]` is where a clause first fell: (level, index, whether in a step out of that state).
    `occurrences` counts each value of each field: (fields, values).
    """

    hits: Counts = field(factory=lambda: zeros(MOST_ACTIONS))
    violations: Counts = field(factory=lambda: zeros(len(CLAUSES)))
    places: dict[int, tuple[int, int, bool]] = field(factory=dict)
    occurrences: Counts = field(factory=lambda: zeros(0, 0))

    @property
    def edges(self) -> int:
        """How many transitions there were."""
        return int(self.hits.sum())

    def add(self, tally: Tally, level: int, *, in_step: bool) -> None:
        """Add what a thread counted in a level."""
        self.hits += tally.hits
        self.violations += tally.violations
        for bit in np.flatnonzero(tally.first >= 0).tolist():
            self.places.setdefault(bit, (level, int(tally.first[bit]), in_step))

    def add_occurrences(self, more: Counts) -> None:
        """Add counts of values; there may be more values than before, never fewer."""
        if more.shape != self.occurrences.shape:
            grown = np.zeros_like(more)
            grown[: len(self.occurrences), : self.occurrences.shape[1]] = self.occurrences
            self.occurrences = grown
        self.occurrences += more
