"""A queue in which a delivery is a transaction: it deletes the message, an ack commits, and what ends it takes it back.

`FOR UPDATE SKIP LOCKED` keeps readers apart for as long as the transaction is open. So each delivery that is in hand
has a session of its own. What ends it by time is `idle_in_transaction_session_timeout`, which ends its session.

>>> parted("orders|7|1"), parted("orders|7")
(('orders', '7', '1'), None)
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ackcheck.brokers.postgresql.database import Database
from ackcheck.target import Delivery

TAKE = """
DELETE FROM messages WHERE (queue, number) = (
    SELECT queue, number FROM messages WHERE queue = %s ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING number
"""


def parted(receipt: str) -> tuple[str, str, str] | None:
    """Return the queue, the message and the number of the delivery that a receipt names; None: it is none of ours."""
    queue, number, times = [*receipt.rsplit("|", 2), "", ""][:3]
    return (queue, number, times) if number.isdigit() and times.isdigit() else None


class Deleted(Database):
    """A target (`ackcheck.target.Target`)."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.idle: list[Any] = []
        """Sessions without a transaction."""
        self.held: dict[str, tuple[Any, float]] = {}
        """By its receipt, the session that has each delivery, and until when."""
        self.handed_out: Counter[tuple[str, int]] = Counter()
        self.settled: set[str] = set()

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Delete what nobody else is deleting, each in a session of its own."""
        with self.lock, self.asking():
            self._leave_what_is_over()
            given: list[Delivery] = []
            while len(given) < count:
                session = self.idle.pop() if self.idle else self._session(invisible)
                row = session.execute(TAKE, (queue,)).fetchone()
                if row is None:
                    session.rollback()
                    self.idle.append(session)
                    break
                given.append(self._given(queue, row[0], session, time.time() + invisible))
            return given

    def _session(self, seconds: float) -> Any:
        return self._connected(
            options=f"-c idle_in_transaction_session_timeout={int(seconds * 1000)}", autocommit=False
        )

    def _given(self, queue: str, number: int, session: Any, until: float) -> Delivery:
        self.handed_out[queue, number] += 1
        attempt = self.handed_out[queue, number]
        receipt = f"{queue}|{number}|{attempt}"
        self.held[receipt] = session, until
        return Delivery(receipt=receipt, offset=number, attempt=attempt, deadline=until)

    def _leave_what_is_over(self) -> None:
        """Close the sessions that the server has ended, or is about to."""
        now = time.time()
        for receipt in [receipt for receipt, (_, until) in self.held.items() if until < now]:
            self.held.pop(receipt)[0].close()

    def ack(self, receipt: str) -> str:
        """Commit its transaction."""
        if parted(receipt) is None:
            return "INVALID"
        with self.lock, self.asking():
            if receipt not in self.held:
                return "SETTLED" if receipt in self.settled else "EXPIRED"
            session, _ = self.held.pop(receipt)
            try:
                session.commit()
            except self.psycopg.Error:
                session.close()
                self._ask("SELECT 1")  # which raises where the server is lost: then nobody knows
                return "EXPIRED"  # the server ends a session while it is idle, so before the commit came
            self.idle.append(session)
            self.settled.add(receipt)
            return "OK"

    def _leave(self) -> None:
        """End all sessions: what is in hand comes back."""
        super()._leave()
        with self.lock:
            for session in (*self.idle, *(session for session, _ in self.held.values())):
                session.close()
            self.idle, self.held = [], {}
