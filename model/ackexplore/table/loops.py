"""Chooses between the loops for states of one word and those for longer ones."""

from __future__ import annotations

from ackexplore.table.kernels import Buffers, Tables, Tally
from ackexplore.table.layout import Words

from . import narrow, wide


def expand(states: Words, low: int, high: int, tables: Tables, buffers: Buffers, tally: Tally) -> int:
    """Put every successor of states[low:high] into the buffers; stop when one might overflow.

    Returns the index of the first state that was not expanded, or -1 - index if no buffer can hold its successors.
    """
    if states.shape[1] > 1:
        return int(wide.expand(states, low, high, tables, buffers, tally))
    return int(
        narrow.expand(
            states,
            low,
            high,
            tables.fields[:, 1].copy(),
            tables.fields[:, 2].copy(),
            tables.places[:, 0].copy(),
            tables.places[:, 1].copy(),
            tables.pair_rows,
            tables.rows,
            tables.masks,
            tables.local,
            tables.pointers,
            tables.outcomes,
            tables.shared_casts,
            tables.casts,
            *buffers,
            *tally,
            tables.at_most,
            tables.alike,
        )
    )


def insert(table: Words, keys: Words, new: Words, new_count: int) -> int:
    """Insert states into a hash table, and append the new ones to `new`; see `ackexplore.table.narrow.insert`."""
    loop = narrow.insert if table.shape[1] == 1 else wide.insert
    return int(loop(table, keys, new, new_count))
