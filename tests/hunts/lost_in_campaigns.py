"""Run a campaign on a Dask cluster of this machine, kill a worker in the middle, and see that the verdict is the same.

    make cluster                                              # two workers, one killed after the first report
    python -m tests.hunts.lost_in_campaigns --effort 45       # more runs of each commit policy

Ends with 1 where the verdict differs from that of one process, or where no worker was killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import click

from ackcheck.cluster import HERE, Crew
from ackcheck.cluster.on_dask import DaskCrew
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS, Plan, run_suite
from ackexplore.cluster.joining import client_of, fetched


def without_seconds(told: Any) -> Any:
    """Return what a verdict says, without how long it took."""
    if isinstance(told, dict):
        return {name: without_seconds(value) for name, value in told.items() if name != "seconds"}
    return [without_seconds(one) for one in told] if isinstance(told, list) else told


def judged(plan: Plan, crew: Crew, killing: Any = None) -> tuple[Any, float]:
    """Return the verdict of the reference store, and how long it took; `killing` has a worker's process killed."""
    killed: list[int] = []

    def watch(_mode: str, _grade: str, done: int, _most: int) -> None:
        if killing is not None and done and not killed:
            killed.append(next(iter(killing.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    began = time.perf_counter()
    verdict = run_suite(Subject(), plan, watch, crew=crew)
    if killing is not None and not killed:
        sys.exit("nobody was killed")
    return without_seconds(verdict.as_json()), time.perf_counter() - began


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(2))
@click.option("--effort", default=8, show_default=True, type=click.IntRange(1), help="Runs of each commit policy.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
def main(workers: int, effort: int, seed: int) -> None:
    """See that a campaign on workers, one of which is lost, comes to the same verdict."""
    plan, wrong = Plan(LEVELS, ("sim",), {"sim": effort}, seed), 0
    whole, seconds = judged(plan, HERE)
    cases = sum(run["cases"] for run in whole["runs"])
    print(f"one process: {cases} cases in {seconds:.1f} s, {whole['outcome']}")
    for kill in (False, True):
        with client_of(None, workers) as client:
            client.wait_for_workers(workers)
            spread, seconds = judged(plan, DaskCrew(client, fetched), client if kill else None)
        wrong += spread != whole
        lost = "one killed" if kill else "nobody killed"
        print(
            f"{workers} workers, {lost}: {seconds:.1f} s, {'the same' if spread == whole else 'DIFFERENT'}", flush=True
        )
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
