"""A shortest trace to a state that the table engine found, read backwards from the levels it kept.

No parent is stored with a state. Instead, for each level from the last to the first, chunks of it are expanded again
until the state that is looked for turns up, and the chunk is halved until one state is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ackexplore.interning import Code, successors
from ackexplore.table.found import new_tally
from ackexplore.table.kernels import Buffers, hashing_of
from ackexplore.table.layout import Layout, Words
from ackexplore.table.levels import Levels
from ackexplore.table.loops import expand
from ackexplore.table.pairs import Pairs
from ackexplore.trace import Trace, trace_through

CHUNK = 2_048


def _successors(states: Words, pairs: Pairs, layout: Layout, room: int) -> Words:
    """Return the successors of some states, some of them more than once."""
    pairs.fill_for(states, layout)
    words = states.shape[1]
    while True:
        buffers = Buffers(
            out=np.empty((1, room, words), dtype=np.uint64),
            filled=np.zeros(1, dtype=np.int64),
            recent=np.zeros((1, words), dtype=np.uint64),
            hashing=hashing_of(layout, 1),
        )
        if expand(states, 0, len(states), pairs.tables(layout), buffers, new_tally(pairs.steps.rows.size)) == len(
            states
        ):
            return buffers.out[0, : buffers.filled[0]]
        room *= 4


def _leads_to(states: Words, target: Words, pairs: Pairs, layout: Layout) -> bool:
    successors = _successors(states, pairs, layout, 16 * len(states) + 1_024)
    return bool((successors == target).all(axis=1).any())


def find_predecessor(level: Words, target: Words, pairs: Pairs, layout: Layout) -> Words | None:
    """Return a state of a level from which a step leads to `target`, both packed (words,); None if there is none."""
    for start in range(0, len(level), CHUNK):
        chunk = level[start : start + CHUNK]
        if not _leads_to(chunk, target, pairs, layout):
            continue
        while len(chunk) > 1:
            half = chunk[: len(chunk) // 2]
            chunk = half if _leads_to(half, target, pairs, layout) else chunk[len(chunk) // 2 :]
        state: Words = chunk[0]
        return state
    return None


def trace_to(levels: Levels, place: tuple[int, int, bool], bit: int, pairs: Pairs, layout: Layout) -> Trace:
    """Return a shortest trace to where a clause first fell: (level, index, whether in a step out of that state)."""
    level, index, in_step = place
    state: Words = levels[level][index]
    path = [state]
    for earlier in range(level - 1, -1, -1):
        before = find_predecessor(levels[earlier], path[-1], pairs, layout)
        assert before is not None, "every state of a level follows from one of the level before"
        path.append(before)
    return trace_along(path[::-1], bit, pairs, layout, in_step=in_step)


def trace_along(path: Sequence[Words], bit: int, pairs: Pairs, layout: Layout, *, in_step: bool) -> Trace:
    """Return the trace through some states to where a clause falls: in the last, or in a step out of it."""
    codes: list[Code] = [pairs.steps.code(row) for row in layout.unpack(np.stack(path))]
    model = pairs.steps.model
    if in_step:
        codes.append(next(after for _, _, after, broken in successors(model, codes[-1]) if broken >> bit & 1))
    return trace_through(model, codes, 1 << bit)
