"""The option `--expect FILE`: a run beside the ledger of what is expected of its target.

>>> from ackmodel import Clause
>>> entry = Entry(clause=Clause.NO_LIMBO, reason="known")
>>> print_expected(Console(), [entry], [Finding(Clause.NO_LIMBO, "q[3] did not come", "sim", 1)])
expected: no-limbo: q[3] did not come
0
>>> print_expected(Console(), [entry], [], "it was interrupted")
in the ledger: no-limbo (known) was not waited for: it was interrupted
4
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click
from rich.console import Console

from ackcheck.cli._output import BROKEN, NOT_JUDGED
from ackcheck.findings import Finding
from ackcheck.ledger import BadLedger, Entry, compared, read_ledger


def ledger_in(_ctx: click.Context, _option: click.Parameter, where: Path | None) -> tuple[Entry, ...] | None:
    """Return the entries of a ledger that was named; a usage error where it cannot be read."""
    try:
        return None if where is None else read_ledger(where)
    except BadLedger as error:
        raise click.BadParameter(str(error)) from error


def print_expected(console: Console, entries: Sequence[Entry], findings: Sequence[Finding], cut: str = "") -> int:
    """Print what was expected, and what is wrong with the ledger; return the exit code.

    `cut` says why the run ended before its end. Whether the ledger is right is then not judged, unless all of it came.
    """
    beside = compared(entries, findings, today=date.today(), cut=cut)
    told = [f"expected: {finding.clause.value}: {finding.why}" for finding in beside.expected]
    told += [f"not expected: {finding.clause.value}: {finding.why}" for finding in beside.new]
    told += [f"the ledger is wrong: {error}" for error in beside.errors]
    told += [f"in the ledger: {entry}" for entry in beside.unwaited]
    for line in told:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if beside.new or beside.errors:
        return BROKEN
    return NOT_JUDGED if beside.unwaited else 0
