"""Operations: from their submission to their one answer (clause `reply-exactly-once`).

>>> sent = []
>>> operations = Operations(sent.append)
>>> batch = operations.begin(7, deadline=9.0, items=2)
>>> operations.reply(batch, 1, Reply.OK)
>>> operations.reply(batch, 0, Reply.EXPIRED)
>>> sent[0][1].value
(<Reply.EXPIRED: 'EXPIRED'>, <Reply.OK: 'OK'>)
>>> operations.end(batch, Reply.UNKNOWN), len(sent), operations.live
(None, 1, {})
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.core.effects import Answer, Durable, Effect
from ackstore.words.errors import DurationOutOfRange, shown
from ackstore.words.identity import Delivery
from ackstore.words.replies import Reply

FOREVER = 1e9
"""Seconds that nobody waits: thirty years."""
MAX_INVISIBLE = 10 * 365 * 86400.0
"""The longest time a message can be invisible, in seconds: ten years."""


def check_timeout(timeout: float) -> float:
    """Return the time to wait, in seconds, at most `FOREVER`; `DurationOutOfRange` for what is none."""
    if type(timeout) not in (int, float) or not timeout > 0:
        raise DurationOutOfRange(f"cannot wait {shown(timeout)} seconds: give a number above 0")
    return min(timeout, FOREVER)


def check_invisible(seconds: float) -> None:
    """Raise `DurationOutOfRange` for what is no time that a message can be invisible."""
    if type(seconds) not in (int, float) or not 0 < seconds <= MAX_INVISIBLE:
        raise DurationOutOfRange(
            f"a message cannot be invisible for {shown(seconds)} seconds: "
            f"give a number above 0, and at most {MAX_INVISIBLE:.0f}"
        )


class Operation:
    """What is outstanding of one request."""

    __slots__ = ("deadline", "deliveries", "durable", "ended", "left", "op", "replies")

    def __init__(self, op: int, deadline: float) -> None:
        self.op = op
        self.deadline = deadline
        """When it ends as UNKNOWN."""
        self.replies: list[Reply] | None = None
        """Of a batch, one reply an item; None for other operations."""
        self.left = 1
        """How many replies are still to come."""
        self.deliveries: tuple[Delivery, ...] | None = None
        """What a pop hands out, if all goes well; None for other operations."""
        self.durable = False
        """Whether the client wants to hear when its ack is FLUSHED."""
        self.ended = False

    def value(self, reply: Reply) -> tuple[Delivery, ...] | tuple[Reply, ...] | None:
        """Return what to send along with `reply`."""
        if self.replies is not None:
            return tuple(self.replies)
        if self.deliveries is not None:
            return self.deliveries if reply is Reply.OK else ()
        return None


class Barrier:
    """A flush operation that waits."""

    __slots__ = ("lsn", "merged_until", "operation", "submitted")

    def __init__(self, operation: Operation, merged_until: float) -> None:
        self.operation = operation
        self.merged_until = merged_until
        """What the merge buffer keeps until then came before it."""
        self.submitted: int | None = None
        """How many records had been submitted before it; None while something before it is not."""
        self.lsn: int | None = None
        """The last LSN before it; None while some of them are PENDING."""


Awaited = tuple[Operation, int, Reply]
"""Who waits for a record: the operation, which item of it, and the reply if all goes well."""


class Operations:
    """The operations without an answer, and how they get one, through `send` (with I/O id 0)."""

    def __init__(self, send: Callable[[tuple[int, Effect]], None]) -> None:
        self.send = send
        self.live: dict[int, Operation] = {}
        self.replies: dict[str, int] = {reply.name: 0 for reply in Reply}
        """Answers by kind; a batch counts once an item."""

    def replied(self, besides: int) -> dict[Reply, int]:
        """Return the answers by kind, with those of OK that the fast path has given."""
        return {reply: self.replies[reply._name_] + (besides if reply is Reply.OK else 0) for reply in Reply}

    def begin(self, op: int, deadline: float, items: int | None = None) -> Operation:
        """Begin an operation, whose request was submitted; with `items`, a batch of that many."""
        operation = self.live[op] = Operation(op, deadline)
        if items is not None:
            operation.replies = [Reply.UNKNOWN] * items
            operation.left = items
        return operation

    def reply(self, operation: Operation, item: int, reply: Reply) -> None:
        """Reply to one item. The last one ends the operation."""
        if operation.replies is None:
            self.end(operation, reply)
            return
        if operation.ended:
            return
        operation.replies[item] = reply
        operation.left -= 1
        if not operation.left:
            self.end(operation, Reply.OK)

    def end(self, operation: Operation, reply: Reply) -> None:
        """Answer an operation, unless it was answered before."""
        if operation.ended:
            return
        operation.ended = True
        del self.live[operation.op]
        for each in operation.replies or (reply,):
            self.replies[each._name_] += 1
        plain = operation.deliveries is None and operation.replies is None
        self.send((0, Answer(operation.op, reply, None if plain else operation.value(reply))))

    def durable(self, operation: Operation) -> None:
        """Tell the client, once, that its ack is FLUSHED, if it wants to know."""
        if operation.durable:
            operation.durable = False
            self.send((0, Durable(operation.op)))

    def expire(self, now: float) -> None:
        """End those whose time is up (clause `unknown-has-a-cause`)."""
        for operation in [each for each in self.live.values() if now >= each.deadline]:
            self.end(operation, Reply.UNKNOWN)

    def end_all(self) -> None:
        """End all operations, as the store is closed: what has no outcome will get none."""
        for operation in list(self.live.values()):
            self.end(operation, Reply.UNKNOWN)

    def next_deadline(self) -> float | None:
        """Return when the first of them ends as UNKNOWN."""
        return min((operation.deadline for operation in self.live.values()), default=None)
