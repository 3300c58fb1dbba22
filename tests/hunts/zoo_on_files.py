"""Hunt the bugs of the zoo on real files: which an outside observer sees, by which clause, how soon. `make zoo`, or

    python -m tests.hunts.zoo_on_files --seeds 20 --faults disk --only retry-fsync-after-eio-reports-success
    python -m tests.hunts.zoo_on_files --jobs 8 --log zoo.jsonl --page specs/zoo-on-files.md

Each bug is judged as `tests.hunts.bug_on_files` does, in slices (`tests.hunts.slices`). Those that nothing was found of
are named: with these seeds they show in the simulation only, where every step is seen. A right store is in the table
too; if anything is found of it, that is exit code 1.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import click
from tests.hunts.bug_on_files import GRADES, RIGHT, Hunt, asked_for
from tests.hunts.slices import in_slices

from acklab.zoo import BUGS
from acklab.zoo.table import BEGIN, END

HEAD = "| bug | caught | by (grade, seeds) | seconds: median (worst) |"


def hunt_all(wanted: Sequence[tuple[str, int]], faults: str, jobs: int, log: Path | None) -> list[Hunt]:
    """Hunt each bug with its seed, some at once; what the log has is not hunted again."""
    programs = [
        ("-m", "tests.hunts.bug_on_files", name, "--seed", f"{seed}", "--faults", faults) for name, seed in wanted
    ]
    hunts = []
    for _, told in in_slices(programs, jobs=jobs, log=log):
        hunts.append(Hunt(**told))
        click.echo(f"{hunts[-1]}", err=True)
    return hunts


def row(name: str, hunts: Sequence[Hunt]) -> str:
    """Return a line of the table."""
    found = [one for one in hunts if one.grade]
    ways = Counter(f"`{one.clause}` ({one.grade}" for one in found)
    told = ", ".join(f"{way}, {count})" for way, count in ways.most_common())
    seconds = [one.seconds for one in found or hunts]
    called = f"`{name}`" if name in BUGS else name
    return f"| {called} | {len(found)} of {len(hunts)} | {told} | {median(seconds):.0f} ({max(seconds):.0f}) |"


def table(names: Sequence[str], hunts: Sequence[Hunt]) -> str:
    """Return the table, and who was not seen."""
    of = {name: [one for one in hunts if one.bug == name] for name in names}
    rows = [row(name, of[name]) for name in names if of[name]]
    unseen = [name for name in names if name != RIGHT and of[name] and not any(one.grade for one in of[name])]
    named = ", ".join(f"`{name}`" for name in unseen) or "none"
    return "\n".join([HEAD, "|---|---|---|---|", *rows, "", f"Not seen from outside: {named}."])


def written(text: str, table_of_it: str) -> str:
    """Return the page with this table in place of the one that was there."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table_of_it}\n{END}{rest.partition(END)[2]}"


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 1 to this one.")
@click.option("--only", "names", multiple=True, type=click.Choice([*BUGS]), help="This bug; several, if given again.")
@click.option("--faults", default=",".join(GRADES), show_default=True, help="Grades, by commas, in this order.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Hunts at once.")
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="Lines of JSON, a hunt each, to go on with."
)
@click.option("--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Write the table into it.")
def main(seeds: int, names: tuple[str, ...], faults: str, jobs: int, log: Path | None, page: Path | None) -> None:
    """Hunt the zoo on real files, and print a table of what was seen."""
    every = (RIGHT, *(names or BUGS))
    faults = ",".join(asked_for(faults))
    hunts = hunt_all([(name, seed) for seed in range(1, seeds + 1) for name in every], faults, jobs, log)
    told = table(every, hunts)
    click.echo(told)
    if page is not None:
        page.write_text(written(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    raise SystemExit(any(one.grade for one in hunts if one.bug == RIGHT))


if __name__ == "__main__":
    main()
