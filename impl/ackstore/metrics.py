"""Metrics of a store for Prometheus: `pip install 'ackcheck[metrics]'`.

Nothing here listens by itself. Register a `StoreCollector` where the process registers its other metrics; or, in a
process that has none, `serve` them, on the loopback interface only. Collecting takes the store's lock once, as
`Store.stats` does, and looks at every message that is in somebody's hands: scrape every few seconds, not every few
milliseconds.

>>> import tempfile
>>> from ackstore import Store
>>> from prometheus_client import CollectorRegistry, generate_latest
>>> registry = CollectorRegistry()
>>> with Store(tempfile.mkdtemp()) as store:
...     registry.register(StoreCollector(store))
...     store.publish("orders", 3)
...     text = generate_latest(registry).decode()
>>> 'ackstore_queue_depth{queue="orders/default/0"} 3.0' in text
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ackstore.errors import MetricsMissing
from ackstore.histogram import HistogramStats
from ackstore.stats import Stats

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MetricsMissing("no metrics without prometheus-client: pip install 'ackcheck[metrics]'") from error

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ackstore.runtime import Store

LOOPBACK = "127.0.0.1"
MODES = ("async", "sync", "refuse")

GAUGES: Mapping[str, tuple[str, Callable[[Stats], float]]] = {
    "healthy": ("1 while every thread that the store needs is alive", lambda stats: stats.healthy),
    "stalled_seconds": ("For how long a write has not returned; 0 when none hangs", lambda stats: stats.stalled),
    "stats_age_seconds": ("Age of all these figures; 0 unless a write hangs", lambda stats: stats.age),
    "callbacks": ("Durable callbacks that have not run to their end", lambda stats: stats.callbacks),
    "operations": ("Operations without an answer", lambda stats: stats.operations),
    "pending_records": ("Records that are not CACHED yet", lambda stats: stats.pending_records),
    "unflushed_records": ("Records that are not FLUSHED yet", lambda stats: stats.unflushed_records),
    "unflushed_bytes": ("Their bytes, which are kept in memory", lambda stats: stats.unflushed_bytes),
    "dirty_bytes": ("Bytes written that no sync has covered", lambda stats: stats.dirty_bytes),
    "oldest_unflushed_seconds": ("Age of the oldest CACHED record not FLUSHED", lambda stats: stats.oldest_unflushed),
    "sync_failures_in_a_row": ("Failed syncs in a row, up to now", lambda stats: stats.failures),
    "recovered_records": ("Records that opening the store read back", lambda stats: stats.recovery.records),
    "recovery_rewritten_records": ("Of those, written again", lambda stats: stats.recovery.rewritten),
    "cut_records": ("Whole records behind a hole in the unproved tail", lambda stats: stats.recovery.cut_records),
    "cut_bytes": ("Bytes that recovery cut off", lambda stats: stats.recovery.cut_bytes),
}

COUNTERS: Mapping[str, tuple[str, Callable[[Stats], float]]] = {
    "syncs": ("Flush cycles that succeeded", lambda stats: stats.syncs),
    "sync_failures": ("Flush cycles that failed, timeouts included", lambda stats: stats.sync_failures),
    "sync_timeouts": ("Flush cycles that timed out", lambda stats: stats.sync_timeouts),
    "write_failures": ("Writes and segment creations that failed", lambda stats: stats.write_failures),
    "rewritten_records": ("Records written again", lambda stats: stats.rewritten),
    "offset_writes": ("Times the offset file was replaced", lambda stats: stats.offset_writes),
    "offset_failures": ("Attempts to replace it that failed", lambda stats: stats.offset_failures),
}


class StoreCollector(Collector):
    """The metrics of one store, all of one instant, their names beginning with `prefix`: one of its own for each store
    that shares a registry with another."""

    def __init__(self, store: Store, *, prefix: str = "ackstore") -> None:
        self.store = store
        self.prefix = prefix

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering takes no lock."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the store."""
        stats = self.store.stats()
        for name, (text, value) in GAUGES.items():
            yield GaugeMetricFamily(f"{self.prefix}_{name}", text, value=value(stats))
        for name, (text, value) in COUNTERS.items():
            yield CounterMetricFamily(f"{self.prefix}_{name}", text, value=value(stats))
        mode = GaugeMetricFamily(f"{self.prefix}_mode", "1 for how the store answers now", labels=["mode"])
        for each in MODES:
            mode.add_metric([each], stats.mode == each)
        yield mode
        replies = CounterMetricFamily(f"{self.prefix}_replies", "Answers, by kind; a batch, by item", labels=["reply"])
        for reply, count in stats.replies.items():
            replies.add_metric([reply.name], count)
        yield replies
        yield self._histogram(
            "flush_seconds", "Time from the begin of a flush cycle to its success", stats.flush_seconds
        )
        yield self._histogram("flush_records", "Records that a flush cycle made FLUSHED", stats.flush_records)
        yield from self._queues(stats)

    def _histogram(self, name: str, text: str, found: HistogramStats) -> Metric:
        buckets, total = [], 0
        for bound, count in zip((*map(str, found.bounds), "+Inf"), found.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return HistogramMetricFamily(f"{self.prefix}_{name}", text, buckets=buckets, sum_value=found.sum)

    def _queues(self, stats: Stats) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            f"{self.prefix}_queue_depth", "Messages published that the consumer offset has not passed", labels=["queue"]
        )
        messages = GaugeMetricFamily(
            f"{self.prefix}_queue_messages", "Messages of a queue, by state", labels=["queue", "state"]
        )
        offsets = GaugeMetricFamily(
            f"{self.prefix}_queue_offset", "The consumer offset, in memory and on disk", labels=["queue", "where"]
        )
        for queue, found in stats.queues.items():
            depth.add_metric([str(queue)], max(found.end - found.committed, 0))
            for state in ("delivered", "acking", "settled", "free"):
                messages.add_metric([str(queue), state], getattr(found, state))
            offsets.add_metric([str(queue), "memory"], found.committed)
            offsets.add_metric([str(queue), "disk"], found.persisted)
        yield from (depth, messages, offsets)


def serve(store: Store, port: int = 0) -> tuple[int, Callable[[], None]]:
    """Serve the metrics of `store` over HTTP, on the loopback interface only. Returns the port (with 0, the system
    chooses one), and a function that stops it. Raises `OSError` when the port is taken."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(store))
    server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop
