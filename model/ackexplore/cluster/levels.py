"""A search in parts, level by level: what one machine does in threads, done by a crew of workers.

A level takes three rounds. All parts **learn** the pairs that any of them met, and judge their states; all **expand**
theirs; each **takes** the envelopes for it. Counts are kept when a level is whole. Where a worker is lost, all parts
begin anew on those that are left, from the last whole level that was saved, so nothing is counted twice.

>>> from ackmodel import Config
>>> explore_in_parts(Here(Config(messages=2), Options(), parts=3), Options()).states
1896
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from attrs import define, evolve, field

from ackexplore.cluster import ClusterFailed, WorkerLost
from ackexplore.cluster.part import Part
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Progress, Result, TooManyStates
from ackexplore.system import System
from ackexplore.table.engine import DEFAULT_MAX_STATES
from ackexplore.table.found import Found
from ackexplore.table.kernels import Bits
from ackexplore.trace import Trace
from ackmodel import Config

MOST_LOSSES = 10
"""After so many lost workers the search ends: what kills them will kill the next."""


class Crew(Protocol):
    """Workers, each with some parts of the states in its memory. All methods raise `WorkerLost` where one is gone."""

    parts: int

    def each(self, method: str, *arguments: Any) -> list[Any]:
        """Have every part do the same; return what each returned."""

    def one(self, part: int, method: str, *arguments: Any) -> Any:
        """Have one part do something."""

    def step(self) -> tuple[list[Found], list[tuple[int, Bits]]]:
        """Have every part expand its newest level, and take what is for it; return what `Part` does of both."""

    def renew(self) -> None:
        """Place parts that have not begun on the workers that are left."""


@define
class Here:
    """A crew in this process: for tests, and to see what parts cost without a network."""

    asked: Config | System
    options: Options
    parts: int = field(kw_only=True)
    _all: list[Part] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.renew()

    def each(self, method: str, *arguments: Any) -> list[Any]:
        """Have every part do the same, in turn."""
        return [getattr(part, method)(*arguments) for part in self._all]

    def one(self, part: int, method: str, *arguments: Any) -> Any:
        """Have one part do something."""
        return getattr(self._all[part], method)(*arguments)

    def step(self) -> tuple[list[Found], list[tuple[int, Bits]]]:
        """Have every part expand, then take."""
        expanded = self.each("expand")
        taken = [part.take([envelopes[part.number] for envelopes, _ in expanded]) for part in self._all]
        return [found for _, found in expanded], taken

    def renew(self) -> None:
        """Begin with new parts."""
        self._all = [Part(self.asked, self.options, number=number, parts=self.parts) for number in range(self.parts)]


@define(eq=False)
class _Levels:
    """A search; `names` are the pairs that were learnt in each whole level, `folder` is where levels are saved."""

    crew: Crew
    options: Options
    folder: Path | None
    names: list[Bits] = field(factory=list)
    found: Found = field(factory=Found)
    counts: list[int] = field(factory=list)
    places: dict[int, tuple[int, int, int, bool]] = field(factory=dict)
    missing: list[Bits] = field(factory=list)
    wanted: int = 0
    clauses: tuple[Any, ...] = ()
    losses: int = 0
    lost: bool = False
    began: float = field(factory=time.perf_counter)

    def run(self) -> Result:
        """Explore to the end, or until a wanted clause falls; go on from what was saved where a worker is lost."""
        while True:
            try:
                if self.lost:
                    self._recover()
                if not self.counts:
                    self._begin()
                while not self._stopped_after_learning() and self._advance():
                    pass
                return self._result()
            except WorkerLost as lost:
                self.losses += 1
                if self.losses > MOST_LOSSES:
                    raise ClusterFailed(f"{self.losses} workers were lost, the last: {lost}") from lost
                self.lost = True

    def _begin(self) -> None:
        self.wanted, self.clauses = self.crew.one(0, "wants")
        self.missing = self.crew.each("begin")
        self._save()
        self.counts = [1]

    def _save(self) -> None:
        if self.folder is not None:
            self.crew.each("save", self.folder)

    def _recover(self) -> None:
        """Bring new parts to the last whole level that was saved, or to nothing."""
        self.crew.renew()
        if self.folder is not None and self.counts:
            self.missing = self.crew.each("restore", self.folder, self.names, len(self.counts))
        else:
            self.names, self.found, self.counts, self.places = [], Found(), [], {}
        self.lost = False

    def _stopped_after_learning(self) -> bool:
        """Have the newest level judged; whether a wanted clause has fallen in it, or on the way to it."""
        names = np.unique(np.concatenate(self.missing))
        learnt = self.crew.each("learn", names)
        if len({told for _, told in learnt}) > 1:
            raise ClusterFailed("the workers number values differently: they must all run the same version of Python")
        self._note([places for places, _ in learnt])
        if not self._stopped:
            return False
        for found in self.crew.each("counted"):
            self.found.merge(found)
        return True

    def _note(self, fell: Sequence[dict[int, tuple[int, int, bool]]]) -> None:
        for part, places in enumerate(fell):
            for bit, (level, index, in_step) in places.items():
                self.places.setdefault(bit, (level, part, index, in_step))

    @property
    def _stopped(self) -> bool:
        return any(self.wanted >> bit & 1 for bit in self.places)

    def _advance(self) -> bool:
        """Explore one level further; whether anything was new."""
        names = np.unique(np.concatenate(self.missing))
        founds, taken = self.crew.step()
        new, missing = sum(count for count, _ in taken), [names for _, names in taken]
        if new:
            self._save()
        self._note([found.places for found in founds])
        for found in founds:
            self.found.merge(found)
        if not new:
            return False
        self.names.append(names)
        self.counts.append(new)
        self.missing = missing
        self._report(new)
        most = DEFAULT_MAX_STATES if self.options.max_states is None else self.options.max_states
        if sum(self.counts) > most:
            raise TooManyStates(most, self._result(complete=False))
        return True

    def _report(self, frontier: int) -> None:
        if self.options.watcher is not None:
            self.options.watcher(
                Progress(
                    states=sum(self.counts),
                    edges=self.found.edges,
                    depth=len(self.counts) - 1,
                    frontier=frontier,
                    seconds=time.perf_counter() - self.began,
                )
            )

    # --- what was found ---------------------------------------------------------------------------------------------

    def _trace(self, bit: int) -> Trace:
        """Return a shortest trace to where a clause first fell, read backwards through the parts."""
        level, part, index, in_step = self.places[bit]
        path = [self.crew.one(part, "state_at", level, index)]
        for earlier in range(level - 1, -1, -1):
            found = [state for state in self.crew.each("before", earlier, path[-1]) if state is not None]
            path.append(found[0])
        trace: Trace = self.crew.one(0, "trace", path[::-1], bit, in_step)
        return trace

    def _result(self, *, complete: bool | None = None) -> Result:
        whole = not self._stopped if complete is None else complete
        told: Result = self.crew.one(0, "told", self.found, sum(self.counts), whole)
        traces = {self.clauses[bit]: self._trace(bit) for bit in sorted(self.places)}
        seconds = time.perf_counter() - self.began
        return evolve(told, depth=len(self.counts) - 1, seconds=seconds, counterexamples=traces)


def explore_in_parts(crew: Crew, options: Options = DEFAULTS, folder: Path | None = None) -> Result:
    """Explore with a crew of workers; the same counts, and counterexamples of the same lengths, as on one machine.

    `folder`: where each level is saved, which all workers must reach; without it, a lost worker means from the start.
    Raises `TooManyStates`, `ClusterFailed`.
    """
    return _Levels(crew, options, folder).run()
