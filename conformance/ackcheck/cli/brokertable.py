"""`ackcheck brokertable`: what real brokers were seen to do, side by side, from the JSON of their runs.

    ackcheck brokertable specs/brokers/runs/*.jsonl --into specs/brokers/README.md --html build/brokers.html

>>> from click.testing import CliRunner
>>> CliRunner().invoke(brokertable, ["nothing-here.json"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click

from ackcheck.brokers.table import BadRuns, html, markdown, put_into, read_runs
from ackcheck.cli._output import EnvironmentFailed

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--into", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A page with its marks.")
@click.option("--html", "page", type=FILE, help="A page by itself, which loads nothing.")
def brokertable(files: tuple[Path, ...], into: Path | None, page: Path | None) -> None:
    """Make the table of FILES, which `ackcheck broker` wrote (`--json`, `--record`); print it, or write it to pages."""
    try:
        runs = read_runs(files)
        table = markdown(runs)
        if into is not None:
            into.write_text(put_into(into.read_text(encoding="utf-8"), table), encoding="utf-8")
        if page is not None:
            page.write_text(html(runs), encoding="utf-8")
    except BadRuns as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename} could not be written: {error.strerror}") from error
    if into is None and page is None:
        click.echo(table)
