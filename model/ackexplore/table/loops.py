"""Chooses between the loop for states of one word and that for longer ones."""

from __future__ import annotations

from ackexplore.table.kernels import Buffers, Tables, Tally
from ackexplore.table.layout import Words

from . import narrow, wide


def expand(states: Words, low: int, high: int, tables: Tables, buffers: Buffers, tally: Tally) -> int:
    """Put every successor of states[low:high] into the buffers; stop when one might overflow.

    Returns the index of the first state that was not expanded, or -1 - index if no buffer can hold its successors.
    """
    loop = narrow.expand if states.shape[1] == 1 else wide.expand
    return int(loop(states, low, high, tables, buffers, tally))
