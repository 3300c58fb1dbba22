"""What the table engine counts while it goes.

>>> found, tally = Found(), new_tally()
>>> tally.hits[3] = 7
>>> found.add(tally, 0, in_step=True)
>>> found.edges, found.places
(7, {})
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import define, field

from ackexplore.interning import MOST_CLAUSES
from ackexplore.table.kernels import Counts, Table, Tally

MOST_ACTIONS = 128


def zeros(*shape: int) -> Counts:
    """Return counts that are all zero."""
    return np.zeros(shape, dtype=np.int64)


def new_tally(rows: int = 0, waiting: int = 0) -> Tally:
    """Return a tally of nothing, for one thread and one level: of so many pairs, with room for so many who wait."""
    return Tally(
        visits=zeros(rows),
        hits=zeros(MOST_ACTIONS),
        violations=zeros(MOST_CLAUSES),
        first=np.full(MOST_CLAUSES, -1, dtype=np.int64),
        waiting=zeros(1 + waiting),
    )


def _as_large(counts: Counts, other: Counts) -> Counts:
    """Return counts with as many fields and values as others have, at least."""
    grown = zeros(max(counts.shape[0], other.shape[0]), max(counts.shape[1], other.shape[1]))
    grown[: counts.shape[0], : counts.shape[1]] = counts
    return grown


@define(eq=False)
class Found:
    """What was counted so far.

    `places[bit]` is where a clause first fell: (level, index, whether in a step out of that state). `occurrences` tells
    how often each value of each field was seen: (fields, values). With symmetry, the sum of `unreduced` is how many
    states those seen stand for.
    """

    hits: Counts = field(factory=lambda: zeros(MOST_ACTIONS))
    violations: Counts = field(factory=lambda: zeros(MOST_CLAUSES))
    places: dict[int, tuple[int, int, bool]] = field(factory=dict)

    occurrences: Counts = field(factory=lambda: zeros(0, 0))
    unreduced: list[int] = field(factory=list)

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

    def add_occurrences(self, counted: Sequence[Counts]) -> None:
        """Add how often each thread saw the values in a level."""
        before, (fields, values) = self.occurrences, counted[0].shape
        self.occurrences = zeros(fields, max(values, before.shape[1]))
        self.occurrences[: len(before), : before.shape[1]] = before
        for own in counted:
            self.occurrences[:, :values] += own

    def merge(self, other: Found) -> None:
        """Add what another counted; where clauses fell is another's, and not taken over."""
        self.hits += other.hits
        self.violations += other.violations
        self.unreduced.append(sum(other.unreduced))
        self.add_occurrences([_as_large(other.occurrences, self.occurrences)])

    def add_local(self, visits: Counts, rows: Table, local: Table) -> None:
        """Count the local steps of pairs that were seen so often."""
        lengths = rows[: len(visits), 1] - rows[: len(visits), 0]
        taken = np.bincount(local[: int(lengths.sum()), 0], weights=np.repeat(visits, lengths), minlength=MOST_ACTIONS)
        self.hits += taken.astype(np.int64)
