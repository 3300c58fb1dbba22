"""`ackcheck vectors`: test vectors from the model, for implementers in any language, and a program judged by them.

    ackcheck vectors vectors.json --power-losses 1
    ackcheck vectors vectors.json -- node my_store.mjs

>>> from click.testing import CliRunner
>>> CliRunner().invoke(vectors, ["no/such/folder/out.json"]).exit_code
2
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from ackcheck.cli._completing import files
from ackcheck.cli._exploring import Refused
from ackcheck.cli._output import EnvironmentFailed, file_only
from ackcheck.cli._reports import write_text
from ackcheck.cli._together import refuse, refuse_others
from ackcheck.cli.explore import config_of, model_options
from ackcheck.grade import REPLY_TIMEOUT
from ackcheck.rig.player import Player, PlayerFailed
from ackexplore import Options, TooManyStates
from ackexplore import explore as explore_model
from ackexplore.reports.played import BadVectors, coverage_of, difference, read_vectors, steps_of
from ackexplore.reports.vectors import vectors as made_of

BROKEN = 1
"""The exit code where the store departs from the model."""


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("out", callback=file_only, shell_complete=files)
@click.argument("command", nargs=-1, metavar="[-- CMD]", shell_complete=files)
@model_options
@click.option(
    "--longest", default=60, show_default=True, metavar="N", type=click.IntRange(1, 10_000), help="Steps of a tour."
)
@click.option("--max-states", default=20_000, show_default=True, metavar="N", type=click.IntRange(1, 10**6))
@click.option(
    "--reply-timeout", default=REPLY_TIMEOUT, show_default=True, metavar="S", type=click.FloatRange(0.1, 3600.0)
)
@click.pass_context
def vectors(
    ctx: click.Context,
    /,
    *,
    out: str,
    command: tuple[str, ...],
    longest: int,
    max_states: int,
    reply_timeout: float,
    **settings: Any,
) -> None:
    """Write to OUT tours of the model that together take every transition, as JSON (specs/vectors.md).

    With a command after `--`, OUT is read, and its tours are played to that program: exit code 1 where it departs.
    """
    if command:
        refuse_others(ctx, "a command, which is judged by what OUT holds", ("reply_timeout",))
        ctx.exit(_play(Path(out), command, reply_timeout))
    refuse(ctx, ["reply_timeout"], "OUT alone", "it is for a command after --")
    config = config_of(settings, ())
    try:
        told = made_of(explore_model(config, Options(engine="graph", max_states=max_states)), longest)
    except TooManyStates as error:
        mend = "allow more with --max-states, or take fewer messages, deliveries or faults"
        raise Refused(f"more than {error.limit:,} states: {mend}") from error
    write_text(Path(out), json.dumps(told, separators=(",", ":")) + "\n")
    steps = sum(map(len, told["tours"]))
    share = f"{told['covered']['transitions']:,} of {told['covered']['of']:,} transitions"
    click.echo(f"{out}: {len(told['tours']):,} tours of {steps:,} steps, which take {share}")


def _play(path: Path, command: tuple[str, ...], reply_timeout: float) -> int:
    """Play each tour of a file to a program; return the exit code."""
    try:
        told = read_vectors(path)
        covered = coverage_of(told)
    except BadVectors as error:
        raise click.UsageError(str(error)) from error
    began = time.monotonic()
    try:
        with Player(command, reply_timeout) as player:
            for tour in range(len(told["tours"])):
                wrong = difference(told, tour, player.play(tour, steps_of(told, tour)))
                if wrong is not None:
                    click.echo(wrong)
                    return BROKEN
    except PlayerFailed as error:
        raise EnvironmentFailed(str(error)) from error
    rate = len(told["tours"]) / max(time.monotonic() - began, 1e-9)
    click.echo(f"{len(told['tours']):,} tours played, {rate:,.0f} a second: {covered}, and no difference")
    return 0
