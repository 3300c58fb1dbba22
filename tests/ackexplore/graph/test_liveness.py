"""Liveness: the cases that are easy to get wrong, on small graphs made by hand, and then the model."""

from typing import Any

import networkx as nx
import pytest

from ackexplore import Options, explore
from ackexplore.graph.liveness import Fairness, Lasso, find_lasso
from ackexplore.graph.progress import check_progress, fairness_of, properties_of
from ackmodel import Config

WEAK, STRONG = False, True


def lasso(edges: list[tuple[int, int, str]], goal: set[int], *fair: tuple[str, bool]) -> Lasso | None:
    """Does `always ~> goal` hold from node 0, with fairness for some actions?"""
    graph = nx.MultiDiGraph()
    graph.add_node(0)
    for source, target, action in edges:
        graph.add_edge(source, target, action=action, actor=None)
    groups = [Fairness(action, frozenset({action}), strong=strong) for action, strong in fair]
    found = find_lasso(graph, trigger=lambda _: True, goal=goal.__contains__, fairness=groups)
    if found is not None:
        judge_lasso(graph, found, goal, groups)
    return found


def judge_lasso(graph: Any, found: Lasso, goal: set[int], groups: list[Fairness]) -> None:
    """A lasso must be a run, come back to where its cycle began, keep out of the goal, and be fair."""
    at = 0
    for source, target, action, actor in (*found.prefix, *found.cycle):
        assert source == at
        assert {"action": action, "actor": actor} in graph[source][target].values()
        at = target
    turn = found.prefix[-1][1] if found.prefix else 0
    assert at == turn
    around = {turn, *(target for _, target, _, _ in found.cycle)}
    assert not around & goal
    for group in groups:
        possible = {
            node
            for node in around
            for _, target, edge in graph.out_edges(node, data=True)
            if target != node and group.has(edge["action"], edge["actor"])
        }
        taken = any(group.has(action, actor) for source, target, action, actor in found.cycle if source != target)
        assert taken or (not possible if group.strong else possible != around)


def test_without_fairness_doing_nothing_is_a_run() -> None:
    found = lasso([(0, 1, "go")], {1})
    assert found == Lasso(prefix=(), cycle=())
    assert lasso([(0, 1, "go")], {1}, ("go", WEAK)) is None


def test_a_dead_end_without_the_goal_is_found() -> None:
    found = lasso([(0, 1, "go"), (0, 2, "go")], {1}, ("go", WEAK))
    assert found is not None
    assert (found.prefix[-1][1], found.cycle) == (2, ())


def test_ways_that_join_hide_no_cycle() -> None:
    # The case that a search with "seen" marks misses: 3 is first reached through the goal at 1, and again through 2.
    edges = [(0, 1, "go"), (0, 2, "go"), (1, 3, "go"), (2, 3, "go"), (3, 4, "go"), (4, 3, "go")]
    found = lasso(edges, {1}, ("go", WEAK))
    assert found is not None
    assert found.prefix[0][:2] == (0, 2)


def test_eventually_fails_on_a_cycle_that_search_closes_on_a_known_state() -> None:
    """Stateright misses it: its search ends where a state is known, and only a dead end counts as a counterexample."""
    edges = [(0, 1, "go"), (1, 2, "go"), (2, 1, "back"), (2, 3, "reach")]
    found = lasso(edges, {3})
    assert found is not None
    assert {source for source, *_ in found.cycle} <= {0, 1, 2}
    assert lasso(edges, {3}, ("reach", STRONG), ("go", STRONG), ("back", STRONG)) is None


@pytest.mark.parametrize("goal", [1, 2])
@pytest.mark.parametrize("first", [(0, 1, "left"), (0, 2, "right")])
def test_eventually_fails_past_a_join_whichever_way_came_first(goal: int, first: tuple[int, int, str]) -> None:
    """Both ways meet in 3: having come by the goal on the one says nothing of the other."""
    edges = sorted([(0, 1, "left"), (0, 2, "right"), (1, 3, "meet"), (2, 3, "meet")], key=lambda edge: edge != first)
    found = lasso(edges, {goal}, ("left", WEAK), ("right", WEAK), ("meet", WEAK))
    assert found is not None
    assert [target for _, target, _, _ in found.prefix] == [3 - goal, 3]


def test_of_two_that_contradict_each_other_both_fail_where_a_run_may_settle_for_either() -> None:
    """Always in the end at 1, always in the end at 2: no run does both, and each has a run that does the other."""
    settle = [(0, 1, "left"), (0, 2, "right"), (1, 1, "stay"), (2, 2, "stay")]
    alternate = [(0, 1, "on"), (1, 2, "on"), (2, 1, "on")]
    for goal in (1, 2):
        found = lasso(settle, {goal}, ("left", WEAK), ("right", WEAK), ("stay", WEAK))
        assert found is not None
        assert {target for _, target, _, _ in (*found.prefix, *found.cycle)} == {3 - goal}
        # Coming by again and again is another promise than staying, and holds where the two take turns.
        assert lasso(alternate, {goal}, ("on", WEAK)) is None
    assert lasso(alternate, set(), ("on", WEAK)) is not None


def test_a_trigger_before_the_goal_asks_for_it_again() -> None:
    graph = nx.MultiDiGraph()
    for source, target in ((0, 1), (1, 2)):
        graph.add_edge(source, target, action="go", actor=None)
    fair = [Fairness("go", frozenset({"go"}))]
    assert find_lasso(graph, trigger=lambda node: node == 0, goal=lambda node: node == 1, fairness=fair) is None
    assert find_lasso(graph, trigger=lambda node: node == 2, goal=lambda node: node == 1, fairness=fair) is not None


def test_weak_fairness_does_not_force_what_is_only_possible_now_and_then() -> None:
    edges = [(0, 1, "spin"), (1, 0, "spin"), (1, 2, "leave")]
    assert lasso(edges, {2}, ("spin", WEAK), ("leave", WEAK)) is not None
    assert lasso(edges, {2}, ("spin", WEAK), ("leave", STRONG)) is None


def test_weak_fairness_forces_what_is_always_possible() -> None:
    edges = [(0, 1, "spin"), (1, 0, "spin"), (1, 2, "leave"), (0, 2, "leave")]
    assert lasso(edges, {2}, ("spin", WEAK), ("leave", WEAK)) is None


def test_a_step_that_changes_nothing_is_no_progress() -> None:
    edges = [(0, 0, "try"), (0, 1, "go")]
    assert lasso(edges, {1}, ("try", WEAK)) is not None
    assert lasso(edges, {1}, ("try", STRONG), ("go", WEAK)) is None


def test_strong_fairness_is_asked_again_of_what_is_left() -> None:
    # Leaving out 1 (where `leave` is possible) splits {0, 1, 2, 3}; the cycle 2-3 remains, and is fair.
    edges = [(0, 1, "a"), (1, 0, "a"), (1, 4, "leave"), (1, 2, "a"), (2, 3, "a"), (3, 2, "a"), (3, 1, "a")]
    found = lasso(edges, {4}, ("leave", STRONG))
    assert found is not None
    assert 1 not in {node for edge in found.cycle for node in edge[:2]}
    # If `quit` is possible at 2 as well, what is left when 1 is left out is left out too: only doing nothing at 0 or 3.
    both = lasso([*edges, (2, 4, "quit"), (3, 4, "quit"), (0, 4, "quit")], {4}, ("leave", STRONG), ("quit", STRONG))
    assert both is None


def test_two_groups_may_be_taken_in_turn_on_one_cycle() -> None:
    edges = [(0, 1, "x"), (1, 0, "y"), (0, 2, "z")]
    found = lasso(edges, {2}, ("x", STRONG), ("y", STRONG))
    assert found is not None
    assert {edge[2] for edge in found.cycle} == {"x", "y"}


def test_fairness_is_of_one_message_where_it_says_so() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge(0, 1, action="write", actor=1)
    mine, yours = (Fairness("write", frozenset({"write"}), actor=actor) for actor in (1, 2))
    asked: dict[str, Any] = {"trigger": lambda _: True, "goal": lambda node: node == 1}
    assert find_lasso(graph, fairness=[mine], **asked) is None
    assert find_lasso(graph, fairness=[yours], **asked) is not None


# --- the model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(level="disk", sync_failures=1),
        Config(sync_failures=1, sync_timeouts=1),
        Config(deliveries=2, write_failures=1),
        Config(process_crashes=1, commit="ack"),
    ],
)
def test_everything_gets_there_in_the_end(config: Config) -> None:
    result = explore(config)
    findings = check_progress(result)
    assert [finding.name for finding in findings if finding.lasso] == []
    assert len(findings) == len(properties_of(config))


# What stops if one thing may be put off for ever.
PUT_OFF = {
    "write_checkpoint": {"flush-when-idle of message 0", "reply-exactly-once of message 0"},
    "deliver": {"reply-exactly-once of message 0"},
    "write_ack": {"flush-when-idle of message 0", "reply-exactly-once of message 0"},
    "answer_ack": {"reply-exactly-once of message 0"},
    "commit": {"commit-progresses of message 0"},
    "expire": {"no-limbo of message 0"},
    "begin_sync": {"flush-when-idle of message 0"},
    "write_offset": {"commit-progresses of message 0"},
    "sync_directory": {"commit-progresses of message 0"},
}


@pytest.mark.no_cover
@pytest.mark.parametrize(("action", "stops"), PUT_OFF.items())
def test_what_is_put_off_for_ever_stops_something(action: str, stops: set[str]) -> None:
    config = Config(deliveries=2, sync_failures=1)
    fairness = [group for group in fairness_of(config) if group.name != action]
    broken = {finding.name: finding for finding in check_progress(explore(config), fairness=fairness) if finding.lasso}
    assert stops <= set(broken)
    for finding in broken.values():
        assert finding.prefix is not None
        assert finding.cycle is not None
        assert finding.prefix.initial == config.initial()
        assert finding.cycle.initial == finding.prefix.final == finding.cycle.final


def test_a_store_that_is_never_synced_again_stays_degraded() -> None:
    config = Config(sync_failures=1)
    fairness = [group for group in fairness_of(config) if group.name not in ("begin_sync", "sync_ok")]
    broken = {finding.name for finding in check_progress(explore(config), fairness=fairness) if finding.lasso}
    assert "flush-degrades" in broken


def test_progress_needs_the_whole_graph() -> None:
    config = Config(rules={"commit-after-flush": False})
    with pytest.raises(ValueError, match="explore to the end, with the graph engine"):
        check_progress(explore(config, Options(stop_at="any")))
    with pytest.raises(ValueError, match="explore to the end, with the graph engine"):
        check_progress(explore(Config(), Options(engine="table")))
