"""How `ackcheck explore` searches: here, on a cluster, or up to what must happen in the end; and what it refuses.

>>> result, findings = searched(Config(), Options(), liveness=True, cluster=None, local=None)
>>> result.states, len(findings)
(54, 5)
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import click
from attrs import evolve
from rich.console import Console

from ackexplore import (
    BadCheckpoint,
    MissingExtra,
    NotSymmetric,
    Options,
    Progress,
    Result,
    Unfinished,
    Watcher,
)
from ackexplore import explore as explore_model
from ackexplore.cluster import ClusterFailed
from ackexplore.ending import explore_to_the_end
from ackexplore.graph.progress import ProgressFinding
from ackexplore.reports.show import counts_line, progress_line
from ackmodel import Config

Found: TypeAlias = tuple[Result, list[ProgressFinding]]

NOT_IN_PARTS = ("rules", "resume", "liveness", "graphml", "dot", "walk", "serve", "interactive")
"""Options for which all states must be in one place."""


class Refused(click.ClickException):
    """What was asked for cannot be done: too many states, no table engine, no such checkpoint."""

    exit_code = 2


@contextmanager
def progress_shown() -> Iterator[Watcher]:
    """Show the progress on the standard error while something runs; on no terminal, show nothing."""
    with Console(stderr=True).status("exploring") as status:

        def show(progress: Progress) -> None:
            status.update(progress_line(progress))

        yield show


def searched(
    config: Config, options: Options, *, liveness: bool, cluster: str | None, local: int | None, mend: str = ""
) -> Found:
    """Search, showing the progress; a refusal where that cannot be done, or not to the end, with what would mend it."""
    try:
        with progress_shown() as watcher:
            watched = evolve(options, watcher=watcher)
            if cluster is not None or local is not None:
                return _in_parts(config, watched, cluster, local), []
            return explore_to_the_end(config, watched) if liveness else (explore_model(config, watched), [])
    except (MissingExtra, BadCheckpoint, NotSymmetric, ClusterFailed) as error:
        raise Refused(str(error)) from error
    except Unfinished as error:
        if error.result.holds:
            told = f"{error.fact}: {mend}" if mend else str(error)
            raise Refused(f"{told}. Nothing was broken so far: {counts_line(error.result)}") from error
        return error.result, []


def _in_parts(config: Config, options: Options, cluster: str | None, local: int | None) -> Result:
    """Explore on a Dask cluster, or on workers of this machine."""
    if any(importlib.util.find_spec(name) is None for name in ("numpy", "numba", "distributed")):
        raise MissingExtra("a cluster needs Dask, NumPy and Numba: pip install 'ackcheck[cluster]'")
    from ackexplore.cluster.on_dask import explore_on_cluster

    options.check(config)
    return explore_on_cluster(config, options, address=cluster, local=local)


def check_cluster(asked: Mapping[str, Any]) -> None:
    """Refuse what is not done in parts; `asked` are the options of the command."""
    if asked["cluster"] is None and asked["local"] is None:
        return
    if asked["cluster"] is not None and asked["local"] is not None:
        raise click.UsageError("--cluster names a cluster, --local starts one: leave one of them out")
    for name in NOT_IN_PARTS:
        if asked[name]:
            raise click.UsageError(f"--{name} needs all states in one place: leave --cluster and --local out")
    if asked["engine"] == "graph":
        raise click.UsageError("the graph engine is of one machine: leave --engine graph out")
