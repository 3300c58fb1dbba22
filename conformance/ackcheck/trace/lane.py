"""What the fast path keeps of a queue, and of each message in it (`ackcheck.trace.simple`).

>>> lane = Lane("orders")
>>> lane.end = 2
>>> lane.messages()
{0: None, 1: None}
"""

from __future__ import annotations

from collections.abc import Sequence

from ackmodel import Contract
from ackmodel.observe.events import Popped, Secured

OPEN, HELD, ASKED, ACKED, PASSED = range(5)
"""Where in its life a message is: handed out, its ack under way, answered OK, forgotten. One never handed out is None.
OPEN (not settled) and ACKED (settled, or nobody knows) are also those of which whatever comes is not simple."""


class Message:
    """What is kept of a message. `given` and `settled` are the moments at which the pop and the ack were answered."""

    __slots__ = (
        "ack", "acked_at", "asked_at", "before", "contract", "counted", "delivery", "earlier", "given", "offset",
        "popped_at", "queue", "receipt", "settled", "stage", "until",
    )  # fmt: skip

    def __init__(self, queue: Lane, offset: int, receipt: str, popped_at: float, until: float, given: int) -> None:
        self.queue = queue
        self.offset = offset
        self.receipt = receipt
        self.popped_at: float | None = popped_at
        """None where the contract has been told of it."""
        self.until = until
        self.given = given
        self.stage = HELD
        self.contract: Contract | None = None
        """What the oracle knew of it when it was taken out."""
        self.earlier: list[Popped] = []
        """Deliveries before the newest, of which no contract has been told."""
        self.before: Sequence[str] = ()
        """The receipts of deliveries before the newest."""
        self.counted: Sequence[str] = ()
        self.delivery: Secured | None = None
        """As the oracle knew it; None for one that is a delivery and nothing more."""
        self.ack = 0
        self.asked_at: float | None = None
        self.acked_at: float | None = None
        self.settled = 0


class Lane:
    """What is kept of a queue: as `ackmodel.observe.queue.Queue`, whose words these are.

    Each message that is told of is in `live` (None: never handed out), or from `fresh` to `end`. Below `clean` no ack
    is missing; `unsettled` counts the messages whose ack was not asked for.
    """

    __slots__ = (
        "clean", "committed", "done_with", "end", "fresh", "holes", "kept", "live", "name", "persisted", "restarted",
        "unsettled",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.live: dict[int, Message | None] = {}
        self.done_with = self.fresh = self.end = self.clean = self.unsettled = self.kept = 0
        self.committed = self.persisted = -1
        """What was shown last; -1: nothing yet."""
        self.restarted = False
        self.holes = False
        """Whether there may be messages between `done_with` and `fresh` that nobody has told of."""

    def messages(self) -> dict[int, Message | None]:
        """Return each message that is told of."""
        return self.live | dict.fromkeys(range(self.fresh, self.end))
