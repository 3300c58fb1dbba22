"""A queue in a table of PostgreSQL, as pgmq has it: a read hides messages for a time, and an ack deletes them.

`FOR UPDATE SKIP LOCKED` keeps readers apart, and `vt` says until when a message is hidden. It is a client of a server
that the suite starts, kills and starts again, and lives on (`--server`, specs/protocol.md). How far a queue was ever
filled is in the table `ends`, in the same transaction: what a fault took of the messages is put again, no more.

>>> parted("orders|7"), parted("no receipt")
(('orders', 7), None)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ackcheck.brokers.client import Client
from ackcheck.brokers.place import SOCKET
from ackcheck.target import Delivery

TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    queue text, number int, vt timestamptz NOT NULL DEFAULT '-infinity', read_ct int NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, number));
CREATE TABLE IF NOT EXISTS ends (queue text PRIMARY KEY, number int NOT NULL);
CREATE TABLE IF NOT EXISTS barrier (passed bigint NOT NULL);
INSERT INTO barrier SELECT 0 WHERE NOT EXISTS (SELECT FROM barrier);
"""

READ = """
WITH due AS (
    SELECT queue, number FROM messages WHERE queue = %s AND vt <= clock_timestamp()
    ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE messages SET vt = clock_timestamp() + make_interval(secs => %s), read_ct = read_ct + 1
FROM due WHERE messages.queue = due.queue AND messages.number = due.number
RETURNING messages.number, messages.read_ct
"""

FILL = "INSERT INTO messages (queue, number) SELECT %s, generate_series(%s::int, %s - 1)"
END = "SELECT number FROM ends WHERE queue = %s FOR UPDATE"
SET_END = "INSERT INTO ends VALUES (%s, %s) ON CONFLICT (queue) DO UPDATE SET number = excluded.number"


def parted(receipt: str) -> tuple[str, int] | None:
    """Return the queue and the message that a receipt names, None where it is none of ours."""
    queue, bar, number = receipt.rpartition("|")
    return (queue, int(number)) if bar and number.isdigit() else None


class Table(Client):
    """A target (`ackcheck.target.Target`); each thread has a connection of its own."""

    waiting = 55.0  # at first it makes its cluster

    def __init__(self) -> None:
        self.mine = threading.local()
        self.all: list[Any] = []
        """Every connection to the server that was opened last."""
        self.opened = 0

    def open(self, directory: Path) -> None:  # noqa: ARG002 - which is the server's
        """Connect, once the server has read its log."""
        import psycopg

        self.psycopg, self.gone = psycopg, (psycopg.OperationalError,)
        self._leave()
        self.opened += 1
        self.connected(self._make_tables)

    def _make_tables(self) -> None:
        with self._connected() as connection:
            connection.execute(TABLES)

    def _connected(self) -> Any:
        return self.psycopg.connect(host=os.environ[SOCKET], user="postgres", dbname="postgres", autocommit=True)

    def _database(self) -> Any:
        """Return this thread's connection to the server that was opened last."""
        if getattr(self.mine, "opened", None) != self.opened:
            self.mine.connection, self.mine.opened = self._connected(), self.opened
            self.all.append(self.mine.connection)
        return self.mine.connection

    def _ask(self, statement: str, *values: object) -> Any:
        """Have a statement executed and committed."""
        return self.ask(lambda: self._database().execute(statement, values))

    def publish(self, queue: str, end: int) -> None:
        """Add what is missing up to `end`."""
        self._ask("SELECT 1")
        with self._database().transaction():
            row = self._ask(END, queue).fetchone()
            self._ask(FILL, queue, row[0] if row else 0, end)
            self._ask(SET_END, queue, end)

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

    def flush(self) -> str:
        """Commit something synchronously: what was committed before is in the log before it."""
        self._ask("SELECT 1")
        with self._database().transaction():
            self._ask("SET LOCAL synchronous_commit = on")
            self._ask("UPDATE barrier SET passed = passed + 1")
        return "OK"

    def close(self) -> str:
        """Leave, once everything is synced; the suite ends the server, which waits until nobody is connected."""
        reply = self.flush()
        self._leave()
        return reply

    def _leave(self) -> None:
        while self.all:
            self.all.pop().close()
