"""One part of the states, in the memory of one worker: those whose hash falls to it.

A part is a search of the table engine that owns only its share. Its successors are not put into its own set of visited
states, but into an envelope for each part, and it takes what the others put into its own. Whose a state is depends on
its values alone, not on how many bits each has at the moment, so no state ever moves.

Every part asks the model itself, about the pairs that any part has met, in the same order: so all number the values
alike, and no tables are sent about.

>>> from ackmodel import Config
>>> part = Part(Config(), number=0, parts=1)
>>> names = part.begin()
>>> while part.learn(names) is not None and (envelopes := part.expand()[0])[0].size:
...     names = part.take(envelopes)[1]
>>> len(part.visited)
54
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field

from ackexplore.result import Result
from ackexplore.table.backward import find_predecessor, trace_along
from ackexplore.table.engine import Search
from ackexplore.table.found import Found
from ackexplore.table.kernels import LOW_32, NONE, S32, Bits, Counts, U, field_at, kernel, mix, part_of, scan, shards_of
from ackexplore.table.layout import Words
from ackexplore.table.quotients import Quotients
from ackexplore.trace import Trace


@kernel
def owners_of(states: Words, fields: Bits, parts: int) -> Counts:
    """Return whose each state is, by its values."""
    owners = np.empty(states.shape[0], dtype=np.int64)
    for index in range(states.shape[0]):
        h = NONE
        for number in range(fields.shape[0]):
            h = mix(h ^ field_at(states, index, fields, number))
        owners[index] = part_of((h >> S32) & LOW_32, U(parts))
    return owners


@define(eq=False)
class Part(Search):
    """A search of its share of the states; `number` of `parts`."""

    number: int = field(kw_only=True)
    parts_in_all: int = field(kw_only=True, alias="parts")
    states_in_all: int = field(init=False, default=0)
    _out: list[Words] = field(init=False, factory=list)

    # --- a level ----------------------------------------------------------------------------------------------------

    def begin(self) -> Bits:
        """Begin with the initial state, if it is its own; return the names of the pairs that it shows."""
        self._set_up()
        first = self.layout.pack(np.array([self.pairs.steps.initial()], dtype=np.int64))
        own = first[owners_of(first, self.layout.table, self.parts_in_all) == self.number]
        self.visited.fill(own)
        return self._receive(own)

    def learn(self, names: Bits) -> tuple[dict[int, tuple[int, int, bool]], tuple[int, ...]]:
        """Ask the model about pairs that any part has met, and judge the newest level.

        Returns where clauses first fell in it, and how many values there are by now: the same for all parts.
        """
        self._unasked = names
        self._learn(self.pairs.ask(names))
        return self.found.places, (*self.pairs.steps.counts, self.pairs.steps.rows.size)

    def expand(self) -> tuple[list[Words], Found]:
        """Return an envelope of successors for each part, its own too, and what was counted in this level."""
        number, level = len(self.levels) - 1, self.levels[-1]
        self._out = []
        self._count(self._successors_of(level), number)
        self.levels.pack()
        found, self.found = self.found, Found()
        out, self._out = self._out, []
        states = np.concatenate(out) if out else np.empty((0, self.layout.words), dtype=np.uint64)
        if self.layout.words == 1:
            states = np.unique(states[:, 0])[:, None]
        owners = owners_of(states, self.layout.table, self.parts_in_all)
        return [states[owners == owner] for owner in range(self.parts_in_all)], found

    def _insert(self, parts: int) -> None:
        """Keep what the threads found for the envelopes."""
        for one in self._buffers[:parts]:
            for shard in range(len(one.filled)):
                self._out.append(one.out[shard, : one.filled[shard]].copy())

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
        level = level[np.argsort(level[:, 0], kind="stable")]
        self.levels.append(level)
        missing = self._look_over(level, self.parts(len(level)))
        if missing is None:
            tables = self.pairs.tables(self.layout)
            missing = np.empty(len(level) * (len(tables.fields) - 1), dtype=np.uint64)
            missing = np.unique(missing[: scan(level, 0, len(level), tables, missing)])
        return missing

    # --- where a worker was lost ------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Save the newest level, by its values: what a part that takes its place goes on from."""
        folder.mkdir(parents=True, exist_ok=True)
        number, values = len(self.levels) - 1, self.layout.unpack(self.levels[-1])
        beside = folder / f"level-{number}-part-{self.number}.new"
        with beside.open("wb") as out:
            np.save(out, values)
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
            values = np.load(folder / f"level-{number}-part-{self.number}.npy", allow_pickle=False)
            level = self.layout.pack(values)
            self.visited.fill(level)
            self.found = Found()
            missing = self._receive(level)
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
