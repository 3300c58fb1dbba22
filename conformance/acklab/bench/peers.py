"""What else one would keep acks in: SQLite, LMDB and persist-queue, at each level of durability.

Each writes one transaction an ack. The levels are those of the store: PAGE_CACHE survives the death of the process,
DISK survives power loss, because the answer comes after a sync.

>>> import tempfile
>>> from pathlib import Path
>>> Sqlite("SQLite", "NORMAL").measure(Path(tempfile.mkdtemp()), threads=1, seconds=0.05).operations > 0
True
"""

from __future__ import annotations

import sqlite3
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from acklab.bench.measure import Sample, timed
from acklab.bench.stores import made_up, shares

MEND = "not measured: install ackcheck[bench]"


class PeerMissing(Exception):
    """The library of a peer is not installed."""


def need(module: str) -> None:
    """Raise `PeerMissing` where `module` cannot be imported."""
    if find_spec(module) is None:
        raise PeerMissing(MEND)


@frozen
class Sqlite:
    """SQLite with a write-ahead log, `INSERT` of a receipt, one transaction each. A single connection behind a lock:
    with one a thread they wait for each other in steps of milliseconds."""

    name: str
    synchronous: Literal["NORMAL", "FULL"]
    """NORMAL syncs at checkpoints only; FULL with every transaction."""

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory."""
        base = sqlite3.connect(directory / "acks.db", isolation_level=None, check_same_thread=False)
        try:
            base.execute("PRAGMA journal_mode=WAL")
            base.execute(f"PRAGMA synchronous={self.synchronous}")
            base.execute("CREATE TABLE acks (receipt TEXT PRIMARY KEY) WITHOUT ROWID")
            lock = threading.Lock()

            def ack(receipt: str) -> None:
                with lock:
                    base.execute("INSERT INTO acks VALUES (?)", (receipt,))

            return timed(shares(made_up(int(200_000 * seconds) + threads), threads), ack, seconds=seconds)
        finally:
            base.close()


@frozen
class Lmdb:
    """LMDB, a `put` of a receipt, one transaction each."""

    name: str
    sync: bool
    """Whether each transaction is synced."""

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory. Raises `PeerMissing`."""
        need("lmdb")
        import lmdb

        with lmdb.open(str(directory), map_size=4 << 30, sync=self.sync, metasync=self.sync) as base:

            def ack(receipt: str) -> None:
                with base.begin(write=True) as transaction:
                    transaction.put(receipt.encode(), b"")

            return timed(shares(made_up(int(200_000 * seconds) + threads), threads), ack, seconds=seconds)


@frozen
class PersistQueue:
    """`SQLiteAckQueue` of persist-queue: `ack` of an item that was put and got before."""

    name: str
    synchronous: Literal["NORMAL", "FULL"]
    """Of the SQLite beneath it: FULL is what it comes with."""

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory. Raises `PeerMissing`."""
        need("persistqueue")
        from persistqueue import SQLiteAckQueue

        queue = SQLiteAckQueue(str(directory), multithreading=True)
        try:
            putter: Any = queue._putter
            putter.execute("PRAGMA synchronous=OFF")  # only while the items are made ready
            items = [str(queue.put(n)) for n in range(int(15_000 * seconds) + threads)]
            for _ in items:
                queue.get()
            putter.execute(f"PRAGMA synchronous={self.synchronous}")
            return timed(shares(items, threads), lambda item: queue.ack(id=int(item)), seconds=seconds)
        finally:
            queue.close()
