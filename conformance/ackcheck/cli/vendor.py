"""`ackcheck vendor`: copy the model into your own tests, and say later whether the copy is behind or changed.

    ackcheck vendor tests --name brokerspec
    ackcheck vendor tests --name brokerspec --check

>>> from click.testing import CliRunner
>>> CliRunner().invoke(vendor, ["no/such/folder", "--name", "json"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click

from ackcheck import vendoring
from ackcheck.cli._output import BROKEN, EnvironmentFailed
from ackmodel import VERSION


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", default="brokerspec", show_default=True, help="What the copy is called: a module of yours.")
@click.option("--single-file", is_flag=True, help="Write one file, NAME.py, in place of a folder.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where the copy is behind or changed.")
@click.option("--overwrite", is_flag=True, help="Replace a copy though it was changed.")
@click.pass_context
def vendor(ctx: click.Context, folder: Path, name: str, *, single_file: bool, check: bool, overwrite: bool) -> None:
    """Copy the model into FOLDER: the oracle for your own tests. It depends on attrs only."""
    if check and (single_file or overwrite):
        raise click.UsageError("--check writes nothing: leave --single-file and --overwrite out")
    try:
        if check:
            if not _told(vendoring.check(folder, name), name):
                ctx.exit(BROKEN)
            return
        place = vendoring.vendor(folder, name, single_file=single_file, overwrite=overwrite)
    except vendoring.NotVendored as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename or folder} could not be written: {error.strerror}") from error
    click.echo(f"{place}: version {VERSION} of the model; use it with `from {name} import Oracle`")


def _told(seen: vendoring.Seen, name: str) -> bool:
    """Say what has become of a copy; return whether it is as this version would write it."""
    for path in seen.changed:
        click.echo(f"changed: {path}")
    if seen.behind and seen.model == VERSION:
        click.echo(
            f"behind: since ackcheck {seen.ackcheck} the text of the model has changed, but no state and no step: both "
            f"are version {VERSION}. Vendor it again"
        )
    elif seen.behind:
        click.echo(
            f"behind: it is of model {seen.model}, ackcheck {seen.ackcheck}; the model here has version {VERSION}. "
            "Vendor it again"
        )
    if not seen.changed and not seen.behind:
        click.echo(f"{name} is version {seen.model} of the model, unchanged")
    return not seen.changed and not seen.behind
