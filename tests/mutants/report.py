"""The survivors of runs, with the reason why each survives where it is known: specs/mutants-survivors.md.

    python -m tests.mutants.report build/mutants.jsonl build/mutants.again.jsonl > specs/mutants-survivors.md

A later file corrects an earlier one, and what was found of functions that have changed since does not count. A mutant
without a reason in `tests/mutants/reasons.py` is listed as not looked at: no reason is made up.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import click
from tests.mutants.making import MODULES, mutants_of, plainly
from tests.mutants.reasons import REASONS
from tests.mutants.run import DEAD, Row, key, read, table

NOT_LOOKED_AT = "Not looked at"


def newest(files: Iterable[Path]) -> tuple[list[Row], int]:
    """The last result of every mutant that there still is, and how many have none."""
    rows: dict[tuple[str, str, int], Row] = {}
    for file in files:
        rows |= {key(row): row for row in read(file)}
    there = [(one.name, one.change, one.original) for module in MODULES for one in mutants_of(module)]
    return [rows[one] for one in there if one in rows], sum(one not in rows for one in there)


def changed(change: str) -> tuple[str, str]:
    """What was taken away and what was put in, cut down to the part that differs.

    >>> changed("- if a and b:\\n+ if a or b:")
    ('if a and b:', 'if a or b:')
    """
    lines = [line for line in change.splitlines() if "__mutmut_" not in line]
    old = " ".join(line[2:] for line in lines if line.startswith("-"))
    new = " ".join(line[2:] for line in lines if line.startswith("+"))
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    return _around(old, same), _around(new, same)


def _around(text: str, at: int) -> str:
    begin = max(at - SHOWN, 0)
    return ("…" if begin else "") + text[begin : at + SHOWN] + ("…" if len(text) > at + SHOWN else "")


SHOWN = 60
"""Characters on both sides of where the two begin to differ."""


def reason_of(row: Row) -> str:
    """Why it survives, or that nobody has looked.

    >>> reason_of({"name": "log.Log.__init__#16", "change": "- self.busy = False\\n+ self.busy = None"})[:26]
    'Only asked whether it is t'
    """
    function = row["name"].partition("#")[0]
    new = " ".join(line[2:] for line in row["change"].splitlines() if line.startswith("+"))
    for reason, marks in REASONS.items():
        if any(fnmatchcase(function, pattern) and mark in new for pattern, mark in marks):
            return reason
    return NOT_LOOKED_AT


def page(rows: list[Row], missing: int) -> Iterator[str]:
    """The page, line by line."""
    found: Mapping[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["outcome"] not in (*DEAD, "skipped"):
            found[reason_of(row)].append(row)
    yield "# The mutants that survive"
    yield ""
    yield "Written by `tests/mutants/report.py`; [mutants.md](mutants.md) says what was run. The reasons are from"
    yield "`tests/mutants/reasons.py`, and come from reading the code."
    yield ""
    yield from table(rows)
    yield ""
    yield f"Not run: {missing}."
    for reason in [*REASONS, NOT_LOOKED_AT]:
        if reason in found:
            yield ""
            yield f"## {reason}: {len(found[reason])}"
            yield ""
            yield "| where | was | is |"
            yield "|---|---|---|"
            for row in sorted(found[reason], key=lambda row: row["name"]):
                was, now = (text.replace("|", "\\|").replace("`", "'") for text in changed(row["change"]))
                yield f"| `{row['name'].partition('#')[0]}` | `{was}` | `{now}` |"


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(results: tuple[Path, ...]) -> None:
    """Print the page."""
    plainly()
    sys.stdout.write("\n".join(page(*newest(results))) + "\n")


if __name__ == "__main__":
    main()
