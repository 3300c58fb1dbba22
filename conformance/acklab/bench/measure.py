"""Threads that do one thing again and again, and how long each time took.

>>> done = []
>>> timed([iter("abc")], done.append, seconds=5.0).operations, done
(3, ['a', 'b', 'c'])
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeVar

from attrs import evolve, frozen

Item = TypeVar("Item")


@frozen(kw_only=True)
class Sample:
    """What one contender did in one round; times are in seconds."""

    operations: int
    """How many acks were answered."""
    seconds: float
    """From the start to the end of the last."""
    p50: float
    p99: float
    p999: float
    syncs_per_second: float | None = None
    """None where nobody counts them."""

    @property
    def throughput(self) -> float:
        """Acks a second."""
        return self.operations / self.seconds

    def of_batches(self, size: int) -> Sample:
        """Return the same, where each operation was a batch of `size` acks; the times stay those of a batch."""
        return evolve(self, operations=self.operations * size)


class ThreadFailed(Exception):
    """A benchmark thread met an error, so that the figures mean nothing: see the cause."""


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of the `ordered` ones do not exceed; 0.0 of none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def timed(work: Sequence[Iterator[Item]], operate: Callable[[Item], object], *, seconds: float) -> Sample:
    """Have a thread for each iterator `operate` on its items, until they are done or `seconds` have passed.

    Raises `ThreadFailed` if one of them raises.
    """
    threads = len(work)
    begin = threading.Barrier(threads + 1)
    times: list[float] = []
    errors: list[Exception] = []
    until = [0.0]

    def run(items: Iterator[Item]) -> None:
        spent: list[float] = []
        clock = time.perf_counter
        begin.wait()
        try:
            end = until[0]
            before = clock()
            for item in items:
                operate(item)
                after = clock()
                spent.append(after - before)
                if after > end:
                    break
                before = after
        except Exception as error:
            errors.append(error)  # the thread's top: told to who asked for the sample
        times.extend(spent)

    runners = [threading.Thread(target=run, args=(items,), daemon=True) for items in work]
    for runner in runners:
        runner.start()
    until[0] = time.perf_counter() + seconds
    begin.wait()
    start = time.perf_counter()
    for runner in runners:
        runner.join()
    elapsed = time.perf_counter() - start
    if errors:
        raise ThreadFailed(f"{type(errors[0]).__name__}: {errors[0]}") from errors[0]
    times.sort()
    p50, p99, p999 = (quantile(times, share) for share in (0.5, 0.99, 0.999))
    return Sample(operations=len(times), seconds=max(elapsed, 1e-9), p50=p50, p99=p99, p999=p999)


def middle(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Return the median of every figure: `throughput`, `p50`, `p99`, `p999`, `syncs_per_second`."""
    syncs = [sample.syncs_per_second for sample in samples if sample.syncs_per_second is not None]
    return {
        "throughput": median(sample.throughput for sample in samples),
        "p50": median(sample.p50 for sample in samples),
        "p99": median(sample.p99 for sample in samples),
        "p999": median(sample.p999 for sample in samples),
        "syncs_per_second": median(syncs) if syncs else None,
    }
