"""`ackcheck ledger`: the findings that are expected of a target.

    ackcheck run --json verdict.json -- ./my-store {dir}
    ackcheck ledger update known.toml --from verdict.json
    ackcheck run --expect known.toml -- ./my-store {dir}

>>> from click.testing import CliRunner
>>> CliRunner().invoke(ledger, ["update", "known.toml", "--from", "no/such.json"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click

from ackcheck.cli._output import EnvironmentFailed
from ackcheck.findings import Finding
from ackcheck.given import json_of
from ackcheck.ledger import NO_REASON, BadLedger, as_toml, read_ledger, updated
from ackcheck.signs import clean
from ackmodel import Clause


@click.group()
def ledger() -> None:
    """Keep the findings that are expected of a target (`ackcheck run --expect FILE`)."""


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from",
    "verdict",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The JSON of a verdict.",
)
def update(file: Path, verdict: Path) -> None:
    """Write FILE anew from a verdict: what no longer comes goes, what is new is there to be given a reason.

    Of a run that was cut short (one case, --stop-at-first, an interrupt) nothing goes: it might have come.
    """
    try:
        told = json_of(verdict)
        cut = str(told.get("cut", ""))
        findings = [Finding(Clause(one["clause"]), one["why"], one["grade"], one["seed"]) for one in told["findings"]]
        entries = updated(read_ledger(file) if file.exists() else (), findings, cut=cut)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        where = file if isinstance(error, BadLedger) else verdict
        raise click.BadParameter(f"{where} cannot be used: {error}; --from takes what run --json writes") from error
    try:
        file.write_text(as_toml(entries), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailed(f"{file} could not be written: {error.strerror}") from error
    fresh = sum(entry.reason == NO_REASON for entry in entries)
    click.echo(f"{file}: {len(entries)} expected, {fresh} of them without a reason")
    if cut:
        click.echo(clean(f"nothing was taken out: {cut}"))
