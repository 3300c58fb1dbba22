"""`ackcheck walks`: walk through a model too large to explore, at random, and shorten what breaks a clause.

    ackcheck walks --messages 8 --power-losses 2 --seed 1
    ackcheck walks --messages 4 --without commit-after-flush --itf it.json

>>> from click.testing import CliRunner
>>> CliRunner().invoke(walks, ["--messages", "4", "--without", "commit-after-flush", "--seed", "1"]).exit_code
1
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ackcheck.cli._completing import files, without_option
from ackcheck.cli._output import BROKEN, chosen, console_beside, file_only, json_option, seed_option, write_json
from ackcheck.cli._reports import Remembered, typed, write_text
from ackcheck.cli.explore import config_of, model_options
from ackexplore.graph.walks import Walked, walk
from ackexplore.reports.exports import itf
from ackexplore.reports.page import html_page
from ackexplore.reports.show import trace_table


@click.command(cls=Remembered)
@model_options
@without_option()
@click.option("--walks", "count", default=1_000, show_default=True, metavar="N", type=click.IntRange(1), help="Walks.")
@click.option("--steps", default=200, show_default=True, metavar="N", type=click.IntRange(1), help="Steps of a walk.")
@seed_option()
@click.option(
    "--itf",
    "itf_to",
    metavar="FILE",
    callback=file_only,
    shell_complete=files,
    help="Write the trace as ITF (Apalache, Quint).",
)
@click.option(
    "--html", "html_to", metavar="FILE", callback=file_only, shell_complete=files, help="Write the trace as one page."
)
@json_option("what was found")
@click.pass_context
def walks(
    ctx: click.Context,
    /,
    *,
    without: tuple[str, ...],
    count: int,
    steps: int,
    seed: int | None,
    itf_to: str | None,
    html_to: str | None,
    json_to: str | None,
    **settings: Any,
) -> None:
    """Walk at random until a clause breaks, and leave out of that walk all steps that it breaks without.

    The same seed finds the same. A walk that finds nothing proves nothing. Exits with 1 if a clause is broken.
    """
    config, seed = config_of(settings, without), chosen(seed)
    with Console(stderr=True).status("walking"):
        found = walk(config, seed=seed, walks=count, steps=steps)
    console = console_beside(json_to)
    if found.trace is not None:
        console.print(trace_table(found.trace))
        console.print(f"a walk of {found.found_in} steps, shortened to {len(found.trace)}", highlight=False)
    else:
        console.print(f"nothing broke in {count:,} walks", highlight=False)
    console.print(f"{found.steps:,} steps, {found.states:,} distinct states, seed {seed}", highlight=False)
    if json_to:
        write_json(json_to, as_json(found))
    if found.trace is not None:
        if itf_to:
            write_text(Path(itf_to), json.dumps(itf(found.trace), indent=1) + "\n")
        if html_to:
            write_text(Path(html_to), html_page(found.trace, [typed(ctx, seed)]))
        ctx.exit(BROKEN)


def as_json(found: Walked) -> dict[str, Any]:
    """Return what some walks found."""
    trace = found.trace
    return {
        "seed": found.seed,
        "steps": found.steps,
        "states": found.states,
        "found_in": found.found_in,
        "broken": [clause.value for clause in trace.broken] if trace else [],
        "trace": [{"action": step.action, "message": step.actor} for step in trace.steps] if trace else [],
    }
