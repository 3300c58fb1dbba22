"""Heaps of deadlines: one item for all messages that were handed out together.

An item is (deadline, first offset, last offset), and counts for each of its messages only while it agrees with that.

>>> heap = [(30.0, 4, 5)]
>>> next_of(heap), next_of(heap), heap
((30.0, 4), (30.0, 5), [])
"""

from __future__ import annotations

from heapq import heappop, heapreplace

from ackstore.fields.plain.settling import Timer


def next_of(heap: list[Timer]) -> tuple[float, int]:
    """Take the message with the earliest deadline; of several the one with the lowest offset."""
    due, offset, last = heap[0]
    if offset < last:
        heapreplace(heap, (due, offset + 1, last))
    else:
        heappop(heap)
    return due, offset
