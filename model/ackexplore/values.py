"""Values of the model in words and as JSON, and back.

>>> from ackmodel import Config, Record, Stage, Truth
>>> wording(Record(Stage.FLUSHED, Truth.PHANTOM)), wording(Record()), wording(True)
('flushed / phantom', 'none', 'yes')
>>> shared, (message,) = Config(power_losses=1).initial()
>>> from_json(type(message), as_json(message)) == message
True
"""

from __future__ import annotations

import enum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from ackmodel import Message, Record, Stage, State

T = TypeVar("T")

GHOSTS = frozenset(item.name for item in attrs.fields(Message) if item.metadata.get("ghost"))
"""The fields of a message that say what happened, and that no store has."""


def wording(value: object) -> str:
    """Return a value of the model in words; a record as "belief / truth"."""
    if isinstance(value, Record):
        none = value.stage in (Stage.NONE, Stage.PENDING) and not value.readable
        return value.stage.value if none else f"{value.stage.value} / {value.truth.value}"
    if isinstance(value, enum.IntEnum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(wording, value))
    return str(value)


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


def from_json(kind: type[T], told: Any) -> T:
    """Return the value of a class of the model that `as_json` told; `ValueError` if it tells of none."""
    made: Any
    if attrs.has(kind):
        hints = get_type_hints(kind)
        if not isinstance(told, dict) or set(told) != {item.name for item in attrs.fields(kind)}:
            raise ValueError(f"these are not the fields of {kind.__name__}: {told!r}")
        made = kind(**{item.alias: from_json(hints[item.name], told[item.name]) for item in attrs.fields(kind)})
    elif get_origin(kind) is tuple:
        one, _ = get_args(kind)
        if not isinstance(told, list):
            raise ValueError(f"{told!r} is no list")
        made = tuple(from_json(one, item) for item in told)
    elif issubclass(kind, enum.Enum):
        named = [choice for choice in kind if wording(choice) == told]
        if not named:
            raise ValueError(f"{told!r} is no {kind.__name__}")
        made = named[0]
    elif type(told) is not kind:
        raise ValueError(f"{told!r} is no {kind.__name__}")
    else:
        made = told
    result: T = made
    return result


def state_json(state: State) -> dict[str, Any]:
    """Return a state as JSON types: `{"shared": {...}, "messages": [{...}, ...]}`."""
    shared, messages = state
    return {"shared": as_json(shared), "messages": as_json(messages)}
