"""Options that say nothing beside others are refused: who writes one wants something, and would not get it.

>>> @click.command()
... @click.option("--build", is_flag=True)
... @click.option("--runs", default=1)
... @click.pass_context
... def make(ctx: click.Context, build: bool, runs: int) -> None:
...     if build:
...         refuse_others(ctx, "--build", ("build",))
>>> from click.testing import CliRunner
>>> CliRunner().invoke(make, ["--build", "--runs", "2"]).stderr.splitlines()[-1]
'Error: --runs says nothing beside --build: leave one of them out'
"""

from __future__ import annotations

from collections.abc import Collection

import click


def given(ctx: click.Context, names: Collection[str]) -> list[str]:
    """Return which of these options were written, as they were."""
    return [
        option.opts[0]
        for option in ctx.command.params
        if isinstance(option, click.Option)
        and option.name in names
        and ctx.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE
    ]


def refuse(ctx: click.Context, names: Collection[str], beside: str, mend: str = "leave one of them out") -> None:
    """Refuse these options, which say nothing beside another."""
    for flag in given(ctx, names):
        raise click.UsageError(f"{flag} says nothing beside {beside}: {mend}")


def refuse_others(ctx: click.Context, beside: str, allowed: Collection[str]) -> None:
    """Refuse all options but these."""
    refuse(ctx, [str(option.name) for option in ctx.command.params if option.name not in allowed], beside)
