"""Where messages are alike, one state stands for all their orders: same verdict, same shortest counterexamples."""

from collections import defaultdict

import pytest
from attrs import evolve

from ackexplore import NotSymmetric, Options, explore
from ackexplore.graph.engine import explore_graph
from ackexplore.table.engine import Search, explore_table
from ackmodel import RULES, BadConfig, Clause, Config, State, broadcast_steps, local_steps, moves
from table_search import to_the_end

CONFIGS = [
    Config(messages=2, uncommitted=True),
    Config(messages=3, uncommitted=True),
    Config(messages=2, uncommitted=True, deliveries=2),
    Config(messages=2, uncommitted=True, level="disk", process_crashes=1),
    Config(messages=2, uncommitted=True, power_losses=1),
    Config(messages=3, uncommitted=True, limit=1),
    Config(messages=3, uncommitted=True, logs=2),
    Config(messages=2, uncommitted=True, level="memory", restarts=1),
    Config(messages=2, uncommitted=True, logs=2, sync_failures=1),
    Config(messages=2, uncommitted=True, dead_letters=True, releases=1),
]
BROKEN = [
    Config(messages=2, uncommitted=True, sync_failures=1, rules={"rewrite-after-failure": False}),
    Config(messages=2, uncommitted=True, deliveries=2, rules={"settled-is-final": False}),
    Config(messages=2, uncommitted=True, process_crashes=1, rules={"recovered-is-cached": False}),
    Config(messages=2, uncommitted=True, process_crashes=1, rules={"answer-after-write": False}),
    Config(messages=2, uncommitted=True, sync_timeouts=1, rules={"late-result-is-ignored": False}),
]


def follows(config: Config, start: State, states: list[State]) -> bool:
    """Whether each state follows from the one before it, by the model itself."""
    for state in states:
        if state not in {move.after for move in moves(config, start)}:
            return False
        start = state
    return True


@pytest.mark.no_cover
@pytest.mark.parametrize("config", CONFIGS + BROKEN, ids=str)
def test_with_and_without_symmetry_the_verdict_is_the_same(config: Config) -> None:
    whole = explore_table(config)
    graph, table = explore_graph(config, Options(symmetric=True)), explore_table(config, Options(symmetric=True))
    for name in ("states", "edges", "depth", "violations", "hits", "reached", "unreduced"):
        assert getattr(table, name) == getattr(graph, name), name
    assert graph.unreduced == whole.states == whole.unreduced
    assert (graph.depth, set(graph.violations)) == (whole.depth, set(whole.violations))
    lengths = {clause: len(trace) for clause, trace in whole.counterexamples.items()}
    for result in (graph, table):
        assert {clause: len(trace) for clause, trace in result.counterexamples.items()} == lengths
        for trace in result.counterexamples.values():
            assert follows(config, config.initial(), [step.after for step in trace.steps])


def test_three_messages_are_nearly_six_times_as_few() -> None:
    result = explore(Config(messages=3, uncommitted=True, process_crashes=1), Options(engine="table", symmetric=True))
    assert (result.states, result.unreduced) == (460_590, 2_702_818)
    assert result.graph is None


@pytest.mark.no_cover
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_no_step_looks_at_the_place_of_a_message(config: Config) -> None:
    result = explore_graph(evolve(config, messages=config.logs))
    assert result.space is not None
    steps = defaultdict(set)
    for code in result.space.codes:
        shared, messages = result.space.model.decode(code)
        for message in messages:
            for index in (message.index, message.index + config.logs):
                moved = evolve(message, index=index)
                key = (shared, message)
                steps[key].add(
                    (
                        tuple(
                            (s.action, s.shared, evolve(s.message, index=message.index))
                            for s in local_steps(config, shared, moved)
                        ),
                        tuple(
                            (
                                cast.action,
                                cast.shared,
                                cast.some(moved),
                                tuple(evolve(after, index=message.index) for after in cast.outcomes(moved)),
                            )
                            for cast in broadcast_steps(config, shared)
                        ),
                    )
                )
    assert steps
    assert all(len(different) == 1 for different in steps.values())


@pytest.mark.no_cover
def test_states_of_several_words_are_sorted_alike() -> None:
    config = Config(messages=3, uncommitted=True)
    graph = explore_graph(config, Options(symmetric=True))
    for word_bits in (11, 14):
        search = Search(config, Options(threads=2, symmetric=True), word_bits=word_bits)
        result = to_the_end(search)
        assert search.layout.words > 1
        assert (result.states, result.edges, result.unreduced) == (graph.states, graph.edges, graph.unreduced)


def test_where_the_offset_tells_messages_apart_there_is_no_symmetry() -> None:
    with pytest.raises(NotSymmetric, match="set uncommitted"):
        explore(Config(messages=2, resets=1), Options(symmetric=True))
    with pytest.raises(BadConfig, match="rely on the offset"):
        Config(uncommitted=True, compaction=True)
    for rule in RULES.values():
        assert not Config(uncommitted=True).dropping(rule).uncommitted


def test_without_the_offset_nothing_is_said_of_it() -> None:
    result = explore(Config(messages=2, uncommitted=True, rules={"commit-after-flush": False}))
    assert result.hits["commit"] == 0
    assert result.holds
    assert Clause.COMMIT_IS_SAFE in explore(Config(messages=2, rules={"commit-after-flush": False})).violations
