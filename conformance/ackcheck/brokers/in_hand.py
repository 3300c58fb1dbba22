"""What a client has in hand, where a delivery belongs to a connection: by its receipt, what it takes to settle it.

>>> hand = InHand[str]()
>>> hand.given("orders|7", "channel 3"), hand.given("orders|7", "channel 4")
(('orders|7|1', 1), ('orders|7|2', 2))
>>> hand.pop("orders|7|2")
'channel 4'
>>> hand.settled("orders|7|2")
>>> hand.not_held("orders|7|2"), hand.not_held("orders|6|1")
('SETTLED', 'EXPIRED')

After another `open` nothing is known of any: an ack, or a commit that was answered early, may be lost with the server.

>>> hand.forget()
>>> list(hand), hand.not_held("orders|7|2"), hand.given("orders|7", "channel 1")
([], 'EXPIRED', ('orders|7|3', 3))
"""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

T = TypeVar("T")


class InHand(dict[str, T]):
    """The deliveries that were neither settled nor given back since the server was last opened."""

    def __init__(self) -> None:
        super().__init__()
        self._times: Counter[str] = Counter()
        self._settled: set[str] = set()

    def given(self, name: str, how: T) -> tuple[str, int]:
        """Take one in hand; return its receipt, which no delivery had before, and how often this message was given."""
        self._times[name] += 1
        receipt = f"{name}|{self._times[name]}"
        self[receipt] = how
        return receipt, self._times[name]

    def settled(self, receipt: str) -> None:
        """Note that an ack of it was answered OK."""
        self._settled.add(receipt)

    def not_held(self, receipt: str) -> str:
        """Return what the ack of one that is not in hand is answered."""
        return "SETTLED" if receipt in self._settled else "EXPIRED"

    def forget(self) -> None:
        """Forget what became of all of them; their receipts are not given again."""
        self.clear()
        self._settled.clear()
