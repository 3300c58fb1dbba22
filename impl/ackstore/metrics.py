"""Metrics of a store for Prometheus: `pip install 'ackcheck[metrics]'`.

Everything that `Store.stats` shows is here. Nothing listens by itself. Register a `StoreCollector` where the process
registers its other metrics; or, in a process that has none, `serve` them, on the loopback interface only. Collecting
takes the store's lock once, for a time that does not depend on how many messages are in hand; with `count_messages`
they are counted by state, and it does.

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

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from ackstore.words.errors import MetricsMissing
from ackstore.words.histogram import HistogramStats
from ackstore.words.stats import MODES, QueueStats, Stats

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MetricsMissing("no metrics without prometheus-client: pip install 'ackcheck[metrics]'") from error

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ackstore.store import Store

LOOPBACK = "127.0.0.1"

Figures = Mapping[str, tuple[str, Callable[[Stats], float]]]

GAUGES: Figures = {
    "epoch": ("Which open of the store this is", lambda stats: stats.epoch),
    "written_lsn": ("Log sequence number of the last CACHED record", lambda stats: stats.written),
    "flushed_lsn": ("Log sequence number of the last FLUSHED record", lambda stats: stats.flushed),
    "stalled_seconds": ("For how long a write has not returned; 0 when none hangs", lambda stats: stats.stalled),
    "stats_age_seconds": ("Age of all these figures; 0 unless a write hangs", lambda stats: stats.age),
    "callbacks": ("Durable callbacks that have not run to their end", lambda stats: stats.callbacks),
    "operations": ("Operations without an answer", lambda stats: stats.operations),
    "effects": ("Writes, syncs and other effects without a result", lambda stats: stats.effects),
    "pending_records": ("Records that are not CACHED yet", lambda stats: stats.pending_records),
    "unflushed_records": ("Records that are not FLUSHED yet", lambda stats: stats.unflushed_records),
    "unflushed_bytes": ("Their bytes, which are kept in memory", lambda stats: stats.unflushed_bytes),
    "dirty_bytes": ("What the page cache may hold of the log for the disk", lambda stats: stats.dirty_bytes),
    "oldest_unflushed_seconds": ("Age of the oldest CACHED record not FLUSHED", lambda stats: stats.oldest_unflushed),
    "offsets_dirty": ("1 while a consumer offset is ahead of the offset file", lambda stats: stats.offsets_dirty),
    "short": ("1 while room on the disk is short, and no new message is handed out", lambda stats: stats.short),
    "reserve_bytes": ("Room that is kept on the disk", lambda stats: stats.reserve_bytes),
    "merging": ("Messages only in the merge buffer, or their ack", lambda stats: stats.merging),
    "sync_failures_in_a_row": ("Failed syncs in a row, up to now", lambda stats: stats.failures),
    "segments": ("Segments there are", lambda stats: stats.segments),
    "segment_bytes": ("Their bytes", lambda stats: stats.segment_bytes),
    "recovered_records": ("Records that opening the store read back", lambda stats: stats.recovery.records),
    "recovery_rewritten_records": ("Of those, written again", lambda stats: stats.recovery.rewritten),
    "cut_records": ("Whole records behind a hole in the unproved tail", lambda stats: stats.recovery.cut_records),
    "cut_bytes": ("Bytes that recovery cut off", lambda stats: stats.recovery.cut_bytes),
}

COUNTERS: Figures = {
    "syncs": ("Flush cycles that succeeded", lambda stats: stats.syncs),
    "sync_failures": ("Flush cycles that failed, timeouts included", lambda stats: stats.sync_failures),
    "sync_timeouts": ("Flush cycles that timed out", lambda stats: stats.sync_timeouts),
    "retries": ("Flush cycles that began after a failure", lambda stats: stats.retries),
    "write_failures": ("Writes and segment creations that failed", lambda stats: stats.write_failures),
    "rewritten_records": ("Records written again", lambda stats: stats.rewritten),
    "offset_writes": ("Times the offset file was replaced", lambda stats: stats.offset_writes),
    "offset_failures": ("Attempts to replace it that failed", lambda stats: stats.offset_failures),
    "merged": ("Acks that met their checkpoint in the merge buffer", lambda stats: stats.merged),
    "compactions": ("Rounds of compaction completed", lambda stats: stats.compactions),
    "removed_segments": ("Segments removed by them", lambda stats: stats.removed_segments),
}

HISTOGRAMS: Mapping[str, tuple[str, Callable[[Stats], HistogramStats]]] = {
    "flush_seconds": ("Time from the begin of a flush cycle to its success", lambda stats: stats.flush_seconds),
    "flush_failed_seconds": ("Time until it failed or was given up", lambda stats: stats.flush_failed_seconds),
    "flush_records": ("Records that a flush cycle made FLUSHED", lambda stats: stats.flush_records),
}

STATES: Mapping[str, Callable[[QueueStats], int | None]] = {
    "kept": lambda queue: queue.kept,
    "free": lambda queue: queue.free,
    "dead": lambda queue: queue.dead,
    "delivered": lambda queue: queue.delivered,
    "acking": lambda queue: queue.acking,
    "settled": lambda queue: queue.settled,
}
"""Messages of a queue by state; the last three only where they were counted."""

OFFSETS: Mapping[str, Callable[[QueueStats], int]] = {
    "end": lambda queue: queue.end,
    "next_new": lambda queue: queue.next_new,
    "floor": lambda queue: queue.floor,
    "memory": lambda queue: queue.committed,
    "disk": lambda queue: queue.persisted,
}
"""Places in a queue."""


class StoreCollector(Collector):
    """The metrics of one store, all of one instant, their names beginning with `prefix`: one of its own for each store
    that shares a registry with another.

    With `count_messages` there is `queue_messages` also for the states `delivered`, `acking` and `settled`; the store
    waits while they are counted (see `Store.stats`).
    """

    def __init__(self, store: Store, *, prefix: str = "ackstore", count_messages: bool = False) -> None:
        self.store = store
        self.prefix = prefix
        self.count_messages = count_messages

    def describe(self) -> list[Metric]:
        """Return nothing beforehand: registering takes no lock."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return every metric of the store."""
        stats = self.store.stats(count=self.count_messages)
        healthy, resident = "1 while every thread that the store needs is alive", "Resident memory of the whole process"
        yield GaugeMetricFamily(f"{self.prefix}_healthy", healthy, value=stats.healthy)
        yield GaugeMetricFamily(f"{self.prefix}_resident_bytes", resident, value=stats.resident_bytes)
        yield from self._figures(self.prefix, [], [((), stats)])
        if stats.logs:
            logs = [((str(number),), log) for number, log in enumerate(stats.logs, 1)]
            yield from self._figures(f"{self.prefix}_log", ["log"], logs)
        replies = CounterMetricFamily(f"{self.prefix}_replies", "Answers, by kind; a batch, by item", labels=["reply"])
        for reply, count in stats.replies.items():
            replies.add_metric([reply.name], count)
        yield replies
        yield from self._queues(stats)

    @staticmethod
    def _figures(prefix: str, labels: list[str], found: Sequence[tuple[tuple[str, ...], Stats]]) -> Iterator[Metric]:
        """Return what there is of a store, and of each of its logs: one of each figure for every item of `found`."""
        for kind, figures in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, (text, value) in figures.items():
                family = kind(f"{prefix}_{name}", text, labels=labels)
                for given, stats in found:
                    family.add_metric(given, float(value(stats)))
                yield family
        mode = GaugeMetricFamily(f"{prefix}_mode", "1 for how the store answers now", labels=[*labels, "mode"])
        for given, stats in found:
            for each in MODES:
                mode.add_metric([*given, each], stats.mode == each)
        yield mode
        for name, (text, histogram) in HISTOGRAMS.items():
            buckets = HistogramMetricFamily(f"{prefix}_{name}", text, labels=labels)
            for given, stats in found:
                buckets.add_metric(given, _cumulated(histogram(stats)), histogram(stats).sum)
            yield buckets

    def _queues(self, stats: Stats) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            f"{self.prefix}_queue_depth", "Messages published that the consumer offset has not passed", labels=["queue"]
        )
        messages = GaugeMetricFamily(
            f"{self.prefix}_queue_messages", "Messages of a queue, by state", labels=["queue", "state"]
        )
        offsets = GaugeMetricFamily(
            f"{self.prefix}_queue_offset",
            "The consumer offset in memory and on disk, and others",
            labels=["queue", "where"],
        )
        for queue, found in stats.queues.items():
            depth.add_metric([str(queue)], max(found.end - found.committed, 0))
            for state, count in STATES.items():
                number = count(found)
                if number is not None:
                    messages.add_metric([str(queue), state], number)
            for where, offset in OFFSETS.items():
                offsets.add_metric([str(queue), where], offset(found))
        yield from (depth, messages, offsets)


def _cumulated(found: HistogramStats) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus wants them: each with all below it."""
    bounds = (*map(str, found.bounds), "+Inf")
    return list(zip(bounds, accumulate(found.counts), strict=True))


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
