"""The options that write a result in other forms: `--junit`, `--ctrf`, `--markdown`, `--html`, each to a file.

>>> sorted(FORMS)
['ctrf', 'junit', 'markdown']
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ackcheck.cli._completing import files
from ackcheck.cli._output import Decorated, EnvironmentFailed, file_only
from ackcheck.reports.ctrf import ctrf
from ackcheck.reports.junit import junit
from ackcheck.reports.markdown import markdown
from ackcheck.reports.page import html_page
from ackcheck.reports.record import Record
from ackcheck.reports.sheet import Sheet, sheet_of_run


def _ctrf_text(sheet: Sheet) -> str:
    return json.dumps(ctrf(sheet), indent=2) + "\n"


FORMS: Mapping[str, Callable[[Sheet], str]] = {"junit": junit, "ctrf": _ctrf_text, "markdown": markdown}
"""The forms that a sheet takes, by the name of their option."""

HELP = {
    "junit": "Write it as JUnit XML, for CI.",
    "ctrf": "Write it as CTRF (Common Test Report Format).",
    "markdown": "Write it as Markdown, for a CI summary.",
    "html": "Write it as one page that loads nothing.",
}
ASKED, WORDS = "ackcheck.reports", "ackcheck.words"
"""Where click's context keeps which files were asked for, and what was typed."""


class Remembered(click.Command):
    """A command that knows what was typed after its name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def typed(ctx: click.Context, seed: int | None = None) -> str:
    """Return the command line as it was typed, with the seed that was chosen where none was given."""
    words = list(ctx.meta.get(WORDS, ()))
    if seed is not None and ctx.get_parameter_source("seed") is not click.core.ParameterSource.COMMANDLINE:
        words = ["--seed", str(seed), *words]
    return shlex.join(["ackcheck", str(ctx.info_name), *words])


def report_options(*names: str) -> Callable[[Decorated], Decorated]:
    """Return the options of these forms. They are no arguments of the command: `write_reports` knows them."""

    def note(ctx: click.Context, option: click.Parameter, where: str | None) -> None:
        if file_only(ctx, option, where):
            ctx.meta.setdefault(ASKED, {})[option.name] = Path(str(where))

    def add(command: Decorated) -> Decorated:
        for name in reversed(names):
            option = click.option(
                f"--{name}",
                metavar="FILE",
                callback=note,
                expose_value=False,
                shell_complete=files,
                help=HELP[name],
            )
            command = option(command)
        return command

    return add


def asked(ctx: click.Context) -> Mapping[str, Path]:
    """Return which files were asked for, by the name of the option."""
    found: Mapping[str, Path] = ctx.meta.get(ASKED, {})
    return found


def write_reports(ctx: click.Context, sheet: Sheet) -> None:
    """Write the sheet in every form that was asked for."""
    for name, place in asked(ctx).items():
        if name in FORMS:
            write_text(place, FORMS[name](sheet))


def write_run_reports(ctx: click.Context, record: Record) -> None:
    """Write a verdict in every form that was asked for."""
    write_reports(ctx, sheet_of_run(record))
    if "html" in asked(ctx):
        write_text(asked(ctx)["html"], html_page(record))


def write_text(place: Path, text: str) -> None:
    """Write a file; raises `EnvironmentFailed`."""
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailed(f"{place} could not be written: {error.strerror}") from error
