"""A picture of the rows: throughput, and the latencies that go with it, both on logarithmic scales."""

from __future__ import annotations

from pathlib import Path

from acklab.bench.peers import need
from acklab.bench.results import Results, threads_text

FORMATS = (".png", ".svg", ".pdf")
COLOURS = {"none": "#888888", "memory": "#4a9a5b", "page-cache": "#2a78b5", "disk": "#b5442a"}


def plot(results: Results, to: Path) -> None:
    """Draw `results` into the file `to`, whose ending is one of `FORMATS`. Raises `PeerMissing` without matplotlib."""
    need("matplotlib")
    from matplotlib.figure import Figure

    rows = list(reversed(results.rows))
    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.6), layout="constrained")
    rates, times = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    rates.barh(places, [row.throughput for row in rows], color=[COLOURS[row.level] for row in rows])
    rates.set(xscale="log", xlabel="acks a second", yticks=places)
    rates.set_yticklabels([f"{row.name}, {threads_text(row.threads)}" for row in rows])
    for name, mark in (("p50", "o"), ("p99", "D"), ("p999", "x")):
        times.scatter([getattr(row, name) * 1e6 for row in rows], places, marker=mark, label=name, color="#333333")
    times.set(xscale="log", xlabel="microseconds an operation")
    times.legend(loc="upper right")
    rates.set_title(
        "grey: no promise; green: survives a clean restart; blue: survives the process; red: survives power loss",
        fontsize=9,
        loc="left",
    )
    figure.savefig(to)
