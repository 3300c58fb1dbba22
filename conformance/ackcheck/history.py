"""The history of a run: what happened, in lanes from the client to the offset.

>>> history = History()
>>> history.add("client", "ack m0")
>>> history.add("page cache", "write log @40, 56 bytes")
>>> [line.lane for line in history.lines]
['client', 'page cache']
"""

from __future__ import annotations

from attrs import Factory, define, frozen

LANES = ("client", "store", "page cache", "disk", "offset")


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

    def add(self, lane: str, text: str) -> None:
        """Note that something happened in the current step."""
        if lane not in LANES:
            raise ValueError(f"no lane {lane!r}: the lanes are {', '.join(LANES)}")
        self.lines.append(Line(self.step, lane, text))
