"""A crew of workers of a Dask cluster, each of which runs one share at a time.

Dask runs a share again, on another worker, where its worker is gone before the report was fetched; a report is taken in
once, by its share, so nothing is lost or counted twice. Every worker must have the same versions as this process: a
seed says the same to no other. What a task is sent and returns is pickled by Dask: a cluster is only for those who may
run programs on it.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any
from uuid import uuid4

from attrs import define, field, frozen
from distributed import Client, Future, KilledWorker, get_worker

from ackcheck.cluster import ClusterFailed, R, Share, Watch
from ackcheck.rig.errors import RigError
from ackcheck.subject import NoSuchTarget
from ackmodel import VERSION

SECONDS_FOR_A_WORKER = 60.0

ENDED: set[str] = set()
"""The campaigns that this worker is to leave."""

ONE_AT_A_TIME = threading.Lock()
"""Hypothesis seeds the random numbers of the whole process."""


class Left(BaseException):
    """The campaign is over, and what is left of this share is not wanted; Hypothesis catches no such exception."""


class FailedThere(RigError):
    """What is judged, or the machine, failed on a worker."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(f"on worker {worker}: {why}")


@frozen
class Outcome:
    """What became of a share on a worker: its report, or what failed there."""

    worker: str
    versions: Mapping[str, str]
    report: Any = None
    failed: str = ""


def versions() -> Mapping[str, str]:
    """Return what must be the same everywhere for equal seeds to give equal reports."""
    return {
        "Python": platform.python_version(),
        "ackcheck": metadata.version("ackcheck"),
        "the specification": VERSION,
        "Hypothesis": metadata.version("hypothesis"),
    }


# --- on a worker ----------------------------------------------------------------------------------------------------


def run_share(campaign: str, share: Share[Any]) -> Outcome:
    """Run a share on this worker, unless the campaign has ended."""
    worker = str(get_worker().address)

    def watch(_done: int) -> None:
        if campaign in ENDED:
            raise Left

    with ONE_AT_A_TIME:
        try:
            watch(0)
            return Outcome(worker, versions(), share.run(watch))
        except Left:
            return Outcome(worker, versions(), failed="the campaign has ended")
        except NoSuchTarget as error:
            return Outcome(worker, versions(), failed=f"{error}; every worker must reach it by this name")
        except RigError as error:
            return Outcome(worker, versions(), failed=f"{type(error).__name__}: {error}")


def leave(campaign: str) -> None:
    """Have this worker leave a campaign at its next case."""
    ENDED.add(campaign)


# --- where the campaign is led --------------------------------------------------------------------------------------


@define(eq=False)
class DaskCrew:
    """The workers of a cluster. A share that is asked for first is run first, so that one may stop at a finding."""

    client: Client
    fetched: Callable[[Client, Future, Callable[[], None]], Any]
    """Returns what a task returned, and looks each second; the explorer has it, which this module does not import."""
    campaign: str = field(init=False, factory=lambda: uuid4().hex)
    waiting: dict[Share[Any], Future] = field(init=False, factory=dict)

    def begin(self, shares: Iterable[Share[Any]]) -> None:
        """Have the workers run these."""
        for number, share in enumerate(shares):
            self.waiting[share] = self.client.submit(
                run_share, self.campaign, share, pure=False, retries=0, priority=-number
            )

    def report(self, share: Share[R], watch: Watch) -> R:
        """Return the report of a share; raise what failed on its worker, or `ClusterFailed`."""
        outcome = self._wait(self.waiting.pop(share))
        if outcome.versions != versions():
            raise ClusterFailed(
                f"worker {outcome.worker} has {_in_words(outcome.versions)}, and here is {_in_words(versions())}: "
                "equal seeds would not give equal reports; install the same on all"
            )
        if outcome.report is None:
            raise FailedThere(outcome.worker, outcome.failed)
        report: R = outcome.report
        watch(report.cases)
        return report

    def _wait(self, future: Future) -> Outcome:
        since = time.monotonic()

        def look() -> None:
            nonlocal since
            if self.client.nthreads():
                since = time.monotonic()
            elif time.monotonic() - since > SECONDS_FOR_A_WORKER:
                raise ClusterFailed(
                    f"the cluster has had no worker for {SECONDS_FOR_A_WORKER:g} seconds: start one (dask worker)"
                )

        try:
            outcome: Outcome = self.fetched(self.client, future, look)
        except KilledWorker as error:
            raise ClusterFailed(
                f"several workers died of the same share, the last {error.last_worker.address}: see why "
                "by running it on one machine, without --cluster and --local"
            ) from error
        return outcome

    def end(self) -> None:
        """Have the workers leave what nobody waits for any more."""
        self.client.cancel(list(self.waiting.values()))
        if self.waiting:
            self.client.run(leave, self.campaign, on_error="ignore")
        self.waiting.clear()


def _in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
