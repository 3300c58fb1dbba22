"""What must happen in the end: the table engine says what the graph engine says; its lassos are runs of the model."""

import pytest
from attrs import evolve

from ackexplore import Options, TooMuchMemory, UnknownEngine
from ackexplore.ending import explore_to_the_end
from ackexplore.graph.engine import explore_graph
from ackexplore.graph.liveness import Fairness
from ackexplore.graph.progress import ProgressFinding, check_progress, fairness_of, properties_of
from ackexplore.table.engine import Search
from ackexplore.table.progress import check_progress_on_tables
from ackmodel import RULES, Config, State, moves

SMALL = [
    Config(messages=2),
    Config(power_losses=1),
    Config(sync_failures=1, sync_error="late", confirm_syncs=True),
    Config(level="memory", merge_buffer=True, restarts=1),
]
STALLING = [rule for rule in RULES.values() if rule.stalls]


def on_tables(
    config: Config, fairness: list[Fairness] | None = None, *, word_bits: int = 63, threads: int = 2
) -> list[ProgressFinding]:
    search = Search(config, Options(threads=threads), word_bits=word_bits)
    search.start()
    while search.advance():
        pass
    found = check_progress_on_tables(search, config, fairness=fairness)
    search.close()
    return found


def is_a_run(config: Config, finding: ProgressFinding, fairness: list[Fairness]) -> None:
    """The lasso is taken by steps of the model, never comes to the goal, and its cycle is fair."""
    assert finding.prefix is not None
    assert finding.cycle is not None
    state = config.initial()
    for step in (*finding.prefix.steps, *finding.cycle.steps):
        assert step.before == state
        found = {(move.action, move.actor, move.after) for move in moves(config, state)}
        assert (step.action, step.actor, step.after) in found
        state = step.after
    assert state == finding.prefix.final
    asked = next(each for each in properties_of(config) if each.name == finding.name)
    for_ever = [state, *(step.after for step in finding.cycle.steps)]
    assert not any(asked.goal(shared, messages[asked.message or 0]) for shared, messages in for_ever)
    for group in fairness:
        taken = any(group.has(step.action, step.actor) for step in finding.cycle.steps)
        assert taken or not all(possible(config, each, group) for each in for_ever)


def possible(config: Config, state: State, group: Fairness) -> bool:
    return any(group.has(move.action, move.actor) for move in moves(config, state) if move.after != state)


def same(config: Config, fairness: list[Fairness] | None = None) -> list[ProgressFinding]:
    """Both engines say the same of every property; what the tables say."""
    graph = check_progress(explore_graph(config), fairness=fairness)
    tables = on_tables(config, fairness)
    assert [(one.name, one.lasso is None) for one in graph] == [(one.name, one.lasso is None) for one in tables]
    for one, other in zip(graph, tables, strict=True):
        if one.lasso is not None and other.lasso is not None:
            assert len(one.lasso.prefix) == len(other.lasso.prefix)
            assert bool(one.lasso.cycle) == bool(other.lasso.cycle)
            is_a_run(config, other, fairness_of(config) if fairness is None else fairness)
    return tables


@pytest.mark.parametrize("config", SMALL, ids=str)
def test_where_all_holds_both_engines_say_so(config: Config) -> None:
    assert all(finding.lasso is None for finding in same(config))


@pytest.mark.parametrize("rule", STALLING, ids=lambda rule: rule.name)
def test_without_a_rule_both_engines_find_the_same_lassos(rule: object) -> None:
    config = Config().dropping(rule)  # type: ignore[arg-type]
    assert any(finding.lasso for finding in same(config))


def test_whatever_is_not_fair_both_engines_find_the_same_lassos() -> None:
    config = Config().dropping(RULES["duplicate-changes-nothing"])
    fairness, cycles = fairness_of(config), 0
    for left_out in fairness:
        found = same(config, [group for group in fairness if group != left_out])
        cycles += sum(bool(finding.lasso and finding.lasso.cycle) for finding in found)
    assert cycles


def test_more_groups_than_a_word_has_bits_and_states_of_several_words() -> None:
    config = Config().dropping(RULES["duplicate-changes-nothing"])
    groups = [Fairness("none", frozenset({"none"}))] * 64 + fairness_of(config)
    [lasso] = [found.lasso for found in on_tables(config, groups, word_bits=9) if found.lasso]
    assert (len(lasso.prefix), bool(lasso.cycle)) == (11, True)


def test_what_does_not_fit_is_said() -> None:
    config = Config(messages=2, power_losses=1)
    with pytest.raises(TooMuchMemory, match="--memory"):
        explore_to_the_end(config, Options(engine="table", memory=3_000_000, threads=1))
    with pytest.raises(UnknownEngine, match="without symmetry"):
        explore_to_the_end(evolve(config, uncommitted=True), Options(symmetric=True))


def test_auto_goes_on_with_the_tables() -> None:
    result, findings = explore_to_the_end(Config(messages=2, process_crashes=1, level="memory"), Options(engine="auto"))
    assert result.engine == "table"
    assert len(findings) == 9
    assert explore_to_the_end(Config(), Options(engine="auto"))[0].engine == "graph"
