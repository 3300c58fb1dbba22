"""The hash table from pairs to rows, and the view of all tables that the kernels get.

>>> from ackmodel import Config
>>> from ackexplore.layout import Layout
>>> from ackexplore.steptables import StepTables
>>> pairs = Pairs(StepTables(Config()))
>>> layout = Layout(widths=(4, 4))
>>> pairs.fill_for(layout.pack(np.array([pairs.steps.initial()])), layout)
>>> pairs.steps.rows.size
1
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import define, field

from .kernels import Table, Tables, add_pairs, scan
from .layout import Layout, Words
from .steptables import StepTables

FIRST_CAPACITY = 1 << 10
MISSING = 1 << 16


@define(eq=False)
class Pairs:
    """Which row each pair has. A pair gets a row when the model has been asked about it."""

    steps: StepTables
    _keys: npt.NDArray[np.uint64] = field(init=False, factory=lambda: np.zeros(FIRST_CAPACITY, dtype=np.uint64))
    _rows: Table = field(init=False, factory=lambda: np.zeros(FIRST_CAPACITY, dtype=np.int32))
    _names: list[npt.NDArray[np.uint64]] = field(init=False, factory=list)
    _count: int = field(init=False, default=0)

    @property
    def nbytes(self) -> int:
        """The memory of the hash table and of the step tables."""
        return int(self._keys.nbytes + self._rows.nbytes) + self.steps.nbytes

    def tables(self, layout: Layout) -> Tables:
        """Return the tables for the kernels, as they are now."""
        steps = self.steps
        return Tables(
            fields=layout.table,
            pair_keys=self._keys,
            pair_rows=self._rows,
            rows=steps.rows.data,
            row_broken=steps.row_broken.data,
            local=steps.local.data,
            pointers=steps.pointers.data,
            outcomes=steps.outcomes.data,
            shared_casts=steps.shared_casts.data,
            casts=steps.casts.data,
            at_most=steps.at_most,
        )

    def add(self, names: npt.NDArray[np.uint64]) -> None:
        """Ask the model about pairs, some of which may be named twice, and give each a row."""
        names = np.unique(names)
        first_row = self.steps.rows.size
        self.steps.fill(names.tolist())
        self._names.append(names)
        self._count += len(names)
        if 2 * self._count > len(self._keys):
            capacity = len(self._keys)
            while 2 * self._count > capacity:
                capacity *= 2
            self._keys = np.zeros(capacity, dtype=np.uint64)
            self._rows = np.zeros(capacity, dtype=np.int32)
            names, first_row = np.concatenate(self._names), 0
            self._names = [names]
        add_pairs(self._keys, self._rows, names, first_row)

    def fill_for(self, states: Words, layout: Layout) -> None:
        """Make sure that every pair of some states has a row."""
        missing = np.empty(MISSING, dtype=np.uint64)
        occurrences = np.zeros((len(layout.widths), max(self.steps.counts)), dtype=np.int64)
        while listed := scan(states, 0, len(states), self.tables(layout), occurrences, missing):
            self.add(missing[: min(listed, MISSING)])
