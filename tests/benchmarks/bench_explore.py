"""How fast the engines are: every figure that exploring is held to, from one run on one machine.

    python tests/benchmarks/bench_explore.py [--json FILE] [--huge] [--growth]

The table engine at 2e7 states: states a second and bytes a state. Three ways through the same states: the graph
engine, a breadth-first search by hand over packed tuples (no graph, no traces: the bound of plain Python), and the
table engine. The graph engine where nearly every state asks the model anew. Each rule switched off: the seconds until
all has fallen that must.
`--huge` adds a configuration of 1.28e8 states, with the memory it takes; `--growth` writes specs/growth.md and plot.
Rates are given by the clock on the wall and by the time of the processors, which a busy machine disturbs less.
The compiled loops are warmed up first; Numba compiles them once and keeps them on disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ackexplore import explore_rules
from ackexplore.graph.engine import explore_graph
from ackexplore.interning import interned, successors
from ackexplore.table.engine import Search, explore_table, threads_here
from ackmodel import RULES, Config

COMPARED = Config(messages=2, process_crashes=1)
ASKING = Config(process_crashes=1, power_losses=1, sync_failures=1, sync_timeouts=1, write_failures=1)
LARGE = Config(messages=3, process_crashes=1)
HUGE = Config(messages=3, process_crashes=1, sync_failures=1)
REPEATS = 3


def by_hand(config: Config) -> int:
    """Breadth-first over tuples of numbers, with a set of those seen."""
    model = interned(config)
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


def by_table(config: Config) -> dict[str, Any]:
    """Explore with the table engine; what it took."""
    search = Search(config)
    began, used = time.perf_counter(), time.process_time()
    search.start()
    while search.advance():
        pass
    seconds, used = time.perf_counter() - began, time.process_time() - used
    search.close()
    states = len(search.visited)
    return {
        "states": states,
        "seconds": seconds,
        "states_per_second": states / seconds,
        "states_per_second_by_processor_time": states * search.threads / used,
        "visited_bytes_per_state": search.visited.table_bytes / states,
        "model_calls": search.pairs.steps.model.calls,
    }


def rate(explored: Callable[[], int]) -> dict[str, Any]:
    """States a second: the median of a few runs, by both clocks."""
    walls, processors, states = [], [], 0
    for _ in range(REPEATS):
        began, used = time.perf_counter(), time.process_time()
        states = explored()
        walls.append(time.perf_counter() - began)
        processors.append(time.process_time() - used)
    return {
        "states": states,
        "states_per_second": states / statistics.median(walls),
        "states_per_second_by_processor_time": states / statistics.median(processors),
    }


def with_graph(config: Config) -> int:
    """Explore with the graph engine, and make the networkx graph."""
    nodes: int = explore_graph(config).graph.number_of_nodes()
    return nodes


def rules() -> dict[str, Any]:
    """Seconds until what must fall without each rule has fallen, with the check that nothing falls with it."""
    seconds = {}
    for rule in RULES.values():
        began = time.perf_counter()
        (finding,) = explore_rules(rules=[rule])
        seconds[rule.name] = time.perf_counter() - began
        assert finding.needed, rule.name
    slowest = max(seconds, key=seconds.__getitem__)
    return {
        "rules": len(seconds),
        "median_seconds": statistics.median(seconds.values()),
        "slowest": slowest,
        "slowest_seconds": seconds[slowest],
    }


def figures(*, huge: bool) -> dict[str, Any]:
    """Every figure."""
    explore_table(Config(messages=2))
    told: dict[str, Any] = {
        "processors": threads_here(),
        "python": sys.version.split()[0],
        "load_before": os.getloadavg(),
        "table": by_table(LARGE),
        "graph": rate(lambda: explore_graph(COMPARED).states),
        "graph_with_networkx": rate(lambda: with_graph(COMPARED)),
        "by_hand": rate(lambda: by_hand(COMPARED)),
        "table_on_the_same": rate(lambda: explore_table(COMPARED).states),
        "graph_asking": rate(lambda: explore_graph(ASKING).states),
        "rules": rules(),
    }
    if huge:
        told["huge"] = by_table(HUGE)
        told["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**told, "load_after": os.getloadavg()}


def main() -> None:
    """Print the figures, or write them as JSON."""
    parser = argparse.ArgumentParser(description="the engines of exploration, measured")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON; - is the standard output")
    parser.add_argument("--huge", action="store_true", help="also 1.28e8 states: a minute or two, and 3.2 GB")
    parser.add_argument("--growth", action="store_true", help="measure only how states grow, and write specs/growth.md")
    asked = parser.parse_args()
    if asked.growth:
        subprocess.run([sys.executable, str(Path(__file__).with_name("growth.py"))], check=True)
        return
    told = figures(huge=asked.huge)
    if asked.json == "-":
        print(json.dumps(told, indent=2))
    elif asked.json:
        Path(asked.json).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for name, own in told.items() if asked.json != "-" else ():
        if not isinstance(own, dict):
            print(f"{name}: {own}")
            continue
        print(
            f"{name}: "
            + ", ".join(
                f"{key} {value:,.2f}"
                if isinstance(value, float)
                else f"{key} {value:,}"
                if isinstance(value, int)
                else f"{key} {value}"
                for key, value in own.items()
            )
        )


if __name__ == "__main__":
    main()
