"""The rounds, and what they come to: rows, ratios, and the JSON of `ackcheck bench`.

>>> rows = [Entrant(WriteLoop(), "none", 1), Entrant(StoreContender("async", Config()), "page-cache", 1)]
>>> with tempfile.TemporaryDirectory() as place:
...     results = race(rows, Path(place), seconds=0.02, rounds=1)
>>> [(row.name, row.threads) for row in results.rows], results.ratios()["ack_over_write_loop"] > 0
([('os.write loop', 1), ('async', 1)], True)
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from attrs import asdict, field, frozen

from acklab.bench.costs import bytes_per_inflight, recovery_seconds_per_million
from acklab.bench.measure import Sample, middle
from acklab.bench.peers import Lmdb, PeerMissing, PersistQueue, Sqlite
from acklab.bench.stores import BATCH, IN_FLIGHT, StoreContender, ToldContender, WriteLoop, unflushed
from ackstore import Config
from ackstore.fastpath import COMPILED

THREADS = (1, 3, 16)
Level = Literal["none", "memory", "page-cache", "disk"]


class Contender(Protocol):
    """What takes part."""

    @property
    def name(self) -> str:
        """As the table calls it."""

    def measure(self, directory: Path, *, threads: int, seconds: float) -> Sample:
        """Run once, in an empty directory. Raises `PeerMissing` where its library is not installed."""


@frozen
class Entrant:
    """A contender with that many threads, and what an answer of it means: it survives a clean restart (`memory`), the
    death of the process (`page-cache`), power loss (`disk`), or there is none."""

    contender: Contender
    level: Level
    threads: int


@frozen(kw_only=True)
class Row:
    """The medians of one entrant: acks a second, and seconds."""

    name: str
    level: Level
    threads: int
    throughput: float
    p50: float
    p99: float
    p999: float
    syncs_per_second: float | None


@frozen(kw_only=True)
class Results:
    """What a run of the benchmark found."""

    rows: tuple[Row, ...]
    not_measured: dict[str, str] = field(factory=dict)
    """By name of the contender, why."""
    recovery_seconds_per_million: float | None = None
    bytes_per_inflight: float | None = None

    def row(self, name: str, threads: int) -> Row | None:
        """Return the row of a contender; None if it was not measured."""
        return next((row for row in self.rows if (row.name, row.threads) == (name, threads)), None)

    def ratios(self) -> dict[str, float | None]:
        """Return the ratios that the documentation names; None where a side of one was not measured."""

        def rate(name: str, threads: int = 3) -> float | None:
            row = self.row(name, threads)
            return None if row is None else row.throughput

        def tail(name: str) -> float | None:
            row = self.row(name, 3)
            return None if row is None else row.p99

        loop = rate(WRITES, 1)
        return {
            "async_over_sync_throughput": over(rate(ASYNC), rate(SYNC)),
            "sync_over_async_p99": over(tail(SYNC), tail(ASYNC)),
            "stalled_over_healthy_p99": over(tail(STALLED), tail(ASYNC)),
            "merge_over_async_throughput": over(rate(MERGE), rate(ASYNC)),
            "ack_over_write_loop": over(rate(ASYNC, 1), loop),
            "ack_many_64_over_write_loop": over(rate(MANY, 1), loop),
            "over_sqlite_normal": over(rate(ASYNC), rate(SQLITE)),
            "over_lmdb_no_sync": over(rate(ASYNC), rate(LMDB)),
            "over_persist_queue": over(rate(ASYNC), rate(PERSIST)),
            "sync_over_sqlite_full": over(rate(SYNC), rate(SQLITE_FULL)),
            "sync_over_lmdb": over(rate(SYNC), rate(LMDB_SYNC)),
            "sync_over_persist_queue_full": over(rate(SYNC), rate(PERSIST_FULL)),
            "in_flight_over_sqlite_full": over(rate(TOLD), rate(SQLITE_FULL)),
            "in_flight_over_lmdb": over(rate(TOLD), rate(LMDB_SYNC)),
            "in_flight_over_persist_queue_full": over(rate(TOLD), rate(PERSIST_FULL)),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON."""
        return {
            "machine": {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()},
            "compiled": COMPILED,
            "rows": [asdict(row) for row in self.rows],
            "ratios": self.ratios(),
            "recovery_seconds_per_million": self.recovery_seconds_per_million,
            "bytes_per_inflight": self.bytes_per_inflight,
            "not_measured": self.not_measured,
        }


WRITES, MERGE, ASYNC, SYNC = "os.write loop", "async, merge buffer", "async", "sync"
MANY, STALLED = f"async, ack_many of {BATCH}", "async, stalled disk"
TOLD = f"{IN_FLIGHT} in flight"
SQLITE, SQLITE_FULL = "SQLite WAL, NORMAL", "SQLite WAL, FULL"
LMDB, LMDB_SYNC = "LMDB, no sync", "LMDB"
PERSIST, PERSIST_FULL = "persist-queue, NORMAL", "persist-queue, FULL"

AIMS: dict[str, float] = {
    "async_over_sync_throughput": 20.0,
    "sync_over_async_p99": 10.0,
    "ack_over_write_loop": 0.3,
    "ack_many_64_over_write_loop": 2.0,
    "over_sqlite_normal": 3.0,
    "over_persist_queue": 3.0,
    "in_flight_over_sqlite_full": 2.0,
    "in_flight_over_lmdb": 2.0,
    "in_flight_over_persist_queue_full": 1.5,
}
"""What the ratios are to be at least."""
MOST: dict[str, float] = {"stalled_over_healthy_p99": 5.0}
"""What the ratios are to be at most."""


def over(one: float | None, other: float | None) -> float | None:
    """Return their ratio; None where there is none."""
    return None if one is None or not other else one / other


def entrants() -> list[Entrant]:
    """Return all that takes part, in the order of the table."""
    fast, slow = Config(), Config(mode="sync")
    held = Config(merge=True, merge_stay=3600.0)
    return [
        Entrant(WriteLoop(WRITES), "none", 1),
        *(Entrant(StoreContender(MERGE, held, most=3_000_000), "memory", threads) for threads in THREADS),
        *(Entrant(StoreContender(ASYNC, fast), "page-cache", threads) for threads in THREADS),
        Entrant(StoreContender(MANY, fast, batch=BATCH, most=8_000_000), "page-cache", 1),
        Entrant(StoreContender(STALLED, unflushed(fast), stalled=True), "page-cache", 3),
        Entrant(Sqlite(SQLITE, "NORMAL"), "page-cache", 3),
        Entrant(Lmdb(LMDB, sync=False), "page-cache", 3),
        Entrant(PersistQueue(PERSIST, "NORMAL"), "page-cache", 3),
        *(Entrant(StoreContender(SYNC, slow, most=40_000), "disk", threads) for threads in THREADS),
        Entrant(ToldContender(TOLD, Config(flush_interval=0.001)), "disk", 3),
        Entrant(Sqlite(SQLITE_FULL, "FULL"), "disk", 3),
        Entrant(Lmdb(LMDB_SYNC, sync=True), "disk", 3),
        Entrant(PersistQueue(PERSIST_FULL, "FULL"), "disk", 3),
    ]


def race(
    field_of: Sequence[Entrant],
    directory: Path,
    *,
    seconds: float,
    rounds: int,
    records: int = 0,
    told: Callable[[str], None] = lambda _what: None,
) -> Results:
    """Have all of them take turns in new folders of `directory`, `rounds` times for `seconds` each.

    With `records`, measure the recovery of that many too, and the memory of a message when that many (50,000 at most)
    are in flight. `told` hears what is
    measured now. Raises `AckRefused`, `ThreadFailed`, and the `OSError` of a disk that fails.
    """
    samples: dict[int, list[Sample]] = {number: [] for number in range(len(field_of))}
    missing: dict[str, str] = {}
    for turn in range(rounds):
        for number, entrant in enumerate(field_of):
            name = entrant.contender.name
            if name in missing:
                continue
            told(f"round {turn + 1} of {rounds}: {name}, {threads_text(entrant.threads)}")
            with tempfile.TemporaryDirectory(prefix="ackcheck-bench-", dir=directory) as place:
                try:
                    sample = entrant.contender.measure(Path(place), threads=entrant.threads, seconds=seconds)
                except PeerMissing as error:
                    missing[name] = str(error)
                else:
                    samples[number].append(sample)
    recovery = memory = None
    if records:
        told(f"recovery of {records:,} records")
        with tempfile.TemporaryDirectory(prefix="ackcheck-bench-", dir=directory) as place:
            recovery = recovery_seconds_per_million(Path(place), records)
        told("memory of a message in flight")
        with tempfile.TemporaryDirectory(prefix="ackcheck-bench-", dir=directory) as place:
            memory = bytes_per_inflight(Path(place), min(records, 50_000))
    rows = tuple(row_of(field_of[number], found) for number, found in samples.items() if found)
    return Results(rows=rows, not_measured=missing, recovery_seconds_per_million=recovery, bytes_per_inflight=memory)


def row_of(entrant: Entrant, samples: Sequence[Sample]) -> Row:
    """Return the medians of an entrant's rounds."""
    figures: dict[str, Any] = middle(samples)
    return Row(name=entrant.contender.name, level=entrant.level, threads=entrant.threads, **figures)


def threads_text(count: int) -> str:
    """Return it in words."""
    return "1 thread" if count == 1 else f"{count} threads"
