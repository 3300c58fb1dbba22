"""A queue in which a delivery is a transaction: it deletes the message, an ack commits, and what ends it takes it back.

`FOR UPDATE SKIP LOCKED` keeps readers apart for as long as the transaction is open. So each delivery that is in hand
has a session of its own. When its time is over the consumer, which is this adapter, takes it back before it takes
anything else, and its session serves again: on a busy machine a new one takes a tenth of a second, and a hundred of
them longer than a message is hidden. A consumer that hangs would be ended by the server, a little later
(`idle_in_transaction_session_timeout`).

>>> parted("orders|7|1"), parted("orders|7")
(('orders', '7', '1'), None)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from ackcheck.brokers.in_hand import InHand
from ackcheck.brokers.postgresql.database import Database
from ackcheck.target import Delivery

HANGING = 30.0
"""Seconds after which the server ends a transaction whose time is over."""

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
        self.held = InHand[tuple[Any, float]]()
        """The session that has each delivery, and until when."""

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Delete what nobody else is deleting, each in a session of its own."""
        with self.lock, self.asking():
            self._take_back_what_is_over()
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
        most = int((seconds + HANGING) * 1000)
        return self._connected(options=f"-c idle_in_transaction_session_timeout={most}", autocommit=False)

    def _given(self, queue: str, number: int, session: Any, until: float) -> Delivery:
        receipt, attempt = self.held.given(f"{queue}|{number}", (session, until))
        return Delivery(receipt=receipt, offset=number, attempt=attempt, deadline=until)

    def _take_back_what_is_over(self) -> None:
        now = time.time()
        for receipt in [receipt for receipt, (_, until) in self.held.items() if until < now]:
            self._take_back(receipt)

    def _take_back(self, receipt: str) -> None:
        """End the transaction of a delivery: its message is there again, and its session is idle."""
        session, _ = self.held.pop(receipt)
        try:
            session.rollback()
        except self.psycopg.Error:
            session.close()  # the server has ended it
            self._ask("SELECT 1")  # which raises where the server is lost
        else:
            self.idle.append(session)

    def ack(self, receipt: str) -> str:
        """Commit its transaction."""
        if parted(receipt) is None:
            return "INVALID"
        with self.lock, self.asking():
            if receipt not in self.held:
                return self.held.not_held(receipt)
            if self.held[receipt][1] < time.time():
                self._take_back(receipt)
                return "EXPIRED"
            session, _ = self.held.pop(receipt)
            try:
                session.commit()
            except self.psycopg.Error:
                session.close()
                self._ask("SELECT 1")  # which raises where the server is lost: then nobody knows
                return "EXPIRED"  # the server ends a session while it is idle, so before the commit came
            self.idle.append(session)
            self.held.settled(receipt)
            return "OK"

    def _leave(self) -> None:
        """End all sessions: what is in hand comes back."""
        super()._leave()
        with self.lock:
            for session in (*self.idle, *(session for session, _ in self.held.values())):
                session.close()
            self.idle = []
            self.held.forget()
