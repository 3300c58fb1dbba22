"""A segment: one file of the log, as far as the store that writes it has to know.

>>> segment = Segment(7, "log-00000007.seg")
>>> segment.size, segment.dirty, segment.torn
(0, False, False)
"""

from __future__ import annotations

from ackstore.fields.classes import SegmentFields


class Segment(SegmentFields):
    """One file of the log that this open of the store has created."""

    __slots__ = ()

    def __init__(self, number: int, file: str) -> None:
        self.number = number
        self.file = file
        self.size = 0
        """Where the next write begins; 0 while the header is not written."""
        self.dirty = False
        """Written since the last flush cycle that covered it began."""
        self.synced = False
        """Some flush cycle that covered it has succeeded."""
        self.torn = False
        """Nothing more is written to it: a part of a record that failed is behind its end, or it is to be retired."""
        self.last = 0
        """No record in it has a higher LSN; known once it is closed."""


def old_segment(number: int, last: int, size: int, file: str) -> Segment:
    """Return a segment that an earlier open of the store has created."""
    segment = Segment(number, file)
    segment.last, segment.size, segment.synced = last, size, True
    return segment
