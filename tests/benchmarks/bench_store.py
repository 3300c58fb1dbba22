"""How fast the reference store is, as ratios within one run on one machine.

    python tests/benchmarks/bench_store.py [DIRECTORY]

Not a test: run it by hand, on the file system that matters. Medians of five rounds; the variants
take turns, so that a slow spell of the machine meets them all.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import ackstore

ROUNDS = 5
THREADS = 3
RECORD = 70
"""Bytes of the record of one ack."""


def directory() -> Path:
    return Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))


def bare_loop(count: int = 200_000) -> float:
    """`os.pwrite` calls a second, of a record each."""
    place = directory()
    fd = os.open(place / "file", os.O_RDWR | os.O_CREAT)
    data = b"x" * RECORD
    start = time.perf_counter()
    for at in range(0, count * RECORD, RECORD):
        os.pwrite(fd, data, at)
    elapsed = time.perf_counter() - start
    os.close(fd)
    shutil.rmtree(place)
    return count / elapsed


def store_with(count: int, mode: str) -> tuple[Path, ackstore.Store, list[str]]:
    place = directory()
    config = ackstore.Config(mode=mode, max_outstanding=10_000_000)  # type: ignore[arg-type]
    store = ackstore.Store(place, config)
    store.publish("orders/billing/3", count)
    receipts: list[str] = []
    while len(receipts) < count:
        got = store.pop("orders/billing/3", min(4096, count - len(receipts)), 3600.0)
        receipts += [delivery.receipt for delivery in got]
    store.flush()
    return place, store, receipts


def acks(mode: str, threads: int, count: int) -> tuple[float, float]:
    """Acks a second of so many threads, and the 99th percentile of one ack in seconds."""
    place, store, receipts = store_with(count, mode)
    times: list[float] = []
    ready = threading.Barrier(threads + 1)

    def work(mine: list[str]) -> None:
        spent = []
        clock = time.perf_counter
        ready.wait()
        for receipt in mine:
            before = clock()
            reply = store.ack(receipt)
            spent.append(clock() - before)
            assert reply is ackstore.Reply.OK, reply
        times.extend(spent)

    workers = [threading.Thread(target=work, args=(receipts[n::threads],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - start
    store.close()
    shutil.rmtree(place)
    return count / elapsed, sorted(times)[int(len(times) * 0.99)]


def batches(count: int = 64_000, size: int = 64) -> float:
    """Acks a second, one thread, in batches of 64."""
    place, store, receipts = store_with(count, "async")
    start = time.perf_counter()
    for at in range(0, count, size):
        store.ack_many(receipts[at : at + size])
    elapsed = time.perf_counter() - start
    store.close()
    shutil.rmtree(place)
    return count / elapsed


def main() -> None:
    runs: dict[str, Callable[[], tuple[float, float] | float]] = {
        "bare pwrite loop": bare_loop,
        "async, 1 thread": lambda: acks("async", 1, 50_000),
        "async, 3 threads": lambda: acks("async", THREADS, 60_000),
        "sync, 3 threads": lambda: acks("sync", THREADS, 6_000),
        "ack_many of 64": batches,
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    tails: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            got = run()
            rates[name].append(got[0] if isinstance(got, tuple) else got)
            tails[name].append(got[1] if isinstance(got, tuple) else 0.0)
    rate = {name: median(rates[name]) for name in runs}
    tail = {name: median(tails[name]) for name in runs}
    print(f"{'':20}{'a second':>12}{'lowest':>12}{'highest':>12}{'p99, us':>10}")
    for name in runs:
        p99 = f"{tail[name] * 1e6:10.1f}" if tail[name] else ""
        low, high = min(rates[name]), max(rates[name])
        print(f"{name:20}{rate[name]:12.0f}{low:12.0f}{high:12.0f}{p99}")
    one, many, slow = "async, 1 thread", "async, 3 threads", "sync, 3 threads"
    print(f"one ack / bare loop       {rate[one] / rate['bare pwrite loop']:6.2f}  (aim 0.3)")
    print(f"ack_many / bare loop      {rate['ack_many of 64'] / rate['bare pwrite loop']:6.2f}")
    print(f"async / sync, 3 threads   {rate[many] / rate[slow]:6.2f}  (aim 10)")
    print(f"p99 async / p99 sync      {tail[many] / tail[slow]:6.3f}")


if __name__ == "__main__":
    main()
