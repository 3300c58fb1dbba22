"""Mutants that workers try in parts: each comes back once, whoever is lost, and nothing is left running."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.mutants import shares
from tests.mutants.shares import Lines, Part, checkout
from tests.mutants.spread import spread

pytest.importorskip("distributed", reason="no Dask is installed: the extra `cluster`")
from distributed import Client, LocalCluster, get_worker

from ackcheck.cluster.on_dask import DaskCrew, FailedThere
from ackexplore.cluster.joining import fetched

NUMBERS = [str(number) for number in range(1, 13)]


@contextmanager
def started() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def _seen_is_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SEEN", tmp_path / "seen")


def parts_of(*how: str, known: str = "", state: int | None = None) -> list[Part]:
    state = checkout() if state is None else state
    return [
        Part("tests.support.tries_numbers", how, number=number, parts=3, known=known, checkout=state)
        for number in (1, 2, 3)
    ]


def test_every_mutant_comes_back_once_though_a_worker_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, lost, results = Part.run, list[str](), tmp_path / "results"

    def run_until_lost(part: Part, watch: Any) -> Lines:
        lines = run(part, watch)
        if part.number == 2 and not lost:
            lost.append(get_worker().address)
            cluster = client.cluster
            cluster.sync(cluster.scheduler.remove_worker, address=lost[0], stimulus_id="lost")
        return lines

    monkeypatch.setattr(Part, "run", run_until_lost)
    with started() as client:
        assert list(spread(DaskCrew(client, fetched), parts_of(), results)) == [4, 4, 4]
        assert len(client.nthreads()) == 1
        assert sorted(results.read_text(encoding="utf-8").split(), key=int) == NUMBERS
        assert list(spread(DaskCrew(client, fetched), parts_of(known="3\n7\n"), results)) == [3, 4, 3]


@pytest.mark.parametrize(
    ("parts", "why"),
    [(parts_of("fail"), "the tests cannot be collected"), (parts_of(state=7), "bring all workers to the same")],
)
def test_what_is_not_tried_is_said(tmp_path: Path, parts: list[Part], why: str) -> None:
    with started() as client, pytest.raises(FailedThere, match=why):
        list(spread(DaskCrew(client, fetched), parts, tmp_path / "results"))


def test_what_is_given_up_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            begun.append(self)

    def watch(_done: int) -> None:
        if begun:
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(KeyboardInterrupt):
        parts_of("hang")[0].run(watch)
    assert begun[0].returncode is not None
