"""Judge the textbook stores by the quick profile, with several seeds: `make textbook`, or

    python -m tests.textbook --seeds 5
    python -m tests.textbook --seeds 20 --only NeverSyncs

Exit code 1 where a right store was not kept, or a wrong one was not refused by a clause that must refuse it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from attrs import frozen
from rich.console import Console
from rich.table import Table
from tests.textbook.catalogue import CATALOGUE, NoSuchStore, Textbook, named

FAULTS = "process,power"
"""The grades that need root and loop devices only, and take less than a minute a store."""


@frozen
class Judged:
    """What one run of the suite said of a store."""

    outcome: str
    """kept, broken or not-judged; or exit and a code, where there was no verdict."""
    clauses: frozenset[str]
    seconds: float

    def as_expected_of(self, store: Textbook) -> bool:
        if not store.refused_by:
            return self.outcome == store.expected
        return self.outcome == "broken" and not self.clauses.isdisjoint(clause.value for clause in store.refused_by)


def judge(store: Textbook, seed: int, faults: str = FAULTS, *more: str) -> Judged:
    """Run the suite as a user does, with these options and more, and read its JSON."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "verdict.json"
        options = ["--level", store.level.value, "--faults", faults, "--seed", str(seed), "--json", str(report), *more]
        target = store.built(Path(directory))
        begun = time.monotonic()
        command = [sys.executable, "-m", "ackcheck", "run", *options, "--", *target]
        with store.served() as environment:
            ran = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})
        seconds = time.monotonic() - begun
        if ran.returncode not in (0, 1, 4) or not report.exists():
            return Judged(f"exit {ran.returncode}", frozenset(), seconds)
        verdict = json.loads(report.read_bytes())
    broken = (clause["id"] for clause in verdict["clauses"] if clause["status"] == "broken")
    return Judged(verdict["outcome"], frozenset(broken), seconds)


def row(store: Textbook, judged: Sequence[Judged]) -> list[str]:
    outcomes = Counter(each.outcome for each in judged)
    clauses = Counter(clause for each in judged for clause in each.clauses)
    return [
        store.name,
        store.expected,
        ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()),
        ", ".join(f"{clause} {count}" for clause, count in clauses.most_common()),
        f"{sum(each.as_expected_of(store) for each in judged)} of {len(judged)}",
        f"{sum(each.seconds for each in judged) / len(judged):.0f}",
    ]


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 1 to this one.")
@click.option("--only", metavar="NAME", help="This store only.")
@click.option("--faults", default=FAULTS, show_default=True, help="Grades, by commas, as of `ackcheck run`.")
def main(seeds: int, only: str | None, faults: str) -> None:
    """Judge the textbook stores, and print what came of it."""
    try:
        stores = CATALOGUE if only is None else (named(only),)
    except NoSuchStore as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    table = Table()
    for title in ("store", "expected", "verdicts", "clauses found", "as expected", "seconds a seed"):
        table.add_column(title, overflow="fold")
    console, wrong = Console(), 0
    for store in stores:
        if store.missing:
            table.add_row(store.name, "", f"skipped: no {store.needs} here")
            continue
        judged = [judge(store, seed, faults) for seed in range(1, seeds + 1)]
        wrong += sum(not each.as_expected_of(store) for each in judged)
        table.add_row(*row(store, judged))
        console.print(f"{store.name}: {row(store, judged)[2]}", highlight=False)
    console.print(table)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
