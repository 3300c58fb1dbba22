"""`ackcheck disk`: what file systems really do when a write fails, on this machine."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
from pathlib import Path

import click

from ackcheck.cli._completing import files, one_of
from ackcheck.cli._output import writable
from ackcheck.cli._together import refuse
from ackcheck.disk.available import missing
from ackcheck.disk.behaviour import TRIED, VARIANTS, Row, cases, probe, retries
from ackcheck.disk.behaviour.cases import filesystem_of
from ackcheck.disk.behaviour.report import RULE, as_json, told
from ackcheck.disk.behaviour.reproduce import lost_rewrite
from ackcheck.disk.errors import BadFault
from ackcheck.disk.kept import mounted
from ackcheck.rig.errors import RigError
from ackexplore import Options, explore
from ackmodel import Config

ENVIRONMENT = 3
"""The exit code where the machine cannot have a disk, or the disk itself failed."""


@click.command()
@click.option("--profile", is_flag=True, help="Try every kind of write on every file system, and print the tables.")
@click.option("--reproduce", is_flag=True, help="Show a rewrite in place after a failed sync, step by step.")
@click.option(
    "--mount",
    "image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="IMAGE",
    help="Mount the image.gz of a finding, and run COMMAND (else a shell) in the target's directory.",
)
@click.argument("command", nargs=-1, metavar="[-- COMMAND]", shell_complete=files)
@click.option(
    "--filesystem",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=one_of(lambda: VARIANTS),
    help=f"On this one only; may be given several times. Of: {', '.join(VARIANTS)}.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    shell_complete=files,
    callback=writable,
    help="Write the profile as JSON too; - for the standard output.",
)
@click.pass_context
def disk(
    ctx: click.Context,
    profile: bool,
    reproduce: bool,
    image: Path | None,
    command: tuple[str, ...],
    names: tuple[str, ...],
    json_file: str | None,
) -> None:
    """Try what file systems do when a disk refuses a write or a flush.

    On a disk of its own, in memory: nothing of this machine's is touched, and what is done to an image is forgotten.
    Needs root. Exits with 1 if --reproduce shows that the bytes are lost, as COMMAND does with --mount, 3 where there
    can be no such disk.
    """
    if profile + reproduce + (image is not None) != 1:
        raise click.UsageError("nothing to do: write one of --profile, --reproduce and --mount")
    if command and image is None:
        raise click.UsageError("a command goes with --mount")
    if json_file and not profile:
        raise click.UsageError("--json goes with --profile")
    if image is not None:
        refuse(ctx, ["names"], "--mount", "the image has its own")
    try:
        for name in names:
            filesystem_of(name)
        if reason := missing():
            raise_unavailable(ctx, reason)
        if image is not None:
            ctx.exit(_in_image(image, command or (os.environ.get("SHELL", "/bin/sh"),)))
        if reproduce:
            lost = [lost_rewrite(name, click.echo) for name in names or ("ext4",)]
            ctx.exit(int(any(lost)))
        _profile(ctx, names or VARIANTS, json_file)
    except BadFault as error:
        raise click.UsageError(str(error)) from error
    except RigError as error:
        raise_unavailable(ctx, str(error))


def _in_image(image: Path, command: tuple[str, ...]) -> int:
    """Run a command in the target's directory of an image; return how it ended."""
    with mounted(image) as directory:
        try:
            return subprocess.run(command, cwd=directory, check=False).returncode
        except OSError as error:
            raise BadFault(f"{command[0]!r} cannot be run in the image: {error}") from error


@functools.cache
def steps_without(sync_error: str, failed_page: str) -> int | None:
    """Return after how many steps a clause falls for a store that does not write again; None where none does.

    >>> steps_without("once", "kept")
    7
    """
    config = Config(sync_failures=1, sync_error=sync_error, failed_page=failed_page, rules={RULE: False})
    result = explore(config, Options(stop_at="flush-is-real"))
    return len(result.counterexample.steps) if result.counterexample else None


def raise_unavailable(ctx: click.Context, reason: str) -> None:
    """End with what is missing."""
    click.echo(f"not tried: {reason}", err=True)
    ctx.exit(ENVIRONMENT)


def _profile(ctx: click.Context, names: tuple[str, ...], json_file: str | None) -> None:
    rows: list[Row] = []
    tried = 0
    for name in names:
        if reason := missing(name.partition(" ")[0]):
            click.echo(f"{name}: not tried: {reason}", err=True)
            continue
        tried += 1
        for case in cases([name]):
            click.echo(f"{name}: {case.kind}, {case.fails} fails, then {case.then}", err=True)
            rows.append(probe(case))
    tried_again = []
    if "xfs" in names and missing("xfs") is None:
        for tries in TRIED:
            click.echo(f"xfs: the disk refuses all but the log, tries: {tries}", err=True)
            tried_again.append(retries(tries))
    if json_file:
        text = json.dumps(as_json(rows, tried_again), indent=1)
        click.echo(text) if json_file == "-" else Path(json_file).write_text(text + "\n", encoding="utf-8")
    if json_file != "-":
        click.echo(told(rows, platform.release(), steps_without, tried_again))
    if not tried:
        ctx.exit(ENVIRONMENT)
