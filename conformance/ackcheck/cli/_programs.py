"""The option `--save DIR`: the programs that repeat findings of the simulated grade, each a file for pytest.

>>> from ackmodel import Clause
>>> program_name(Finding(Clause.NO_LIMBO, "it did not come", "sim", 7), 2)
'test_no_limbo_seed7_2.py'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ackcheck.cli._output import Decorated, EnvironmentFailed
from ackcheck.findings import Finding


def save_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--save DIR`."""
    return click.option(
        "--save",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Write the program of each finding of the simulated grade, for pytest.",
    )


def program_name(finding: Finding, number: int, *, pinned: bool = False) -> str:
    """Return what the file of a finding is called; no seed led to one that is pinned."""
    how = "pinned" if pinned else f"seed{finding.seed}"
    return f"test_{finding.clause.value.replace('-', '_')}_{how}_{number}.py"


def save_programs(folder: Path | None, findings: Sequence[Finding], *, pinned: bool = False) -> None:
    """Write the programs of findings to a folder, over no file that is there; raises `EnvironmentFailed`."""
    if folder is None:
        return
    saved = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, finding in enumerate(findings, 1):
            if finding.test:
                with (folder / program_name(finding, number, pinned=pinned)).open("x", encoding="utf-8") as file:
                    file.write(finding.test.rstrip() + "\n")
                saved += 1
    except FileExistsError as error:
        raise EnvironmentFailed(f"{error.filename} is there already: name another folder for --save") from error
    except OSError as error:
        raise EnvironmentFailed(f"{folder} cannot be written to ({error.strerror}): name another --save") from error
    click.echo(f"{folder}: {saved} programs" if saved else f"{folder}: no finding has a program", err=True)
