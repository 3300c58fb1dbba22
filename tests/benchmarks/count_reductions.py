"""What reductions of the search would be worth, counted on whole state spaces before anybody builds one.

    python tests/benchmarks/count_reductions.py

**Symmetry** without `--uncommitted`: of the messages of a log, those that every copy of the offset has passed (in
memory, in the file, on the disk) may change places, all others not: distinct states before, and after sorting those.
**Steps that commute**: the states in which some step commutes with every other that is possible there, without faults
and with one process crash in the budget. That is needed for taking it alone, and not enough. **What is lost** where a
step is taken alone all the same that is of a kind that commutes with every step it ever meets, so that nothing can come
between (a persistent set): how many states are left, how many distinct pairs of a shared part and a message (what
clauses of states are judged on) are no more seen, and which rules' counterexamples are no more found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TypeAlias

from attrs import evolve

from ackexplore.graph.engine import explore_graph
from ackexplore.graph.structure import Label, commuting
from ackexplore.interning import interned, successors
from ackexplore.reports.exports import graph_of
from ackexplore.result import Result
from ackmodel import RULES, Config, Message, Rule, Shared

SYMMETRY = {
    "2 messages": Config(messages=2),
    "3 messages": Config(messages=3),
    "2 messages, a power loss": Config(messages=2, power_losses=1),
}
COMMUTING = {"2 messages": Config(messages=2), "2 messages, a process crash": Config(messages=2, process_crashes=1)}

TOO_MUCH = {"process_crashes", "power_losses", "restarts", "confirm_syncs"}
"""As long as one of the first three may come, no step commutes with all; with the last there are too many states."""

Pairs: TypeAlias = set[tuple[int, int, int]]
"""The numbers of a shared part, of the place of a message, and of the message."""


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


def taken_alone(result: Result) -> dict[int, set[Label]]:
    """Return the states that are left where a step that commutes with all is taken alone, and what is taken in each."""
    labels, bound = set[Label](), set[Label]()
    for pair in commuting(result):
        labels |= {pair.first, pair.second}
        bound |= set() if pair.commute else {pair.first, pair.second}
    free = {label for label in labels - bound if label[1] is not None}
    graph, _ = graph_of(result)
    taken: dict[int, set[Label]] = {}
    level = [0]
    while level:
        node = level.pop()
        if node in taken:
            continue
        out = defaultdict(list)
        for _, after, edge in graph.out_edges(node, data=True):
            out[edge["action"], edge["actor"]].append(after)
        taken[node] = set(sorted(free & out.keys(), key=str)[:1]) or set(out)
        level += [after for label in taken[node] for after in out[label]]
    return taken


def pairs_of(codes: Iterable[tuple[int, ...]]) -> Pairs:
    """Return the pairs of a shared part and a message that some states show."""
    return {(code[0], slot, message) for code in codes for slot, message in enumerate(code[1:])}


def missed_without(rule: Rule) -> list[str]:
    """Return the clauses that fall without a rule, and no more where steps are taken alone."""
    result = explore_graph(Config(messages=2).dropping(rule))
    _, space = graph_of(result)
    model, broken = space.model, 0
    for node, labels in taken_alone(result).items():
        broken |= model.broken_state(space.codes[node])
        for action, actor, _, breaks in successors(model, space.codes[node]):
            broken |= breaks if (model.actions[action], actor) in labels else 0
    return sorted({clause.value for clause in result.violations} - {one.value for one in model.clauses_in(broken)})


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
        left, codes = taken_alone(result), graph_of(result)[1].codes
        whole, pairs = pairs_of(codes), pairs_of(codes[node] for node in left)
        print(
            f"taken alone, {name}: {len(left):,} of {result.states:,} states are left, and "
            f"{len(whole - pairs):,} of {len(whole):,} pairs are lost",
            flush=True,
        )
    looked_at = [rule for rule in RULES.values() if rule.breaks and not TOO_MUCH & rule.shown_by.keys()]
    for rule in looked_at:
        if missed := missed_without(rule):
            print(f"taken alone, without {rule.name}: no more found to fall: {', '.join(missed)}", flush=True)
    print(f"taken alone: {len(looked_at)} rules were looked at")


if __name__ == "__main__":
    main()
