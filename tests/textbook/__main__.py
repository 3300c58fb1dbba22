"""Judge the textbook stores by the quick profile, with several seeds: `make textbook`, or

    python -m tests.textbook --seeds 5
    python -m tests.textbook --seeds 20 --only NeverSyncs
    python -m tests.textbook --seeds 50 --right --jobs 8 --log right.jsonl
    python -m tests.textbook --seeds 33 --reference --jobs 4 --beside-load --log loaded.jsonl

A run waits most of its time for deadlines, so that several fit beside each other; a log, a line a run, is gone on with.
Exit code 1 where a right store was not kept, or a wrong one was not refused by a clause that must refuse it; 4 where
nothing was judged.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import click
from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table
from tests.textbook.catalogue import CATALOGUE, REFERENCE, NoSuchStore, Textbook, named

FAULTS = "process,power"
"""The grades that need root and loop devices only, and take less than a minute a store."""


@frozen
class Judged:
    """What one run of the suite said of a store with a seed."""

    store: str
    seed: int
    outcome: str
    """kept, broken or not-judged; or exit and a code, where there was no verdict."""
    clauses: frozenset[str]
    seconds: float

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read what `line` wrote."""
        record = json.loads(line)
        return cls(**{**record, "clauses": frozenset(record["clauses"])})

    @property
    def line(self) -> str:
        return json.dumps({**asdict(self), "clauses": sorted(self.clauses), "seconds": round(self.seconds, 1)})

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
        command = [sys.executable, "-m", "ackcheck", "run", *options, *(["--", *target] if target else [])]
        with store.served() as environment:
            ran = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})
        seconds = time.monotonic() - begun
        if ran.returncode not in (0, 1, 4) or not report.exists():
            click.echo(f"{store.name}, seed {seed}: {ran.stderr.decode(errors='replace')[-2000:]}", err=True)
            return Judged(store.name, seed, f"exit {ran.returncode}", frozenset(), seconds)
        verdict = json.loads(report.read_bytes())
    broken = (clause["id"] for clause in verdict["clauses"] if clause["status"] == "broken")
    return Judged(store.name, seed, verdict["outcome"], frozenset(broken), seconds)


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


def judged_before(log: Path | None) -> list[Judged]:
    """What a log has of runs that came before; none where there is no log yet."""
    if log is None or not log.exists():
        return []
    return [Judged.from_line(line) for line in log.read_text(encoding="utf-8").splitlines()]


def judge_all(wanted: Sequence[tuple[Textbook, int]], faults: str, jobs: int, log: Path | None) -> list[Judged]:
    """Judge each store with its seed, some at once; what the log has is not judged again."""
    before = {(each.store, each.seed): each for each in judged_before(log)}
    done = [before[store.name, seed] for store, seed in wanted if (store.name, seed) in before]
    left = [(store, seed) for store, seed in wanted if (store.name, seed) not in before]
    with ThreadPoolExecutor(jobs) as pool:
        for each in pool.map(lambda pair: judge(*pair, faults), left):
            click.echo(each.line)
            done.append(each)
            if log is not None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(each.line + "\n")
    return done


@contextlib.contextmanager
def load() -> Iterator[None]:
    """Take every core while something else is done, by as many processes as there are."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 1 to this one.")
@click.option("--only", metavar="NAME", help="This store only.")
@click.option("--right/--wrong", default=None, help="The right stores only, or the others only.")
@click.option("--reference", is_flag=True, help="The reference store instead, at each level.")
@click.option("--faults", default=FAULTS, show_default=True, help="Grades, by commas, as of `ackcheck run`.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at once.")
@click.option("--beside-load", is_flag=True, help="Beside a process that never waits, one a core.")
@click.option("--log", type=click.Path(path_type=Path), help="Lines of JSON, a run each, to go on with.")
def main(
    seeds: int,
    only: str | None,
    right: bool | None,
    reference: bool,
    faults: str,
    jobs: int,
    beside_load: bool,
    log: Path | None,
) -> None:
    """Judge the textbook stores, and print what came of it."""
    try:
        chosen = (REFERENCE if reference else CATALOGUE) if only is None else (named(only),)
    except NoSuchStore as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    stores = [store for store in chosen if right is None or store.right == right]
    there = [store for store in stores if not store.missing]
    with load() if beside_load else contextlib.nullcontext():
        judged = judge_all([(store, seed) for seed in range(1, seeds + 1) for store in there], faults, jobs, log)
    table = Table()
    for title in ("store", "expected", "verdicts", "clauses found", "as expected", "seconds a seed"):
        table.add_column(title, overflow="fold")
    for store in stores:
        if store.missing:
            table.add_row(store.name, "", f"skipped: no {store.needs} here")
        else:
            table.add_row(*row(store, [each for each in judged if each.store == store.name]))
    Console().print(table)
    if not judged:
        click.echo("nothing was judged: there is no such store, or not what it needs", err=True)
        sys.exit(4)
    sys.exit(0 if all(each.as_expected_of(named(each.store)) for each in judged) else 1)


if __name__ == "__main__":
    main()
