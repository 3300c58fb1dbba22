"""What recovery reads of the plain stretches of a log: here nothing, so that everything is looked at otherwise.

>>> whole_records(b"", 7, 1, 0), replay_acks(b"", 7, 1, {})
((7, 1, 0), (7, 0))
"""

from __future__ import annotations

from typing import Any


def whole_records(_data: bytes, at: int, expected: int, synced: int) -> tuple[int, int, int]:
    """Go over whole records from byte `at` on, the first of which would have the LSN `expected`, up to one that has to
    be looked at otherwise. Returns where that is, its LSN if it were whole, and the highest `synced` so far."""
    return at, expected, synced


def replay_acks(_data: bytes, at: int, _count: int, _queues: dict[bytes, Any]) -> tuple[int, int]:
    """Settle what the ACK records from byte `at` on settle, up to one that has to be looked at otherwise. Returns where
    that is, and how many there were. `_queues` are by the queue field of their records."""
    return at, 0


def replay_new(_queue: Any, _kind: type, _data: bytes, _at: int, _end: int, _deadline: float, _epoch: int) -> bool:
    """Take over the messages of a proved CHECKPOINT, which stand from byte `_at` to `_end`, as entries of that kind;
    False, where one of them is known already or settled, or they have to be looked at otherwise for another reason.
    What was taken over by then may be again."""
    return False
