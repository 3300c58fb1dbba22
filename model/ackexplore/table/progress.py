"""What a store must do in the end, judged on the tables: configurations of ten million states and more.

The same properties, the same fairness and the same kind of lasso as `ackexplore.graph.progress`; no graph is built, but
the transitions are kept as arrays (`ackexplore.table.edges`), and fair cycles are looked for in compiled loops
(`ackexplore.table.fair`). Whether a property's trigger and goal hold is asked once for each distinct pair of a shared
part and a message.

>>> from ackmodel import Config
>>> result, findings = explore_on_tables_to_the_end(Config(sync_failures=1))
>>> result.states, [finding.name for finding in findings if finding.lasso]
(259, [])
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
from attrs import frozen

from ackexplore.graph.liveness import Edge, Fairness, Lasso
from ackexplore.graph.progress import ProgressFinding, Property, fairness_of, findings_of, properties_of
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Result
from ackexplore.table.edges import Edges, edges_of, label_of, states_of
from ackexplore.table.engine import Search
from ackexplore.table.fair import (
    Flags,
    Notes,
    edge_between,
    fair_cycle,
    fair_sets,
    way_from_the_start,
    way_to_a_set,
)
from ackexplore.table.kernels import Bits, Counts, Tables, field_at, kernel
from ackexplore.table.layout import Words
from ackmodel import Clause, Config, State
from ackmodel.spec.liveness import PROPERTIES

TRIGGER, GOAL = 1, 2


@kernel
def _told(states: Words, low: int, high: int, tables: Tables, slot: int, rows: Flags, told: Flags) -> None:
    """Tell of states[low:high] what is told of the pair of a slot by its row."""
    first, stride = tables.places[slot, 0], tables.places[slot, 1]
    for number in range(low, high):
        shared = field_at(states, number, tables.fields, 0)
        message = field_at(states, number, tables.fields, slot + 1)
        told[number] = rows[tables.pair_rows[first + shared * stride + message] - 1]


@frozen(eq=False)
class _Space:
    """A search that came to its end, with its transitions; `ends` are the numbers at which the levels end."""

    search: Search
    states: Words
    edges: Edges
    ends: Counts
    fairness: Sequence[Fairness]
    groups: Bits

    def told(self, asked: Property) -> tuple[Flags, Flags]:
        """Return of each state whether the trigger of a property holds, and whether the goal does not."""
        pairs, model = self.search.pairs, self.search.pairs.steps.model
        slot = asked.message or 0
        rows = np.zeros(pairs.steps.rows.size, dtype=np.uint8)
        for row, (of_slot, shared, message) in enumerate(pairs.each()):
            if of_slot == slot:
                values = (model.shareds[shared], model.messages[message])
                rows[row] = TRIGGER * asked.trigger(*values) | GOAL * asked.goal(*values)
        told = np.empty(len(self.states), dtype=np.uint8)
        tables = pairs.tables(self.search.layout)
        self.search.each(
            lambda part, _: _told(self.states, *part, tables, slot, rows, told), self.search.parts(len(told))
        )
        return told & np.uint8(TRIGGER), ((told & np.uint8(GOAL)) == 0).astype(np.uint8)

    def lasso(self, asked: Property) -> Lasso | None:
        """Return a fair run that shows that a property does not hold; None if it holds."""
        begins, inside = self.told(asked)
        if not begins.any():
            return None
        size = len(inside)
        sets = np.zeros(size, dtype=np.int32)
        if not fair_sets(self.edges, inside, self.groups, Notes(*np.zeros((5, size), dtype=np.int32)), sets):
            return None
        on = way_to_a_set(self.edges, begins, inside, sets, self.ends)
        if not on:
            return None
        way = way_from_the_start(self.edges, on[0], self.ends) + on[1:]
        steps = [(source, edge_between(self.edges, source, target)) for source, target in pairwise(way)]
        cycle = fair_cycle(self.edges, sets, on[-1], self.groups, len(self.fairness))
        return Lasso(prefix=tuple(map(self._edge, steps)), cycle=tuple(map(self._edge, cycle)))

    def _edge(self, step: tuple[int, int]) -> Edge:
        source, place = step
        steps = self.search.pairs.steps
        action, actor = label_of(int(self.edges.labels[place]), steps.messages)
        return (source, int(self.edges.targets[place]), steps.model.actions[action], actor)

    def state(self, number: int) -> State:
        """Return the state of a number."""
        [row] = self.search.layout.unpack(self.states[[number]])
        steps = self.search.pairs.steps
        return steps.model.decode(steps.code(row))


def _space_of(search: Search, fairness: Sequence[Fairness]) -> _Space:
    states = states_of(search)
    steps = search.pairs.steps
    labels = [label_of(label, steps.messages) for label in range(len(steps.model.actions) * (steps.messages + 1))]
    groups = np.zeros((len(labels), max(1, -(-len(fairness) // 64))), dtype=np.uint64)
    for number, group in enumerate(fairness):
        for label, (action, actor) in enumerate(labels):
            if group.has(steps.model.actions[action], actor):
                groups[label, number // 64] |= np.uint64(1) << np.uint64(number % 64)
    return _Space(
        search=search,
        states=states,
        edges=edges_of(search, states),
        ends=np.cumsum(search.levels.sizes),
        fairness=fairness,
        groups=groups,
    )


def check_progress_on_tables(
    search: Search,
    config: Config,
    *,
    fairness: Sequence[Fairness] | None = None,
    clauses: Collection[Clause] = tuple(PROPERTIES),
) -> list[ProgressFinding]:
    """Judge every property of a configuration in a search that came to its end; `TooMuchMemory` if it is too large."""
    space = _space_of(search, fairness_of(config) if fairness is None else fairness)
    return findings_of(properties_of(config, clauses), space.lasso, space.state)


def explore_on_tables_to_the_end(
    config: Config, options: Options = DEFAULTS, clauses: Collection[Clause] = tuple(PROPERTIES)
) -> tuple[Result, list[ProgressFinding]]:
    """Explore a configuration with the table engine; judge what must happen in the end, nothing if it ended early."""
    search = Search(config, options)
    try:
        search.start()
        while not search.stopped and search.advance():
            pass
        result = search.result(complete=not search.stopped)
        findings = check_progress_on_tables(search, config, clauses=clauses) if result.complete else []
        return result, findings
    finally:
        search.close()
