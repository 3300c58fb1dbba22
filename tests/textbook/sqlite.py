"""Textbook stores on SQLite, right and wrong by two settings alone; named `tests/textbook/sqlite.py:Name`.

SQLite's documentation says it: `synchronous=FULL` is durable in WAL mode; in DELETE mode the journal's removal is what
commits, and only `EXTRA` syncs the directory after it (https://www.sqlite.org/pragma.html#pragma_synchronous).

>>> import tempfile
>>> store = WalFull()
>>> with tempfile.TemporaryDirectory() as directory:
...     store.open(Path(directory))
...     store.publish("q", 1)
...     [given] = store.pop("q", 1, invisible=30.0)
...     store.ack(given["receipt"]), store.ack(given["receipt"]), store.close()
('OK', 'SETTLED', 'OK')
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ackcheck.target import Delivery

TABLES = """
create table if not exists message (
    queue text, offset integer, receipt text, attempt integer, deadline real, acked integer default 0,
    primary key (queue, offset)
);
create table if not exists delivery (receipt text primary key, queue text, offset integer);
"""


class WalFull:
    """Right, at level disk: `journal_mode=WAL`, `synchronous=FULL`."""

    promises = {"publish": "republished"}  # noqa: RUF012 - as a target would write it; bodies live elsewhere
    journal, synchronous = "WAL", "FULL"

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ends: dict[str, int] = {}
        self.failed = False

    def open(self, directory: Path) -> None:
        self.database = sqlite3.connect(directory / "messages.db", isolation_level=None, check_same_thread=False)
        self.database.execute(f"pragma journal_mode={self.journal}")
        self.database.execute(f"pragma synchronous={self.synchronous}")
        self.database.executescript(TABLES)
        if self.synchronous != "OFF":  # that the files are there at all is for their directory to say
            descriptor = os.open(directory, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done within. After an error of the disk nobody knows what the files hold, and SQLite goes
        on as if it knew, so nothing more is answered until they are read again."""
        with self.lock:
            if self.failed:
                raise OSError("the disk has failed: open the store again")
            try:
                with self.database:
                    self.database.execute("begin immediate")
                    yield
            except sqlite3.OperationalError:
                self.failed = True
                raise

    def publish(self, queue: str, end: int) -> None:
        with self.lock:
            self.ends[queue] = max(end, self.ends.get(queue, 0))

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery] | str:
        with self.transaction():
            busy = dict(
                self.database.execute(
                    "select offset, attempt from message where queue = ? and (acked or deadline > ?)",
                    (queue, time.time()),
                )
            )
            due = [offset for offset in range(self.ends.get(queue, 0)) if offset not in busy][:count]
            return [self.hand_out(queue, offset, time.time() + invisible) for offset in due]

    def hand_out(self, queue: str, offset: int, deadline: float) -> Delivery:
        receipt = uuid4().hex
        [[attempt]] = self.database.execute(
            "insert into message (queue, offset, receipt, attempt, deadline) values (?, ?, ?, 1, ?)"
            " on conflict do update set receipt = excluded.receipt, attempt = attempt + 1, deadline = excluded.deadline"
            " returning attempt",
            (queue, offset, receipt, deadline),
        ).fetchall()
        self.database.execute("insert into delivery values (?, ?, ?)", (receipt, queue, offset))
        return Delivery(receipt=receipt, offset=offset, attempt=attempt, deadline=deadline)

    def ack(self, receipt: str) -> str:
        return self.ack_many([receipt])[0]

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        with self.transaction():
            return [self.settle(receipt) for receipt in receipts]

    def settle(self, receipt: str) -> str:
        found = self.database.execute(
            "select message.receipt, deadline, acked, message.queue, message.offset from delivery"
            " join message using (queue, offset) where delivery.receipt = ?",
            (receipt,),
        ).fetchone()
        if found is None:
            return "INVALID"
        newest, deadline, acked, queue, offset = found
        if acked:
            return "SETTLED"
        if newest != receipt or deadline <= time.time():
            return "EXPIRED"
        self.database.execute("update message set acked = 1 where queue = ? and offset = ?", (queue, offset))
        return "OK"

    def flush(self) -> str:
        return "FAILED" if self.failed else "OK"

    def stats(self) -> Mapping[str, object]:
        return {}

    def close(self) -> str:
        with self.lock:
            self.database.close()
        return "FAILED" if self.failed else "OK"


class WalGoesOn(WalFull):
    """Wrong at level disk: after a sync that failed it goes on. SQLite writes the same frames again, at the same place
    in its log, and on ext4 a sync that succeeds then need not have them (specs/filesystems.md).

    Refused by survives-power-loss or flush-rewrites.
    """

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.failed = False
        with super().transaction():
            yield

    def flush(self) -> str:
        return "OK"


class DeleteExtra(WalFull):
    """Right, at level disk: the directory is synced after the journal is removed."""

    journal, synchronous = "DELETE", "EXTRA"


class DeleteFull(WalFull):
    """Wrong at level disk: the journal's removal may be lost, and then what it committed is rolled back.

    Refused by survives-power-loss.
    """

    journal, synchronous = "DELETE", "FULL"


class SynchronousOff(WalFull):
    """Wrong at level disk: SQLite syncs nothing.

    Refused by survives-power-loss.
    """

    journal, synchronous = "WAL", "OFF"
