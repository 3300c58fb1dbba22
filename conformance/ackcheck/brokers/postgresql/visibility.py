"""A queue as pgmq has it: a read hides messages for a time, and an ack deletes them.

`FOR UPDATE SKIP LOCKED` keeps readers apart, and `vt` says until when a message is hidden.

>>> parted("orders|7"), parted("no receipt")
(('orders', 7), None)
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ackcheck.brokers.postgresql.database import Database
from ackcheck.target import Delivery

READ = """
WITH due AS (
    SELECT queue, number FROM messages WHERE queue = %s AND vt <= clock_timestamp()
    ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE messages SET vt = clock_timestamp() + make_interval(secs => %s), read_ct = read_ct + 1
FROM due WHERE messages.queue = due.queue AND messages.number = due.number
RETURNING messages.number, messages.read_ct
"""


def parted(receipt: str) -> tuple[str, int] | None:
    """Return the queue and the message that a receipt names, None where it is none of ours."""
    queue, bar, number = receipt.rpartition("|")
    return (queue, int(number)) if bar and number.isdigit() else None


class Hidden(Database):
    """A target (`ackcheck.target.Target`)."""

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Read what is due, and hide it."""
        rows, until = self._ask(READ, queue, count, invisible).fetchall(), time.time() + invisible
        return [
            Delivery(receipt=f"{queue}|{number}", offset=number, attempt=times, deadline=until)
            for number, times in rows
        ]

    def ack(self, receipt: str) -> str:
        """Delete it."""
        named = parted(receipt)
        if named is None:
            return "INVALID"
        deleted = self._ask("DELETE FROM messages WHERE queue = %s AND number = %s", *named).rowcount
        return "OK" if deleted else "SETTLED"
