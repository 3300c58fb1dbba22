"""What a target answered, checked against the protocol: `ProtocolError` for what it cannot mean.

>>> reply_of("SETTLED", "ack")
<Reply.SETTLED: 'SETTLED'>
>>> reply_of("DONE", "ack")
Traceback (most recent call last):
...
ackcheck.rig.errors.ProtocolError: 'ack' was answered 'DONE'; answer BUSY, EXPIRED, FAILED, INVALID, OK, SETTLED or \
UNKNOWN
>>> shown_by({"queues": {"q": {"committed": 3, "persisted": 2}}, "uptime": 7}).offsets["q"].committed
3
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import Factory, frozen

from ackcheck.promises import STRICT, BadPromise, Promises, promises_of
from ackcheck.rig.errors import ProtocolError
from ackcheck.signs import clean
from ackcheck.target import OPTIONAL, PROTOCOL, REPLIES, Delivery
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting

SHOWN = 200  # characters of an answer that a message shows

MOST = 2**63
"""The largest number that an answer may hold."""


DONE_OR_NOT = (Reply.OK, Reply.BUSY, Reply.FAILED, Reply.UNKNOWN)
"""What a leave, and a barrier, may be answered: they are of no delivery."""

REFUSALS = (Reply.BUSY, Reply.FAILED, Reply.UNKNOWN)
"""What a pop may be answered instead of deliveries."""


@frozen
class Offered:
    """What a target offers beyond the rest, and after how many attempts it dead-letters; None: never."""

    methods: frozenset[str] = frozenset()
    max_attempts: int | None = None
    promises: Promises = STRICT
    """What it says of itself."""

    @property
    def judged(self) -> frozenset[str]:
        """The methods by which something can be judged: dead letters only where there can be some."""
        return self.methods - (frozenset({"dead"}) if self.max_attempts is None else frozenset())


@frozen
class Shown:
    """What `stats` showed of what it may show (`ackcheck.target.Target.stats`); empty or None where it did not."""

    offsets: Mapping[str, Sighting] = Factory(dict)
    outstanding: Mapping[str, float] = Factory(dict)
    space: float | None = None

    @property
    def anything(self) -> bool:
        """Whether there is something to judge by."""
        return bool(self.offsets or self.outstanding) or self.space is not None

    def rests(self, settled: Collection[str], end: int) -> bool:
        """Whether nothing is outstanding, and the offsets of the queues that are settled are at their end."""
        offsets = [self.offsets[queue] for queue in settled if queue in self.offsets]
        return not any(self.outstanding.values()) and all(seen.committed == seen.persisted == end for seen in offsets)


def reply_of(result: Any, op: str) -> Reply:
    """Return the reply that an operation was answered with."""
    if not isinstance(result, str) or result not in REPLIES:
        *most, last = sorted(REPLIES)
        raise ProtocolError(f"{op!r} was answered {_cut(result)}; answer {', '.join(most)} or {last}")
    return Reply(result)


def done_or_not(result: Any, op: str) -> Reply:
    """Return how something that is of no delivery was answered."""
    reply = reply_of(result, op)
    if reply not in DONE_OR_NOT:
        raise ProtocolError(f"{op!r} was answered {_cut(result)}; answer {', '.join(one.value for one in DONE_OR_NOT)}")
    return reply


def replies_of(result: Any) -> list[Reply]:
    """Return the replies to a batch, item by item; that they are as many as the receipts is for the oracle to judge."""
    if not isinstance(result, list):
        raise ProtocolError(f"'ack_many' was answered {_cut(result)}; answer a list, one reply for each receipt")
    return [reply_of(one, "ack_many") for one in result]


def offered_by(result: Any) -> Offered:
    """Return what the answer to an `open` offers: nothing, where it is null; what is not known is left out."""
    match result:
        case None:
            return Offered()
        case {**stated}:
            names: Any = stated.get("offers", [])
            most = stated.get("max_attempts")
            if stated.get("protocol", PROTOCOL) != PROTOCOL:
                raise ProtocolError(f"'open' was answered with protocol {_cut(stated['protocol'])}; this is {PROTOCOL}")
            listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
            if listed and (most is None or (type(most) is int and most >= 1)):
                return Offered(OPTIONAL & frozenset(names), most, _promised(stated.get("promises")))
    raise ProtocolError(
        f"'open' was answered {_cut(result)}; answer null, or an object that may have offers (a list of "
        f"{', '.join(sorted(OPTIONAL))}), max_attempts (an integer from 1, or null) and promises (an object)"
    )


def _promised(stated: Any) -> Promises:
    if stated is None:
        return STRICT
    if not isinstance(stated, dict):
        raise ProtocolError(f"'open' was answered with promises {_cut(stated)}; answer an object of promises")
    try:
        return promises_of(stated)
    except BadPromise as error:
        raise ProtocolError(f"'open' was answered with a promise that there is not: {error}") from error


def refusal_of(result: str) -> Reply:
    """Return why a pop hands nothing out."""
    reply = reply_of(result, "pop")
    if reply not in REFUSALS:
        names = ", ".join(one.value for one in REFUSALS)
        raise ProtocolError(f"'pop' was answered {_cut(result)}; answer a list of deliveries, or one of {names}")
    return reply


def offsets_of(result: Any) -> frozenset[int]:
    """Return the dead letters of a queue."""
    if not isinstance(result, list) or not all(type(one) is int and one >= 0 for one in result):
        raise ProtocolError(f"'dead' was answered {_cut(result)}; answer a list of offsets (integers from 0)")
    return frozenset(result)


def deliveries_of(result: Any) -> list[Delivery]:
    """Return what a pop handed out."""
    wrong = ProtocolError(
        f"'pop' was answered {_cut(result)}; answer a list of objects with receipt (a string), offset (an integer from "
        "0), attempt and deadline (numbers)"
    )
    if not isinstance(result, list) or not all(_is_delivery(one) for one in result):
        raise wrong
    return result


def _is_delivery(one: Any) -> bool:
    match one:
        case {"receipt": str(), "offset": int(offset), "attempt": int(), "deadline": int() | float()}:
            return 0 <= offset <= MOST
    return False


def shown_by(result: Any) -> Shown:
    """Return what a `stats` shows; what it may leave out is left out, what is there must be in order."""
    if not isinstance(result, dict):
        raise ProtocolError(f"'stats' was answered {_cut(result)}; answer an object, empty if there is nothing to show")
    queues, counts, space = result.get("queues", {}), result.get("outstanding", {}), result.get("space")
    objects = isinstance(queues, dict) and isinstance(counts, dict)
    if (
        objects
        and all(map(_is_sighting, queues.values()))
        and all(map(_is_amount, counts.values()))
        and (space is None or (_is_amount(space) and space >= 0))
    ):
        return Shown(
            offsets={clean(one): Sighting(seen["committed"], seen["persisted"]) for one, seen in queues.items()},
            outstanding={clean(name): float(count) for name, count in counts.items()},
            space=None if space is None else float(space),
        )
    raise ProtocolError(
        f"'stats' was answered {_cut(result)}; where it shows them, queues is an object of objects with committed and "
        "persisted (integers from 0), outstanding an object of numbers, and space a number from 0"
    )


def _is_sighting(one: Any) -> bool:
    match one:
        case {"committed": int(committed), "persisted": int(persisted)}:
            return committed >= 0 and persisted >= 0
    return False


def _is_amount(one: Any) -> bool:
    """Tell whether it is a number that something can be measured by: not NaN, nor so large that it is no number."""
    return isinstance(one, int | float) and -MOST <= one <= MOST


def _cut(result: Any) -> str:
    text = repr(result)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
