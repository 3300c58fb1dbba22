"""What reductions of the search would be worth, counted on whole state spaces before anybody builds one.

    python tests/benchmarks/count_reductions.py

**Symmetry** without `--uncommitted`: of the messages of a log, those that every copy of the offset has passed (in
memory, in the file, on the disk) may change places, all others not: distinct states before, and after sorting those.
**Steps that commute**: the states in which some step commutes with every other that is possible there, without faults
and with one process crash in the budget. That is needed for taking it alone, and not enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from attrs import evolve

from ackexplore.graph.engine import explore_graph
from ackexplore.graph.structure import Label, commuting
from ackexplore.interning import interned, successors
from ackexplore.reports.exports import graph_of
from ackexplore.result import Result
from ackmodel import Config, Message, Shared

SYMMETRY = {
    "2 messages": Config(messages=2),
    "3 messages": Config(messages=3),
    "2 messages, a power loss": Config(messages=2, power_losses=1),
}
COMMUTING = {"2 messages": Config(messages=2), "2 messages, a process crash": Config(messages=2, process_crashes=1)}


def alike(shared: Shared, messages: tuple[Message, ...]) -> Hashable:
    """Return what all states have in common that differ in the order of messages which every offset has passed."""
    passed = min(shared.offset.volatile, shared.offset.cached, shared.offset.disk)
    logs = len(shared.syncing)
    free = [(message.index % logs, repr(evolve(message, index=0))) for message in messages[:passed]]
    return shared, tuple(sorted(free)), messages[passed:]


def by_symmetry(config: Config) -> tuple[int, int]:
    """Return how many states there are, and how many with that symmetry."""
    model = interned(config)
    first = model.encode(config.initial())
    seen, level, kinds = {first}, [first], set[Hashable]()
    while level:
        found = []
        for code in level:
            kinds.add(alike(*model.decode(code)))
            for _, _, after, _ in successors(model, code):
                if after not in seen:
                    seen.add(after)
                    found.append(after)
        level = found
    return len(seen), len(kinds)


def alone(result: Result) -> int:
    """Return in how many states there are several steps, and one that commutes with all others."""
    clashing: dict[Label, set[Label]] = defaultdict(set)
    for pair in commuting(result):
        if not pair.commute:
            clashing[pair.first].add(pair.second)
            clashing[pair.second].add(pair.first)
    graph, _ = graph_of(result)
    count = 0
    for node in graph:
        labels = {(edge["action"], edge["actor"]) for _, _, edge in graph.out_edges(node, data=True)}
        count += len(labels) > 1 and any(not clashing[label] & labels for label in labels)
    return count


def main() -> None:
    """Print what each would leave."""
    for name, config in SYMMETRY.items():
        states, kinds = by_symmetry(config)
        print(f"symmetry, {name}: {states:,} states become {kinds:,}, {states / kinds:.2f} times as few", flush=True)
    for name, config in COMMUTING.items():
        result = explore_graph(config)
        print(
            f"commuting, {name}: a step commutes with all others in {alone(result):,} of {result.states:,} states",
            flush=True,
        )


if __name__ == "__main__":
    main()
