"""`ackcheck new`: a working skeleton of an adapter between the suite and your store.

    ackcheck new go adapter

>>> from click.testing import CliRunner
>>> CliRunner().invoke(new, ["cobol", "adapter"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click

from ackcheck.cli._output import EnvironmentFailed
from ackcheck.skeletons import LANGUAGES, NotEmpty, write_skeleton


@click.command(epilog="Languages: " + "; ".join(f"{name}: {what}" for name, what in LANGUAGES.items()) + ".")
@click.argument("language", type=click.Choice(list(LANGUAGES)))
@click.argument("folder", type=click.Path(path_type=Path))
def new(language: str, folder: Path) -> None:
    """Write a skeleton of an adapter in LANGUAGE to FOLDER. It works as it stands."""
    try:
        written = write_skeleton(language, folder)
    except NotEmpty as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise EnvironmentFailed(f"{error.filename or folder} could not be written: {error.strerror}") from error
    for path in written:
        click.echo(str(path))
    click.echo(f"\nNext:\n\n    cd {folder}")
    click.echo("\n".join(line for line in _commands(folder / "README.md")))


def _commands(readme: Path) -> list[str]:
    """Return the first block of commands of a README."""
    lines = readme.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    "))
    last = next(number for number, line in enumerate(lines) if number > first and not line.startswith("    "))
    return lines[first:last]
