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

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import frozen

from ackmodel import Clause, Config, Mode, Phase, Stage, State

from .liveness import Edge, Fairness, Lasso, find_lasso
from .result import Result, StateSpace
from .trace import Trace, TraceStep, trace_json

EACH_MESSAGE = (
    "pop",
    "write_checkpoint",
    "deliver",
    "write_ack",
    "answer_ack",
    "answer_unknown",
    "rewrite_checkpoint",
    "rewrite_earlier",
    "rewrite_ack",
    "commit",
    "expire",
)
TOGETHER = ("begin_sync", "sync_ok", "write_offset", "sync_directory", "recover")


def fairness_of(config: Config) -> list[Fairness]:
    """Return what is assumed not to be put off for ever: all weak, per action and message."""
    groups = [
        Fairness(action, frozenset({action}), actor) for action in EACH_MESSAGE for actor in range(config.messages)
    ]
    return groups + [Fairness(action, frozenset({action})) for action in TOGETHER]


@frozen(kw_only=True)
class Property:
    """`trigger ~> goal`, the clause that asks for it, and which message it is about (None: the store)."""

    clause: Clause
    message: int | None
    trigger: Callable[[State], bool]
    goal: Callable[[State], bool]

    @property
    def name(self) -> str:
        """The clause, and the message if it is about one."""
        return self.clause.value if self.message is None else f"{self.clause.value} of message {self.message}"


def _about(index: int, config: Config) -> Iterator[Property]:
    def flushed(state: State) -> bool:
        return not any(record.unflushed or record.stage is Stage.PENDING for record in state[1][index].records)

    def settled_so_far(state: State) -> bool:
        return all(message.phase is Phase.SETTLED and message.ack.stored for message in state[1][: index + 1])

    def in_hand(state: State) -> bool:
        message = state[1][index]
        return message.phase is Phase.DELIVERED and message.delivery < config.deliveries

    def asked_for(state: State) -> bool:
        return state[1][index].phase in (Phase.POPPING, Phase.ACKING)

    yield Property(clause=Clause.FLUSH_WHEN_IDLE, message=index, trigger=lambda state: not flushed(state), goal=flushed)
    yield Property(
        clause=Clause.COMMIT_PROGRESSES,
        message=index,
        trigger=settled_so_far,
        goal=lambda state: state[0].offset.disk > index or not settled_so_far(state),
    )
    yield Property(clause=Clause.NO_LIMBO, message=index, trigger=in_hand, goal=lambda state: not in_hand(state))
    yield Property(
        clause=Clause.REPLY_EXACTLY_ONCE,
        message=index,
        trigger=asked_for,
        goal=lambda state: not asked_for(state),
    )


def properties_of(config: Config) -> list[Property]:
    """Return what must happen in the end in a configuration."""
    leaves_sync = Property(
        clause=Clause.FLUSH_DEGRADES,
        message=None,
        trigger=lambda state: state[0].mode is Mode.SYNC,
        goal=lambda state: state[0].mode is Mode.ASYNC,
    )
    return [found for index in range(config.messages) for found in _about(index, config)] + [leaves_sync]


@frozen(kw_only=True)
class ProgressFinding:
    """What became of one property: None where it holds, else the lasso, as traces of its two parts."""

    clause: Clause
    name: str
    lasso: Lasso | None
    prefix: Trace | None = None
    cycle: Trace | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON types: `holds`, and the two parts of the lasso, null if there is none."""
        return {
            "clause": self.clause.value,
            "name": self.name,
            "holds": self.lasso is None,
            "prefix": None if self.prefix is None else trace_json(self.prefix),
            "cycle": None if self.cycle is None else trace_json(self.cycle),
        }


def _trace_of(space: StateSpace, edges: Sequence[Edge], start: int) -> Trace:
    steps = tuple(
        TraceStep(number=number, action=action, actor=actor, before=space.state(source), after=space.state(target))
        for number, (source, target, action, actor) in enumerate(edges, start=1)
    )
    return Trace(initial=space.state(start), steps=steps)


def check_progress(result: Result, *, fairness: Sequence[Fairness] | None = None) -> list[ProgressFinding]:
    """Judge every property of a configuration on its graph; `ValueError` if the result has none or not all of it."""
    if result.space is None or not result.complete:
        raise ValueError("progress is judged on the whole graph: explore to the end, with the graph engine")
    space, groups = result.space, fairness_of(result.config) if fairness is None else fairness
    states = [space.state(node) for node in range(len(space))]
    findings = []
    for asked in properties_of(result.config):
        triggers, goals = map(asked.trigger, states), map(asked.goal, states)
        holds = list(zip(triggers, goals, strict=True))
        lasso = find_lasso(
            space.graph,
            trigger=lambda node, holds=holds: holds[node][0],  # type: ignore[misc]
            goal=lambda node, holds=holds: holds[node][1],  # type: ignore[misc]
            fairness=groups,
        )
        if lasso is None:
            findings.append(ProgressFinding(clause=asked.clause, name=asked.name, lasso=None))
            continue
        turn = lasso.prefix[-1][1] if lasso.prefix else 0
        findings.append(
            ProgressFinding(
                clause=asked.clause,
                name=asked.name,
                lasso=lasso,
                prefix=_trace_of(space, lasso.prefix, 0),
                cycle=_trace_of(space, lasso.cycle, turn),
            )
        )
    return findings
