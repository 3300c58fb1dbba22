"""A campaign in shares comes to the report of one machine, whoever runs them and whoever is lost."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.cluster import HERE, ClusterFailed, Crew
from ackcheck.findings import GradeReport
from ackcheck.sim.grade import Go
from ackcheck.subject import Subject
from ackcheck.suite import Plan, run_suite
from ackmodel import Level

pytest.importorskip("distributed", reason="no Dask is installed: the extra `cluster`")
from distributed import Client, LocalCluster, get_worker

from ackcheck.cluster import on_dask
from ackcheck.cluster.on_dask import DaskCrew, FailedThere
from ackexplore.cluster.joining import fetched

BUG = "old-segment-not-fsynced-on-rotation"


@contextmanager
def started(workers: int = 2) -> Iterator[Client]:
    """Yield a client of workers in this process; `make cluster` has processes, and kills them."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with started() as client:
        yield client


def same(report: Any) -> Any:
    """Return what a report says, without how long it took."""
    if isinstance(report, dict):
        return {name: same(value) for name, value in report.items() if name != "seconds"}
    return [same(value) for value in report] if isinstance(report, list) else report


def verdict(subject: Subject, effort: int, crew: Crew) -> Any:
    plan = Plan((Level.MEMORY, Level.DISK), ("sim",), {"sim": effort}, seed=5)
    return same(run_suite(subject, plan, crew=crew).as_json())


def test_the_verdict_is_that_of_one_machine(client: Client) -> None:
    whole = verdict(Subject(), 1, HERE)
    assert whole["runs"][0]["cases"] >= 2
    assert verdict(Subject(), 1, DaskCrew(client, fetched)) == whole


def test_a_lost_worker_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, run, lost, runs = verdict(Subject(), 1, HERE), Go.run, list[str](), Counter[Go]()

    def run_until_lost(go: Go, watch: Any) -> GradeReport:
        runs[go] += 1
        if go.number == 1 and not lost:
            lost.append(get_worker().address)
            cluster = mine.cluster
            cluster.sync(cluster.scheduler.remove_worker, address=lost[0], stimulus_id="lost")
        return run(go, watch)

    monkeypatch.setattr(Go, "run", run_until_lost)
    with started() as mine:
        assert verdict(Subject(), 1, DaskCrew(mine, fetched)) == whole
        assert len(mine.nthreads()) == 1
    assert {go.number for go, times in runs.items() if times > 1} >= {1}


class Numbered:
    """A share that says its number; the first finds something, the last waits until the campaign is left."""

    begun, left = threading.Event(), threading.Event()

    def __init__(self, number: int) -> None:
        self.number = number

    def run(self, watch: Any) -> GradeReport:
        report = GradeReport("sim", self.number)
        try:
            while self.number == 2:
                Numbered.begun.set()
                watch(1)
                Numbered.left.wait(0.01)
        except BaseException:
            Numbered.left.set()
            raise
        return report


def test_what_nobody_waits_for_is_left(client: Client) -> None:
    """What a finding of an earlier share has made needless.

    The second is begun last: the workers of this process run one share at a time, and it ends only when it is left.
    """
    first, second, crew = Numbered(1), Numbered(2), DaskCrew(client, fetched)
    crew.begin([first])
    assert crew.report(first, lambda _: None).seed == 1
    crew.begin([second])
    assert Numbered.begun.wait(60)  # one that nobody has begun is left by not being run
    crew.end()
    assert Numbered.left.wait(60)


def test_what_fails_on_a_worker_says_where(client: Client) -> None:
    class Nowhere:
        def run(self, watch: Any) -> GradeReport:
            Subject("nowhere.py:factory").factory()
            raise AssertionError

    share, crew = Nowhere(), DaskCrew(client, fetched)
    crew.begin([share])
    with pytest.raises(
        FailedThere, match=r"on worker inproc://.*no target 'nowhere.py:factory'.*every worker must reach"
    ):
        crew.report(share, lambda _: None)


def test_workers_of_other_versions_are_found_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each has is replaced before a worker may begin: its answer is the first."""
    told = iter([{"Python": "3.9"}, {"Python": "3.8"}, {"Python": "3.8"}])
    monkeypatch.setattr(on_dask, "versions", lambda: next(told))
    share, crew = Numbered(1), DaskCrew(client, fetched)
    crew.begin([share])
    with pytest.raises(ClusterFailed, match=r"has Python 3\.9, and here is Python 3\.8: .*install the same"):
        crew.report(share, lambda _: None)


def test_a_cluster_without_workers_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "SECONDS_FOR_A_WORKER", -1.0)
    monkeypatch.setattr("ackexplore.cluster.joining.SECONDS_BETWEEN_LOOKS", 0.01)
    with started(workers=0) as nobody:
        share, crew = Numbered(1), DaskCrew(nobody, fetched)
        crew.begin([share])
        with pytest.raises(ClusterFailed, match="no worker for -1 seconds: start one"):
            crew.report(share, lambda _: None)


def test_a_hunt_finds_what_it_finds_here(client: Client) -> None:
    words = ["bugs", BUG, "--seed", "1", "--json", "-"]
    here, spread = (CliRunner().invoke(main, [*words, *more]) for more in ((), ("--cluster", client.scheduler.address)))
    assert (here.exit_code, spread.exit_code) == (0, 0), spread.output
    assert same(json.loads(here.stdout)) == same(json.loads(spread.stdout))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--local", "2"), "the process grade makes its faults on the files of one machine: leave --local out"),
        (("run", "--faults", "sim", "--local", "2", "--cluster", "tcp://a:1"), "leave one of them out"),
        (("bugs", "--local", "2", "--cluster", "tcp://a:1"), "leave one of them out"),
        (("bugs", "--cluster", "nonsense"), "no Dask scheduler answers at nonsense: start one"),
    ],
)
def test_what_cannot_be_spread_is_refused(words: tuple[str, ...], told: str) -> None:
    ran = CliRunner().invoke(main, words)
    assert (ran.exit_code, told in " ".join(ran.stderr.split())) == (2, True), ran.stderr
