"""Explore on a Dask cluster of this machine, kill workers in the middle, and see that no count changes.

    make cluster                                  # two workers, one killed at depth 3, 8 and 15
    make cluster ARGS="--workers 4 --depth 5"     # other places
    make cluster ARGS="--large"                   # 3.4 million states, nobody killed, beside one process

Ends with 1 where a count or the length of a counterexample differs from that of one process.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from ackexplore import Options, Progress, Result
from ackexplore.cluster.joining import client_of
from ackexplore.cluster.levels import explore_in_parts
from ackexplore.cluster.on_dask import DaskCrew
from ackexplore.table.engine import explore_table
from ackmodel import Config

BROKEN = Config(messages=2, rules={"commit-in-order": False})
LARGE = Config(messages=3, power_losses=1)
COUNTED = ("states", "edges", "depth", "complete", "violations", "hits", "reached", "at_stake")


def same(one: Result, other: Result) -> bool:
    """Return whether two results say the same."""
    lengths = [{clause: len(trace) for clause, trace in each.counterexamples.items()} for each in (one, other)]
    return lengths[0] == lengths[1] and all(getattr(one, name) == getattr(other, name) for name in COUNTED)


def killing(client: Any, depth: int, killed: list[int]) -> Any:
    """Return a watcher that kills a worker when the search has come so deep."""

    def watch(progress: Progress) -> None:
        if progress.depth == depth and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    return watch


def in_parts(config: Config, workers: int, depth: int | None) -> tuple[Result, bool]:
    """Explore on so many workers, one of which is killed at a depth; the result, and whether all was placed anew."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-cluster-") as folder, client_of(None, workers) as client:
        killed: list[int] = []
        options = Options(watcher=None if depth is None else killing(client, depth, killed))
        crew = DaskCrew(client, config, options)
        first = crew.search
        found = explore_in_parts(crew, options, Path(folder))
        anew = crew.search != first
        crew.close()
    return found, anew


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--depth", "depths", multiple=True, type=int, help="Where a worker is killed; 3, 8 and 15 if not given.")
@click.option("--large", is_flag=True, help="Explore more, kill nobody, and tell how long both took.")
def main(workers: int, depths: tuple[int, ...], large: bool) -> None:
    """See that what is explored in parts is the same."""
    wrong = 0
    config = LARGE if large else BROKEN
    began = time.perf_counter()
    whole = explore_table(config, Options(threads=workers))
    print(f"one process, threads {workers}: {whole.states:,} states in {time.perf_counter() - began:.1f} s")
    for depth in (None,) if large else (depths or (3, 8, 15)):
        found, anew = in_parts(config, workers, depth)
        right = same(whole, found) and anew == (depth is not None)
        wrong += not right
        lost = "nobody killed" if depth is None else f"a worker killed at depth {depth}, placed anew: {anew}"
        verdict = "the same" if right else "DIFFERENT"
        print(f"{workers} workers, {lost}: {found.states:,} states in {found.seconds:.1f} s, {verdict}", flush=True)
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
