"""`ackcheck report`: a verdict that was written as JSON, in other forms.

    ackcheck run --json verdict.json -- ./my-store {dir}
    ackcheck report verdict.json --html verdict.html --junit verdict.xml

>>> from click.testing import CliRunner
>>> CliRunner().invoke(report, ["no/such.json", "--html", "x.html"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click

from ackcheck.cli._reports import asked, report_options, write_run_reports
from ackcheck.reports.record import BadRecord, Record, read_record


def record_in(path: Path) -> Record:
    """Return the verdict in a file, or a usage error that says what to give."""
    try:
        return read_record(path)
    except BadRecord as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("verdict", type=click.Path(path_type=Path))
@report_options("junit", "ctrf", "markdown", "html")
@click.pass_context
def report(ctx: click.Context, verdict: Path) -> None:
    """Write VERDICT, the JSON of `ackcheck run`, in other forms."""
    record = record_in(verdict)
    if not asked(ctx):
        raise click.UsageError("name at least one of --junit, --ctrf, --markdown, --html, each with a FILE")
    write_run_reports(ctx, record)
    for name, place in asked(ctx).items():
        click.echo(f"{name}: {place}")
