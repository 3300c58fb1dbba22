"""What both queues in PostgreSQL share: a table of messages, which a client fills, and a barrier.

It is a client of a server that the suite starts, kills and starts again, and lives on (`--server`, specs/protocol.md).
How far a queue was ever filled is in the table `ends`, in the same transaction: what a fault took of the messages is
put again, no more.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from ackcheck.brokers.client import Client
from ackcheck.brokers.place import SOCKET

TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    queue text, number int, vt timestamptz NOT NULL DEFAULT '-infinity', read_ct int NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, number));
CREATE TABLE IF NOT EXISTS ends (queue text PRIMARY KEY, number int NOT NULL);
CREATE TABLE IF NOT EXISTS barrier (passed bigint NOT NULL);
INSERT INTO barrier SELECT 0 WHERE NOT EXISTS (SELECT FROM barrier);
"""

FILL = "INSERT INTO messages (queue, number) SELECT %s, generate_series(%s::int, %s - 1)"
END = "SELECT number FROM ends WHERE queue = %s FOR UPDATE"
SET_END = "INSERT INTO ends VALUES (%s, %s) ON CONFLICT (queue) DO UPDATE SET number = excluded.number"


class Database(Client):
    """A client of one database; each thread has a connection of its own."""

    waiting = 150.0  # at first it makes its cluster

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

    def _connected(self, *, options: str = "", autocommit: bool = True) -> Any:
        return self.psycopg.connect(
            host=os.environ[SOCKET], user="postgres", dbname="postgres", options=options, autocommit=autocommit
        )

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
