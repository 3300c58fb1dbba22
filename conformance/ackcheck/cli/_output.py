"""What the commands share: where JSON goes, and how seeds are chosen.

`--json -` writes the JSON, and nothing else, to the standard output.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from ackcheck.cli._completing import files
from ackcheck.signs import clean

BROKEN, ENVIRONMENT, NOT_JUDGED = 1, 3, 4
"""Exit codes: a clause is broken; the target or the environment failed; too little was at stake for a verdict. Usage
errors are 2, by click."""

WRITTEN = "ackcheck.written"
"""Where click's context keeps which option writes to which file."""

MOST_SEED = 2**32 - 1


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class EnvironmentFailed(click.ClickException):
    """The target, or the machine, failed, so that nothing can be said of the clauses."""

    exit_code = ENVIRONMENT

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))  # it may tell what a target said


def writable(ctx: click.Context, option: click.Parameter, where: str | None) -> str | None:
    """Refuse a place that cannot be written to before the work, not after it."""
    if where not in (None, "-") and not Path(str(where)).parent.is_dir():
        raise click.BadParameter(f"there is no folder {Path(str(where)).parent}: create it first")
    if where not in (None, "-") and Path(str(where)).is_dir():
        raise click.BadParameter(f"{where} is a folder: name a file in it")
    if where not in (None, "-"):
        _try(Path(str(where)))
        _once(ctx, option, Path(str(where)))
    return where


def file_only(ctx: click.Context, option: click.Parameter, where: str | None) -> str | None:
    """Return the name of a file to write to; the standard output is for people, or for JSON."""
    if where == "-":
        raise click.BadParameter("name a file: only --json can write to the standard output (-)")
    return writable(ctx, option, where)


def check_folder(option: str, place: Path) -> None:
    """Refuse a folder in which nothing can be written, before the work; it need not be there yet, nor is it made."""
    above = next(one for one in (place, *place.absolute().parents) if one.exists() or one.is_symlink())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise click.BadParameter(
            f"nothing can be written to {place} ({above}: {error.strerror}): name another folder", param_hint=option
        ) from error


def finite(_ctx: click.Context, _option: click.Parameter, seconds: float) -> float:
    """Refuse to wait for ever."""
    if not math.isfinite(seconds):
        raise click.BadParameter(f"{seconds} would be for ever: write seconds")
    return seconds


def _once(ctx: click.Context, option: click.Parameter, place: Path) -> None:
    """Refuse a file that another option of the command writes too, unless it is none, as /dev/null."""
    if place.exists() and not place.is_file():
        return
    names: dict[Path, str] = ctx.meta.setdefault(WRITTEN, {})
    other = names.setdefault(place.resolve(), option.opts[0])
    if other != option.opts[0]:
        raise click.BadParameter(f"{other} writes to {place} too: name another file")


def _try(place: Path) -> None:
    """Open a file for writing, and leave it as it was."""
    new = not place.exists()
    try:
        with place.open("ab"):
            pass
        if new:
            place.unlink()
    except OSError as error:
        raise click.BadParameter(f"{place} cannot be written to ({error.strerror}): name another file") from error


def write_json(where: str, value: object) -> None:
    """Write `value` as JSON to a file, or to the standard output (`-`)."""
    try:
        with click.open_file(where, "w", encoding="utf-8") as out:
            json.dump(value, out, indent=2)
            out.write("\n")
    except OSError as error:
        raise EnvironmentFailed(f"the JSON could not be written to {where}: {error.strerror}") from error


def json_option(what: str) -> Callable[[Decorated], Decorated]:
    """Return the option `--json FILE|-`."""
    return click.option(
        "--json",
        "json_to",
        metavar="FILE|-",
        callback=writable,
        shell_complete=files,
        help=f"Write {what} as JSON.",
    )


def seed_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--seed N`."""
    return click.option(
        "--seed",
        type=click.IntRange(0, MOST_SEED),
        help="Seed of every random choice; printed, and by default chosen anew.",
    )


def chosen(seed: int | None) -> int:
    """Return the seed that was given, or a fresh one."""
    return random.SystemRandom().randint(0, MOST_SEED) if seed is None else seed


def console_beside(json_to: str | None) -> Console:
    """Return the console for people: quiet when the standard output is for JSON."""
    return Console(quiet=json_to == "-")
