"""What a search in parts costs beside one process: bytes between the parts, speed-up and efficiency.

    python tests/benchmarks/bench_cluster.py [--workers 1 2 4] [--messages 3] [--json FILE]

First the parts alone, in this process: how many states leave the part that found them, in bytes a distinct state, for
2, 4 and 64 parts. Then workers of a Dask cluster on this machine against one process with one thread: seconds by the
clock, the speed-up, and the efficiency (speed-up a worker). Compiled loops are warmed up first. A busy machine disturbs
the clock: the load is printed with the figures. Ends with 1 where the counts differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from attrs import define
from distributed import Client

from ackexplore import Options
from ackexplore.cluster.joining import client_of
from ackexplore.cluster.levels import Here, explore_in_parts
from ackexplore.cluster.on_dask import DaskCrew
from ackexplore.table.engine import explore_table
from ackmodel import Config


@define
class Weighed(Here):
    """A crew in this process that weighs what goes from one part to another."""

    sent: int = 0
    rounds: int = 0

    def step(self) -> Any:
        """Have every part expand, weigh the envelopes, have every part take."""
        expanded = self.each("expand")
        self.rounds += 1
        self.sent += sum(
            envelope.nbytes
            for part, (envelopes, _) in enumerate(expanded)
            for to, envelope in enumerate(envelopes)
            if to != part
        )
        taken = [part.take([envelopes[part.number] for envelopes, _ in expanded]) for part in self._all]
        return [found for _, found in expanded], taken


def weighed(config: Config, parts: int) -> dict[str, Any]:
    """Explore in parts in this process; what went between them."""
    crew = Weighed(config, Options(threads=1), parts=parts)
    found = explore_in_parts(crew, Options(threads=1))
    return {
        "parts": parts,
        "states": found.states,
        "edges": found.edges,
        "rounds": crew.rounds,
        "bytes_a_state": crew.sent / found.states,
    }


def on_workers(config: Config, workers: int) -> tuple[int, float]:
    """Explore on so many workers, which have explored something small before; states and seconds."""
    with client_of(None, workers) as client:
        client.wait_for_workers(workers)
        _explored(client, Config())
        return _explored(client, config)


def _explored(client: Client, config: Config) -> tuple[int, float]:
    crew = DaskCrew(client, config, Options())
    began = time.perf_counter()
    found = explore_in_parts(crew, Options())
    crew.close()
    return found.states, time.perf_counter() - began


def main() -> None:
    """Print every figure, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--messages", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    config = Config(messages=asked.messages, power_losses=1)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    told: dict[str, Any] = {"processors": os.cpu_count(), "load": os.getloadavg()[0], "parts": [], "workers": []}
    small = Config(messages=2, power_losses=1)
    for parts in (2, 4, 64):
        row = weighed(small, parts)
        told["parts"].append(row)
        print(
            "{parts} parts: {states:,} states, {bytes_a_state:.1f} bytes a state between parts".format(**row),
            flush=True,
        )
    explore_table(Config(), Options(threads=1))
    began = time.perf_counter()
    whole = explore_table(config, Options(threads=1))
    alone = time.perf_counter() - began
    print(f"one process, one thread: {whole.states:,} states in {alone:.1f} s", flush=True)
    wrong = 0
    for workers in asked.workers:
        states, seconds = on_workers(config, workers)
        wrong += states != whole.states
        ratio = alone / seconds
        told["workers"].append({"workers": workers, "seconds": seconds, "speed_up": ratio, "alone": alone})
        print(f"{workers} workers: {seconds:.1f} s, speed-up {ratio:.2f}, efficiency {ratio / workers:.2f}", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
