"""`--cluster` and `--local`: who runs the shares of a campaign, and what is refused beside them.

>>> with crew_of(None, None) as crew:
...     crew
Here()
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import click

from ackcheck.cli._output import Decorated, EnvironmentFailed
from ackcheck.cluster import HERE, ClusterFailed, Crew
from ackexplore.cluster import ClusterFailed as NotJoined

SPREAD = ("sim",)
"""The grades whose cases can be run anywhere."""


def cluster_options(command: Decorated) -> Decorated:
    """Add both options to a command whose cases can be spread."""
    command = click.option(
        "--local",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="The same on N workers, started on this machine and ended.",
    )(command)
    return click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Spread the cases over the workers of the Dask cluster whose scheduler is there; the same report.",
    )(command)


def check_spread(faults: Collection[str], cluster: str | None, local: int | None) -> None:
    """Refuse to spread a grade whose faults are made on one machine."""
    flag = "--local" if cluster is None else "--cluster"
    for name in faults if cluster is not None or local is not None else ():
        if name not in SPREAD:
            raise click.UsageError(
                f"{flag} spreads the simulated grade, and the {name} grade makes its faults on the files of one "
                f"machine: leave {flag} out, or add --faults {','.join(SPREAD)}"
            )


@contextmanager
def crew_of(cluster: str | None, local: int | None) -> Iterator[Crew]:
    """Yield who runs the shares: this process, or the workers of a cluster, whose failure is no verdict."""
    if cluster is None and local is None:
        yield HERE
        return
    if cluster is not None and local is not None:
        raise click.UsageError("--cluster names a cluster, --local starts one: leave one of them out")
    if importlib.util.find_spec("distributed") is None:
        raise click.UsageError("a cluster needs Dask: pip install 'ackcheck[cluster]'")
    from ackcheck.cluster.on_dask import DaskCrew
    from ackexplore.cluster.joining import client_of, fetched

    try:
        with client_of(cluster, local) as client:
            crew = DaskCrew(client, fetched)
            try:
                yield crew
            finally:
                crew.end()
    except NotJoined as error:
        raise click.BadParameter(str(error), param_hint="--cluster") from error
    except ClusterFailed as error:
        raise EnvironmentFailed(str(error)) from error
