"""Which of several logs a queue is in. A directory rests on it: another answer would look for records in other files.

>>> log_of("orders/billing/0", 4), log_of("orders/billing/1", 4), log_of("orders/billing/2", 4)
(1, 2, 3)
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32


@lru_cache(maxsize=4096)
def log_of(token: str, logs: int) -> int:
    """Return which of `logs` logs, counted from 0, a queue is in; any for what is no `QueueId.token`.

    Queues of one topic and group that are numbered one after the other go to one log after the other. (A checksum of
    the whole name would not do: that of CRC-32 is linear, and leaves numbers 0 to 3 in the same of two logs.)
    """
    head, _, number = token.rpartition("/")
    if not token.isascii() or not number.isdigit() or len(number) > 10:
        return 0
    return (crc32(head.encode()) + int(number)) % logs
