"""On a real cluster of two workers: the same counts, also where one is killed in the middle."""

import os
import signal
from pathlib import Path

import pytest

from ackexplore import Options, Progress
from ackexplore.cluster import ClusterFailed
from ackexplore.cluster.levels import explore_in_parts
from ackexplore.table.engine import explore_table
from ackmodel import Config

pytest.importorskip("distributed", reason="no Dask is installed: the extra `cluster`")

CONFIG = Config(messages=2, rules={"commit-in-order": False})


@pytest.mark.no_cover
@pytest.mark.filterwarnings("ignore")
def test_a_worker_killed_in_the_middle_changes_no_count(tmp_path: Path) -> None:
    from ackexplore.cluster.on_dask import DaskCrew, client_of

    killed: list[int] = []
    with client_of(None, 2) as client:

        def kill(progress: Progress) -> None:
            if progress.depth == 5 and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        options = Options(watcher=kill)
        crew = DaskCrew(client, CONFIG, options)
        first = crew.search
        found = explore_in_parts(crew, options, tmp_path)
        assert killed
        assert crew.search != first
        crew.close()
    whole = explore_table(CONFIG)
    for name in ("states", "edges", "depth", "violations", "hits", "reached"):
        assert getattr(found, name) == getattr(whole, name), name
    assert [*map(len, found.counterexamples.values())] == [*map(len, whole.counterexamples.values())]


@pytest.mark.filterwarnings("ignore")
def test_where_no_scheduler_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from ackexplore.cluster.on_dask import explore_on_cluster

    monkeypatch.setattr("ackexplore.cluster.on_dask.SECONDS_FOR_A_SCHEDULER", 0.2)
    with pytest.raises(ClusterFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        explore_on_cluster(Config(), address="tcp://127.0.0.1:1")
