"""One part of the states, in the memory of one worker: those whose hash falls to it.

A part is a search of the table engine that owns only its share. Of the successors it puts its own into its set of
visited states, the others into an envelope for each part (`ackexplore.cluster.envelopes`), and it takes what the others
put into its own.

Every part asks the model itself, about the pairs that any part has met, in the same order: so all number the values
alike, and no tables are sent about.

>>> from ackmodel import Config
>>> part = Part(Config(), number=0, parts=1)
>>> names = part.begin()
>>> new = 1
>>> while new and part.learn(names):
...     new, names = part.take(part.expand()[0])
>>> len(part.visited)
54
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field

from ackexplore.cluster.envelopes import Owners, Ownership, by_owner, sort_out, times_of
from ackexplore.result import Result
from ackexplore.table.backward import find_predecessor, trace_along
from ackexplore.table.engine import Search, sort_states
from ackexplore.table.found import Found
from ackexplore.table.kernels import Bits, scan, shards_of
from ackexplore.table.layout import Layout, Words
from ackexplore.table.quotients import Quotients
from ackexplore.trace import Trace

SENT_STATES = 1 << 20
"""So many states that were sent are remembered, of each thread; it takes at most a part of the memory, `SENT_SHARE`."""
SENT_SHARE = 64


@define(eq=False)
class Part(Search):
    """A search of its share of the states; `number` of `parts`."""

    number: int = field(kw_only=True)
    parts_in_all: int = field(kw_only=True, alias="parts")
    states_in_all: int = field(init=False, default=0)
    _out: list[tuple[Words, Owners]] = field(init=False, factory=list)
    _sent: list[Words] = field(init=False, factory=list)

    # --- a level ----------------------------------------------------------------------------------------------------

    def begin(self) -> Bits:
        """Begin with the initial state, if it is its own; return the names of the pairs that it shows."""
        self._set_up()
        first = self.layout.pack(np.array([self.pairs.steps.initial()], dtype=np.int64))
        sent = np.zeros_like(first)
        theirs, _ = sort_out(first[None].copy(), np.ones(1, dtype=np.int64), self._ownership(), sent)
        first = first[len(theirs) :]
        self.visited.fill(first)
        return self._receive(first)

    def _ownership(self) -> Ownership:
        fields = self.layout.table
        return Ownership(fields, times_of(len(fields)), self.parts_in_all, self.number)

    def learn(self, names: Bits) -> tuple[dict[int, tuple[int, int, bool]], tuple[int, ...]]:
        """Ask the model about pairs that any part has met, and judge the newest level.

        Returns where clauses first fell in it, and how many values there are by now: the same for all parts.
        """
        self._unasked = names
        self._learn(self.pairs.ask(names))
        return self.found.places, (*self.pairs.steps.counts, self.pairs.steps.rows.size)

    def expand(self) -> tuple[list[Words], Found]:
        """Return an envelope of successors for each part, its own an empty one, and what was counted in this level."""
        number, level = len(self.levels) - 1, self.levels[-1]
        self._count(self._successors_of(level), number)
        self.levels.pack()
        found, self.found = self.found, Found()
        none = (np.empty((0, self.layout.words), dtype=np.uint64), np.empty(0, dtype=np.uint16))
        states, owners = map(np.concatenate, zip(none, *self._out, strict=True))
        self._out = []
        return by_owner(states, owners, self.parts_in_all), found

    def _make_buffers(self, room: int) -> None:
        """Make the buffers for states of this layout; what was sent is forgotten, since it was of another, perhaps."""
        super()._make_buffers(room)
        most = self.memory // (SENT_SHARE * self.threads * 8 * self.layout.words)
        states = min(SENT_STATES, 1 << max(0, most.bit_length() - 1))
        self._sent = [np.zeros((states, self.layout.words), dtype=np.uint64) for _ in range(self.threads)]

    def _insert(self, parts: int) -> None:
        """Put what the threads found and is its own into the set of visited states; the rest is to be sent."""
        ownership = self._ownership()
        self._out += self.each(
            lambda one, thread: sort_out(one.out, one.filled, ownership, self._sent[thread]), self._buffers[:parts]
        )
        super()._insert(parts)

    def take(self, envelopes: Sequence[Words]) -> tuple[int, Bits]:
        """Take the envelopes for this part; return how many states are new, and the pairs that they show."""
        for states in envelopes:
            self._add(states)
        new = self._take_new()
        return len(new), self._receive(new)

    def _add(self, states: Words) -> None:
        visited = self.visited
        if isinstance(visited, Quotients):
            dealt, ends = visited.deal(states)
            for shard in range(visited.shards):
                visited.add(shard, [dealt[ends[shard] : ends[shard + 1]]])
        else:
            owners = shards_of(states, visited.shards)
            for shard in range(visited.shards):
                visited.add(shard, [states[owners == shard]])

    def _receive(self, level: Words) -> Bits:
        """Make these states the newest level; return the names of the pairs that the model was not asked about."""
        sort_states(level)
        return self._keep(level)

    def _keep(self, level: Words) -> Bits:
        """Make these states the newest level, in this order."""
        self.levels.append(level)
        missing = self._look_over(level, self.parts(len(level)))
        if missing is None:
            tables = self.pairs.tables(self.layout)
            missing = np.empty(len(level) * (len(tables.fields) - 1), dtype=np.uint64)
            missing = np.unique(missing[: scan(level, 0, len(level), tables, missing)])
        return missing

    # --- where a worker was lost ------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Save the newest level, and the bits of each field: what a part that takes its place goes on from."""
        folder.mkdir(parents=True, exist_ok=True)
        number = len(self.levels) - 1
        beside = folder / f"level-{number}-part-{self.number}.new"
        with beside.open("wb") as out:
            np.save(out, self.layout.widths)
            np.save(out, self.levels[-1])
        beside.replace(folder / f"level-{number}-part-{self.number}.npy")

    def restore(self, folder: Path, names: Sequence[Bits], levels: int) -> Bits:
        """Bring a part that has not begun to where one of the same number was: after so many levels were saved.

        `names` are the pairs that the model was asked about in each level before the newest.
        """
        self.pairs.steps.initial()
        for each in names:
            self.pairs.enter(each, self.pairs.ask(each))
        self.layout = self.layout.grown(self.pairs.steps.counts)
        self.levels.close()
        self.levels = self._no_levels()
        self._set_up()
        missing = np.empty(0, dtype=np.uint64)
        for number in range(levels):
            with (folder / f"level-{number}-part-{self.number}.npy").open("rb") as saved:
                widths = np.load(saved, allow_pickle=False)
                level = np.load(saved, allow_pickle=False)
            packed_by = Layout(widths=tuple(widths.tolist()), word_bits=self.word_bits)
            level = packed_by.repack(level, self.layout)
            self.visited.fill(level)
            self.found = Found()
            missing = self._keep(level)  # not sorted anew: where a clause fell in it is known by its place
        return missing

    # --- what was found ---------------------------------------------------------------------------------------------

    def state_at(self, level: int, index: int) -> Words:
        """Return a state of a level."""
        state: Words = self.levels[level][index]
        return state

    def before(self, level: int, target: Words) -> Words | None:
        """Return a state of this part of a level from which a step leads to a state, or None."""
        return find_predecessor(self.levels[level], target, self.pairs, self.layout)

    def trace(self, path: Sequence[Words], bit: int, in_step: bool) -> Trace:
        """Return the trace through these states to where a clause falls."""
        return trace_along(path, bit, self.pairs, self.layout, in_step=in_step)

    def wants(self) -> tuple[int, tuple[Any, ...]]:
        """Return the mask of the clauses whose fall ends the search, and all clauses that are judged."""
        return self.wanted, self.pairs.steps.model.clauses

    def counted(self) -> Found:
        """Return what was counted since the last level was expanded."""
        return self.found

    def told(self, found: Found, states: int, complete: bool) -> Result:
        """Return the result of all parts, whose counts are given, without counterexamples."""
        self.found, self.states_in_all = found, states
        return self.result(complete=complete)

    @property
    def states(self) -> int:
        """How many states all parts have."""
        return self.states_in_all

    def traces(self) -> dict[Any, Trace]:
        """Return nothing: a trace goes through all parts."""
        return {}
