"""`ackcheck vectors`: test vectors from the model, for implementers in any language.

    ackcheck vectors vectors.json --power-losses 1

>>> from click.testing import CliRunner
>>> CliRunner().invoke(vectors, ["no/such/folder/out.json"]).exit_code
2
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ackcheck.cli._output import file_only
from ackcheck.cli._reports import write_text
from ackcheck.cli.explore import Refused, config_of, model_options
from ackexplore import Options, TooManyStates
from ackexplore import explore as explore_model
from ackexplore.reports.vectors import vectors as made_of


@click.command()
@click.argument("out", callback=file_only)
@model_options
@click.option(
    "--longest", default=60, show_default=True, metavar="N", type=click.IntRange(1, 10_000), help="Steps of a tour."
)
@click.option("--max-states", default=20_000, show_default=True, metavar="N", type=click.IntRange(1, 10**6))
def vectors(out: str, longest: int, max_states: int, **settings: Any) -> None:
    """Write to OUT tours of the model that together take every transition, as JSON (specs/vectors.md)."""
    config = config_of(settings, ())
    try:
        told = made_of(explore_model(config, Options(engine="graph", max_states=max_states)), longest)
    except TooManyStates as error:
        raise Refused(str(error)) from error
    write_text(Path(out), json.dumps(told, separators=(",", ":")) + "\n")
    steps = sum(map(len, told["tours"]))
    share = f"{told['covered']['transitions']:,} of {told['covered']['of']:,} transitions"
    click.echo(f"{out}: {len(told['tours']):,} tours of {steps:,} steps, which take {share}")
