"""What a store with several logs tells of them all together.

>>> from collections import Counter
>>> from attrs import evolve
>>> from ackstore.words.config import Config
>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> one = Core(Config(), Recovered(), now=0.0).stats()
>>> both = summed([one, evolve(one, mode="sync", written=3)], operations=0, effects=1, surplus=Counter())
>>> both.mode, both.written, both.effects, len(both.logs)
('sync', 3, 3, 2)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

from attrs import fields

from ackstore.words.replies import Reply
from ackstore.words.stats import MODES, Recovery, Stats

OTHERS = frozenset(
    {
        "mode",
        "healthy",
        "forced",
        "epoch",
        "resident_bytes",
        "oldest_unflushed",
        "offsets_dirty",
        "short",
        "failures",
        "replies",
        "recovery",
        "queues",
        "logs",
    }
)
"""What is not a sum. All other figures are, and so are the histograms."""


def summed(parts: Sequence[Stats], *, operations: int, effects: int, surplus: Mapping[Reply, int]) -> Stats:
    """Return the figures of all logs together.

    `operations` are those of the store, `effects` those of no log, and `surplus` says how many answers of the logs are
    to parts of an operation that counts as one.
    """
    sums: dict[str, Any] = {
        each.name: reduce(add, [getattr(part, each.name) for part in parts])
        for each in fields(Stats)
        if each.name not in OTHERS
    }
    sums["operations"] = operations
    sums["effects"] += effects
    return Stats(
        **sums,
        mode=max((part.mode for part in parts), key=MODES.index),
        healthy=all(part.healthy for part in parts),
        forced=any(part.forced for part in parts),
        epoch=max(part.epoch for part in parts),
        resident_bytes=max(part.resident_bytes for part in parts),
        oldest_unflushed=max(part.oldest_unflushed for part in parts),
        offsets_dirty=any(part.offsets_dirty for part in parts),
        short=any(part.short for part in parts),
        failures=max(part.failures for part in parts),
        replies={reply: sum(part.replies[reply] for part in parts) - surplus.get(reply, 0) for reply in Reply},
        recovery=Recovery(
            **{each.name: sum(getattr(part.recovery, each.name) for part in parts) for each in fields(Recovery)}
        ),
        queues={queue: stats for part in parts for queue, stats in part.queues.items()},
        logs=tuple(parts),
    )
