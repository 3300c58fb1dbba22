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

import enum
from collections.abc import Iterator
from typing import Any

import attrs
from attrs import frozen

from ackmodel import Clause, Message, Record, Shared, Stage, State


def wording(value: object) -> str:
    """Return a value of the model in words.

    >>> from ackmodel import Truth
    >>> wording(Record(Stage.FLUSHED, Truth.PHANTOM)), wording(Record()), wording(True)
    ('flushed / phantom', 'none', 'yes')
    """
    if isinstance(value, Record):
        none = value.stage in (Stage.NONE, Stage.PENDING) and not value.readable
        return value.stage.value if none else f"{value.stage.value} / {value.truth.value}"
    if isinstance(value, enum.IntEnum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


@frozen(kw_only=True)
class Change:
    """One field that a step changed; `where` is "store" or "message N", values are worded."""

    where: str
    field: str
    before: str
    after: str


def _changes(where: str, before: attrs.AttrsInstance, after: attrs.AttrsInstance, prefix: str = "") -> Iterator[Change]:
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
    for old, new in zip(before[1], after[1], strict=True):
        changes += _changes(f"message {old.index}", old, new)
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
    """Steps from the initial state; `broken` are the clauses that fall at the end of it."""

    initial: State
    steps: tuple[TraceStep, ...]
    broken: tuple[Clause, ...] = ()

    def __len__(self) -> int:
        """The number of steps."""
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


def as_json(value: Any) -> Any:
    """Return a value of the model as JSON types: classes as objects, enumerations as their wording."""
    if attrs.has(type(value)):
        return {item.name: as_json(getattr(value, item.name)) for item in attrs.fields(type(value))}
    if isinstance(value, enum.Enum):
        return wording(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    return value


def state_json(state: State) -> dict[str, Any]:
    """Return a state as JSON types: `{"shared": {...}, "messages": [{...}, ...]}`."""
    shared, messages = state
    assert isinstance(shared, Shared)
    assert all(isinstance(message, Message) for message in messages)
    return {"shared": as_json(shared), "messages": as_json(messages)}


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
