"""How much room the reference store says that it takes up, at most, when there is nothing to keep.

>>> from ackstore.words.config import Config
>>> most_held(Config(compact_above=None), queues=1, dead=0, request=2048) is None
True
>>> most_held(Config(segment_bytes=2000, compact_above=16_000), queues=3, dead=0, request=2048)
22048
"""

from __future__ import annotations

from ackstore.core.compaction import MESSAGE_BYTES, QUEUE_BYTES
from ackstore.words.config import Config


def most_held(config: Config, *, queues: int, dead: int, request: int) -> int | None:
    """Return how many bytes the files hold; None where nothing is compacted.

    Of the closed segments of each log as many as make a compaction worth it, of which dead letters are a part; the
    segment at hand, and one about to be closed, each with one request more than fits, all of them `request` bytes; and
    what says how the queues stand.
    """
    if config.compact_above is None:
        return None
    closed = max(config.compact_above, 2 * (QUEUE_BYTES * queues + MESSAGE_BYTES * dead))
    return config.logs * (closed + 2 * config.segment_bytes + request)
