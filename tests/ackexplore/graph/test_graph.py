"""The graph engine: exact counts, the same as a breadth-first search that knows nothing of interning."""

import networkx as nx
import pytest

from ackexplore import Options, Progress, TooManyStates, UnknownEngine, explore
from ackexplore.coverage import ACTIONS, never_possible
from ackmodel import Clause, Config, Seen, UnknownClause, broken_by_step, broken_in_state, moves, rule_named
from ackmodel.spec.vacuity import AT_STAKE

PINNED = [
    (Config(), 54, 97, 12),
    (Config(level="disk"), 32, 49, 13),
    (Config(commit="ack"), 33, 49, 12),
    (Config(process_crashes=1), 482, 999, 19),
    (Config(power_losses=1), 288, 629, 18),
    (Config(sync_timeouts=1, sync_failures=1), 1610, 4264, 20),
    (Config(sync_failures=1, process_crashes=1, power_losses=1), 4249, 13250, 22),
    (Config(deliveries=2, power_losses=1, process_crashes=1), 7725, 28200, 24),
    (Config(deliveries=3, process_crashes=2, level="disk"), 8258, 22981, 33),
    (Config(messages=2), 1896, 5840, 21),
    (Config(messages=2, power_losses=1), 31549, 105798, 29),
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("config", "states", "edges", "depth"), PINNED)
def test_counts_are_exact_and_every_clause_holds(config: Config, states: int, edges: int, depth: int) -> None:
    result = explore(config)
    assert (result.states, result.edges, result.depth) == (states, edges, depth)
    assert (result.holds, result.complete) == (True, True)


def naive(config: Config) -> tuple[int, int, int, dict[str, int], dict[Clause, int]]:
    """Breadth-first over `ackmodel.moves` as it stands: states, edges, depth, hits, violations."""
    start = config.initial()
    seen, level, edges, depth = {start}, [start], 0, -1
    hits: dict[str, int] = {}
    violations: dict[Clause, int] = {}

    def note(broken: set[Clause]) -> None:
        for clause in broken:
            violations[clause] = violations.get(clause, 0) + 1

    while level:
        found = []
        for state in level:
            note({clause for message in state[1] for clause in broken_in_state(config, state[0], message)})
            for move in moves(config, state):
                edges += 1
                hits[move.action] = hits.get(move.action, 0) + 1
                shared, messages = move.after
                broken: set[Clause] = set()
                for index, message in enumerate(messages):
                    if move.actor in (None, index):
                        step = Seen(move.action, state[0], state[1][index], shared, message)
                        broken |= set(broken_by_step(config, step))
                note(broken)
                if move.after not in seen:
                    seen.add(move.after)
                    found.append(move.after)
        level, depth = found, depth + 1
    return len(seen), edges, depth, hits, violations


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(messages=2, commit="ack"),
        Config(messages=2, level="disk", rules={"commit-in-order": False}),
        Config(deliveries=2, process_crashes=1, write_failures=1),
        Config(sync_failures=1, power_losses=1, rules={"rewrite-after-failure": False}),
        Config(sync_timeouts=1, sync_failures=1, rules={"late-result-is-ignored": False}, level="disk"),
        Config(sync_failures=2, degrade_after=2),
        Config(process_crashes=2, rules={"recovery-keeps-offset": False, "answer-after-write": False}),
    ],
)
def test_interning_changes_nothing(config: Config) -> None:
    states, edges, depth, hits, violations = naive(config)
    result = explore(config)
    assert (result.states, result.edges, result.depth) == (states, edges, depth)
    assert {action: count for action, count in result.hits.items() if count} == hits
    assert result.violations == violations


def test_the_graph_is_the_state_space() -> None:
    result = explore(Config(process_crashes=1))
    assert isinstance(result.graph, nx.MultiDiGraph)
    assert result.space is not None
    assert (result.graph.number_of_nodes(), result.graph.number_of_edges()) == (result.states, result.edges)
    assert result.space.state(0) == result.config.initial()
    for source, target, edge in result.graph.edges(data=True):
        reached = {(move.action, move.actor, move.after) for move in moves(result.config, result.space.state(source))}
        assert (edge["action"], edge["actor"], result.space.state(target)) in reached
    assert max(nx.single_source_shortest_path_length(result.graph, 0).values()) == result.depth


@pytest.mark.parametrize("name", ["commit-after-flush", "rewrite-after-failure", "callback-after-flush"])
def test_a_counterexample_is_a_run_of_the_model_and_a_shortest(name: str) -> None:
    rule = rule_named(name)
    config = Config().dropping(rule)
    for clause in rule.breaks:
        result = explore(config, Options(stop_at=clause))
        trace = result.counterexamples[clause]
        state = config.initial()
        assert trace.initial == state
        for number, step in enumerate(trace.steps, start=1):
            assert (step.number, step.before) == (number, state)
            assert (step.action, step.actor, step.after) in {
                (move.action, move.actor, move.after) for move in moves(config, state)
            }
            state = step.after
        assert clause in trace.broken
        assert trace.final == state
        assert not explore_to_depth(config, len(trace) - 1) & {clause}


def explore_to_depth(config: Config, depth: int) -> set[Clause]:
    """What is broken within this many steps, by plain enumeration."""
    broken: set[Clause] = set()
    level = {config.initial()}
    for _ in range(depth):
        after = set()
        for state in level:
            for move in moves(config, state):
                after.add(move.after)
                for index, message in enumerate(move.after[1]):
                    broken |= set(broken_in_state(config, move.after[0], message))
                    if move.actor in (None, index):
                        step = Seen(move.action, state[0], state[1][index], move.after[0], message)
                        broken |= set(broken_by_step(config, step))
        level = after
    return broken


def test_without_a_stop_every_violation_is_counted_and_has_its_shortest_trace() -> None:
    config = Config(sync_failures=1, rules={"rewrite-after-failure": False})
    result = explore(config)
    assert result.complete
    assert set(result.violations) == set(result.counterexamples)
    for clause, trace in result.counterexamples.items():
        assert len(trace) == len(explore(config, Options(stop_at=clause)).counterexamples[clause])
    shortest = result.counterexample
    assert shortest is not None
    assert len(shortest) == min(map(len, result.counterexamples.values()))


def test_a_stop_ends_after_the_level() -> None:
    config = Config(sync_failures=1, rules={"rewrite-after-failure": False})
    result = explore(config, Options(stop_at="any"))
    assert not result.complete
    assert result.counterexample is not None
    assert result.depth == len(result.counterexample) == 7
    assert result.states < explore(config).states


def test_a_stop_at_a_clause_that_holds_goes_to_the_end() -> None:
    config = Config(sync_failures=1, rules={"rewrite-after-failure": False})
    result = explore(config, Options(stop_at=Clause.NO_RETURN))
    assert result.complete
    assert Clause.FLUSH_IS_REAL in result.violations


def test_too_many_states_says_how_to_go_on_and_keeps_what_was_found() -> None:
    with pytest.raises(TooManyStates, match=r"more than 100 states at depth \d+: .*max_states.*table") as caught:
        explore(Config(messages=2), Options(max_states=100))
    assert 100 < caught.value.result.states < 200
    assert not caught.value.result.complete


def test_unknown_clause_offers_the_nearest() -> None:
    with pytest.raises(UnknownClause, match="did you mean 'commit-is-safe'"):
        explore(Config(), Options(stop_at="commit-is-save"))


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(UnknownEngine, match="no engine 'grpah'; the engines are auto, graph, table"):
        explore(Config(), Options(engine="grpah"))  # type: ignore[arg-type]


def test_the_watcher_sees_progress() -> None:
    seen: list[Progress] = []
    result = explore(Config(messages=2), Options(watcher=seen.append))
    assert [progress.depth for progress in seen] == sorted(progress.depth for progress in seen)
    assert seen[0].states == 1
    assert seen[-1].states <= result.states
    assert seen[-1].rate > 0


@pytest.mark.no_cover
def test_hits_and_reached_cover_the_model() -> None:
    results = [
        explore(Config(deliveries=2, process_crashes=1)),
        explore(Config(power_losses=1)),
        explore(Config(sync_failures=1, sync_timeouts=1, write_failures=1)),
        explore(Config(deliveries=2, releases=1, careless=True, sync_failures=1, refuse_after=1)),
        explore(Config(renewals=1, sync_failures=1, write_failures=1)),
        explore(Config(level="memory", merge_buffer=True, restarts=1, resets=1, renewals=1)),
        explore(Config(level="disk", renewals=1, dead_letters=True, compaction=True)),
        explore(Config(sync_failures=1, sync_error="late", confirm_syncs=True)),
        explore(Config(sync_failures=1, sync_error="each", rules={"rewrite-after-failure": False})),
        explore(Config(resets=1, sync_failures=1)),
        explore(Config(resets=1, sync_failures=1, sync_error="late", confirm_syncs=True)),
    ]
    assert set.intersection(*(set(result.unhit) for result in results)) == set()
    unreached = [{name for name, count in result.reached.items() if not count} for result in results]
    assert set.intersection(*unreached) == set()
    assert unreached[1] == {
        "power is crashed",
        "power is closed",
        "mode is sync",
        "syncing is confirming",
        "phase is renewing",
        "phase is due",
        "renewed is survives-restart",
        "renewed is survives-process-crash",
        "renewed is survives-power-loss",
        "promise is survives-restart",
    }
    assert set.intersection(*(set(result.never_at_stake) for result in results)) == {Clause.QUIESCENCE_IS_ZERO}
    assert not set(explore(Config(limit=1, restarts=1)).never_at_stake) & {Clause.QUIESCENCE_IS_ZERO}
    for result in results:
        assert tuple(result.at_stake) == tuple(AT_STAKE)
        assert tuple(result.hits) == ACTIONS
        assert sum(result.hits.values()) == result.edges
        assert sum(count for name, count in result.reached.items() if name.startswith("phase is ")) == result.states
        possible = set(ACTIONS) - set(never_possible(result.config))
        assert {action for action, count in result.hits.items() if count} <= possible
