"""What clients ask of the core. Every request is frozen when it is submitted (clause
`submitted-is-written`).

>>> receipts = ["a", "b"]
>>> request = AckMany(receipts)
>>> receipts.clear()
>>> request.receipts
('a', 'b')
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from ackstore.words.identity import QueueId


def _queue(value: QueueId | str) -> QueueId:
    return value if isinstance(value, QueueId) else QueueId.parse(value)


def _tuple(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@frozen
class Publish:
    """The queue now holds messages 0 to `end` - 1. Never lowers the end, and is not kept."""

    queue: QueueId = field(converter=_queue)
    end: int


@frozen
class Pop:
    """Hand out up to `count` messages, each invisible to others for `invisible` seconds."""

    queue: QueueId = field(converter=_queue)
    count: int = 1
    invisible: float = 30.0


@frozen
class Ack:
    """Settle the delivery that `receipt` names. With `queue`, only if it is a delivery of that
    queue.

    `durable` asks for a `Durable` effect once the ack is FLUSHED.
    """

    receipt: str
    queue: QueueId | str | None = None
    durable: bool = True


@frozen
class AckMany:
    """Settle several deliveries; each receipt gets its own reply, in order."""

    receipts: tuple[str, ...] = field(converter=_tuple)


@frozen
class Renew:
    """Give the delivery that `receipt` names `invisible` seconds from now. The receipt stays current."""

    receipt: str
    invisible: float = 30.0


@frozen
class Release:
    """Give the delivery back: the message can be handed out again at once. The attempt stays counted."""

    receipt: str


@frozen
class Reset:
    """Begin again at `offset`: messages below it are settled, the others as if never handed out."""

    queue: QueueId = field(converter=_queue)
    offset: int


@frozen
class Flush:
    """A barrier: OK once everything submitted before it is FLUSHED."""


@frozen
class Degrade:
    """Answer when FLUSHED whatever the settings say, or, without `forced`, as they say again."""

    forced: bool


@frozen
class Close:
    """Refuse what comes later, flush, persist the offsets, end."""


Request = Publish | Pop | Ack | AckMany | Renew | Release | Reset | Flush | Degrade | Close
