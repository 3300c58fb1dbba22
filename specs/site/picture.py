"""Draws the picture of the README from a verdict: the first finding, and the last line.

    ackcheck run --faults power --level disk --stop-at-first --seed 3 --json verdict.json target.py:Store
    python specs/site/picture.py verdict.json specs/verdict.svg

The store is the skeleton of `ackcheck new python`, without the `os.fsync` in `save`; all of it comes from the JSON.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from ackcheck.findings import Finding
from ackcheck.reports.record import FindingRecord, read_record
from ackcheck.show import finding_view
from ackmodel import Clause, Level

WIDTH = 104
FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def main() -> int:
    """Draw it."""
    verdict, picture = map(Path, sys.argv[1:])
    record = read_record(verdict)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold]$ {record.command.partition(' --json')[0]} target.py:Store[/]\n", highlight=False)
    console.print(finding_view(_finding(record.findings[0])), crop=False)
    level = record.level.upper() if record.level else "no level that was judged"
    console.print(f"[bold red]Verdict: {record.target} keeps {level}.[/]")
    svg = console.export_svg(title="a store that never calls fsync")
    picture.write_text(FONTS.sub("", svg), encoding="utf-8")  # the fonts would be loaded from elsewhere
    return 0


def _finding(told: FindingRecord) -> Finding:
    levels = tuple(Level(each) for each in told.refutes)
    return Finding(Clause(told.clause), told.why, told.grade, told.seed, told.lines, refutes=levels, times=told.times)


if __name__ == "__main__":
    sys.exit(main())
