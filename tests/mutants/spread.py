"""Mutants tried on the workers of a Dask cluster: in parts, each of which one worker tries at a time.

    make mutants CLUSTER="--local 2"                                    # two workers of this machine
    make mutants CLUSTER="--cluster tcp://machine:8786" ARGS="core.acks"    # those of a cluster

Every worker must run in the same checkout (`cd ackcheck && .venv/bin/python -m distributed.cli.dask_worker ADDRESS`).
The part of a worker that is lost is tried by another; what has come back is in the results, and is not tried again.
Whether a mutant is killed does not hang on who tries it; which of the tests that can kill it is the first may.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import click
from tests.mutants.shares import Part, checkout

from ackcheck.cli._cluster import cluster_options, crew_of
from ackcheck.cluster import Crew

RESULTS = {"run": Path("build/mutants.jsonl"), "compiled": Path("build/mutants-compiled.jsonl")}


def spread(crew: Crew, shares: Iterable[Part], results: Path) -> Iterator[int]:
    """Have all parts tried, and write down what comes back, part by part; yield how many mutants that were."""
    shares = list(shares)
    crew.begin(shares)
    for share in shares:
        lines = crew.report(share, lambda _done: None).lines
        with results.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        yield len(lines)


@click.command(context_settings={"ignore_unknown_options": True})
@cluster_options
@click.option("--parts", default=64, show_default=True, type=click.IntRange(1), help="What is shared out.")
@click.option("--results", type=click.Path(path_type=Path), help="As without a cluster.")
@click.argument("which", type=click.Choice([*RESULTS]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(
    *, cluster: str | None, local: int | None, parts: int, results: Path | None, which: str, arguments: tuple[str, ...]
) -> None:
    """Try the mutants that `tests.mutants.WHICH` tries with these ARGUMENTS, on a cluster."""
    results = results or RESULTS[which]
    results.parent.mkdir(parents=True, exist_ok=True)
    known = results.read_text(encoding="utf-8") if results.exists() else ""
    module = import_module(f"tests.mutants.{which}")
    state = checkout()
    shares = [
        Part(module.__name__, arguments, number=number, parts=parts, known=known, checkout=state)
        for number in range(1, parts + 1)
    ]
    with crew_of(cluster, local) as crew:
        for number, tried in enumerate(spread(crew, shares, results), 1):
            click.echo(f"part {number} of {parts}: {tried} tried", err=True)
    sys.stdout.write("\n".join(module.table(module.read(results))) + "\n")


if __name__ == "__main__":
    main()
