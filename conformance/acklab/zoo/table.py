"""Writing the table of the zoo: each bug, hunted with several seeds.

    python -m acklab.zoo.table --seeds 3 --jobs 2 --log hunts.jsonl specs/zoo.md

>>> row_of([Hunted("no-limbo", True, 4, 0.2), Hunted("no-limbo", True, 9, 0.7), Hunted("no-return", True, 6, 0.4)])
'sim | no-limbo (2), no-return (1) | 3 of 3 | 6 (9) | 0.4 (0.7)'
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import click
from attrs import asdict, frozen

from acklab.zoo import BUGS, bug_named
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


def hunted(name: str, seed: int, cases: int) -> Hunted:
    """Hunt a bug with one seed; the seconds are of the processor, so that a busy machine counts for little."""
    began = time.process_time()
    found = hunt(bug_named(name), seed=seed, cases=cases, shorten=False)
    clause = found.finding.clause.value if found.finding else "-"
    return Hunted(clause, found.caught, found.cases, time.process_time() - began)


def row_of(hunts: Sequence[Hunted]) -> str:
    """Return what a row says of the hunts of one bug."""
    clauses = ", ".join(f"{clause} ({times})" for clause, times in Counter(each.clause for each in hunts).most_common())
    cases, seconds = [each.cases for each in hunts], [each.seconds for each in hunts]
    caught = f"{sum(each.caught for each in hunts)} of {len(hunts)}"
    took = f"{median(seconds):.1f} ({max(seconds):.1f})"
    return f"sim | {clauses} | {caught} | {median(cases):g} ({max(cases)}) | {took}"


def written(text: str, rows: Mapping[str, str]) -> str:
    """Return the page with these rows in its table, by bug, in place of those that were there of the same bugs."""
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    all_rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", table, re.MULTILINE)) | dict(rows)
    table = "\n".join([HEAD, "|" + "---|" * 6, *(f"| `{bug}` | {all_rows[bug]} |" for bug in BUGS if bug in all_rows)])
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def done_before(log: Path | None, cases: int) -> dict[tuple[str, int], Hunted]:
    """Return the hunts that a log has, of so many cases, by bug and seed."""
    lines = log.read_text(encoding="utf-8").splitlines() if log is not None and log.exists() else []
    found = {}
    for line in lines:
        hunt = json.loads(line)
        which = hunt.pop("bug"), hunt.pop("seed")
        if hunt.pop("most") == cases:
            found[which] = Hunted(**hunt)
    return found


def hunt_all(
    bugs: Sequence[str], seeds: int, cases: int, jobs: int, log: Path | None
) -> Iterator[tuple[str, int, Hunted]]:
    """Hunt each bug with every seed, all of them with one before any with the next; yield each with its bug and seed.

    What the log has is not hunted again, and every hunt is added to it, so that a campaign that was ended goes on.
    """
    before = done_before(log, cases)
    yield from ((bug, seed, found) for (bug, seed), found in before.items() if bug in bugs and seed <= seeds)
    left = [(bug, seed) for seed in range(1, seeds + 1) for bug in bugs if (bug, seed) not in before]
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
        waiting = {pool.submit(hunted, bug, seed, cases): (bug, seed) for bug, seed in left}
        for done in as_completed(waiting):
            (bug, seed), found = waiting[done], done.result()
            if log is not None:
                with log.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({"bug": bug, "seed": seed, "most": cases, **asdict(found)}) + "\n")
            yield bug, seed, found


@click.command()
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--only", multiple=True, type=click.Choice([*BUGS]), metavar="BUG", help="This bug; give it again for more."
)
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1, 1000), help="Seeds a bug, from 1.")
@click.option("--cases", default=1000, show_default=True, type=click.IntRange(1, 10**7), help="Runs a seed, at most.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="Hunts at once.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="A line a hunt; what it has is done.")
def main(page: Path, only: Sequence[str], seeds: int, cases: int, jobs: int, log: Path | None) -> None:
    """Hunt bugs of the zoo, all of them by default, and write what came of it into PAGE, whose other rows stay."""
    bugs = only or tuple(BUGS)
    hunts: dict[str, list[Hunted]] = {bug: [] for bug in bugs}
    for bug, seed, found in hunt_all(bugs, seeds, cases, jobs, log):
        hunts[bug].append(found)
        known = "" if found.caught else ", which it is not known to break"
        click.echo(f"{bug}, seed {seed}: {found.clause} after {found.cases} cases{known}")
    rows = {bug: row_of(found) for bug, found in hunts.items() if found}
    page.write_text(written(page.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
