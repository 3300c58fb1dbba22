"""The history of a run: what happened, in lanes from the client to the offset, cut down to one message where one asks.

>>> history = History()
>>> history.add("client", "ack [3]", about=[("q", 3)])
>>> history.add("client", "ack [4]", about=[("q", 4)])
>>> history.add("offset", "4", about=["q"])
>>> history.add("page cache", "write log @40, 56 bytes")
>>> [line.text for line in history.of(("q", 4))]
['ack [4]', '4', 'write log @40, 56 bytes']
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import Factory, define, frozen

from ackmodel.observe.broken import Key

LANES = ("client", "store", "page cache", "disk", "offset")

TAIL = 80
"""Lines shown where a finding is not about one message."""

FEW = 3
"""So often something is shown that happens again and again; what happens more often is counted."""

_OPERATION = re.compile(r"\boperation \d+")


@frozen
class Line:
    """One thing that happened, in one lane, in step `step` of the run (0: before the first)."""

    step: int
    lane: str
    text: str


@define
class History:
    """Everything that happened in a run; `step` counts the steps taken."""

    lines: list[Line] = Factory(list)
    step: int = 0
    _about: list[frozenset[Key | str] | None] = Factory(list)
    """Of each line, the messages and queues that it is about; None for all of them."""

    def add(self, lane: str, text: str, about: Iterable[Key | str] | None = None) -> None:
        """Note that something happened in the current step, to these messages and queues; to all where `about` is
        None."""
        if lane not in LANES:
            raise ValueError(f"no lane {lane!r}: the lanes are {', '.join(LANES)}")
        self.lines.append(Line(self.step, lane, text))
        self._about.append(None if about is None else frozenset(about))

    def of(self, key: Key | None) -> tuple[Line, ...]:
        """Return the lines that concern a message; the last ones where it is None. What was done over and over is
        told once (`folded`)."""
        if key is None:
            return folded(self.lines)[-TAIL:]
        lines = zip(self.lines, self._about, strict=True)
        return folded([line for line, about in lines if about is None or key in about or key[0] in about])


def folded(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines without what is the same again and again within a step: a call and its answer, say, asked for
    hundreds of times. Calls are the same if only the numbers of their operations differ.

    >>> [line.text for line in folded([Line(2, "client", f"operation {each} is answered BUSY") for each in range(400)])]
    ['operation 0 is answered BUSY', 'the same, 398 times more', 'operation 399 is answered BUSY']
    """
    alike = [(line.step, line.lane, _OPERATION.sub("operation", line.text)) for line in lines]
    shown: list[Line] = []
    at = 0
    while at < len(lines):
        length, times = next(_repeated(alike, at), (1, 1))
        shown += lines[at : at + length]
        if times > 1:
            shown.append(Line(lines[at].step, lines[at].lane, f"the same, {times - 2} times more"))
            shown += lines[at + (times - 1) * length : at + times * length]
        at += length * times
    return tuple(shown)


def _repeated(alike: Sequence[tuple[int, str, str]], at: int) -> Iterator[tuple[int, int]]:
    """Yield how many lines from `at` on come again and again, and how often; the fewest first."""
    for length in range(1, 5):
        block, times = alike[at : at + length], 1
        while alike[at + times * length : at + (times + 1) * length] == block:
            times += 1
        if times > FEW:
            yield length, times
