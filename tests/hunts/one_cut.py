"""Judge one power cut of a right store on as many crash images as wanted, and tell how many there were, how fast.

python -m tests.hunts.one_cut "SQLite, WAL" --filesystem xfs --seed 3 --images 256
"""

import json
from collections.abc import Mapping
from pathlib import Path

import click
from attrs import asdict, frozen

from ackcheck.disk.filesystem import FILESYSTEMS
from ackcheck.disk.images import FEW
from ackcheck.grades.disk import SPENT, run_disk_grade
from acklab.reference import files as reference
from ackmodel import Level

SQLITE = Path(__file__).resolve().parents[1] / "textbook" / "sqlite.py"

STORES: Mapping[str, tuple[str, Level]] = {
    **{f"reference, {level.value}": (reference.name_of(level), level) for level in reversed(Level)},
    "SQLite, WAL": (f"{SQLITE}:WalFull", Level.DISK),
    "SQLite, rollback journal": (f"{SQLITE}:DeleteExtra", Level.DISK),
}
"""Right stores, and the level at which each is judged."""


@frozen
class Judged:
    """What came of the images of one cut."""

    store: str
    filesystem: str
    seed: int
    images: int
    """Judged: mounted, recovered, opened by the store, surveyed."""
    folded: int
    """Equal to one that was judged, in all that was read of it."""
    without: int
    """On which no file system works."""
    seconds: float
    """Spent on the images alone."""
    found: str
    """The finding; empty where there is none."""


def judge(store: str, filesystem: str, seed: int, images: int) -> Judged:
    """Judge the images of one cut."""
    target, level = STORES[store]
    report = run_disk_grade(target, level, seed=seed, rounds=1, filesystem=filesystem, images=images)
    if report.not_judged:
        raise click.ClickException(report.not_judged)
    ran, found = report.ran, report.finding
    return Judged(
        store,
        filesystem,
        seed,
        ran["images judged"],
        ran["images folded: equal in what was read"],
        ran["images on which no file system works"],
        round(report.figures[SPENT], 1),
        f"{found.clause.value}: {found.why}" if found else "",
    )


@click.command()
@click.argument("store", type=click.Choice([*STORES]))
@click.option("--filesystem", type=click.Choice([*FILESYSTEMS]), default="ext4", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--images", type=click.IntRange(1), default=FEW, show_default=True, help="At most.")
def main(store: str, filesystem: str, seed: int, images: int) -> None:
    """Judge one power cut of a store, and print a line of JSON."""
    click.echo(json.dumps(asdict(judge(store, filesystem, seed, images))))


if __name__ == "__main__":
    main()
