"""A store that soon has something to compact, and how it stands.

>>> SMALL["compact_above"] > 2 * SMALL["segment_bytes"]
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ackstore import Core
from ackstore.words.identity import QueueId
from ackstore.words.requests import Pop, Release, Renew, Reset

Q = QueueId("q")
SMALL: dict[str, Any] = {"segment_bytes": 600, "compact_above": 1500, "max_batch": 6}


def segments(store: Any) -> list[str]:
    return sorted(name for name in store.files.cached if name.startswith("log-"))


def state(core: Core) -> dict[str, Any]:
    """All that a client could notice of every queue."""
    return {
        token: (
            queue.floor,
            queue.generation,
            {
                offset: (entry.attempt, entry.epoch, entry.deadline) if not entry.settled else "settled"
                for offset, entry in sorted(queue.entries.items())
            },
            sorted(queue.dead.values(), key=lambda letter: letter.offset),
            queue.forgotten,
        )
        for token, queue in sorted(core.queues.items())
    }


def busy(drive: Callable[..., Any], **settings: Any) -> Any:
    """A store with something of every kind in its first segments, and then much that is settled."""
    store = drive(**{**SMALL, "max_attempts": 3, **settings}).settle()
    store.publish(1000)
    store.publish(1000, "other")
    store.publish(1000, "again")
    held = store.pop(6, 1000.0)
    store.submit(Renew(held[0].receipt, 2000.0))
    store.ack(held[2].receipt)  # above a gap
    store.submit(Release(held[3].receipt))
    store.pop(1, 0.5, "other")
    store.pop(2, 500.0, "again")
    store.settle()
    for _ in range(3):
        store.rest(0.6)
        store.publish(1000, "other")
        store.pop(1, 0.5, "other")
    store.rest(1.0)  # a dead letter
    store.submit(Reset("again", 7))
    store.rest(1.0)
    store.pop(2, 500.0, "again")
    return store


def churn(store: Any, rounds: int = 12, queue: str = "churn") -> None:
    """Much that is settled at once."""
    for _ in range(rounds):
        store.publish(100_000, queue)
        store.ack_many(*[delivery.receipt for delivery in store.pop(4, 1000.0, queue)])
        store.rest(0.3)


def until_phase(store: Any, phase: str) -> Any:
    """Let things happen until compaction is in a phase."""
    store.publish(100_000, "churn")
    asked = None
    for _ in range(5000):
        if store.core.compaction.phase == phase:
            return store
        if store.pending:
            store.finish(object)
        elif asked in store.answers:
            store.ack_many(*[each.receipt for each in store.answers.pop(asked).value])
        else:
            asked = store.submit(Pop("churn", 4, 1000.0))
            store.wait(0.05)
    raise AssertionError(f"never came to {phase}")
