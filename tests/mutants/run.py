"""Mutation testing of the store: each small change to a function must make a test fail.

    make mutants                                     # all of them: hours; a run that was stopped goes on
    make mutants ARGS="--sample 20"                  # 20 of each module, chosen by --seed
    make mutants ARGS="core.acks core.pops"          # these modules
    make mutants ARGS="fastpath.compiled.basics"     # of what the fast path has in C (see `tests.mutants.compiled`)
    make mutants ARGS="--again build/mutants.jsonl"  # what survived then, after tests have been written for it
    make mutants ARGS="--part 2/4"                   # what the second of four machines tries; put the results together
                                                     # with `cat`, and run again without it: what is there is not tried

The mutants are tried in random order, so that those of a run that did not come to its end are a fair sample. With
`--most 2` only the first tests of each are tried, up to two seconds of processor time (it was taken with every call
noted, and so is more than they take): most mutants fall to those, and `--again` without it tries the others for as long
as it takes. Of each survivor the results say how many of its tests were left `untried`.
`tests/mutants/making.py` makes them and `tests/mutants/trial.py` tries them; specs/mutants.md says what was found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import click
import pytest
from tests.mutants.compiled import MODULES as COMPILED
from tests.mutants.compiled import part_of
from tests.mutants.making import MODULES, ROOT, Mutant, mutants_of, plainly
from tests.mutants.trial import Trial

TESTS = (
    "tests/ackstore",
    "impl/ackstore",
    "tests/ackcheck/sim/test_regressions.py",
    "tests/acklab/fuzz/test_fuzz.py",
    "tests/mutants/last_resort.py",
)
IGNORED = ("runtime/test_kill.py",)
"""It runs the store in a process that knows nothing of a mutant."""

DEAD = ("killed", "timeout")

Row = Mapping[str, Any]
"""What became of one mutant: a line of the results."""


class Noted(Trial):
    """A trial that writes its results to a file, line by line, and shows how far it is."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, most: float, results: Path) -> None:
        self.done = read(results)
        known = {key(row) for row in self.done}
        left = [mutant for mutant in mutants if (mutant.name, mutant.change, mutant.original) not in known]
        killers: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.done:
            if row["outcome"] in DEAD:
                killers[row["name"].partition("#")[0]][row["test"]] += 1
        super().__init__(left, results.with_suffix(".tests.jsonl"), killers, jobs=jobs, most=most)
        self.results = results
        self.began = 0.0
        self.tried = 0

    def note(self, mutant: Mutant, outcome: str, test: str, untried: int, seconds: float) -> None:
        """Write it down."""
        row = {"module": mutant.module, "name": mutant.name, "change": mutant.change, "original": mutant.original}
        row |= {"outcome": outcome, "test": test, "untried": untried, "seconds": round(seconds, 1)}
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.done.append(row)
        self.tried += 1
        self.began = self.began or time.monotonic() - seconds
        left = (time.monotonic() - self.began) / self.tried * (len(self.mutants) - self.tried) / 60
        killed = sum(one["outcome"] in DEAD for one in self.done)
        tried = f"{self.tried} of {len(self.mutants)} tried"
        sys.stderr.write(f"\r{tried}, {killed} of {len(self.done)} killed, {left:.0f} minutes left ")
        sys.stderr.flush()


def read(results: Path) -> list[Row]:
    """Return the results in a file, if there is one."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []


def key(row: Row) -> tuple[str, str, int]:
    """What tells one mutant from another, and from that of a function that has changed."""
    return row["name"], row["change"], row["original"]


def table(done: Sequence[Row]) -> Iterator[str]:
    """Return the result as the lines of a table."""
    yield "| module | mutants tried | killed | survived |"
    yield "|---|---:|---:|---:|"
    total = [0, 0, 0]
    for module in MODULES:
        mine = [one for one in done if one["module"] == module and one["outcome"] != "skipped"]
        killed = sum(one["outcome"] in DEAD for one in mine)
        if mine:
            yield f"| `{module}` | {len(mine)} | {killed} ({killed / len(mine):.0%}) | {len(mine) - killed} |"
            total = [total[0] + len(mine), total[1] + killed, total[2] + len(mine) - killed]
    yield f"| all | {total[0]} | {total[1]} ({total[1] / max(1, total[0]):.1%}) | {total[2]} |"


def choose(modules: Sequence[str], sample: int | None, seed: int, again: Path | None) -> list[Mutant]:
    """Return the mutants to try, in random order."""
    chosen: list[Mutant] = []
    for module in modules:
        found = mutants_of(module)
        chosen += Random(f"{seed}/{module}").sample(found, min(sample or len(found), len(found)))
    if again:
        left = {key(row) for row in read(again) if row["outcome"] not in DEAD}
        chosen = [mutant for mutant in chosen if (mutant.name, mutant.change, mutant.original) in left]
    Random(seed).shuffle(chosen)
    return chosen


@click.command()
@click.argument("modules", nargs=-1, type=click.Choice([*MODULES, *COMPILED]))
@click.option("--sample", type=click.IntRange(1), help="This many of each module, chosen by seed; all by default.")
@click.option("--seed", default=1, show_default=True, help="Seed of the sample, and of the order.")
@click.option("--jobs", default=2, show_default=True, help="Mutants tried at once.")
@click.option("--part", default="1/1", callback=part_of, metavar="K/N", help="The part of one of N machines.")
@click.option("--most", default=float("inf"), help="Processor time of tests to spend on a mutant; all by default.")
@click.option("--tests", multiple=True, metavar="PATH", help="Only the tests in these files or folders; several times.")
@click.option("--again", type=click.Path(exists=True, path_type=Path), help="Only what survived in these results.")
@click.option("--afresh", is_flag=True, help="Forget what an earlier run has written to the results.")
@click.option("--results", type=click.Path(path_type=Path), help="build/mutants.jsonl, or with --again beside that.")
def main(
    *,
    modules: tuple[str, ...],
    sample: int | None,
    seed: int,
    jobs: int,
    part: tuple[int, int],
    most: float,
    tests: tuple[str, ...],
    again: Path | None,
    afresh: bool,
    results: Path | None,
) -> None:
    """Try the mutants of the store, and print what came of them. What the results have already is not tried."""
    modules = tuple(name for name in modules if name not in COMPILED)
    if sys.argv[1:] and not modules and {*sys.argv} & {*COMPILED}:
        return  # `tests.mutants.compiled` tries them
    plainly()
    from hypothesis import Phase, settings

    settings.register_profile("mutants", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")
    results = (results or (again.with_suffix(".again.jsonl") if again else Path("build/mutants.jsonl"))).absolute()
    results.parent.mkdir(parents=True, exist_ok=True)
    if afresh:
        results.unlink(missing_ok=True)
    trial = Noted(choose(modules or MODULES, sample, seed, again)[part[0] :: part[1]], jobs, most, results)
    os.chdir(ROOT)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=0"]
    options += ["--assert=plain", "--tb=native"]  # nobody reads why it failed
    options += [f"--ignore=tests/ackstore/{name}" for name in IGNORED]
    code = pytest.main([*options, *(tests or TESTS)], plugins=[trial])
    print("\n" + "\n".join(table(trial.done)))
    for one in trial.done:
        if one["outcome"] not in DEAD:
            print(f"\n{one['name']}: {one['outcome']} ({one['untried']} tests untried)\n{one['change']}")
    sys.exit(int(code))


if __name__ == "__main__":
    main()
