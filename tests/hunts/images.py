"""Judge right stores on thousands of crash images: nothing may be found. `make images`, or

    python -m tests.hunts.images --cuts 20 --jobs 4 --log images.jsonl

Each cut is judged as `tests.hunts.one_cut` does, in slices (`tests.hunts.slices`): cut after cut, each store on each
file system. Exit code 1 where anything is found.
"""

from collections.abc import Sequence
from pathlib import Path

import click
from tests.hunts.one_cut import STORES, Judged
from tests.hunts.slices import in_slices

FILESYSTEMS = ("ext4", "xfs", "btrfs")

HEAD = (
    "| store | file system | cuts | images judged | folded | without a file system that works | a second | findings |"
)


def row(store: str, filesystem: str, cuts: Sequence[Judged]) -> str:
    """Return a line of the table."""
    images, seconds = sum(one.images for one in cuts), sum(one.seconds for one in cuts)
    folded, without = sum(one.folded for one in cuts), sum(one.without for one in cuts)
    rate = f"{images / seconds:.1f}" if seconds else ""
    found = sum(bool(one.found) for one in cuts)
    return f"| {store} | {filesystem} | {len(cuts)} | {images:,} | {folded:,} | {without} | {rate} | {found} |"


@click.command()
@click.option("--cuts", type=click.IntRange(1), default=1, show_default=True, help="Of each store on each file system.")
@click.option(
    "--only", "stores", multiple=True, type=click.Choice([*STORES]), help="This store; several, if given again."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cuts judged at once.")
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="Lines of JSON, a cut each, to go on with."
)
def main(cuts: int, stores: tuple[str, ...], jobs: int, log: Path | None) -> None:
    """Judge right stores on the crash images of power cuts, and print a table."""
    programs = [
        ("-m", "tests.hunts.one_cut", store, "--filesystem", filesystem, "--seed", f"{seed}")
        for seed in range(1, cuts + 1)
        for store in stores or STORES
        for filesystem in FILESYSTEMS
    ]
    judged = []
    for _, told in in_slices(programs, jobs=jobs, log=log):
        judged.append(Judged(**told))
        click.echo(f"{judged[-1]}", err=True)
    click.echo(f"{HEAD}\n|{'---|' * 8}")
    for store in stores or STORES:
        for filesystem in FILESYSTEMS:
            click.echo(
                row(store, filesystem, [one for one in judged if (one.store, one.filesystem) == (store, filesystem)])
            )
    click.echo(f"\n{sum(one.images for one in judged):,} images in all.")
    raise SystemExit(any(one.found for one in judged))


if __name__ == "__main__":
    main()
