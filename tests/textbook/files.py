"""Textbook stores on plain files, right and wrong; named `tests/textbook/files.py:Name`, and no line of them is shared
with the reference store.

>>> import tempfile
>>> store = AppendLog()
>>> with tempfile.TemporaryDirectory() as directory:
...     store.open(Path(directory))
...     store.publish("q", 1)
...     [given] = store.pop("q", 1, invisible=30.0)
...     store.ack(given["receipt"]), store.ack(given["receipt"]), store.close()
('OK', 'SETTLED', 'OK')
"""

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from ackcheck.target import Delivery

Key = tuple[str, int]
Record = dict[str, Any]


class Shelf:
    """What a store knows, in memory: which messages were handed out, until when, and which were acked."""

    def __init__(self) -> None:
        self.acked: set[Key] = set()
        self.hidden: dict[Key, float] = {}
        self.newest: dict[Key, str] = {}
        self.attempts: dict[Key, int] = {}
        self.where: dict[str, Key] = {}

    def put(self, record: Record) -> None:
        """Take in a record of the log."""
        key = (record["queue"], record["offset"])
        if record["kind"] == "ack":
            self.acked.add(key)
        else:
            self.hidden[key], self.newest[key] = record["deadline"], record["receipt"]
            self.attempts[key], self.where[record["receipt"]] = record["attempt"], key

    def due(self, key: Key) -> bool:
        return key not in self.acked and self.hidden.get(key, 0.0) <= time.time()

    def standing(self, receipt: str) -> str:
        """What an ack of this receipt is to be answered; OK if it is still to be settled."""
        key = self.where.get(receipt)
        if key is None:
            return "INVALID"
        if key in self.acked:
            return "SETTLED"
        return "OK" if self.newest[key] == receipt and time.time() < self.hidden[key] else "EXPIRED"

    def records(self) -> list[Record]:
        """All that counts, as the records that say it: of each message its newest delivery, and its ack."""
        pops = [self.pop_record(key, self.hidden[key], receipt) for key, receipt in self.newest.items()]
        acks = [{"kind": "ack", "queue": queue, "offset": offset} for queue, offset in self.acked]
        return pops + acks

    def pop_record(self, key: Key, deadline: float, receipt: str) -> Record:
        attempt = self.attempts.get(key, 0)
        return {
            "kind": "pop",
            "queue": key[0],
            "offset": key[1],
            "attempt": attempt,
            "deadline": deadline,
            "receipt": receipt,
        }


def lines(records: Sequence[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def whole_lines(log: bytes) -> list[bytes]:
    """The lines before the first that a crash has torn. Of pages that were not synced the disk may have the later ones
    only: what is missing reads as zeros, and whole lines follow.

    >>> whole_lines(b'{"a": 1}\\n{"a": 2}\\n{"a": 3')
    [b'{"a": 1}\\n', b'{"a": 2}\\n']
    >>> whole_lines(b'{"a": 1}\\n{"a"' + bytes(9) + b'4}\\n{"a": 5}\\n')
    [b'{"a": 1}\\n']
    """
    whole = []
    for line in log.splitlines(keepends=True):
        if not line.startswith(b"{") or not line.endswith(b"}\n") or b"\0" in line:
            break
        whole.append(line)
    return whole


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AppendLog:
    """Right, at level disk: one lock, and a log that is synced before every OK."""

    promises = {"publish": "republished"}  # noqa: RUF012 - as a target would write it; bodies live elsewhere

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.shelf = Shelf()
        self.ends: dict[str, int] = {}
        self.failed = False

    def open(self, directory: Path) -> None:
        """Read the log up to the first line that is not whole, and cut off the rest."""
        self.directory, path = directory, directory / "log"
        self.file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        whole = whole_lines(path.read_bytes())
        os.ftruncate(self.file, sum(map(len, whole)))
        for line in whole:
            self.shelf.put(json.loads(line))
        self.sync()
        sync_directory(directory)

    def publish(self, queue: str, end: int) -> None:
        with self.lock:
            self.ends[queue] = max(end, self.ends.get(queue, 0))

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery] | str:
        with self.lock:
            keys = [(queue, offset) for offset in range(self.ends.get(queue, 0)) if self.shelf.due((queue, offset))]
            deadline = time.time() + invisible
            records = [self.shelf.pop_record(key, deadline, uuid4().hex) for key in keys[:count]]
            for record in records:
                record["attempt"] += 1
            self.save(records)
        return [
            Delivery(receipt=given["receipt"], offset=given["offset"], attempt=given["attempt"], deadline=deadline)
            for given in records
        ]

    def ack(self, receipt: str) -> str:
        return self.ack_many([receipt])[0]

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        with self.lock:
            return [self.settle(receipt) for receipt in receipts]

    def settle(self, receipt: str) -> str:
        standing = self.shelf.standing(receipt)
        if standing == "OK":
            queue, offset = self.shelf.where[receipt]
            self.save([{"kind": "ack", "queue": queue, "offset": offset}])
        return standing

    def save(self, records: Sequence[Record]) -> None:
        """Log first, then know: what is answered from memory is on the disk."""
        if records:
            self.write(records)
            for record in records:
                self.shelf.put(record)

    def write(self, records: Sequence[Record]) -> None:
        """Append and sync. After an error nobody knows what the disk holds, so nothing more is answered until it is
        read again."""
        if self.failed:
            raise OSError("a write or a sync has failed: open the store again")
        try:
            self.append(records)
            self.sync()
        except OSError:
            self.failed = True
            raise

    def append(self, records: Sequence[Record]) -> None:
        left = lines(records)
        while left:
            left = left[os.write(self.file, left) :]

    def sync(self) -> None:
        os.fsync(self.file)

    def flush(self) -> str:
        return "FAILED" if self.failed else "OK"

    def stats(self) -> Mapping[str, object]:
        return {}

    def close(self) -> str:
        with self.lock:
            os.close(self.file)
            return "FAILED" if self.failed else "OK"


class AsyncLog(AppendLog):
    """Right, at level page-cache: an answer waits for the write and not for the disk; `flush` and `close` do wait."""

    def write(self, records: Sequence[Record]) -> None:
        if self.failed:
            raise OSError("a write or a sync has failed: open the store again")
        try:
            self.append(records)
        except OSError:
            self.failed = True
            raise

    def flush(self) -> str:
        with self.lock:
            if self.failed:
                return "FAILED"
            try:
                self.sync()
            except OSError:
                self.failed = True
                return "FAILED"
            return "OK"

    def close(self) -> str:
        with self.lock:
            answer = self.flush()
            os.close(self.file)
            return answer


class AnswersBeforeTheWrite(AsyncLog):
    """Wrong at level page-cache: acks are answered at once, and written a quarter of a second later by a thread.

    Refused by survives-process-crash.
    """

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.waiting: list[Record] = []
        threading.Thread(target=self.write_later, daemon=True).start()

    def write(self, records: Sequence[Record]) -> None:
        self.waiting += records

    def drain(self) -> None:
        with self.lock:
            records, self.waiting = self.waiting, []
            super().write(records)

    def write_later(self) -> None:
        while True:
            time.sleep(0.25)
            self.drain()

    def flush(self) -> str:
        with self.lock:
            self.drain()
            return super().flush()


class NeverSyncs(AppendLog):
    """Wrong at level disk: what is written stays in the page cache.

    Refused by survives-power-loss.
    """

    def sync(self) -> None:
        pass


class EmptyBarrier(AsyncLog):
    """Wrong at level page-cache: `flush` says OK, and syncs nothing.

    Refused by survives-power-loss.
    """

    def sync(self) -> None:
        pass


class RetriesSync(AppendLog):
    """Wrong at level disk: where fsync fails it is called again. Linux has marked the pages clean by then, so the
    second call says yes, and they were never written.

    Refused by survives-power-loss or flush-rewrites.
    """

    def open(self, directory: Path) -> None:
        path = directory / "log"
        if path.exists():  # what a lost page left: zeros, and half a line on either side
            found = path.read_bytes().replace(b"\0", b"\n").splitlines()
            path.write_bytes(b"".join(line + b"\n" for line in found if line[:1] == b"{" and line[-1:] == b"}"))
        super().open(directory)

    def sync(self) -> None:
        for _ in range(3):
            try:
                return os.fsync(self.file)
            except OSError:
                continue
        raise OSError("three syncs have failed")


class RewritesInPlace(AppendLog):
    """Wrong at level disk: the file is emptied and written anew at every change, and is not whole in between.

    Refused by survives-process-crash or survives-power-loss.
    """

    def append(self, records: Sequence[Record]) -> None:
        everything = lines([*self.shelf.records(), *records])
        os.ftruncate(self.file, 0)
        self.sync()
        os.write(self.file, everything)


class TimersStartAnew(AppendLog):
    """Wrong at every level: what was in hand at the last close is hidden for the whole of its time again.

    Refused by no-limbo.
    """

    def open(self, directory: Path) -> None:
        super().open(directory)
        for key in self.shelf.hidden:
            self.shelf.hidden[key] = time.time() + 20.0


class DropsAtClose(AsyncLog):
    """Wrong at every level: acks wait for a thread that writes them, and close answers OK and drops what waits.

    Refused by close-drains.
    """

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.waiting: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        self.waiting += records
        if len(self.waiting) >= 8:
            self.drain()

    def drain(self) -> None:
        records, self.waiting = self.waiting, []
        super().write(records)

    def flush(self) -> str:
        with self.lock:
            self.drain()
            return super().flush()

    def close(self) -> str:
        with self.lock:
            os.close(self.file)
            return "OK"


class SavesAtTheEnd(AsyncLog):
    """Wrong at level page-cache: all is in memory, and saved once the input ends.

    Refused by survives-process-crash.
    """

    def write(self, records: Sequence[Record]) -> None:
        pass

    def close(self) -> str:
        with self.lock:
            os.ftruncate(self.file, 0)
            self.append(self.shelf.records())
            return super().close()


class KnowsNothing(AppendLog):
    """Wrong at every level: a pop hands out, and every ack is answered UNKNOWN on a disk that works.

    Refused by unknown-has-a-cause, or on a slow machine by flush-degrades: in the end the answer must come.
    """

    def settle(self, receipt: str) -> str:
        return "UNKNOWN"

    def flush(self) -> str:
        return "UNKNOWN"

    def close(self) -> str:
        super().close()
        return "UNKNOWN"
