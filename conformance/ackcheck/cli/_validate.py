"""`ackcheck run --validate`: every call rehearsed first, and every line of the run held against the schema.

A stepped target exchanges no lines: its calls are rehearsed.

>>> with validated(Subject(), False, 1.0):
...     print(Checked.now())
None
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ackcheck.cli._output import EnvironmentFailed
from ackcheck.grades.campaign import child_of
from ackcheck.rig.rehearsal import rehearsed
from ackcheck.rig.schema import Checked, NoValidator, every_line_checked
from ackcheck.sim.rehearsal import rehearsed as rehearsed_steps
from ackcheck.subject import NoSuchTarget, Subject, target_code
from ackmodel import Level

__all__ = ["Checked", "validated"]


@contextmanager
def validated(subject: Subject, wanted: bool, reply_timeout: float) -> Iterator[None]:
    """Check the lines of whatever target is started meanwhile, if that is wanted; raise `EnvironmentFailed`."""
    if not wanted:
        yield
        return
    with _named():
        stepped = subject.stepped and not subject.ours
    if stepped:
        with target_code("factory"):
            wrong = rehearsed_steps(subject.factory())
        _refuse(wrong)
        click.echo("every call was tried once, and answered as it should be", err=True)
        yield
        return
    try:
        with every_line_checked() as checked:
            _rehearse(subject, reply_timeout)
            yield
    except NoValidator as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{checked.lines:,} answers are as the schema says", err=True)


@contextmanager
def _named() -> Iterator[None]:
    """Refuse a target that there is not as the run itself would."""
    try:
        yield
    except NoSuchTarget as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from error


def _rehearse(subject: Subject, reply_timeout: float) -> None:
    with tempfile.TemporaryDirectory(prefix="ackcheck-") as folder:
        child = child_of(subject.served(Level.DISK), Path(folder), reply_timeout=reply_timeout)
        wrong = rehearsed(child, Path(folder))
    _refuse(wrong)


def _refuse(wrong: list[str]) -> None:
    if wrong:
        told = "\n".join(f"- {each}" for each in wrong)
        raise EnvironmentFailed(
            f"of the calls of the protocol, tried once each, these are not answered as it says:\n{told}"
        )
