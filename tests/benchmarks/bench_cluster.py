"""What a search in parts costs beside one process: bytes between the parts, speed-up and efficiency.

    python tests/benchmarks/bench_cluster.py [--parts 2 4 64] [--workers 1 2 4] [--messages 3] [--sync-failures 1]

First the parts alone, in this process: how many states leave the part that found them, in bytes a distinct state. Then
workers of a Dask cluster on this machine against one process with one thread: seconds by the clock, the speed-up, and
the efficiency (speed-up a worker). Compiled loops are warmed up first. A busy machine disturbs the clock: the load is
printed with the figures, and so is the time of the processors, which it disturbs less: of one process with one thread,
of the worker that needed most, and of the leader, in which the scheduler is. `--json FILE` writes the figures. Ends
with 1 where the counts differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from attrs import asdict, define, frozen
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


@frozen
class Took:
    """What a search took: by the clock, and of the processors, by process; the leader is the last."""

    states: int
    seconds: float
    processors: tuple[float, ...]


def on_workers(config: Config, workers: int) -> Took:
    """Explore on so many workers, which have explored something small before."""
    with client_of(None, workers) as client:
        client.wait_for_workers(workers)
        _explored(client, Config())
        return _explored(client, config)


def _explored(client: Client, config: Config) -> Took:
    began, used = time.perf_counter(), _used(client)
    with tempfile.TemporaryDirectory(prefix="ackcheck-cluster-") as folder:
        crew = DaskCrew(client, config, Options())
        found = explore_in_parts(crew, Options(), Path(folder))
        crew.close()
    seconds = time.perf_counter() - began
    return Took(found.states, seconds, tuple(now - then for now, then in zip(_used(client), used, strict=True)))


def _used(client: Client) -> list[float]:
    return [used for _, used in sorted(client.run(time.process_time).items())] + [time.process_time()]


def alone(config: Config, threads: int) -> Took:
    """Explore in this process."""
    began, used = time.perf_counter(), time.process_time()
    states = explore_table(config, Options(threads=threads)).states
    return Took(states, time.perf_counter() - began, (time.process_time() - used,))


def main() -> None:
    """Print every figure, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--parts", nargs="*", type=int, default=[2, 4, 64])
    parser.add_argument("--messages", type=int, default=3)
    parser.add_argument("--sync-failures", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    config = Config(messages=asked.messages, power_losses=1, sync_failures=asked.sync_failures)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    told: dict[str, Any] = {"processors": os.cpu_count(), "load": os.getloadavg()[0], "parts": [], "workers": []}
    small = Config(messages=2, power_losses=1)
    for parts in asked.parts:
        row = weighed(small, parts)
        told["parts"].append(row)
        print(
            "{parts} parts: {states:,} states, {bytes_a_state:.1f} bytes a state between parts".format(**row),
            flush=True,
        )
    explore_table(Config(), Options(threads=1))
    whole, wrong = alone(config, 1), 0
    print(
        f"one process, one thread: {whole.states:,} states in {whole.seconds:.1f} s, of a processor "
        f"{whole.processors[0]:.1f} s",
        flush=True,
    )
    for workers in asked.workers:
        took = on_workers(config, workers)
        wrong += took.states != whole.states
        ratio, most, leader = whole.seconds / took.seconds, max(took.processors[:-1]), took.processors[-1]
        told["workers"].append({"workers": workers, "speed_up": ratio, "alone": asdict(whole), **asdict(took)})
        print(
            f"{workers} workers: {took.seconds:.1f} s, speed-up {ratio:.2f}, efficiency {ratio / workers:.2f}; of a "
            f"processor at most {most:.1f} s a worker ({whole.processors[0] / most:.2f}) and {leader:.1f} s the leader",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
