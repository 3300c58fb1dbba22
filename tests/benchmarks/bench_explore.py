"""How fast the engines are, as ratios in one run on one machine.

    python tests/benchmarks/bench_explore.py [--large]

Three ways through the same states: the graph engine, a breadth-first search by hand over packed tuples (no graph, no
judging beyond what the interned model does), and the table engine. `--large` adds a configuration of 2e7 states for the
table engine alone. The compiled loops are warmed up first; Numba compiles them once and keeps them on disk.
"""

from __future__ import annotations

import argparse
import sys
import time

from ackexplore.graph import explore_graph
from ackexplore.interning import Interned, successors
from ackexplore.table import Search, explore_table, threads_here
from ackmodel import Config

COMPARED = Config(messages=3)
LARGE = Config(messages=3, process_crashes=1)


def by_hand(config: Config) -> int:
    """Breadth-first over tuples of numbers, with a set of those seen."""
    model = Interned(config)
    first = model.encode(config.initial())
    seen, level = {first}, [first]
    while level:
        found = []
        for code in level:
            for _, _, after, _ in successors(model, code):
                if after not in seen:
                    seen.add(after)
                    found.append(after)
        level = found
    return len(seen)


def timed_table(config: Config) -> tuple[int, float, float]:
    """States, seconds, and bytes a state in the set of visited ones."""
    search = Search(config=config)
    began = time.perf_counter()
    search.start()
    while search.advance():
        pass
    seconds = time.perf_counter() - began
    search.close()
    return len(search.visited), seconds, search.visited.table_bytes / len(search.visited)


def main() -> None:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(description="the engines of exploration, compared")
    parser.add_argument("--large", action="store_true", help="also the table engine at 2e7 states")
    large = parser.parse_args().large
    explore_table(Config(messages=2))
    print(f"{threads_here()} processors, Python {sys.version.split()[0]}")

    graph = explore_graph(COMPARED)
    rates = {"graph": graph.states / graph.seconds}
    began = time.perf_counter()
    states = by_hand(COMPARED)
    rates["by hand"] = states / (time.perf_counter() - began)
    states, seconds, each = timed_table(COMPARED)
    rates["table"] = states / seconds
    for name, rate in rates.items():
        print(f"{name:>8}: {rate:>12,.0f} states/s, {rate / rates['graph']:6.1f} x graph, {graph.states:,} states")
    if large:
        states, seconds, each = timed_table(LARGE)
        rate = states / seconds
        print(f"{'table':>8}: {rate:>12,.0f} states/s, {states:,} states, {each:.1f} bytes each")


if __name__ == "__main__":
    main()
