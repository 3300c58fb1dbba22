"""The graph engine: breadth-first, every state and every transition kept, to be asked for as a networkx graph.

For configurations up to some hundred thousand states; beyond that the graph itself fills the memory, and
`ackexplore.table.engine` goes on without it. Breadth-first order makes the first trace to a clause a shortest one.

>>> from ackmodel import Config
>>> result = explore_graph(Config(rules={"commit-after-flush": False}))
>>> result.counterexample.actions
('pop(0)', 'write_checkpoint(0)', 'commit(0)')
>>> result.graph.number_of_nodes() == result.states, result.graph.number_of_edges() == result.edges
(True, True)
"""

from __future__ import annotations

import time
from array import array
from collections import Counter

from attrs import define, field

from ackexplore.coverage import count_hits, count_reached
from ackexplore.interning import Code, Interned, interned, successors
from ackexplore.options import DEFAULTS, Options
from ackexplore.result import Progress, Result, StateSpace, TooManyStates, Watcher
from ackexplore.system import System
from ackexplore.trace import Trace, trace_through
from ackmodel import Config

DEFAULT_MAX_STATES = 200_000
STATES_BETWEEN_REPORTS = 2_000


@define(eq=False)
class _Search:
    """The state of one breadth-first search; `parents[n]` is the node from which n was first reached."""

    model: Interned
    wanted: int
    max_states: int
    watcher: Watcher | None
    began: float = field(factory=time.perf_counter)
    nodes: dict[Code, int] = field(factory=dict)
    codes: list[Code] = field(factory=list)
    parents: list[int] = field(factory=list)
    sources: array[int] = field(factory=lambda: array("i"))
    targets: array[int] = field(factory=lambda: array("i"))
    acted: array[int] = field(factory=lambda: array("i"))
    actors: array[int] = field(factory=lambda: array("b"))
    depth: int = 0
    violations: Counter[int] = field(factory=Counter)
    first: dict[int, Trace] = field(factory=dict)

    # --- the search -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Explore level by level, until nothing is new or a wanted clause has fallen."""
        self._add(self.model.initial(), -1)
        level = [0]
        while True:
            if self.stopped or not (found := self._expand(level)):
                return
            self.depth += 1
            level = found

    @property
    def stopped(self) -> bool:
        """Whether one of the wanted clauses has fallen."""
        return any(self.wanted >> bit & 1 for bit in self.first)

    def _expand(self, level: list[int]) -> list[int]:
        """Add every transition out of a level; return the nodes that are new."""
        found: list[int] = []
        for done, node in enumerate(level):
            if self.watcher is not None and not done % STATES_BETWEEN_REPORTS:
                self.watcher(self.progress(len(level) - done))
            for action, actor, raw, broken in successors(self.model, self.codes[node]):
                after = self.model.canonical(raw)
                known = self.nodes.get(after)
                if known is None:
                    known = self._add(after, node)
                    found.append(known)
                if broken:
                    self._note(broken, node, after)
                self.sources.append(node)
                self.targets.append(known)
                self.acted.append(action)
                self.actors.append(-1 if actor is None else actor)
            if len(self.codes) > self.max_states:
                raise TooManyStates(self.max_states, self.result(complete=False))
        return found

    def _add(self, code: Code, parent: int) -> int:
        node = len(self.codes)
        self.nodes[code] = node
        self.codes.append(code)
        self.parents.append(parent)
        broken = self.model.broken_state(code)
        if broken:
            self._note(broken, parent, code)
        return node

    @property
    def edges(self) -> int:
        return len(self.sources)

    # --- what was found ---------------------------------------------------------------------------------------------

    def _note(self, broken: int, source: int, code: Code) -> None:
        """Count what is broken by or in a state reached from `source`, and keep the first trace to each clause."""
        for bit in range(len(self.model.clauses)):
            if broken >> bit & 1:
                self.violations[bit] += 1
                if bit not in self.first:
                    self.first[bit] = trace_through(self.model, [*self._path(source), code], 1 << bit)

    def _path(self, node: int) -> list[Code]:
        """Return the states on the way by which a node was first reached, itself included."""
        path = []
        while node >= 0:
            path.append(self.codes[node])
            node = self.parents[node]
        return path[::-1]

    def progress(self, frontier: int) -> Progress:
        return Progress(
            states=len(self.codes),
            edges=self.edges,
            depth=self.depth,
            frontier=frontier,
            seconds=time.perf_counter() - self.began,
        )

    def result(self, *, complete: bool) -> Result:
        model = self.model
        shareds = Counter(code[0] for code in self.codes)
        messages = Counter(number for code in self.codes for number in code[1:])
        return Result(
            config=model.system.settings,
            engine="graph",
            states=len(self.codes),
            edges=self.edges,
            depth=self.depth,
            seconds=time.perf_counter() - self.began,
            complete=complete,
            violations={model.clauses[bit]: self.violations[bit] for bit in sorted(self.violations)},
            counterexamples={model.clauses[bit]: self.first[bit] for bit in sorted(self.first)},
            hits=count_hits(
                {model.actions[action]: count for action, count in Counter(self.acted).items()}, model.system.actions
            ),
            reached=count_reached(
                ((model.shareds[number], times) for number, times in shareds.items()),
                ((model.messages[number], times) for number, times in messages.items()),
            ),
            at_stake={clause: model.at_stake[clause] for clause in model.clauses},
            model_calls=model.calls,
            symmetric=model.symmetric,
            unreduced=sum(map(model.orbit, self.codes)),
            space=None
            if model.symmetric
            else StateSpace(
                model=model,
                codes=tuple(self.codes),
                columns=(self.sources, self.targets, self.acted, self.actors),
            ),
        )


def explore_graph(asked: Config | System, options: Options = DEFAULTS) -> Result:
    """Explore a system, or the model of this project in a configuration, with the graph engine.

    Ends after the level in which one of the clauses of `Options.stop_at` first falls; without one, when nothing is
    new. With `Options.symmetric`, one state stands for all that differ in the order of alike messages, and the result
    has no graph, which would mix them up. Raises `TooManyStates`.
    """
    model = interned(options.system(asked), symmetric=options.symmetric)
    most = DEFAULT_MAX_STATES if options.max_states is None else options.max_states
    search = _Search(model=model, wanted=options.wanted(model.clauses), max_states=most, watcher=options.watcher)
    search.run()
    return search.result(complete=not search.stopped)
