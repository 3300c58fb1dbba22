"""How fast `ackcheck trace` judges what lives simply: entries a second of CPU time, read from bytes.

    nice python -m tests.benchmarks.bench_trace --entries 1000000

Ten messages are popped at once, acknowledged one by one, made durable and passed by the offset. The median of three, on
the fast path and where the oracle takes every line.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import click

from ackcheck.trace.judge import Judge
from ackcheck.trace.lines import read_line
from ackcheck.trace.recording import Recording
from ackmodel import Level

TURNS = 3


def history(entries: int) -> list[bytes]:
    """Return so many lines of it, or a few less.

    >>> len(history(100))
    78
    """
    lines: list[bytes] = []
    number = 0

    def call(op: str, result: object, **request: object) -> None:
        nonlocal number
        number += 1
        at = number / 1000
        lines.append(json.dumps({"at": at, "asked": {"id": number, "op": op, **request}}).encode())
        lines.append(json.dumps({"at": at, "answered": {"id": number, "result": result}}).encode())

    for offset in range(0, entries // 26 * 10, 10):
        given = [
            {"receipt": f"r{each}", "offset": each, "attempt": 1, "deadline": 0} for each in range(offset, offset + 10)
        ]
        call("pop", given, queue="q", count=10, invisible=30)
        for each in range(offset, offset + 10):
            call("ack", "OK", receipt=f"r{each}")
        call("flush", "OK")
        call("stats", {"queues": {"q": {"committed": offset + 10, "persisted": offset + 10}}})
    return lines


def on_the_fast_path(lines: list[bytes]) -> None:
    """Judge them as the command does."""
    recording = Recording(Judge(Level.PAGE_CACHE))
    for line in lines:
        recording.take(line)
    recording.ended()
    assert recording.judge.counts["ack"].fitted == len(lines) // 26 * 10


def by_the_oracle(lines: list[bytes]) -> None:
    """Have the oracle judge each."""
    judge = Judge(Level.PAGE_CACHE)
    for line in lines:
        judge.take(read_line(line.decode()))


def rate(judge: Callable[[list[bytes]], None], lines: list[bytes]) -> float:
    """Return entries a second of CPU time."""
    taken = []
    for _ in range(TURNS):
        begun = time.process_time()
        judge(lines)
        taken.append(time.process_time() - begun)
    return len(lines) / statistics.median(taken)


@click.command()
@click.option(
    "--entries", default=300_000, show_default=True, help="lines on the fast path; a tenth of them by the oracle"
)
def main(entries: int) -> None:
    """Measure, and print."""
    lines = history(entries)
    print(f"fast path: {rate(on_the_fast_path, lines):,.0f} entries a second of CPU time, {len(lines)} entries")
    few = history(entries // 10)
    print(f"the oracle: {rate(by_the_oracle, few):,.0f} entries a second of CPU time, {len(few)} entries")


if __name__ == "__main__":
    main()
