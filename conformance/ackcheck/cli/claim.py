"""`ackcheck claim`: what a store was shown to keep, in a form to be published.

    ackcheck claim write verdict.json claims --name my-store --version 1.4.0
    ackcheck claim check claims

>>> from click.testing import CliRunner
>>> CliRunner().invoke(claim, ["check", "no/such/folder"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ackcheck.cli._output import BROKEN, EnvironmentFailed
from ackcheck.cli.report import record_in
from ackcheck.reports.claim import NoClaim, checked, claim_of, write_claim


@click.group()
def claim() -> None:
    """Publish what a store was shown to keep, with what it takes to repeat it."""


@claim.command()
@click.argument("verdict", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="What the store is called: the name of its folder.")
@click.option("--version", required=True, help="The version of the store.")
def write(verdict: Path, folder: Path, name: str, version: str) -> None:
    """Write the claim that VERDICT allows into FOLDER, by version of the specification and name, with a README."""
    record = record_in(verdict)
    try:
        path = write_claim(claim_of(record, name, version), folder)
    except NoClaim as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise EnvironmentFailed(f"{folder} could not be written: {error.strerror}") from error
    click.echo(str(path))


@claim.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_context
def check(ctx: click.Context, folder: Path) -> None:
    """Say of every claim in FOLDER how it stands; exit code 1 where one was edited or is none."""
    found = list(checked(folder))
    if not found:
        raise click.UsageError(f"{folder} holds no claims: write one with `ackcheck claim write`")
    table = Table("claim", "what", "stands", header_style="bold")
    for each in found:
        table.add_row(str(each.path.relative_to(folder)), each.claims, each.wrong or each.standing)
    Console().print(table)
    if any(each.wrong for each in found):
        ctx.exit(BROKEN)
