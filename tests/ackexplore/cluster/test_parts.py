"""A search in parts finds what one machine finds, however many parts there are, and whoever is lost on the way."""

from pathlib import Path
from typing import Any

import pytest
from attrs import define

from ackexplore import Options, Result, TooManyStates
from ackexplore.cluster import ClusterFailed, WorkerLost
from ackexplore.cluster.levels import Here, explore_in_parts
from ackexplore.cluster.part import Part
from ackexplore.examples.two_phase_commit import TwoPhaseCommit
from ackexplore.table.engine import explore_table
from ackmodel import Config

COUNTED = ("states", "edges", "depth", "complete", "violations", "hits", "reached", "at_stake", "unreduced", "engine")
BROKEN = Config(messages=2, rules={"commit-after-flush": False})
SMALL = Config(rules={"commit-after-flush": False})


def same(whole: Result, parts: Result) -> None:
    for name in COUNTED:
        assert getattr(parts, name) == getattr(whole, name), name
    assert {clause: len(trace) for clause, trace in parts.counterexamples.items()} == {
        clause: len(trace) for clause, trace in whole.counterexamples.items()
    }
    for clause, trace in parts.counterexamples.items():
        assert clause in trace.broken


@pytest.mark.parametrize(
    ("asked", "options", "parts"),
    [
        (SMALL, Options(), 1),
        (BROKEN, Options(), 2),
        (SMALL, Options(), 5),
        (BROKEN, Options(stop_at="any"), 3),
        (Config(power_losses=1), Options(), 3),
        (Config(sync_failures=1, rules={"rewrite-after-failure": False}), Options(), 3),
        (Config(messages=2, uncommitted=True), Options(symmetric=True), 3),
        (BROKEN, Options(symmetric=True), 3),
        (TwoPhaseCommit(resource_managers=4, waits_for_all=False), Options(), 3),
    ],
    ids=str,
)
def test_parts_find_what_one_machine_finds(asked: Any, options: Options, parts: int) -> None:
    same(explore_table(asked, options), explore_in_parts(Here(asked, options, parts=parts), options))


@pytest.mark.no_cover
def test_states_of_several_words_are_in_parts_too() -> None:
    crew = Here(SMALL, Options(), parts=2)
    crew._all = [Part(SMALL, Options(), number=number, parts=2, word_bits=11) for number in range(2)]
    same(explore_table(SMALL), explore_in_parts(crew))


@define
class Losing(Here):
    """A crew that loses a worker in each of some calls, by their number."""

    when: tuple[int, ...] = ()
    calls: int = 0
    renewed: int = -1

    def each(self, method: str, *arguments: Any) -> list[Any]:
        self.calls += 1
        found = super().each(method, *arguments)
        if self.calls in self.when:
            raise WorkerLost(f"in {method}")
        return found

    def renew(self) -> None:
        self.renewed += 1
        super().renew()


@pytest.mark.parametrize("saved", [True, False])
def test_lost_workers_change_no_count(tmp_path: Path, saved: bool) -> None:
    """Whatever they were lost in: while they begin, learn, save, or are being restored."""
    for when in ((1,), (2,), (5,), (6,), (9, 10)):
        crew = Losing(SMALL, Options(), parts=3, when=when)
        same(explore_table(SMALL), explore_in_parts(crew, Options(), tmp_path if saved else None))
        assert crew.renewed == len(when)


def test_a_cluster_that_loses_them_all_the_time_is_given_up() -> None:
    crew = Losing(SMALL, Options(), parts=2, when=tuple(range(1, 100)))
    with pytest.raises(ClusterFailed, match="11 workers were lost"):
        explore_in_parts(crew, Options())


def test_too_many_states_keeps_what_was_found() -> None:
    options = Options(max_states=40)
    with pytest.raises(TooManyStates, match="more than 40 states") as caught:
        explore_in_parts(Here(SMALL, options, parts=2), options)
    assert next(map(len, caught.value.result.counterexamples.values())) == 3


def test_workers_that_number_values_differently_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = Part.learn

    def differently(part: Part, names: Any) -> Any:
        places, told = learn(part, names)
        return places, (*told, part.number)

    monkeypatch.setattr(Part, "learn", differently)
    with pytest.raises(ClusterFailed, match="the same version"):
        explore_in_parts(Here(SMALL, Options(), parts=2))


def test_where_no_scheduler_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    on_dask = pytest.importorskip("ackexplore.cluster.on_dask", reason="no Dask is installed: the extra `cluster`")

    def nobody(address: str, timeout: float) -> None:
        raise OSError(f"timed out after {timeout} s")

    monkeypatch.setattr("ackexplore.cluster.joining.Client", nobody)
    with pytest.raises(ClusterFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1: start one"):
        on_dask.explore_on_cluster(Config(), address="tcp://127.0.0.1:1")
