"""The table engine: breadth-first over packed states, for configurations of many millions of states.

It finds exactly what the graph engine finds, without the graph. For each level: ask the model about the pairs that the
new states show (`ackexplore.table.pairs`), judge the states, then, a chunk at a time, let each thread expand its part
of the level into one buffer a shard, and then insert the buffers of its shard into the set of visited states. The
levels are kept, packed, so that a shortest trace can be read backwards (`ackexplore.table.backward`).

>>> from ackmodel import Config
>>> result = explore_table(Config(rules={"commit-after-flush": False}))
>>> result.counterexample.actions
('pop(0)', 'write_checkpoint(0)', 'commit(0)')
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from attrs import define, field

from ackexplore.coverage import count_hits, count_reached
from ackexplore.interning import CLAUSES
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Progress, Result, TooManyStates, TooMuchMemory
from ackexplore.table.backward import trace_to
from ackexplore.table.found import Found, new_tally, zeros
from ackexplore.table.kernels import Buffers, Counts, count, judge, orbits, scan
from ackexplore.table.layout import WORD_BITS, Layout, Words
from ackexplore.table.loops import expand
from ackexplore.table.pairs import Pairs
from ackexplore.table.steptables import StepTables
from ackexplore.table.visited import Visited
from ackexplore.trace import Trace
from ackmodel import Clause, Config

DEFAULT_MAX_STATES = 2_000_000_000
FIRST_BITS = 6
BUFFER_BYTES = 1 << 26
MANY_SHARDS = 256
MANY_STATES = 1 << 18
"""From this many states on the visited ones are kept in many shards."""
RECENT_STATES = 1 << 12
MISSING_PAIRS = 1 << 16
SMALL_LEVEL = 4_096
"""A level of fewer states is expanded by one thread: waking another would take longer."""
SECONDS_BETWEEN_REPORTS = 0.2

P = TypeVar("P")
R = TypeVar("R")


def threads_here() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def memory_here() -> int:
    """Return half the memory of this machine, in bytes: what an exploration takes if it is not told otherwise."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _sort(states: Words) -> None:
    """Sort states in place, by their first word: equal shared parts come together, and so do equal successors."""
    if states.shape[1] == 1:
        states.sort(axis=0)
    else:
        states[:] = states[np.argsort(states[:, 0])]


@define(eq=False)
class Search:
    """The state of one search; `config` and `options` are given, the rest grows."""

    config: Config
    options: Options = DEFAULTS
    word_bits: int = field(default=WORD_BITS, kw_only=True)
    seconds_before: float = field(default=0.0, kw_only=True)
    max_states: int = field(init=False)
    memory: int = field(init=False)
    threads: int = field(init=False)
    pairs: Pairs = field(init=False)
    layout: Layout = field(init=False)
    visited: Visited = field(init=False)
    levels: list[Words] = field(init=False, factory=list)
    saved_layouts: list[dict[str, Any]] = field(init=False, factory=list)
    found: Found = field(init=False, factory=Found)
    _shards: int = field(init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _buffers: list[Buffers] = field(init=False, factory=list)
    _began: float = field(init=False, factory=time.perf_counter)
    _reported: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        asked = self.options
        self.max_states = DEFAULT_MAX_STATES if asked.max_states is None else asked.max_states
        self.memory = memory_here() if asked.memory is None else asked.memory
        self.threads = threads_here() if asked.threads is None else asked.threads
        self.pairs = Pairs(StepTables(self.config, asked.symmetric))
        self.layout = Layout(widths=(FIRST_BITS,) * (self.config.messages + 1), word_bits=self.word_bits)
        self._shards = self.threads
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ackexplore")

    # --- the search -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the initial state."""
        self._set_up()
        first = self.layout.pack(np.array([self.pairs.steps.initial()], dtype=np.int64))
        self.visited.fill(first)
        self._enter(first)

    def take_up(self, levels: list[Words]) -> None:
        """Go on from the levels of an earlier search, packed by this layout; the values are known to the tables."""
        self.levels = levels
        self._enter_all()
        for level in levels:  # the earlier ones, to know again what was at stake in them
            self.pairs.fill_for(level, self.layout)
        if not self.layout.fits(self.pairs.steps.counts):
            self._pack_anew()

    def advance(self) -> bool:
        """Explore one level further; whether anything was new."""
        new = self._expand(self.levels[-1])
        if not len(new):
            return False
        self._enter(new)
        return True

    @property
    def stopped(self) -> bool:
        """Whether one of the wanted clauses has fallen."""
        return any(self.options.wanted >> bit & 1 for bit in self.found.places)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _enter(self, level: Words) -> None:
        """Take a new level: ask the model about its pairs, and judge its states."""
        number = len(self.levels)
        self.levels.append(level)
        missing = [np.empty(MISSING_PAIRS, dtype=np.uint64) for _ in range(self.threads)]
        tables = self.pairs.tables(self.layout)
        parts = self._parts(len(level))

        def sort_and_scan(part: tuple[int, int], thread: int) -> int:
            _sort(level[slice(*part)])
            return int(scan(level, *part, tables, missing[thread]))

        listed = self._each(sort_and_scan, parts)
        if any(listed):
            self.pairs.add(np.concatenate([names[:count] for names, count in zip(missing, listed, strict=False)]))
        if max(listed) > MISSING_PAIRS:
            self.pairs.fill_for(level, self.layout)
        if self.pairs.steps.any_broken:
            tables = self.pairs.tables(self.layout)
            tallies = [new_tally() for _ in parts]
            self._each(lambda part, thread: judge(level, *part, tables, tallies[thread]), parts)
            for tally in tallies:
                self.found.add(tally, number, in_step=False)
        if not self.layout.fits(self.pairs.steps.counts):
            self._pack_anew()
        elif self._shards < MANY_SHARDS and len(self.visited) > MANY_STATES:
            self._shards = MANY_SHARDS
            self._enter_all()

    def _expand(self, level: Words) -> Words:
        """Return the states that are new among the successors of a level."""
        number, tables = len(self.levels) - 1, self.pairs.tables(self.layout)
        parts = self._parts(len(level))
        tallies = [new_tally(self.pairs.steps.rows.size) for _ in parts]

        def expand_part(part: tuple[int, int], thread: int) -> int:
            self._buffers[thread].filled[:] = 0
            return expand(level, *part, tables, self._buffers[thread], tallies[thread])

        while left := sum(high - low for low, high in parts):
            self._report(left)
            reached = self._each(expand_part, parts)
            self._insert(len(parts))
            if min(reached) < 0:
                self._make_buffers(4 * self._buffers[0].out.shape[1])
            parts = [
                (-1 - index if index < 0 else index, high) for index, (_, high) in zip(reached, parts, strict=True)
            ]
            if len(self.visited) > self.max_states:
                break
        for tally in tallies:
            self.found.add(tally, number, in_step=True)
            self.found.add_local(tally.visits, tables.rows, tables.local)
        if len(self.visited) > self.max_states:
            raise TooManyStates(self.max_states, self.result(complete=False))
        return self.visited.take_new()

    def _insert(self, parts: int) -> None:
        """Put what the threads found into the set of visited states, each thread into shards of its own."""
        buffers, visited = self._buffers[:parts], self.visited

        def insert_share(first: int, _: int) -> None:
            for shard in range(first, visited.shards, len(firsts)):
                visited.add(shard, [one.out[shard, : one.filled[shard]] for one in buffers])

        firsts = range(1 if parts == 1 else self.threads)
        self._each(insert_share, firsts)

    # --- threads and memory -----------------------------------------------------------------------------------------

    def _parts(self, size: int) -> list[tuple[int, int]]:
        """Cut a level into a part for each thread; a small one is not cut."""
        count = 1 if size < SMALL_LEVEL else self.threads
        cuts = [size * part // count for part in range(count + 1)]
        return list(pairwise(cuts))

    def _each(self, work: Callable[[P, int], R], parts: Sequence[P], *, small: bool = False) -> list[R]:
        """Do the work for each part, in threads if there are several; return what each returned."""
        if small or len(parts) == 1:
            return [work(part, number) for number, part in enumerate(parts)]
        return list(self._pool.map(work, parts, range(len(parts))))

    def _set_up(self) -> None:
        """Make the set of visited states and the buffers, for states of this layout."""
        words = self.layout.words
        self.visited = Visited(shards=self._shards, words=words, may_take=self._may_take)
        self._make_buffers(max(1, BUFFER_BYTES // (8 * words * self._shards)))

    def _make_buffers(self, room: int) -> None:
        words = self.layout.words
        self._buffers = [
            Buffers(
                out=np.empty((self._shards, room, words), dtype=np.uint64),
                filled=zeros(self._shards),
                recent=np.zeros((RECENT_STATES, words), dtype=np.uint64),
            )
            for _ in range(self.threads)
        ]

    def _pack_anew(self) -> None:
        """Give the fields more bits, and pack every state again."""
        old, self.layout = self.layout, self.layout.grown(self.pairs.steps.counts)
        self.levels = [old.repack(level, self.layout) for level in self.levels]
        self._enter_all()

    def _enter_all(self) -> None:
        """Put every state there is into a new set of visited states."""
        self._set_up()
        for level in self.levels:
            self.visited.fill(level)

    @property
    def nbytes(self) -> int:
        """The memory of what grows with the number of states."""
        return self.visited.nbytes + sum(int(level.nbytes) for level in self.levels) + self.pairs.nbytes

    def _may_take(self, more: int) -> None:
        """Raise `TooMuchMemory` if that many bytes more would be over the limit."""
        if self.nbytes + more > self.memory:
            raise TooMuchMemory(self.memory, self.nbytes + more, self.result(complete=False))

    # --- what was found ---------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How long it has taken, with what an interrupted search took before."""
        return self.seconds_before + time.perf_counter() - self._began

    def _report(self, frontier: int) -> None:
        now = time.perf_counter()
        if self.options.watcher is None or now - self._reported < SECONDS_BETWEEN_REPORTS:
            return
        self._reported = now
        self.options.watcher(
            Progress(
                states=len(self.visited),
                edges=self.found.edges,
                depth=len(self.levels) - 1,
                frontier=frontier,
                seconds=self.seconds,
            )
        )

    def traces(self) -> dict[Clause, Trace]:
        """Return a shortest trace to each clause that fell."""
        places = sorted(self.found.places.items())
        return {CLAUSES[bit]: trace_to(self.levels, place, bit, self.pairs, self.layout) for bit, place in places}

    def _unreduced(self) -> int:
        """Return how many states those in the levels stand for."""
        if not self.options.symmetric:
            return len(self.visited)
        return sum(int(orbits(level, self.layout.table, self.config.logs)) for level in self.levels)

    def _occurrences(self) -> Counts:
        """Return how often each value of each field occurs in the levels: (fields, values)."""
        occurrences = zeros(len(self.layout.widths), max(self.pairs.steps.counts))
        for level in self.levels:
            count(level, self.layout.table, occurrences)
        return occurrences

    def result(self, *, complete: bool) -> Result:
        """Return what was found."""
        steps, found, seconds = self.pairs.steps, self.found, self.seconds
        model, occurrences = steps.model, self._occurrences()
        messages = [
            (model.messages[number], int(occurrences[slot + 1, place]))
            for slot, own in enumerate(steps.slots)
            for place, number in enumerate(own.to_model[: occurrences.shape[1]])
        ]
        return Result(
            config=self.config,
            engine="table",
            states=len(self.visited),
            edges=found.edges,
            depth=len(self.levels) - 1,
            seconds=seconds,
            complete=complete,
            violations={CLAUSES[bit]: int(found.violations[bit]) for bit in np.flatnonzero(found.violations).tolist()},
            counterexamples=self.traces(),
            hits=count_hits({action: int(found.hits[number]) for number, action in enumerate(model.actions)}),
            reached=count_reached(zip(model.shareds, occurrences[0].tolist(), strict=False), messages),
            at_stake={clause: model.at_stake[clause] for clause in CLAUSES},
            model_calls=model.calls,
            symmetric=self.options.symmetric,
            unreduced=self._unreduced(),
        )


def explore_table(config: Config, options: Options = DEFAULTS) -> Result:
    """Explore a configuration with the table engine, without a checkpoint; raises `TooManyStates`, `TooMuchMemory`."""
    search = Search(config, options)
    try:
        search.start()
        while not search.stopped and search.advance():
            pass
        return search.result(complete=not search.stopped)
    finally:
        search.close()
