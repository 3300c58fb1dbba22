"""Messages that no offset has passed may be in any order: exactly the states, verdicts and shortest traces of all."""

import pytest
from attrs import evolve

from ackexplore import NotSymmetric, Options, Result, TooManyStates, Trace, explore, symmetry
from ackexplore.graph.engine import explore_graph
from ackexplore.system import Acknowledging
from ackexplore.table.engine import Search, explore_table
from ackmodel import RULES, Config, moves
from table_search import to_the_end

MOST_STATES = 300_000
"""Where a configuration without a rule has more, the search ends where the first clause falls."""
SETTINGS = [
    Config(messages=1),
    Config(messages=3),
    Config(messages=3, logs=2),
    Config(messages=3, limit=1),
    Config(messages=2, power_losses=1),
    Config(messages=2, commit="ack", power_losses=2, level="disk"),
    Config(messages=2, commit="ack", process_crashes=1),
    Config(messages=2, logs=2, sync_failures=1),
    Config(messages=2, deliveries=2, level="memory"),
    Config(messages=2, level="memory", merge_buffer=True, restarts=1),
    Config(messages=2, compaction=True, power_losses=1),
    Config(messages=2, restarts=1, power_losses=1),
    Config(messages=2, sync_timeouts=1, careless=True),
    Config(messages=2, write_failures=1, dead_letters=True, releases=1),
]
NOT_SOUND = [
    Config(messages=2, rules={"commit-in-order": False}),
    Config(messages=2, compaction=True, power_losses=1, rules={"offset-file-is-atomic": False}),
    Config(messages=2, compaction=True, process_crashes=1, rules={"recovery-keeps-offset": False}),
    Config(
        messages=2,
        level="memory",
        merge_buffer=True,
        restarts=1,
        power_losses=1,
        rules={"offset-file-is-atomic": False},
    ),
]


def two_at_least(config: Config) -> Config:
    """Return the configuration with something to exchange."""
    return evolve(config, messages=max(2, config.messages))


WITHOUT_A_RULE = [two_at_least(Config().dropping(rule)) for rule in RULES.values()]


def possible(config: Config, trace: Trace) -> bool:
    """Whether each step of a trace is one of the model from where the one before led, by the message that it names."""
    state = config.initial()
    for step in trace.steps:
        if (step.action, step.actor, step.after) not in {(m.action, m.actor, m.after) for m in moves(config, state)}:
            return False
        state = step.after
    return trace.initial == config.initial()


def differs(whole: Result, reduced: Result) -> list[str]:
    """Return in what the reduced search does not say what the whole one does."""
    lengths = [{clause: len(t) for clause, t in result.counterexamples.items()} for result in (whole, reduced)]
    same = {
        "states": reduced.unreduced == whole.states,
        "depth": reduced.depth == whole.depth,
        "clauses": set(reduced.violations) == set(whole.violations),
        "lengths": lengths[0] == lengths[1],
        "steps": {a for a, n in reduced.hits.items() if n} == {a for a, n in whole.hits.items() if n},
    }
    return [name for name, equal in same.items() if not equal]


@pytest.mark.no_cover
@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_both_engines_stand_for_exactly_the_states_there_are(config: Config) -> None:
    whole = explore_table(config)
    graph, table = explore_graph(config, Options(symmetric=True)), explore_table(config, Options(symmetric=True))
    for name in ("states", "edges", "depth", "violations", "hits", "reached", "unreduced"):
        assert getattr(table, name) == getattr(graph, name), name
    assert not differs(whole, table)
    assert (table.states < whole.states) == (config.messages > config.logs)


@pytest.mark.no_cover
@pytest.mark.parametrize("config", WITHOUT_A_RULE, ids=lambda config: next(iter(config.without)))
def test_without_a_rule_the_same_clauses_fall_by_traces_of_the_model(config: Config) -> None:
    if not symmetry.places_come_late(config):
        with pytest.raises(NotSymmetric):
            explore(config, Options(symmetric=True))
        return
    options = Options(max_states=MOST_STATES)
    try:
        whole = explore_table(config, options)
    except TooManyStates:
        options = Options(stop_at="any")
        whole = explore_table(config, options)
    reduced = explore_table(config, evolve(options, symmetric=True))
    assert not differs(whole, reduced)
    assert all(possible(config, trace) for trace in reduced.counterexamples.values())
    assert whole.complete or whole.counterexamples


@pytest.mark.no_cover
@pytest.mark.parametrize("config", NOT_SOUND, ids=str)
def test_where_an_offset_falls_below_what_was_read_it_would_be_wrong(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotSymmetric, match="set uncommitted"):
        explore(config, Options(symmetric=True))
    monkeypatch.setattr(symmetry, "places_come_late", lambda _: True)
    assert "states" in differs(explore_table(config), explore_table(config, Options(symmetric=True)))


def test_a_reduction_that_forgets_who_is_next_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(messages=2, rules={"commit-after-flush": False})
    whole = explore_table(config)
    with monkeypatch.context() as context:
        context.setattr(symmetry, "furthest", lambda _: 0)  # nobody ever gets a place
        assert differs(whole, explore_table(config, Options(symmetric=True)))
    with monkeypatch.context() as context:
        context.setattr(symmetry.Unplaced, "local_steps", Acknowledging.local_steps)  # nobody is ever next
        assert {"states", "clauses"} <= {*differs(whole, explore_table(config, Options(symmetric=True)))}
    assert not differs(whole, explore_table(config, Options(symmetric=True)))


@pytest.mark.no_cover
def test_states_of_several_words_are_the_same() -> None:
    config = Config(messages=3, logs=2)
    graph = explore_graph(config, Options(symmetric=True))
    search = Search(config, Options(threads=2, symmetric=True), word_bits=14)
    result = to_the_end(search)
    assert search.layout.words > 1
    assert (result.states, result.edges, result.unreduced) == (graph.states, graph.edges, graph.unreduced)


def test_four_messages_are_less_than_half_as_many() -> None:
    result = explore(Config(messages=4), Options(engine="table", symmetric=True))
    assert (result.states, result.unreduced) == (665_550, 1_482_096)
    assert result.graph is None
