"""A store with three logs, driven by hand: see `drive` and `three` of the tests of the store."""

from __future__ import annotations

from typing import Any

from ackstore.words.placement import log_of

ALL = A, B, C = "q/g/1", "q/g/0", "q/g/2"
"""Queues, one in each of three logs."""


def pop(store: Any, queue: str, count: int = 1) -> list[str]:
    return [delivery.receipt for delivery in store.pop(count, 600.0, queue)]


def one_each(store: Any) -> list[str]:
    """A delivery of each queue, all flushed."""
    receipts = [pop(store, queue)[0] for queue in ALL]
    store.flush()
    store.settle()
    assert store.stats.unflushed_records == 0
    return receipts


def file_of(store: Any, queue: str) -> str:
    """The current segment of a queue's log."""
    return str(store.core.cores[log_of(queue, 3)].log.current.file)
