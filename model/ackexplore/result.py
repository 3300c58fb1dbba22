"""What an exploration returns, and how it says that it cannot go on.

>>> from ackmodel import Config
>>> from ackexplore import explore
>>> result = explore(Config())
>>> result.states, result.edges, result.depth, result.holds
(54, 97, 12, True)
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import networkx as nx
from attrs import field, frozen

from ackexplore.interning import Code, Interned
from ackexplore.trace import Trace, trace_json
from ackexplore.values import as_json
from ackmodel import Clause, State


@frozen(kw_only=True)
class Progress:
    """How far an exploration has got: `seconds` since it began, `frontier` states of this depth still to expand."""

    states: int
    edges: int
    depth: int
    frontier: int
    seconds: float

    @property
    def rate(self) -> float:
        """Distinct states a second, so far."""
        return self.states / self.seconds if self.seconds else 0.0


Watcher: TypeAlias = Callable[[Progress], None]
"""Called with the progress a few times a second; it may raise to stop the exploration."""


@frozen(kw_only=True, eq=False)
class StateSpace:
    """Every state that was reached, by number: the nodes of the graph, 0 being the initial state.

    The transitions are four columns: source, target, number of the action, actor (-1 in a broadcast).
    """

    model: Interned = field(repr=False)
    codes: tuple[Code, ...] = field(repr=False)
    columns: tuple[array[int], array[int], array[int], array[int]] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of states."""
        return len(self.codes)

    def state(self, node: int) -> State:
        """Return the state of the model that a node stands for."""
        return self.model.decode(self.codes[node])

    def edges(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield the transitions, in the order in which they were found: source, target, and action and actor."""
        actions = self.model.actions
        for source, target, action, actor in zip(*self.columns, strict=True):
            yield source, target, {"action": actions[action], "actor": None if actor < 0 else actor}

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The states and transitions as a graph; made when it is first asked for, since a verdict needs none."""
        graph = nx.MultiDiGraph()
        graph.add_nodes_from(range(len(self.codes)))
        graph.add_edges_from(self.edges())
        return graph


@frozen(kw_only=True, eq=False)
class Result:
    """What was found. Counts are exact, and the same for every engine.

    `states`, `edges` (transitions, parallel ones counted each) and `depth` (steps to the farthest state) cover what
    was explored: everything if `complete`, else whole levels up to the one in which the search ended. `violations`
    counts, for each broken clause, the states that break it (state invariants) or the transitions (step
    invariants). `counterexamples` holds a shortest trace to each. `hits` counts transitions per action, zero hits
    included. `reached` counts, for each value of each enumerated field, the messages (or shared parts) that have
    it, over all states. `at_stake` counts, for each clause, the distinct pairs of a shared part (but for its budget)
    and a message in which it forbids something (`ackmodel.spec.vacuity`): a clause with a zero was not judged. With
    `symmetric`, one state stands for all that differ in the order of alike messages; all counts are of those explored,
    and `unreduced` says how many states they stand for. `model_calls` is how often the model was asked for steps. Only
    the graph engine fills `space`, and so has a `graph` (a `networkx.MultiDiGraph` whose edges carry `action` and
    `actor`). `config` is the configuration, or, where another system was explored, that system.
    """

    config: Any
    engine: str
    states: int
    edges: int
    depth: int
    seconds: float
    complete: bool
    violations: Mapping[Any, int]
    counterexamples: Mapping[Any, Trace] = field(repr=False)
    hits: Mapping[str, int] = field(repr=False)
    reached: Mapping[str, int] = field(repr=False)
    at_stake: Mapping[Any, int] = field(repr=False)
    model_calls: int
    symmetric: bool = False
    unreduced: int = 0
    space: StateSpace | None = field(default=None, repr=False)

    @property
    def graph(self) -> Any:
        """The graph of what was explored; None if another engine than the graph engine did."""
        return None if self.space is None else self.space.graph

    @property
    def holds(self) -> bool:
        """Whether no clause is broken in what was explored."""
        return not self.violations

    @property
    def counterexample(self) -> Trace | None:
        """The shortest trace to any broken clause; None if none is broken."""
        return min(self.counterexamples.values(), key=len, default=None)

    @property
    def never_at_stake(self) -> tuple[Clause, ...]:
        """The clauses that hold because nothing put them to the test."""
        return tuple(clause for clause, count in self.at_stake.items() if not count)

    @property
    def unhit(self) -> tuple[str, ...]:
        """The actions that never happened."""
        return tuple(action for action, count in self.hits.items() if not count)

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON types; the keys are described in `specs/exploration.md`."""
        return {
            "states": self.states,
            "edges": self.edges,
            "depth": self.depth,
            "seconds": round(self.seconds, 6),
            "complete": self.complete,
            "engine": self.engine,
            "model_calls": self.model_calls,
            "symmetric": self.symmetric,
            "unreduced": self.unreduced,
            "config": as_json(self.config),
            "violations": {clause.value: count for clause, count in self.violations.items()},
            "hits": dict(self.hits),
            "reached": dict(self.reached),
            "at_stake": {clause.value: count for clause, count in self.at_stake.items()},
            "counterexamples": {clause.value: trace_json(trace) for clause, trace in self.counterexamples.items()},
        }


class Unfinished(RuntimeError):
    """The exploration ended before everything was explored; `result` is what was found up to there.

    Its message is the `fact`, and what `explore` can do about it; a caller that offers less says that instead.
    """

    def __init__(self, fact: str, mend: str, result: Result) -> None:
        self.fact = fact
        self.result = result
        super().__init__(f"{fact}: {mend}")


class TooManyStates(Unfinished):
    """The configuration has more states than were allowed, which is `limit`."""

    def __init__(self, limit: int, result: Result) -> None:
        self.limit = limit
        advice = "allow more with max_states (--max-states)"
        if result.engine == "graph":
            advice += ", use the table engine (--engine table), which takes millions"
        fact = f"more than {limit:,} states at depth {result.depth}"
        super().__init__(fact, f"{advice}, or take fewer messages, deliveries or faults", result)


class TooMuchMemory(Unfinished):
    """The exploration needs more memory than it may take."""

    def __init__(self, limit: int, needed: int, result: Result) -> None:
        each = needed / max(1, result.states)
        super().__init__(
            f"{result.states:,} states at depth {result.depth} take {needed / 2**30:.2f} GiB, {each:.0f} bytes each, "
            f"but only {limit / 2**30:.2f} GiB may be taken",
            "allow more with memory (--memory), or take fewer messages, deliveries or faults",
            result,
        )


class WontFit(Unfinished):
    """The configuration is far too large for the memory there is; nothing was explored. `estimate` is in words."""

    def __init__(self, estimate: str, limit: int, config: Any) -> None:
        self.estimate = estimate
        nothing = Result(
            config=config,
            engine="table",
            states=0,
            edges=0,
            depth=0,
            seconds=0.0,
            complete=False,
            violations={},
            counterexamples={},
            hits={},
            reached={},
            at_stake={},
            model_calls=0,
        )
        super().__init__(
            f"not begun: estimated from fewer messages, this has {estimate}, but only {limit / 2**30:.2f} GiB may be "
            "taken",
            "allow more with memory (--memory), take fewer messages, deliveries or faults, or walk at random",
            nothing,
        )


class BadCheckpoint(ValueError):
    """A folder holds no checkpoint that this search can go on from, or one that it would overwrite."""
