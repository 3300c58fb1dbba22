"""Hunt the bugs of the zoo on real files: which an outside observer sees, by which clause, how soon. `make zoo`, or

    python -m tests.hunts.zoo_on_files --seeds 20 --only retry-fsync-after-eio-reports-success
    python -m tests.hunts.zoo_on_files --faults disk --json zoo.json

Each bug is a process, served at the level that it claims, and judged by the quick profile until something is found.
Those that nothing was found of are named: with these seeds they show in the simulation only, where every step is seen.
A right store is in the table too; if anything is found of it, that is exit code 1.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from attrs import asdict, frozen

from ackcheck.findings import GradeReport
from ackcheck.grades import run_disk_grade, run_power_grade, run_process_grade
from ackcheck.rig.errors import RigError
from ackcheck.suite import efforts
from acklab.reference import files as reference
from acklab.zoo import BUGS
from ackmodel import Level

GRADES: Mapping[str, Callable[..., GradeReport]] = {
    "process": run_process_grade,
    "power": run_power_grade,
    "disk": run_disk_grade,
}

RIGHT = "none (a right store)"


@frozen
class Hunt:
    """One bug, hunted with one seed: what found it, or that nothing did."""

    bug: str
    seed: int
    grade: str
    """Which grade found it; empty where none did."""
    clause: str
    """Which clause it broke; or the error, where the store could not be worked with."""
    seconds: float


def hunt(name: str, seed: int, grades: Sequence[str]) -> Hunt:
    """Judge one bug by these grades in turn, until something is found."""
    level = BUGS[name].level if name in BUGS else Level.DISK
    target = reference.name_of(level, bug=name if name in BUGS else None)
    began = time.monotonic()
    for grade in grades:
        try:
            report = GRADES[grade](target, level, seed=seed, rounds=efforts("quick")[grade], stop_at_first=True)
        except RigError as error:  # a store so wrong that it answers with exceptions, or not at all
            return Hunt(name, seed, grade, type(error).__name__, time.monotonic() - began)
        if report.finding is not None:
            return Hunt(name, seed, grade, report.finding.clause.value, time.monotonic() - began)
    return Hunt(name, seed, "", "", time.monotonic() - began)


def row(name: str, hunts: Sequence[Hunt]) -> str:
    """Return a line of the table."""
    found = [one for one in hunts if one.grade]
    ways = Counter(f"`{one.clause}` ({one.grade})" for one in found)
    seconds = sorted(one.seconds for one in found or hunts)
    told = ", ".join(f"{way} {count}" for way, count in ways.most_common())
    return f"| {name} | {len(found)} of {len(hunts)} | {told} | {seconds[len(seconds) // 2]:.0f} |"


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 1 to this one.")
@click.option("--only", "names", multiple=True, type=click.Choice([*BUGS]), help="This bug; several, if given again.")
@click.option("--faults", default="process,power,disk", show_default=True, help="Grades, by commas.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write each hunt there.")
def main(seeds: int, names: tuple[str, ...], faults: str, json_file: Path | None) -> None:
    """Hunt the zoo on real files, and print a table of what was seen."""
    grades = faults.split(",")
    if unknown := [name for name in grades if name not in GRADES]:
        raise click.BadParameter(f"no grade {unknown[0]!r}: there are {', '.join(GRADES)}", param_hint="--faults")
    every: list[Hunt] = []
    click.echo("| bug | caught | by | seconds (median) |\n|---|---|---|---|")
    for name in (RIGHT, *(names or BUGS)):
        hunts = [hunt(name, seed, grades) for seed in range(1, seeds + 1)]
        click.echo(row(name, hunts))
        every += hunts
        if json_file is not None:
            json_file.write_text(json.dumps([asdict(one) for one in every], indent=1) + "\n", encoding="utf-8")
    unseen = sorted({one.bug for one in every} - {one.bug for one in every if one.grade} - {RIGHT})
    click.echo(f"\nNot seen from outside: {', '.join(unseen) or 'none'}")
    raise SystemExit(any(one.grade for one in every if one.bug == RIGHT))


if __name__ == "__main__":
    main()
