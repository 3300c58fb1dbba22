"""Which row each pair has, and the view of all tables that the kernels get.

A row is found by an index, not by hashing: for each slot there is room for every message beside every shared part. Most
of that stays empty, but a row itself takes many times as much, and an empty page takes nothing.

>>> from ackmodel import Config
>>> from ackexplore.table.layout import Layout
>>> from ackexplore.table.steptables import StepTables
>>> pairs = Pairs(StepTables(Config()))
>>> layout = Layout(widths=(4, 4))
>>> pairs.fill_for(layout.pack(np.array([pairs.steps.initial()])), layout)
>>> pairs.steps.rows.size
1
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import define, field

from ackexplore.table.kernels import Bits, Table, Tables, scan
from ackexplore.table.layout import Layout, Words
from ackexplore.table.steptables import MESSAGE_BITS, SLOT_BITS, StepTables

MISSING = 1 << 16


def _with_spare(count: int) -> int:
    return count + count // 4 + 16


def _parts_of(names: Bits) -> tuple[npt.NDArray[np.int64], Bits, Bits]:
    """Return the slot, the shared part and the message of each name; see `StepTables.pair_key`."""
    name = names - np.uint64(1)
    slot = (name & np.uint64((1 << SLOT_BITS) - 1)).astype(np.int64)
    message = name >> np.uint64(SLOT_BITS) & np.uint64((1 << MESSAGE_BITS) - 1)
    return slot, name >> np.uint64(SLOT_BITS + MESSAGE_BITS), message


@define(eq=False)
class Pairs:
    """Which row each pair has. A pair gets a row when the model has been asked about it."""

    steps: StepTables
    _rows: Table = field(init=False, factory=lambda: np.empty(0, dtype=np.int32))
    _room: tuple[int, ...] = field(init=False)
    _places: Bits = field(init=False)
    _names: list[npt.NDArray[np.uint64]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._room = (0,) * (len(self.steps.slots) + 1)
        self._make_room()

    @property
    def nbytes(self) -> int:
        """The memory of the index and of the step tables."""
        return int(self._rows.nbytes) + self.steps.nbytes

    def tables(self, layout: Layout) -> Tables:
        """Return the tables for the kernels, as they are now."""
        steps = self.steps
        return Tables(
            fields=layout.table,
            places=self._places,
            pair_rows=self._rows,
            rows=steps.rows.data,
            masks=steps.masks.data,
            local=steps.local.data,
            pointers=steps.pointers.data,
            outcomes=steps.outcomes.data,
            shared_casts=steps.shared_casts.data,
            casts=steps.casts.data,
            at_most=steps.at_most,
            alike=steps.alike,
            free=steps.free,
        )

    def add(self, names: npt.NDArray[np.uint64]) -> None:
        """Ask the model about pairs, each named once, and give each a row."""
        self.enter(names, self.ask(names))

    def ask(self, names: npt.NDArray[np.uint64]) -> int:
        """Ask the model about pairs, each named once; no kernel sees the answers before `enter` is called.

        Returns the row of the first.
        """
        first_row = self.steps.rows.size
        self.steps.fill(names.tolist())
        return first_row

    def enter(self, names: npt.NDArray[np.uint64], first_row: int) -> None:
        """Let kernels find the rows of pairs that the model was asked about."""
        self._names.append(names)
        if self._is_too_small:
            self._make_room()
        else:
            self._enter(names, first_row)

    @property
    def _is_too_small(self) -> bool:
        """Whether there are values that the index has no place for: a kernel would read beyond its end."""
        return any(count > room for count, room in zip(self.steps.counts, self._room, strict=True))

    def _make_room(self) -> None:
        """Index every value there is, with some to spare."""
        self._room = tuple(map(_with_spare, self.steps.counts))
        shareds, strides = self._room[0], np.array(self._room[1:], dtype=np.uint64)
        same = np.array(self.steps.stand_ins)
        rooms = np.where(same == np.arange(len(same)), strides * np.uint64(shareds), np.uint64(0))
        starts = np.concatenate([[0], np.cumsum(rooms)]).astype(np.uint64)
        self._places = np.stack([starts[same], strides, same.astype(np.uint64)], axis=1)
        self._rows = np.zeros(int(starts[-1]), dtype=np.int32)
        self._names = [np.concatenate(self._names)] if self._names else []
        if self._names:
            self._enter(self._names[0], 0)

    def each(self) -> Iterator[tuple[int, int, int]]:
        """Yield each pair in the order of the rows: its slot, and the numbers of the shared part and of the message."""
        for names in self._names:
            slots, shareds, messages = _parts_of(names)
            for slot, shared, message in zip(slots.tolist(), shareds.tolist(), messages.tolist(), strict=True):
                yield slot, shared, self.steps.slots[slot].to_model[message]

    def _enter(self, names: npt.NDArray[np.uint64], first_row: int) -> None:
        slot, shared, message = _parts_of(names)
        where = self._places[slot, 0] + shared * self._places[slot, 1] + message
        self._rows[where] = np.arange(first_row + 1, first_row + 1 + len(names), dtype=np.int32)

    def fill_for(self, states: Words, layout: Layout) -> None:
        """Make sure that every pair of some states has a row; the values may be of a checkpoint, and new here."""
        if self._is_too_small:
            self._make_room()
        missing = np.empty(MISSING, dtype=np.uint64)
        while listed := scan(states, 0, len(states), self.tables(layout), missing):
            self.add(np.unique(missing[: min(listed, MISSING)]))
