"""A trace: the steps from the initial state to what is to be shown, and what each step changed.

Values are worded with the model's own names: a record is written "belief / truth", so `flushed / phantom` is a
record that the store takes for flushed and that the disk will never have.

>>> from ackmodel import Config, moves
>>> state = Config().initial()
>>> [move] = moves(Config(), state)
>>> step = TraceStep(number=1, action=move.action, actor=move.actor, before=state, after=move.after)
>>> for change in step.changes:
...     print(change.where, change.field, change.before, "->", change.after)
message 0 phase waiting -> popping
message 0 delivery 0 -> 1
message 0 checkpoint none -> pending
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from attrs import frozen

from ackexplore.interning import Code, Interned, successors
from ackexplore.values import as_json, state_json, wording
from ackmodel import Clause, Record, State


@frozen(kw_only=True)
class Change:
    """One field that a step changed; `where` is "store" or "message N", values are worded."""

    where: str
    field: str
    before: str
    after: str


def _changes(where: str, before: Any, after: Any, prefix: str = "") -> Iterator[Change]:
    if not attrs.has(type(before)):
        if before != after:
            yield Change(where=where, field="value", before=wording(before), after=wording(after))
        return
    for attribute in attrs.fields(type(before)):
        old, new = getattr(before, attribute.name), getattr(after, attribute.name)
        if old == new:
            continue
        name = prefix + attribute.name.replace("_", " ")
        if attrs.has(type(old)) and not isinstance(old, Record):
            yield from _changes(where, old, new, name + " ")
        else:
            yield Change(where=where, field=name, before=wording(old), after=wording(new))


def changes_between(before: State, after: State) -> tuple[Change, ...]:
    """Return what differs between two states, the messages first."""
    changes: list[Change] = []
    for place, (old, new) in enumerate(zip(before[1], after[1], strict=True)):
        changes += _changes(f"message {place}", old, new)
    changes += _changes("store", before[0], after[0])
    return tuple(changes)


@frozen(kw_only=True)
class TraceStep:
    """One step: its number from 1, its action, the message that acted (None in a broadcast), both states."""

    number: int
    action: str
    actor: int | None
    before: State
    after: State

    @property
    def changes(self) -> tuple[Change, ...]:
        """What the step changed."""
        return changes_between(self.before, self.after)


@frozen(kw_only=True)
class Trace:
    """Steps from the initial state; `broken` are the clauses that fall at the end of it, or never come to pass.

    A lasso has a `loop`: after so many steps those that are left are taken for ever round; if none is left, nothing
    happens any more.
    """

    initial: State
    steps: tuple[TraceStep, ...]
    broken: tuple[Clause, ...] = ()
    loop: int | None = None

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.steps)

    @property
    def actions(self) -> tuple[str, ...]:
        """The steps by name, with the message that acted.

        >>> from ackmodel import Config
        >>> Trace(initial=Config().initial(), steps=()).actions
        ()
        """
        return tuple(step.action if step.actor is None else f"{step.action}({step.actor})" for step in self.steps)

    @property
    def final(self) -> State:
        """The state at the end."""
        return self.steps[-1].after if self.steps else self.initial


def trace_through(model: Interned, codes: Sequence[Code], broken: int = 0) -> Trace:
    """Return the trace through states each of which follows from the one before.

    With symmetry, a code stands for all orders of alike messages; the trace keeps each message in its place.
    Where several transitions lead on, the first is taken; the last must break the clauses of `broken`, by itself or by
    the state that it leads to. Raises `ValueError` where no transition leads on.
    """
    code, way, moved = codes[0], [codes[0]], list[tuple[int, int | None]]()
    fallen = model.broken_state(code)
    for number, then in enumerate(codes[1:], start=1):
        last, goal = number == len(codes) - 1, model.canonical(then)
        wanted = broken & ~model.broken_state(then) if last else 0
        moves = successors(model, code)
        found = next((move for move in moves if model.canonical(move[2]) == goal and move[3] & wanted == wanted), None)
        if found is None:
            raise ValueError(f"state {number} does not follow from the one before it")
        action, actor, after, breaks = found
        fallen = breaks | model.broken_state(after)
        moved.append((action, actor))
        way.append(after)
        code = after
    return _told(model, way, moved, model.clauses_in(fallen if broken else 0))


def _told(
    model: Interned, way: Sequence[Code], moved: Sequence[tuple[int, int | None]], broken: tuple[Any, ...]
) -> Trace:
    """Return the trace through states by the steps between them, with each message in its place."""
    decoded = [model.decode(code) for code in way]
    places, states = model.system.told(decoded) if model.symmetric else (range(len(way[0]) - 1), decoded)
    steps = tuple(
        TraceStep(
            number=number,
            action=model.actions[action],
            actor=None if actor is None else places[actor],
            before=states[number - 1],
            after=states[number],
        )
        for number, (action, actor) in enumerate(moved, start=1)
    )
    return Trace(initial=states[0], steps=steps, broken=broken)


def trace_json(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON types: `length`, `broken`, `initial`, and `steps` with what each changed."""
    return {
        "length": len(trace),
        "broken": [clause.value for clause in trace.broken],
        "initial": state_json(trace.initial),
        "steps": [
            {
                "number": step.number,
                "action": step.action,
                "actor": step.actor,
                "changes": [as_json(change) for change in step.changes],
                "after": state_json(step.after),
            }
            for step in trace.steps
        ],
    }
