"""What a store must do in the end, as leads-to properties of the model; and what must be fair for it.

The protocol does not put off for ever what it can do (weak fairness: write, answer, rewrite, sync, commit), a running
sync that no fault ends succeeds in the end, and time passes. Consumers need not ack. Faults need not happen, and their
budgets are finite, so that every run has a last fault.

>>> from ackmodel import Config
>>> from ackexplore import explore
>>> [finding.name for finding in check_progress(explore(Config(sync_failures=1))) if finding.lasso]
[]
>>> lazy = [group for group in fairness_of(Config()) if group.name != "sync_directory"]
>>> [finding.name for finding in check_progress(explore(Config()), fairness=lazy) if finding.lasso]
['commit-progresses of message 0']
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen

from ackexplore.graph.liveness import Edge, Fairness, Lasso, find_lasso
from ackexplore.result import Result
from ackexplore.trace import Trace, TraceStep, trace_json
from ackmodel import Clause, Config, Message, Shared, State
from ackmodel.spec.liveness import PROPERTIES, LeadsTo, fair_actions


def fairness_of(config: Config) -> list[Fairness]:
    """Return what is assumed not to be put off for ever: all weak, as `ackmodel.spec.liveness` names it."""
    return [Fairness(group.name, group.actions, group.message) for group in fair_actions(config)]


@frozen(kw_only=True)
class Property:
    """`trigger ~> goal` of the shared part and a message, and the clause that asks for it.

    `message` is which it is about; None: about the store, and the first will do.
    """

    clause: Clause
    message: int | None
    trigger: Callable[[Shared, Message], bool]
    goal: Callable[[Shared, Message], bool]

    @property
    def name(self) -> str:
        """The clause, and the message if it is about one."""
        return self.clause.value if self.message is None else f"{self.clause.value} of message {self.message}"


def _about(config: Config, asked: LeadsTo, index: int) -> Property:
    return Property(
        clause=asked.clause,
        message=None if asked.of_store else index,
        trigger=partial(asked.trigger, config),
        goal=partial(asked.goal, config),
    )


def properties_of(config: Config, clauses: Collection[Clause] = tuple(PROPERTIES)) -> list[Property]:
    """Return what must happen in the end in a configuration, as far as some clauses ask for it."""
    wanted = [asked for clause, asked in PROPERTIES.items() if clause in clauses]
    each = [_about(config, asked, index) for index in range(config.messages) for asked in wanted if not asked.of_store]
    return each + [_about(config, asked, 0) for asked in wanted if asked.of_store]


@frozen(kw_only=True)
class ProgressFinding:
    """What became of one property: None where it holds, else the lasso, as traces of its two parts."""

    clause: Clause
    name: str
    lasso: Lasso | None
    prefix: Trace | None = None
    cycle: Trace | None = None

    @property
    def trace(self) -> Trace | None:
        """The lasso as one trace, which says where its cycle begins; None where the property holds.

        >>> from ackexplore import explore
        >>> lazy = [group for group in fairness_of(Config()) if group.name != "begin_sync"]
        >>> found = next(each for each in check_progress(explore(Config()), fairness=lazy) if each.lasso)
        >>> found.trace.actions, found.trace.loop
        (('pop(0)', 'write_checkpoint(0)', 'deliver(0)'), 3)
        """
        if self.prefix is None or self.cycle is None:
            return None
        begins = len(self.prefix)
        cycle = (evolve(step, number=step.number + begins) for step in self.cycle.steps)
        steps = (*self.prefix.steps, *cycle)
        return Trace(initial=self.prefix.initial, steps=steps, broken=(self.clause,), loop=begins)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON types: `holds`, and the two parts of the lasso, null if there is none."""
        return {
            "clause": self.clause.value,
            "name": self.name,
            "holds": self.lasso is None,
            "prefix": None if self.prefix is None else trace_json(self.prefix),
            "cycle": None if self.cycle is None else trace_json(self.cycle),
        }


def _trace_of(state: Callable[[int], State], edges: Sequence[Edge], start: int) -> Trace:
    steps = tuple(
        TraceStep(number=number, action=action, actor=actor, before=state(source), after=state(target))
        for number, (source, target, action, actor) in enumerate(edges, start=1)
    )
    return Trace(initial=state(start), steps=steps)


def findings_of(
    properties: Iterable[Property], lasso_of: Callable[[Property], Lasso | None], state: Callable[[int], State]
) -> list[ProgressFinding]:
    """Judge properties, each by its lasso if it has one; `state` gives the state of a number."""
    findings = []
    for asked in properties:
        lasso, prefix, cycle = lasso_of(asked), None, None
        if lasso is not None:
            prefix = _trace_of(state, lasso.prefix, 0)
            cycle = _trace_of(state, lasso.cycle, lasso.prefix[-1][1] if lasso.prefix else 0)
        findings.append(ProgressFinding(clause=asked.clause, name=asked.name, lasso=lasso, prefix=prefix, cycle=cycle))
    return findings


def check_progress(
    result: Result,
    *,
    fairness: Sequence[Fairness] | None = None,
    clauses: Collection[Clause] = tuple(PROPERTIES),
) -> list[ProgressFinding]:
    """Judge every property of a configuration on its graph, as far as some clauses ask for it.

    Raises `ValueError` if the result has no graph, or not all of it.
    """
    if result.space is None or not result.complete:
        raise ValueError(
            "progress is judged on the whole graph: explore to the end, with the graph engine, no symmetry"
        )
    space, groups = result.space, fairness_of(result.config) if fairness is None else fairness
    states = [space.state(node) for node in range(len(space))]

    def lasso_of(asked: Property) -> Lasso | None:
        pairs = [(shared, messages[asked.message or 0]) for shared, messages in states]
        holds = [(asked.trigger(*pair), asked.goal(*pair)) for pair in pairs]
        return find_lasso(
            space.graph,
            trigger=lambda node: holds[node][0],
            goal=lambda node: holds[node][1],
            fairness=groups,
        )

    return findings_of(properties_of(result.config, clauses), lasso_of, states.__getitem__)
