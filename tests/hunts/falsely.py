"""False findings: right stores, judged by as many simulated quick runs as one likes. Nothing may be found.

    python -m tests.hunts.falsely --runs 300 --seed 1 --only Journal

The stores are the reference in each of its modes, and two that share no code with it (`tests/textbook/stepped.py`). A
quick run of each is that of `ackcheck run --faults sim`: some runs of each commit policy, the reference's also with
several logs. Prints a line a store, and ends at the first finding, which it prints whole, with exit code 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping

import click
from tests.textbook.stepped import LEVELS, Journal, Snapshots

from ackcheck.sim.campaign import run_sim_grade
from ackcheck.sim.grade import SIM
from ackcheck.sim.setup import FactorySetup, SimSetup
from acklab.reference.simulated import setups
from ackmodel import CommitPolicy, Level


def quick_runs() -> Mapping[str, list[tuple[SimSetup, int]]]:
    """Return for each store what a quick run of it is."""
    cases = SIM.effort["quick"]
    found = {f"reference at {level.value}": setups(level, cases) for level in Level}
    for make in (Journal, Snapshots):
        name = f"tests/textbook/stepped.py:{make.__name__}"
        setup = FactorySetup((LEVELS[make.__name__],), make=make, name=name)
        found[make.__name__] = [(setup, cases * len(CommitPolicy))]
    return found


def judged(runs: list[tuple[SimSetup, int]], seed: int) -> Iterator[int]:
    """Yield how many cases each part of a quick run had; end the program where something is found."""
    for number, (setup, cases) in enumerate(runs):
        report = run_sim_grade(setup, seed=seed + number, cases=cases)
        for finding in report.findings:
            sys.exit(f"{setup}, seed {seed + number}:\n{finding}")
        yield report.cases


@click.command()
@click.option("--runs", default=300, show_default=True, type=click.IntRange(1, 10**6), help="Quick runs of each store.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of the first run; the next by 10.")
@click.option("--only", default="", help="Stores whose name has this in it.")
def main(runs: int, seed: int, only: str) -> None:
    """Judge right stores, and see that nothing is found."""
    began = time.monotonic()
    for run in range(runs):
        for name, parts in quick_runs().items():
            if only in name:
                cases = sum(judged(parts, seed + 10 * run))
                click.echo(f"{name}: quick run {run + 1} kept, {cases} cases, {time.monotonic() - began:.0f} s so far")


if __name__ == "__main__":
    main()
