"""Dominators, commuting steps and walks: each checked against a plainer way to the same answer."""

from itertools import combinations

import networkx as nx
import pytest

from ackexplore import explore
from ackexplore.graph.structure import Label, commuting, dominators, way_round
from ackexplore.graph.walks import shrink, walk
from ackexplore.interning import interned
from ackmodel import CommitPolicy, Config, State, moves, rule_named


def passed(state: State) -> bool:
    return state[0].offset.volatile > 0


def flushed(state: State) -> bool:
    return any(record.durable for record in state[1][0].records)


@pytest.mark.parametrize("config", [Config(), Config(sync_failures=1), Config(power_losses=1, level="disk")])
def test_every_way_to_a_passed_offset_passes_the_disk(config: Config) -> None:
    assert way_round(explore(config), target=passed, gate=flushed) is None


def test_without_the_rule_there_is_a_way_round() -> None:
    config = Config(rules={"commit-after-flush": False})
    trace = way_round(explore(config), target=passed, gate=flushed)
    assert trace is not None
    assert trace.actions == ("pop(0)", "write_checkpoint(0)", "commit(0)")


def test_under_the_ack_policy_the_gate_is_the_ack() -> None:
    def acked(state: State) -> bool:
        return state[1][0].ack.durable

    assert way_round(explore(Config(commit=CommitPolicy.ACK)), target=passed, gate=acked) is None
    assert way_round(explore(Config()), target=passed, gate=acked) is not None
    assert way_round(explore(Config()), target=acked, gate=lambda _: True) is None


def test_a_dominator_is_on_every_way() -> None:
    result = explore(Config(level="disk"))
    found = dominators(result)
    assert set(found) == set(range(1, result.states))
    for node, above in found.items():
        if above == 0:
            continue
        rest = result.graph.copy()
        rest.remove_node(above)
        assert not nx.has_path(rest, 0, node)


def ends(config: Config, state: State, one: Label, other: Label) -> set[State] | None:
    """Every state after both, the one first; None if the other is not possible after some outcome of the one."""
    found: set[State] = set()
    for early in moves(config, state):
        if (early.action, early.actor) == one:
            late = {move.after for move in moves(config, early.after) if (move.action, move.actor) == other}
            if not late:
                return None
            found |= late
    return found


def test_commuting_agrees_with_the_model() -> None:
    result = explore(Config(power_losses=1))
    assert result.space is not None
    clash: dict[frozenset[Label], bool] = {}
    for node in range(result.states):
        state = result.space.state(node)
        labels = sorted({(move.action, move.actor) for move in moves(result.config, state)}, key=str)
        for one, other in combinations(labels, 2):
            first, second = ends(result.config, state, one, other), ends(result.config, state, other, one)
            pair = frozenset({one, other})
            clash[pair] = clash.get(pair, False) or first is None or first != second
    assert {frozenset({pair.first, pair.second}): not pair.commute for pair in commuting(result)} == clash
    assert set(clash.values()) == {True, False}


def test_acks_of_two_messages_commute_and_a_write_and_a_sync_do_not() -> None:
    pairs = {frozenset((pair.first, pair.second)): pair for pair in commuting(explore(Config(messages=2)))}
    assert pairs[frozenset({("write_ack", 0), ("write_ack", 1)})].commute
    assert pairs[frozenset({("ask_ack", 0), ("answer_ack", 1)})].commute
    assert not pairs[frozenset({("write_ack", 0), ("begin_sync", None)})].commute


@pytest.mark.parametrize(
    "name", ["commit-after-flush", "answer-after-write", "rewrite-after-failure", "commit-in-order", "settled-is-final"]
)
def test_a_walk_finds_what_is_broken_and_shrinks_it(name: str) -> None:
    rule = rule_named(name)
    config = Config(messages=3).dropping(rule)
    found = walk(config, seed=7, stop_at=rule.breaks[:1])
    assert found.trace is not None
    assert rule.breaks[0] in found.trace.broken
    assert len(found.trace) <= found.found_in
    state = config.initial()
    for step in found.trace.steps:
        assert step.before == state
        assert step.after in {move.after for move in moves(config, state) if move.action == step.action}
        state = step.after
    again = walk(config, seed=7, stop_at=rule.breaks[:1])
    assert (again.trace, again.steps) == (found.trace, found.steps)
    for left_out in range(len(found.trace)):
        run = [step for number, step in enumerate(found.trace.steps) if number != left_out]
        model = interned(config)
        taken = [(step.action, step.actor, model.encode(step.after)) for step in run]
        with pytest.raises(ValueError, match="break none"):
            shrink(model, model.encode(config.initial()), taken, 1 << list(type(rule.breaks[0])).index(rule.breaks[0]))


def test_walks_of_a_sound_store_find_nothing() -> None:
    found = walk(Config(messages=3, power_losses=1, sync_failures=1), seed=3, walks=20, steps=50)
    assert (found.trace, found.found_in) == (None, 0)
    assert found.states > 100
