"""The engines take any system: two-phase commit has the counts that are published for it, on both."""

import enum
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve, frozen

from ackexplore import BadCheckpoint, NotSymmetric, Options, Step, System, explore
from ackexplore.examples.two_phase_commit import Agreed, TwoPhaseCommit
from ackexplore.graph.walks import walk
from ackmodel import Clause, Config, UnknownClause

PUBLISHED = {3: (288, 1_146), 5: (8_832, 58_146)}
"""Of so many resource managers: states, and transitions with the first state as TLC counts them."""
HASTY = TwoPhaseCommit(resource_managers=3, waits_for_all=False)


@pytest.mark.parametrize("engine", ["graph", "table"])
@pytest.mark.parametrize("managers", PUBLISHED)
def test_two_phase_commit_has_the_published_counts(engine: str, managers: int) -> None:
    system = TwoPhaseCommit(resource_managers=managers)
    result = explore(system, Options(engine=engine))  # type: ignore[arg-type]
    assert (result.states, result.edges + 1) == PUBLISHED[managers]
    assert result.holds
    assert result.config == system
    assert result.as_json()["config"] == {"resource_managers": managers, "waits_for_all": True}
    whole = explore(system, Options(engine=engine, symmetric=True))  # type: ignore[arg-type]
    assert whole.unreduced == result.states > whole.states


def test_who_does_not_wait_is_found_on_both_engines_and_by_walking() -> None:
    graph, table = explore(HASTY), explore(HASTY, Options(engine="table"))
    assert graph.violations == table.violations
    assert [*graph.violations] == [Agreed.ABORTED_IS_NOT_COMMITTED]
    for result in (graph, table):
        trace = result.counterexamples[Agreed.ABORTED_IS_NOT_COMMITTED]
        assert len(trace) == 2
        assert [(change.field, change.before, change.after) for change in trace.steps[0].changes] == [
            ("doing", "working", "aborted")
        ]
        assert result.as_json()["violations"] == {"aborted-is-not-committed": result.violations[trace.broken[0]]}
    stopped = explore(HASTY, Options(stop_at=Agreed.ABORTED_IS_NOT_COMMITTED))
    assert (stopped.complete, stopped.depth) == (False, 2)
    assert explore(HASTY, Options(stop_at="any", engine="table")).depth == 2
    assert walk(HASTY, seed=1).trace is not None


def test_a_clause_of_another_system_is_refused() -> None:
    with pytest.raises(UnknownClause, match="no clause 'no-limbo': name one of its own"):
        explore(HASTY, Options(stop_at=Clause.NO_LIMBO))
    with pytest.raises(UnknownClause, match="no clause 'committed-is-decided'"):
        explore(Config(), Options(stop_at=Agreed.COMMITTED_IS_DECIDED))


def test_a_checkpoint_of_any_system_is_taken_up(tmp_path: Path) -> None:
    system = TwoPhaseCommit(resource_managers=4)
    whole = explore(system, Options(engine="table"))
    first = explore(system, Options(engine="table", checkpoint=tmp_path))
    again = explore(system, Options(engine="table", checkpoint=tmp_path, resume=True))
    assert first.states == again.states == whole.states
    assert again.edges == whole.edges
    with pytest.raises(BadCheckpoint, match="another config"):
        explore(evolve(system, waits_for_all=False), Options(engine="table", checkpoint=tmp_path, resume=True))


@frozen
class Counting(System):
    """The least that a system must say: two counters of plain numbers, beside a sum."""

    most: int = 3

    @property
    def messages(self) -> int:
        return 2

    def initial(self) -> tuple[int, tuple[int, ...]]:
        return 0, (0, 0)

    def local_steps(self, shared: int, message: int) -> Iterator[Step]:
        if message < self.most:
            yield Step("count", shared + 1, message + 1)


@pytest.mark.parametrize("engine", ["graph", "table"])
def test_the_least_that_a_system_must_say(engine: str) -> None:
    result = explore(Counting(), Options(engine=engine))  # type: ignore[arg-type]
    assert (result.states, result.edges, result.depth, result.hits) == (16, 24, 6, {"count": 24})
    assert result.holds
    with pytest.raises(NotSymmetric):
        explore(Counting(), Options(engine=engine, symmetric=True))  # type: ignore[arg-type]


MANY = enum.Enum("MANY", [f"clause{number}" for number in range(32)])  # type: ignore[misc]


def test_more_clauses_than_a_mask_holds_are_refused() -> None:
    class Wordy(Counting):
        clauses = tuple(MANY)

    with pytest.raises(ValueError, match="32 clauses are too many: at most 31"):
        explore(Wordy())
