"""What an implementer provides to have an acknowledgement store judged.

An in-process target is any object with the methods of `Target`; it need not inherit from it:

    >>> class Forgetful:
    ...     def open(self, directory): ...
    ...     def publish(self, queue, end): ...
    ...     def pop(self, queue, count, invisible): return []
    ...     def ack(self, receipt): return "OK"
    ...     def ack_many(self, receipts): return ["OK" for _ in receipts]
    ...     def flush(self): return "OK"
    ...     def stats(self): return {}
    ...     def close(self): return "OK"
    >>> isinstance(Forgetful(), Target)
    True

It may also have the methods of `Extended`, each by itself; what it has not got is not judged, and the report says so.

Values are what JSON can carry, so that the same target can be served from a child process
(`ackcheck.rig.serve`) and from any other language (specs/protocol.md).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypedDict, runtime_checkable

PROTOCOL = 1
"""The version of the protocol (specs/protocol.md), as a request to open names it."""

OPTIONAL = frozenset({"renew", "release", "reset", "dead", "leave"})
"""The methods of `Extended`, by the names they have on the wire."""

OPERATIONS = frozenset({"open", "publish", "pop", "ack", "ack_many", "flush", "stats", "close"}) | OPTIONAL
"""The methods of `Target` and of `Extended`, by the names they have on the wire."""

MAX_ATTEMPTS = "ACKCHECK_MAX_ATTEMPTS"
"""The environment variable in which a case names the `max_attempts` it would like; empty for none."""

LOGS = "ACKCHECK_LOGS"
"""The environment variable in which a case names the number of logs, or flush threads, that it would like."""

SEGMENT_BYTES = "ACKCHECK_SEGMENT_BYTES"
"""The environment variable in which a case names how many bytes it would like a file of the log to have before the next
is begun; empty where it is all the same to it."""

REPLIES = frozenset({"OK", "SETTLED", "EXPIRED", "FAILED", "UNKNOWN", "BUSY", "INVALID"})
"""What an acknowledgement may be answered; the meaning of each is in the specification."""


class Delivery(TypedDict):
    """One delivery of one message."""

    receipt: str
    """Names this delivery, and no other, for ever."""
    offset: int
    """The message's place in its queue, from 0."""
    attempt: int
    """1 for the first delivery of the message."""
    deadline: float
    """When the message becomes deliverable again if it is not acked; seconds of the target's clock."""


@runtime_checkable
class Target(Protocol):
    """An acknowledgement store, as the suite sees it. A reply is one of `REPLIES`, by name.

    Methods may raise: an operation that raises has an unknown outcome, and the exception is
    reported. They may be called from several threads at once where the target was started so.
    """

    def open(self, directory: Path) -> None:
        """Open or recover the store in `directory`, which exists and is the target's alone."""

    def publish(self, queue: str, end: int) -> None:
        """Tell the store that `queue` holds the messages 0 to `end` - 1.

        Goes back only after a power loss, of a target whose messages are published again: then the whole is told soon.
        """

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery] | str:
        """Hand out up to `count` messages, hidden from others for `invisible` seconds.

        Empty where there is nothing to hand out; BUSY, FAILED or UNKNOWN where something cannot be handed out.
        """
        ...

    def ack(self, receipt: str) -> str:
        """Settle the delivery that `receipt` names."""
        ...

    def ack_many(self, receipts: Sequence[str]) -> Sequence[str]:
        """Settle several deliveries; one reply for each receipt, in the order given."""
        ...

    def flush(self) -> str:
        """Wait for a barrier: OK once everything answered before the call survives power loss."""
        ...

    def stats(self) -> Mapping[str, object]:
        """Counters and gauges, by name. What is called as follows is judged; all of it may be left out.

        - `queues`: for each queue `committed`, the consumer offset, and `persisted`, what of it is on the disk.
        - `outstanding`: counts, by name, that are zero when there is nothing to do.
        - `space`: how many bytes the files of the directory hold, at most, when everything is settled and committed.
        """
        ...

    def close(self) -> str:
        """Drain or refuse what is pending, in bounded time."""
        ...


class Extended(Target, Protocol):
    """What a target may offer beyond the rest."""

    max_attempts: int | None
    """How often a message is handed out, at most: then it is a dead letter. None, or no such attribute: no limit.

    Read after `open`, and the same after every `open` of a directory. A case that would like a limit names it in the
    environment (`MAX_ATTEMPTS`); the target need not follow.
    """

    def renew(self, receipt: str, invisible: float) -> str:
        """Hide the delivery that `receipt` names for `invisible` seconds from now; the receipt stays current."""
        ...

    def release(self, receipt: str) -> str:
        """Give a delivery back: the message is due at once, and the receipt EXPIRED."""
        ...

    def reset(self, queue: str, offset: int) -> str:
        """Begin again at `offset`: messages below it are settled, the others as never handed out, every receipt void.

        OK says that no fault undoes it. Other calls of the queue may be under way: each is before it, or after.
        """
        ...

    def dead(self, queue: str) -> Sequence[int]:
        """Return the dead letters of a queue, by their offsets."""
        ...

    def leave(self, consumer: str) -> str:
        """Have a consumer go: what it has in hand is due at once, its receipts are EXPIRED, and nothing else returns.

        A target that has this method is told in each `pop` who asks: `pop(queue, count, invisible, consumer)`. Whoever
        pops in the same name later has come anew. OK, BUSY, FAILED or UNKNOWN; OK too where it has nothing in hand.
        """
        ...
