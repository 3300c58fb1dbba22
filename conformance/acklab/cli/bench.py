"""`ackcheck bench`: how fast the reference store is, against its own modes and its peers.

    ackcheck bench
    ackcheck bench --directory /var/lib/broker --plot bench.svg --json bench.json

>>> from click.testing import CliRunner
>>> CliRunner().invoke(bench, ["--rounds", "0"]).exit_code
2
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ackcheck.cli._completing import files
from ackcheck.cli._output import EnvironmentFailed, console_beside, json_option, writable, write_json
from acklab.bench.measure import ThreadFailed
from acklab.bench.peers import PeerMissing, need
from acklab.bench.plot import FORMATS, plot
from acklab.bench.results import AIMS, MOST, Results, entrants, race
from acklab.bench.stores import AckRefused
from ackstore.fastpath import COMPILED
from ackstore.words.errors import StoreBroken


def _place(_ctx: click.Context, _option: click.Parameter, where: Path | None) -> Path:
    place = where or Path(tempfile.gettempdir())
    if not place.is_dir():
        raise click.BadParameter(f"{place} is not a folder: name one on the disk that matters")
    if not os.access(place, os.W_OK | os.X_OK):
        raise click.BadParameter(f"{place} cannot be written: name a folder that this user can write")
    return place


def _picture(ctx: click.Context, option: click.Parameter, where: str | None) -> str | None:
    if where is None:
        return None
    if Path(where).suffix.lower() not in FORMATS:
        raise click.BadParameter(f"{where} names no kind of picture: let it end in {', '.join(FORMATS)}")
    try:
        need("matplotlib")
    except PeerMissing as error:
        raise click.BadParameter("no plot without matplotlib: install ackcheck[bench]") from error
    return writable(ctx, option, where)


@click.command()
@click.option(
    "--seconds", default=1.0, show_default=True, type=click.FloatRange(0.01, 600), help="How long each turn takes."
)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 1000), help="Turns of each contender.")
@click.option(
    "--records",
    default=200_000,
    show_default=True,
    type=click.IntRange(1, 10**8),
    help="Records to recover; the time is scaled to a million.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, readable=False),
    callback=_place,
    help="Folder on the disk to measure; by default the one for temporary files.",
)
@click.option(
    "--plot",
    "plot_to",
    metavar="FILE",
    callback=_picture,
    shell_complete=files,
    help="Draw the figures (.png, .svg, .pdf).",
)
@json_option("the figures, and their ratios,")
def bench(seconds: float, rounds: int, records: int, directory: Path, plot_to: str | None, json_to: str | None) -> None:
    """Measure the reference store in each mode, a bare loop of writes, and SQLite, LMDB and persist-queue.

    All take turns on one disk; the table shows medians. Only the ratios mean something elsewhere.
    """
    console = console_beside(json_to)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        try:
            results = race(
                entrants(),
                directory,
                seconds=seconds,
                rounds=rounds,
                records=records,
                told=lambda what: progress.update(task, description=what),
            )
        except StoreBroken as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from error  # it came inside of the store
            raise
        except (AckRefused, ThreadFailed, OSError) as error:
            raise EnvironmentFailed(f"the benchmark could not go on in {directory}: {error}") from error
    console.print(rows_table(results))
    console.print(ratios_table(results))
    for name, why in results.not_measured.items():
        console.print(f"{name}: {why}", style="yellow", markup=False)
    if not COMPILED:
        console.print(NOT_COMPILED, style="yellow", markup=False)
    console.print(f"in {directory}; medians of {rounds} rounds of {seconds:g} s")
    if plot_to:
        plot(results, Path(plot_to))
    if json_to:
        settings = {"seconds": seconds, "rounds": rounds, "records": records, "directory": str(directory)}
        write_json(json_to, {"settings": settings, **results.as_json()})


NOT_COMPILED = (
    "the store's fast path is not compiled, and its acks are slower: with a C compiler, install ackcheck again "
    "(and do not set ACKSTORE_PURE)"
)

SURVIVES = {
    "none": "no store",
    "memory": "survives a clean restart",
    "page-cache": "survives the process",
    "disk": "survives power loss",
}


def rows_table(results: Results) -> Table:
    """Return every contender's figures, by what an answer is worth."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("times in us", no_wrap=True)
    for heading in ("threads", "acks/s", "p50", "p99", "p99.9", "syncs/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    level = ""
    for row in results.rows:
        if row.level != level:
            level = row.level
            table.add_section()
            table.add_row(f"[italic]{SURVIVES[level]}[/]")
        figures = [short(each * 1e6) for each in (row.p50, row.p99, row.p999)]
        syncs = "-" if row.syncs_per_second is None else short(row.syncs_per_second)
        table.add_row(f"  {row.name}", str(row.threads), f"{row.throughput:,.0f}", *figures, syncs)
    return table


def short(figure: float) -> str:
    """Write a figure with no more digits than it deserves."""
    return f"{figure:,.1f}" if figure < 100 else f"{figure:,.0f}"


def ratios_table(results: Results) -> Table:
    """Return the ratios, and what they are aimed at."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("ratio", no_wrap=True)
    table.add_column("measured", justify="right")
    table.add_column("aim", justify="right")
    for name, ratio in results.ratios().items():
        aim = f">= {AIMS[name]:g}" if name in AIMS else f"<= {MOST[name]:g}" if name in MOST else ""
        table.add_row(name, "-" if ratio is None else f"{ratio:,.2f}", aim)
    for name, figure, aim in (
        ("recovery_seconds_per_million", results.recovery_seconds_per_million, "<= 3"),
        ("bytes_per_inflight", results.bytes_per_inflight, "<= 300"),
    ):
        table.add_row(name, "-" if figure is None else f"{figure:,.2f}", aim)
    return table
