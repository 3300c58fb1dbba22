"""`ackcheck disk`: what file systems really do when a write fails, on this machine."""

from __future__ import annotations

import functools
import json
import platform
from pathlib import Path

import click

from ackcheck.disk.available import missing
from ackcheck.disk.behaviour import VARIANTS, Row, cases, probe
from ackcheck.disk.behaviour.cases import filesystem_of
from ackcheck.disk.behaviour.report import RULE, as_json, told
from ackcheck.disk.behaviour.reproduce import lost_rewrite
from ackcheck.disk.errors import BadFault
from ackcheck.rig.errors import RigError
from ackexplore import Options, explore
from ackmodel import Config

ENVIRONMENT = 3
"""The exit code where the machine cannot have a disk, or the disk itself failed."""


@click.command()
@click.option("--profile", is_flag=True, help="Try every kind of write on every file system, and print the tables.")
@click.option("--reproduce", is_flag=True, help="Show a rewrite in place after a failed sync, step by step.")
@click.option(
    "--filesystem",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"On this one only; may be given several times. Of: {', '.join(VARIANTS)}.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write the profile as JSON too; - for the standard output.")
@click.pass_context
def disk(ctx: click.Context, profile: bool, reproduce: bool, names: tuple[str, ...], json_file: str | None) -> None:
    """Try what file systems do when a disk refuses a write or a flush.

    On a disk of its own, in memory: nothing of this machine's is touched. Needs root. Exits with 1 if --reproduce
    shows that the bytes are lost, 3 where there can be no such disk.
    """
    if profile == reproduce:
        raise click.UsageError("nothing to do: write either --profile or --reproduce")
    if json_file and not profile:
        raise click.UsageError("--json goes with --profile")
    try:
        for name in names:
            filesystem_of(name)
        if reason := missing():
            raise_unavailable(ctx, reason)
        if reproduce:
            lost = [lost_rewrite(name, click.echo) for name in names or ("ext4",)]
            ctx.exit(int(any(lost)))
        _profile(ctx, names or VARIANTS, json_file)
    except BadFault as error:
        raise click.UsageError(str(error)) from error
    except RigError as error:
        raise_unavailable(ctx, str(error))


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
    if json_file:
        text = json.dumps(as_json(rows), indent=1)
        click.echo(text) if json_file == "-" else Path(json_file).write_text(text + "\n", encoding="utf-8")
    if json_file != "-":
        click.echo(told(rows, platform.release(), steps_without))
    if not tried:
        ctx.exit(ENVIRONMENT)
