"""How a history names deliveries: by the message, and the number that the target gave them.

>>> names = Names()
>>> names.given("q", [("r0", 0, 2), ("r1", 1, 2), ("r3", 3, 1)])
'[0..1]#2, [3]#1'
>>> names.given("q", [("s3", 3, 1)])     # the number of a delivery of before
'[3]#1 (given 2 times)'
>>> names.by_receipt["r1"]
'q[1]#2'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import Factory, define

from ackmodel.observe.broken import Key


@define
class Names:
    """The names of all deliveries so far."""

    by_receipt: dict[str, str] = Factory(dict)
    _numbers: Counter[tuple[Key, int]] = Factory(Counter)
    """How often the target has given each number to a delivery of each message."""

    def given(self, queue: str, deliveries: Sequence[tuple[str, int, int]]) -> str:
        """Note deliveries of one queue, each a receipt, an offset and a number; return all of their names, in short."""
        named = [(offset, self._numbered((queue, offset), number)) for _, offset, number in deliveries]
        for (receipt, *_), (offset, number) in zip(deliveries, named, strict=True):
            self.by_receipt[receipt] = f"{queue}[{offset}]#{number}"
        return ", ".join(_ranges(named))

    def _numbered(self, key: Key, number: int) -> str:
        self._numbers[key, number] += 1
        times = self._numbers[key, number]
        return str(number) if times == 1 else f"{number} (given {times} times)"


def _ranges(deliveries: Iterable[tuple[int, str]]) -> list[str]:
    """Return deliveries, by offset and number, with neighbours as a range."""
    spans: list[tuple[int, int, str]] = []
    for offset, number in deliveries:
        if spans and spans[-1][1:] == (offset - 1, number):
            spans[-1] = (spans[-1][0], offset, number)
        else:
            spans.append((offset, offset, number))
    return [f"[{first}]#{number}" if first == last else f"[{first}..{last}]#{number}" for first, last, number in spans]
