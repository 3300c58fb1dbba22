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

from collections.abc import Iterable

from attrs import Factory, define, frozen

from ackmodel.observe.broken import Key

LANES = ("client", "store", "page cache", "disk", "offset")

TAIL = 80
"""Lines shown where a finding is not about one message."""


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
        """Return the lines that concern a message; the last ones where it is None."""
        if key is None:
            return tuple(self.lines[-TAIL:])
        lines = zip(self.lines, self._about, strict=True)
        return tuple(line for line, about in lines if about is None or key in about or key[0] in about)
