"""`ackcheck broker`: a real broker under every fault, and whether it keeps what is expected of it.

    ackcheck broker                                     every broker that this machine can run
    ackcheck broker redis --configuration everysec --faults power --seed 7
    ackcheck broker redis --set appendfsync=no          another setting, of which nothing is expected

>>> from click.testing import CliRunner
>>> CliRunner().invoke(broker, ["reddis"]).exit_code
2
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from attrs import evolve, frozen

from ackcheck.brokers.profile import BadProfile, Configuration, Profile, names, read_profile
from ackcheck.cli._output import (
    BROKEN,
    NOT_JUDGED,
    EnvironmentFailed,
    chosen,
    console_beside,
    json_option,
    seed_option,
    write_json,
)
from ackcheck.grade import PROFILES
from ackcheck.levels import FLOORS
from ackcheck.rig.errors import RigError
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS, Plan, efforts, run_suite
from ackcheck.verdict import Verdict

SOCKET = "ACKCHECK_BROKER_SOCKET"
"""The environment variable in which an adapter finds its server's socket."""


@frozen
class Judged:
    """What came of one configuration under one grade of faults."""

    broker: str
    configuration: Configuration
    grade: str
    seed: int
    profile: str
    verdict: Verdict
    pinned: bool
    """Whether something is expected of it."""

    @property
    def surprises(self) -> list[str]:
        """What was not expected. A grade that this machine could not run says nothing, and surprises nobody."""
        if not self.pinned or any(report.not_judged for report in self.verdict.reports):
            return []
        return self.configuration.surprises(self.grade, {finding.clause for finding in self.verdict.findings})

    @property
    def reasons(self) -> list[str]:
        """Why nothing could be said, where nothing could."""
        if self.verdict.findings or self.verdict.level is not None:
            return []
        return [told.why for told in self.verdict.levels if told.why] or ["too little was at stake"]

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` writes it."""
        told = {"broker": self.broker, "configuration": self.configuration.name, "grade": self.grade}
        settings = {"settings": dict(self.configuration.settings), "seed": self.seed, "profile": self.profile}
        return {**told, **settings, "surprises": self.surprises, "verdict": self.verdict.as_json()}

    def __str__(self) -> str:
        """Return it in a line, for people."""
        found = {f"{finding.clause.value} {finding.times}x" for finding in self.verdict.findings}
        outcome = ", ".join(sorted(found)) or ("not judged: " + "; ".join(self.reasons) if self.reasons else "kept")
        return f"{self.broker} {self.configuration.name}, {self.grade}: {outcome}"


@click.command()
@click.argument("name", required=False)
@click.option("--configuration", "only", help="Run this one only; by default all that the profile has.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another setting; then nothing is expected.")
@click.option("--faults", help="Grades, by commas: process, power; by default those of the broker's profile.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True, help="How much.")
@seed_option()
@json_option("the verdicts")
@click.pass_context
def broker(
    ctx: click.Context,
    name: str | None,
    only: str | None,
    changes: tuple[str, ...],
    faults: str | None,
    profile: str,
    seed: int | None,
    json_to: str | None,
) -> None:
    """Judge the broker NAME, or all of them, in every configuration, and compare it with what is expected.

    Exit codes: 0 as expected, 1 something is new, 2 usage, 3 the broker or the machine failed, 4 not judged.
    """
    seed, console = chosen(seed), console_beside(json_to)
    told, judged, missing = [], [], False
    for known in _profiles(name):
        if absent := known.missing():
            console.print(f"{known.folder.name}: not judged: needs {', '.join(absent)}", markup=False, highlight=False)
            missing = True
            continue
        console.print(f"{known.folder.name}: {_version(known)}", markup=False, highlight=False)
        for configuration in _configurations(known, only, changes):
            for grade in _grades(known, faults):
                one = _judge(known, configuration, grade, seed, profile, pinned=not changes)
                judged.append(one)
                told.append({**one.as_json(), "version": _version(known)})
                console.print(str(one), markup=False, highlight=False)
                for surprise in one.surprises:
                    console.print(f"    {surprise}", markup=False, highlight=False)
    console.print(f"seed {seed}, profile {profile}")
    if json_to:
        write_json(json_to, told)
    if any(one.surprises for one in judged):
        ctx.exit(BROKEN)
    if any(one.reasons for one in judged) or (missing and not judged):
        ctx.exit(NOT_JUDGED)


def _profiles(name: str | None) -> list[Profile]:
    try:
        return [read_profile(one) for one in ([name] if name else names())]
    except BadProfile as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error


def _configurations(profile: Profile, only: str | None, changes: tuple[str, ...]) -> list[Configuration]:
    found = [one for one in profile.configurations if only in (None, one.name)]
    if not found:
        known = ", ".join(one.name for one in profile.configurations)
        raise click.BadParameter(f"no configuration {only!r}; there are {known}", param_hint="--configuration")
    if not changes:
        return found
    wrong = [change for change in changes if not all(change.partition("=")[::2])]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r}: write KEY=VALUE, as appendfsync=no", param_hint="--set")
    settings = {**found[0].settings, **{change.partition("=")[0]: change.partition("=")[2] for change in changes}}
    return [evolve(found[0], name=" ".join(changes), settings=settings)]


def _grades(profile: Profile, faults: str | None) -> list[str]:
    asked = [grade.strip() for grade in faults.split(",")] if faults else list(profile.faults)
    for grade in asked:
        if grade not in profile.faults:
            raise click.BadParameter(f"no grade {grade!r}: write {' or '.join(profile.faults)}", param_hint="--faults")
    return asked


def _version(profile: Profile) -> str:
    """Return what the server says of its version, on one line."""
    done = subprocess.run(profile.version, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def _judge(
    profile: Profile, configuration: Configuration, grade: str, seed: int, effort: str, *, pinned: bool
) -> Judged:
    """Run the suite on a broker in one configuration, under one grade of faults."""
    with _running_place() as run:
        subject = Subject(profile.target, profile.server_for(configuration.settings, run))
        plan = Plan(LEVELS, (grade,), efforts(effort), seed, floor=FLOORS[effort], promises=profile.promises)
        try:
            verdict = run_suite(subject, plan)
        except RigError as error:
            why = [f"{configuration.name}, {grade}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
            raise EnvironmentFailed("\n".join(why)) from error
    return Judged(profile.folder.name, configuration, grade, seed, effort, verdict, pinned)


@contextlib.contextmanager
def _running_place() -> Iterator[Path]:
    """Give a folder for the server's socket, beside its directory: a socket is nothing that it keeps."""
    before = os.environ.get(SOCKET)
    with tempfile.TemporaryDirectory(prefix="ackcheck-run-") as folder:
        os.environ[SOCKET] = f"{folder}/socket"
        try:
            yield Path(folder)
        finally:
            os.environ.pop(SOCKET)
            if before is not None:
                os.environ[SOCKET] = before
