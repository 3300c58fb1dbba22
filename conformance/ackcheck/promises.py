"""What a target promises: the strict default, and each departure from it that a broker may state.

A target states them in its answer to `open`, or whoever runs the suite does in a TOML file (`ackcheck run --promises`):

    delivery = "at-least-once"
    late_acks = "may-settle"
    barrier = "none"
    grace = 6.0

or in words, `--promise barrier=none`. What is not promised is not judged, and each departure is printed with the
verdict (specs/verdict.md).

>>> promises_of({"barrier": "none", "grace": 6.0}).departures()
{'grace': 6.0, 'barrier': 'none'}
>>> promises_of({"barier": "none"})
Traceback (most recent call last):
...
ackcheck.promises.BadPromise: no promise 'barier'; did you mean 'barrier'?
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen

from ackmodel import nearest

MOST_SECONDS = 3600.0
"""The longest time that can be promised."""

SCHEMA = Path(__file__).with_name("promises.schema.json")
"""The JSON Schema of a promises file, for editors, and for who makes such files."""


class BadPromise(ValueError):
    """A promise that there is not, or a value that it cannot have; the message says what to write."""


def _one_of(*values: str) -> Any:
    def check(_promises: Promises, attribute: Attribute[str], value: object) -> None:
        if value not in values:
            raise BadPromise(f"{attribute.name} is {value!r}: write {' or '.join(map(repr, values))}")

    return field(default=values[0], validator=check, metadata={"enum": values})


def _seconds(default: float, what: str) -> Any:
    def check(_promises: Promises, attribute: Attribute[float], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SECONDS:
            raise BadPromise(f"{attribute.name} is {value!r}: write seconds, from 0 to {MOST_SECONDS:g}; {what}")

    return field(default=default, validator=check, metadata={"seconds": what})


def _times(_promises: Promises, attribute: Attribute[tuple[float, ...]], value: tuple[object, ...]) -> None:
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 < one <= MOST_SECONDS:
            raise BadPromise(f"{attribute.name} holds {one!r}: write a list of seconds, each over 0")


def _listed(value: object) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise BadPromise(f"invisible is {value!r}: write a list of seconds, as [0.25, 30.0]")
    return tuple(value)


@frozen(kw_only=True)
class Promises:
    """What is promised; the first value of each is the strict one, and the default."""

    delivery: str = _one_of("exclusive", "at-least-once")
    """Whether a message is in one pair of hands at a time, whatever happens; or may come twice after a fault."""
    late_acks: str = _one_of("refused", "may-settle")
    """What becomes of an ack that comes after the deadline of its delivery."""
    receipts: str = _one_of("of-the-delivery", "of-the-message")
    """Whether a receipt is for one delivery, or the same for all deliveries of its message."""
    reservations: str = _one_of("survive", "end-with-the-process")
    """Whether what is in hand when the process ends stays hidden until its deadline."""
    granularity: float = _seconds(0.0, "how much later than asked for a deadline may be")
    """Deadlines are rounded up by at most this many seconds."""
    grace: float = _seconds(3.0, "how long after its deadline a message may be back")
    """A message is back at most this many seconds after its deadline."""
    invisible: tuple[float, ...] = field(default=(), converter=_listed, validator=_times)
    """The only times for which a pop may hide a message; empty: any."""
    barrier: str = _one_of("yes", "none")
    """Whether `flush` says that what was answered before it survives power loss."""
    loss_window: float = _seconds(0.0, "within which what was answered is synced; 0 promises nothing of the kind")
    """What was answered OK survives power loss once this many seconds have passed."""
    settles_after: float = _seconds(0.0, "after which the offsets that settle a message are persisted; 0: at once")
    """An ack that was answered OK counts only once this many seconds have passed: before that any fault may undo it."""
    publish: str = _one_of("durable", "republished")
    """Whether what was published survives a fault as an ack does; or is put back by whoever published it, as where
    message bodies live elsewhere. Then no loss of a message is a finding, so that is for the target to say."""
    damage: str = _one_of("refused", "unnoticed")
    """Whether a file that rots on the disk, is lost or is an old one is refused by its name; or goes unnoticed."""

    def departures(self) -> dict[str, Any]:
        """Return what differs from the strict default."""
        strict = Promises()
        names = [one.name for one in fields(Promises)]
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(strict, name)}

    def hidden_for(self, wanted: float) -> float:
        """Return the time that comes nearest to what is wanted, of those for which a message can be hidden."""
        return min(self.invisible, key=lambda one: abs(one - wanted)) if self.invisible else wanted


STRICT = Promises()


def promises_of(stated: Mapping[str, Any]) -> Promises:
    """Return what was stated, with the strict default for the rest."""
    known = [one.name for one in fields(Promises)]
    for name in stated:
        if name not in known:
            raise BadPromise(f"no promise {name!r}; {nearest(name, known, 'the promises are')}")
    return Promises(**stated)


def promise_in_words(text: str) -> tuple[str, Any]:
    """Return the name and the value of a promise that is stated as `name=value`.

    >>> promise_in_words("grace=6"), promise_in_words("invisible=0.25,30"), promise_in_words("barrier=none")
    (('grace', 6.0), ('invisible', (0.25, 30.0)), ('barrier', 'none'))
    """
    name, equals, value = text.partition("=")
    kind = next((one for one in fields(Promises) if one.name == name), None)
    if not equals:
        raise BadPromise(f"{text!r} states no promise: write name=value, as grace=6")
    if kind is None or "enum" in kind.metadata:
        return name, value
    try:
        return name, float(value) if "seconds" in kind.metadata else tuple(map(float, value.split(",")))
    except ValueError:
        raise BadPromise(f"{name} is {value!r}: write seconds; of several, with commas between them") from None


def in_words(promises: Promises) -> list[str]:
    """Return what is promised in words: the departures, or where there are none a strict one, as that too is stated.

    >>> in_words(promises_of({"grace": 6.0, "invisible": [0.25, 30]})), in_words(STRICT)
    (['grace=6', 'invisible=0.25,30'], ['delivery=exclusive'])
    """
    stated = promises.departures() or {"delivery": STRICT.delivery}
    return [f"{name}={_in_words(value)}" for name, value in stated.items()]


def _in_words(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ",".join(f"{one:g}" for one in (value if isinstance(value, tuple) else (value,)))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a promises file; the one that is shipped is this one.

    >>> import json
    >>> json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()
    True
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What an acknowledgement store promises (ackcheck run --promises)",
        "type": "object",
        "additionalProperties": False,
        "properties": {one.name: _schema_of(one) for one in fields(Promises)},
    }


def _schema_of(one: Attribute[Any]) -> dict[str, Any]:
    if "enum" in one.metadata:
        return {"enum": [*one.metadata["enum"]], "default": one.default}
    if "seconds" in one.metadata:
        what = one.metadata["seconds"]
        return {"type": "number", "minimum": 0, "maximum": MOST_SECONDS, "default": one.default, "description": what}
    times = {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS}
    return {"type": "array", "items": times, "default": []}
