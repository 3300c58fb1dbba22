"""Writing the table of the zoo: each bug, hunted with several seeds.

    python -m acklab.zoo.table --seeds 3 specs/zoo.md

>>> row_of([Hunted("no-limbo", True, 4, 0.2), Hunted("no-limbo", True, 9, 0.7), Hunted("no-return", True, 6, 0.4)])
'sim | no-limbo (2), no-return (1) | 3 of 3 | 6 (9) | 0.4 (0.7)'
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import click
from attrs import frozen

from acklab.zoo import BUGS
from acklab.zoo.bug import Bug
from acklab.zoo.hunt import hunt

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = "| bug | grade | clause seen first (seeds) | caught | cases: median (worst) | seconds: median (worst) |"


@frozen
class Hunted:
    """What one seed came to: the clause that broke first, whether the bug is known to break it, and what it took."""

    clause: str
    caught: bool
    cases: int
    seconds: float


def hunted(bug: Bug, seed: int, cases: int) -> Hunted:
    """Hunt a bug with one seed; the seconds are of the processor, so that a busy machine counts for little."""
    began = time.process_time()
    found = hunt(bug, seed=seed, cases=cases, shorten=False)
    clause = found.finding.clause.value if found.finding else "-"
    return Hunted(clause, found.caught, found.cases, time.process_time() - began)


def row_of(hunts: Sequence[Hunted]) -> str:
    """Return what a row says of the hunts of one bug."""
    clauses = ", ".join(f"{clause} ({times})" for clause, times in Counter(each.clause for each in hunts).most_common())
    cases, seconds = [each.cases for each in hunts], [each.seconds for each in hunts]
    caught = f"{sum(each.caught for each in hunts)} of {len(hunts)}"
    took = f"{median(seconds):.1f} ({max(seconds):.1f})"
    return f"sim | {clauses} | {caught} | {median(cases):g} ({max(cases)}) | {took}"


def written(text: str, rows: Sequence[str]) -> str:
    """Return the page with these rows in its table, in place of those that were there."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join([HEAD, "|" + "---|" * 6, *(f"| {row} |" for row in rows)])
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


@click.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1, 1000), help="Seeds a bug, from 1.")
@click.option("--cases", default=1000, show_default=True, type=click.IntRange(1, 10**7), help="Runs a seed, at most.")
def main(page: Path, seeds: int, cases: int) -> None:
    """Hunt every bug of the zoo, and write what came of it into PAGE."""
    rows = []
    for bug in BUGS.values():
        rows.append(f"`{bug.name}` | {row_of([hunted(bug, seed, cases) for seed in range(1, seeds + 1)])}")
        click.echo(rows[-1])
    page.write_text(written(page.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
