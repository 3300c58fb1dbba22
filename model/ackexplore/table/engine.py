"""The table engine: breadth-first over packed states, for configurations of many millions of states.

It finds exactly what the graph engine finds, without the graph. For each level: ask the model about the pairs that the
new states show (`ackexplore.table.pairs`), judge the states, then, a chunk at a time, let each thread expand its part
of the level into one buffer a shard, and then insert the buffers into the shards of the set of visited states, each by
one thread at a time: no loop waits for a lock. Where a level is large, the model is asked while the states whose pairs
are known are expanded; the others wait. The levels are kept (`ackexplore.table.levels`), so that a shortest trace can
be read backwards (`ackexplore.table.backward`).

>>> from ackmodel import Config
>>> result = explore_table(Config(rules={"commit-after-flush": False}))
>>> result.counterexample.actions
('pop(0)', 'write_checkpoint(0)', 'commit(0)')
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import define, field

from ackexplore.coverage import count_hits, count_reached
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Progress, Result, TooManyStates, TooMuchMemory
from ackexplore.system import System
from ackexplore.table.backward import trace_to
from ackexplore.table.found import Found, new_tally, zeros
from ackexplore.table.kernels import Buffers, Tally, count, hashing_of, judge, orbits, scan
from ackexplore.table.layout import WORD_BITS, Layout, Words
from ackexplore.table.levels import Levels
from ackexplore.table.loops import expand
from ackexplore.table.pairs import Pairs
from ackexplore.table.quotients import Quotients
from ackexplore.table.steptables import StepTables
from ackexplore.table.visited import Visited
from ackexplore.trace import Trace
from ackmodel import Clause, Config

DEFAULT_MAX_STATES = 2_000_000_000
FIRST_BITS = 6
BUFFER_BYTES = 1 << 26
BUFFER_SHARE = 16
"""The buffers take at most this part of the memory."""
MANY_SHARDS = 256
MANY_STATES = 1 << 18
"""From this many states on the visited ones are kept in many shards."""
RECENT_STATES = 1 << 12
MISSING_PAIRS = 1 << 16
SMALL_LEVEL = 4_096
"""A level of fewer states is expanded by one thread: waking another would take longer."""
ASKED_MEANWHILE = 65_536
"""In a level of this many states the model is asked while states are expanded."""
SECONDS_BETWEEN_REPORTS = 0.2

P = TypeVar("P")
R = TypeVar("R")


def threads_here() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def memory_here() -> int:
    """Return half the memory of this machine, in bytes: what an exploration takes if it is not told otherwise."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def sort_states(states: Words) -> None:
    """Sort states in place, by their first word: equal shared parts come together, and so do equal successors."""
    if states.shape[1] == 1:
        states.sort(axis=0)
    else:
        states[:] = states[np.argsort(states[:, 0])]


@define(eq=False)
class Search:
    """The state of one search; `asked` and `options` are given, the rest grows."""

    asked: Config | System
    options: Options = DEFAULTS
    word_bits: int = field(default=WORD_BITS, kw_only=True)
    seconds_before: float = field(default=0.0, kw_only=True)
    max_states: int = field(init=False)
    memory: int = field(init=False)
    threads: int = field(init=False)
    wanted: int = field(init=False)
    pairs: Pairs = field(init=False)
    layout: Layout = field(init=False)
    visited: Quotients | Visited = field(init=False)
    levels: Levels = field(init=False)
    saved_layouts: list[dict[str, Any]] = field(init=False, factory=list)
    found: Found = field(init=False, factory=Found)
    _partial: Words | None = field(init=False, default=None)
    _unasked: npt.NDArray[np.uint64] | None = field(init=False, default=None)
    _shards: int = field(init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _asker: ThreadPoolExecutor = field(init=False)
    _spilling: Lock = field(init=False, factory=Lock)
    _buffers: list[Buffers] = field(init=False, factory=list)
    _began: float = field(init=False, factory=time.perf_counter)
    _reported: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        options = self.options
        self.max_states = DEFAULT_MAX_STATES if options.max_states is None else options.max_states
        self.memory = memory_here() if options.memory is None else options.memory
        self.threads = threads_here() if options.threads is None else options.threads
        steps = StepTables(options.system(self.asked), options.symmetric)
        self.wanted = options.wanted(steps.model.clauses)
        self.pairs = Pairs(steps)
        self.layout = Layout(widths=(FIRST_BITS,) * (steps.messages + 1), word_bits=self.word_bits)
        self.levels = self._no_levels()
        self._shards = 1 << max(1, (self.threads - 1).bit_length())
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ackexplore")
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="ackexplore-asker")

    # --- the search -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the initial state."""
        self._set_up()
        first = self.layout.pack(np.array([self.pairs.steps.initial()], dtype=np.int64))
        self.visited.fill(first)
        self._enter(first)

    def take_up(self, levels: Iterable[Words]) -> None:
        """Go on from the levels of an earlier search, packed by this layout; the values are known to the tables."""
        self.levels = self._no_levels()
        self._set_up()
        for level in levels:  # the earlier ones, to know again what was at stake in them
            self.levels.append(level)
            self.visited.fill(level)
            self.pairs.fill_for(level, self.layout)
            self._look_over(level, self.parts(len(level)))
        if not self.layout.fits(self.pairs.steps.counts):
            self._pack_anew()

    def advance(self) -> bool:
        """Explore one level further; whether anything was new."""
        new = self._expand()
        if not len(new):
            return False
        self._enter(new)
        return True

    @property
    def stopped(self) -> bool:
        """Whether one of the wanted clauses has fallen."""
        return any(self.wanted >> bit & 1 for bit in self.found.places)

    def close(self) -> None:
        """End the threads, and give back what lies on disk."""
        self._pool.shutdown()
        self._asker.shutdown()
        self.levels.close()

    def _enter(self, level: Words) -> None:
        """Take a new level: sort it, and ask the model about its pairs, unless that can wait; then judge its states."""
        self.levels.append(level)
        parts = self.parts(len(level))
        self.each(lambda part, _: sort_states(level[slice(*part)]), parts)
        missing = self._look_over(level, parts)
        if missing is None:
            self.pairs.fill_for(level, self.layout)
            missing = np.empty(0, dtype=np.uint64)
        self._unasked = missing
        if not self._may_ask_later(level):
            self._learn(self.pairs.ask(missing))
        if self._shards < MANY_SHARDS and len(self.visited) > MANY_STATES:
            self._shards = MANY_SHARDS
            self._enter_all()

    def _look_over(self, level: Words, parts: list[tuple[int, int]]) -> npt.NDArray[np.uint64] | None:
        """Count the values in a level; return the pairs the model was not asked about, or None if too many to list."""
        tables, found, counts = self.pairs.tables(self.layout), self.found, self.pairs.steps.counts
        missing = [np.empty(MISSING_PAIRS, dtype=np.uint64) for _ in parts]
        occurrences = [zeros(len(counts), max(counts)) for _ in parts]

        def look(part: tuple[int, int], number: int) -> int:
            count(level[slice(*part)], tables.fields, occurrences[number])
            if tables.alike:
                found.unreduced[number] += orbits(level[slice(*part)], tables)
            return int(scan(level, *part, tables, missing[number]))

        found.unreduced += [0] * (len(parts) - len(found.unreduced))
        listed = self.each(look, parts)
        found.add_occurrences(occurrences)
        if max(listed) > MISSING_PAIRS:
            return None
        names = [names[:count] for names, count in zip(missing, listed, strict=True)]
        return np.unique(np.concatenate(names))

    def _may_ask_later(self, level: Words) -> bool:
        """Whether the model may be asked while the level is expanded; not where it is to be judged or saved before."""
        whole = bool(self.wanted) or self.options.checkpoint is not None
        alone = self.threads == 1 or self.layout.words > 1
        return not whole and not alone and len(level) >= ASKED_MEANWHILE and self._unasked is not None

    def _learn(self, first_row: int) -> None:
        """Take in what the model said of the pairs of the newest level, and judge its states."""
        assert self._unasked is not None
        self.pairs.enter(self._unasked, first_row)
        self._unasked = None
        if not self.layout.fits(self.pairs.steps.counts):
            self._pack_anew()
        if self.pairs.steps.any_broken:
            level, tables = self.levels[-1], self.pairs.tables(self.layout)
            parts = self.parts(len(level))
            tallies = [new_tally() for _ in parts]
            self.each(lambda part, number: judge(level, *part, tables, tallies[number]), parts)
            for tally in tallies:
                self.found.add(tally, len(self.levels) - 1, in_step=False)

    def _expand(self) -> Words:
        """Return the states that are new among the successors of the newest level."""
        number, level = len(self.levels) - 1, self.levels[-1]
        if self._unasked is None:
            self._count(self._successors_of(level), number)
        else:
            asked = self._asker.submit(self.pairs.ask, self._unasked)
            try:
                tallies = self._successors_of(level, may_wait=True)
            finally:
                first_row = asked.result()
            waiting = np.concatenate([tally.waiting[1 : 1 + tally.waiting[0]] for tally in tallies])
            self._learn(first_row)
            self._count(tallies, number)
            self._count(self._successors_of(self.levels[-1][waiting]), number, waiting)
        if len(self.visited) > self.max_states:
            raise TooManyStates(self.max_states, self.result(complete=False))
        self.levels.pack()
        new, partial, self._partial = self._take_new(), self._partial, None
        return new if partial is None else np.concatenate([partial, new])

    def _successors_of(self, states: Words, *, may_wait: bool = False) -> list[Tally]:
        """Put the successors of some states into the set of visited ones; what each thread counted."""
        tables, parts = self.pairs.tables(self.layout), self.parts(len(states))
        tallies = [new_tally(len(tables.rows), may_wait * (high - low)) for low, high in parts]

        def expand_part(part: tuple[int, int], thread: int) -> int:
            self._buffers[thread].filled[:] = 0
            return expand(states, *part, tables, self._buffers[thread], tallies[thread])

        while left := sum(high - low for low, high in parts):
            self._report(left)
            reached = self.each(expand_part, parts)
            self._insert(len(parts))
            if min(reached) < 0:
                self._make_buffers(4 * self._buffers[0].out.shape[1])
            parts = [
                (-1 - index if index < 0 else index, high) for index, (_, high) in zip(reached, parts, strict=True)
            ]
            if len(self.visited) > self.max_states:
                break
        return tallies

    def _count(self, tallies: list[Tally], level: int, places: npt.NDArray[np.int64] | None = None) -> None:
        """Count what the threads did in a level; `places` are those of the states expanded, if they were not all."""
        tables = self.pairs.tables(self.layout)
        for tally in tallies:
            if places is not None:
                fell = tally.first >= 0
                tally.first[fell] = places[tally.first[fell]]
            self.found.add(tally, level, in_step=True)
            self.found.add_local(tally.visits, tables.rows, tables.local)

    def _insert(self, parts: int) -> None:
        """Put what the threads found into the set of visited states, each thread into shards of its own."""
        buffers, visited = self._buffers[:parts], self.visited

        def insert_share(first: int, _: int) -> None:
            for shard in range(first, visited.shards, len(firsts)):
                visited.add(shard, [one.out[shard, : one.filled[shard]] for one in buffers])

        firsts = range(1 if parts == 1 else self.threads)
        self.each(insert_share, firsts)

    def _take_new(self) -> Words:
        """Return the states that are new since the last time, and begin anew."""
        visited, ends = self.visited, np.cumsum([0, *self.visited.new_counts]).tolist()
        self._may_take(8 * ends[-1] * self.layout.words)
        new = np.empty((ends[-1], self.layout.words), dtype=np.uint64)

        def move_share(first: int, _: int) -> None:
            for shard in range(first, visited.shards, len(firsts)):
                visited.move_new(shard, new[ends[shard] : ends[shard + 1]])

        firsts = range(1 if ends[-1] < SMALL_LEVEL else self.threads)
        self.each(move_share, firsts)
        return new

    # --- threads and memory -----------------------------------------------------------------------------------------

    def parts(self, size: int) -> list[tuple[int, int]]:
        """Cut a level into a part for each thread; a small one is not cut."""
        count = 1 if size < SMALL_LEVEL else self.threads
        cuts = [size * part // count for part in range(count + 1)]
        return list(pairwise(cuts))

    def each(self, work: Callable[[P, int], R], parts: Sequence[P]) -> list[R]:
        """Do the work for each part, in threads if there are several; return what each returned."""
        if len(parts) == 1:
            return [work(part, number) for number, part in enumerate(parts)]
        return list(self._pool.map(work, parts, range(len(parts))))

    def _no_levels(self) -> Levels:
        return Levels(low=self.layout.places[-1][1], words=self.layout.words, each=self.each)

    def _set_up(self) -> None:
        """Make the set of visited states and the buffers, for states of this layout."""
        words = self.layout.words
        if words == 1:
            self.visited = Quotients(self._shards, self.layout, may_take=self._may_take)
        else:
            self.visited = Visited(shards=self._shards, words=words, may_take=self._may_take)
        most = min(BUFFER_BYTES, self.memory // (BUFFER_SHARE * self.threads))
        self._make_buffers(max(1, most // (8 * words * self._shards)))

    def _make_buffers(self, room: int) -> None:
        words = self.layout.words
        self._buffers = [
            Buffers(
                out=np.empty((self._shards, room, words), dtype=np.uint64),
                filled=zeros(self._shards),
                recent=np.zeros((RECENT_STATES, words), dtype=np.uint64),
                hashing=hashing_of(self.layout, self._shards),
            )
            for _ in range(self.threads)
        ]

    def _pack_anew(self) -> None:
        """Give the fields more bits, and pack every state again, those of a level half explored too."""
        partial = self._take_new()
        old, self.layout = self.layout, self.layout.grown(self.pairs.steps.counts)
        levels, self.levels = self.levels, self._no_levels()
        for level in levels:
            self.levels.append(old.repack(level, self.layout))
        levels.close()
        self._partial = old.repack(partial, self.layout) if len(partial) else None
        self._enter_all()

    def _enter_all(self) -> None:
        """Put every state there is into a new set of visited states."""
        self._set_up()
        for states in self.levels:
            self.visited.fill(states)
        if self._partial is not None:
            self.visited.fill(self._partial)

    @property
    def states(self) -> int:
        """How many states were found."""
        return len(self.visited)

    @property
    def nbytes(self) -> int:
        """The memory of what grows with the number of states, and of the buffers."""
        buffers = sum(int(one.out.nbytes) for one in self._buffers)
        partial = 0 if self._partial is None else int(self._partial.nbytes)
        return self.visited.nbytes + self.levels.nbytes + self.pairs.nbytes + buffers + partial

    def _may_take(self, more: int) -> None:
        """Raise `TooMuchMemory` if that many bytes more would be over the limit, with the levels on disk."""
        if self.nbytes + more <= self.memory:
            return
        with self._spilling:
            self.levels.spill()
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
        clauses = self.pairs.steps.model.clauses
        return {clauses[bit]: trace_to(self.levels, place, bit, self.pairs, self.layout) for bit, place in places}

    def result(self, *, complete: bool) -> Result:
        """Return what was found."""
        steps, found, seconds = self.pairs.steps, self.found, self.seconds
        model, occurrences = steps.model, found.occurrences
        messages = [
            (model.messages[number], int(occurrences[slot + 1, place]))
            for slot, own in enumerate(steps.slots)
            for place, number in enumerate(own.to_model[: occurrences.shape[1]])
        ]
        return Result(
            config=model.system.settings,
            engine="table",
            states=self.states,
            edges=found.edges,
            depth=len(self.levels) - 1,
            seconds=seconds,
            complete=complete,
            violations={
                model.clauses[bit]: int(found.violations[bit]) for bit in np.flatnonzero(found.violations).tolist()
            },
            counterexamples=self.traces(),
            hits=count_hits(
                {action: int(found.hits[number]) for number, action in enumerate(model.actions)}, model.system.actions
            ),
            reached=count_reached(zip(model.shareds, occurrences[0].tolist(), strict=False), messages),
            at_stake={clause: model.at_stake[clause] for clause in model.clauses},
            model_calls=model.calls,
            symmetric=self.options.symmetric,
            unreduced=sum(found.unreduced) if self.options.symmetric else self.states,
        )


def explore_table(asked: Config | System, options: Options = DEFAULTS) -> Result:
    """Explore a system with the table engine, without a checkpoint; raises `TooManyStates`, `TooMuchMemory`."""
    search = Search(asked, options)
    try:
        search.start()
        while not search.stopped and search.advance():
            pass
        return search.result(complete=not search.stopped)
    finally:
        search.close()
