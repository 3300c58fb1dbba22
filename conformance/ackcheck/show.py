"""How a verdict, a finding and the zoo look in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import frozen
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ackcheck.findings import Finding
from ackcheck.history import LANES, Line
from ackcheck.verdict import NEEDS, LevelReport, Verdict

FAILED = (": EIO", ": ENOSPC", ": hangs", "the process dies", "the power goes")
"""How the text of a line ends that tells of a fault."""

REPETITION = (
    "The case is repeated with the same faults at the same points, and calls chosen by the same seed. When each answer "
    "comes is the machine's, and later calls depend on it: it may take a few runs to break again."
)
"""What a repeated case on real files has in common with the one that broke."""

NEEDED_FOR = {"dead": "`dead`, and a limit of attempts"}
"""What a target needs for what cannot be judged of it, where that is more than one method."""

STYLES = {"kept": "green", "broken": "bold red", "not-judged": "yellow"}


NARROW = 100
"""Columns below which the lanes of a history are named in one column, to leave room for what happened."""


@frozen
class Timeline:
    """A history as a table: a narrow column a lane with a mark, then what happened; a rule between steps.

    On a narrow console it names the lane instead.
    """

    lines: tuple[Line, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table that fits."""
        yield timeline(self.lines, narrow=options.max_width < NARROW)


def timeline(lines: Iterable[Line], *, narrow: bool = False) -> Table:
    """Return a history as a table."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("step", justify="right", style="dim")
    for lane in ("lane",) if narrow else LANES:
        table.add_column(lane, justify="left" if narrow else "center", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    last = 0
    for line in lines:
        new = line.step != last
        if new:
            table.add_section()
        style = "bold red" if line.text.endswith(FAILED) else ""
        marks = [line.lane] if narrow else ["●" if lane == line.lane else "" for lane in LANES]
        table.add_row(str(line.step) if new else "", *marks, escape(line.text), style=style)
        last = line.step
    return table


def finding_view(finding: Finding, *, test: bool = True) -> RenderableType:
    """Return a finding: what broke, the shortest history, and the test that shows it again."""
    title = f"[bold red]{finding.clause.value}[/] is broken  (grade {finding.grade}, seed {finding.seed})"
    head = Panel(escape(finding.why), title=title, title_align="left", border_style="red")
    parts: list[RenderableType] = [head, Timeline(finding.lines)]
    if test and finding.test:
        program = Syntax(finding.test, "python", word_wrap=True)  # else rich cuts off what is too long
        parts += ["Save this as test_replay.py, and run it to see it again:", "", program, ""]
    if finding.again:
        parts += [
            f"To run its case (number {finding.case}) again:",
            "",
            Text(f"    {finding.again}"),
            "",
            REPETITION,
            "",
        ]
    return Group(*parts)


def clause_table(verdict: Verdict) -> Table:
    """Return the clause table of a verdict."""
    table = Table("clause", "status", header_style="bold")
    table.add_column("times checked", justify="right")
    table.add_column("why", overflow="fold")
    for clause in verdict.clauses().values():
        style = STYLES[clause.status]
        status = f"[{style}]{clause.status}[/]"
        table.add_row(clause.clause.value, status, f"{clause.times_checked:,}", escape(clause.why))
    return table


def runs_table(verdict: Verdict) -> Table:
    """Return what was tried: a row a level and grade."""
    table = Table("level", "grade", header_style="bold")
    for name in ("cases", "operations", "seconds", "seed"):
        table.add_column(name, justify="right")
    for level in verdict.levels:
        for report in level.grades:
            counts = (f"{report.cases:,}", f"{report.operations:,}", f"{report.seconds:.1f}", str(report.seed))
            table.add_row(level.level.value, report.grade, *(counts if not report.not_judged else ["-"] * 4))
        table.add_section()
    return table


def ran_table(verdict: Verdict) -> Table:
    """Return how often each operation and fault really ran, a row a grade, and what was measured, a row a level."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("grade")
    together = ", at all levels together" if len(verdict.levels) > 1 else ""
    table.add_column("what really ran" + together, overflow="fold")
    ran: dict[str, Counter[str]] = {}
    measured: dict[str, str] = {}
    for level in verdict.levels:
        for report in level.grades:
            ran.setdefault(report.grade, Counter()).update(report.ran)
            if report.figures:
                measured[f"{report.grade}, {level.level.value}"] = _listed(report.figures)
    for grade, counts in ran.items():
        if counts:
            table.add_row(grade, _listed(counts))
    for where, figures in measured.items():
        table.add_row(where, figures)
    return table


def _listed(counts: Mapping[str, float]) -> str:
    told = (f"{escape(name)} {count:,}" if count else f"[yellow]{escape(name)} 0[/]" for name, count in counts.items())
    return " · ".join(sorted(told, key=lambda each: each.removeprefix("[yellow]")))


def _not_judged(verdict: Verdict) -> dict[str, str]:
    """Return the grades of which nothing could be judged, and why."""
    return {report.grade: report.not_judged for level in verdict.levels for report in level.grades if report.not_judged}


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print a verdict: what broke first, then the tables, then the level."""
    for finding in verdict.findings:
        console.print(finding_view(finding))
    console.print(clause_table(verdict))
    for method in verdict.lacks:
        what, clauses = NEEDS[method]
        part = ", ".join(clause.value for clause in clauses)
        console.print(
            f"[yellow]not judged[/]: {what} ({part}): needs {NEEDED_FOR.get(method, f'`{method}`')}", highlight=False
        )
    console.print(runs_table(verdict))
    for grade, why in _not_judged(verdict).items():
        console.print(f"[yellow]not judged[/]: grade {grade}: {escape(why)}", highlight=False)
    console.print(ran_table(verdict))
    for level in verdict.levels:
        console.print(f"level {level.level.value}: {_outcome(level)}")
    if verdict.level is None:
        console.print(f"[bold red]Verdict: {escape(verdict.target)} keeps no level that was judged.[/]")
    else:
        console.print(f"[bold green]Verdict: {escape(verdict.target)} keeps level {verdict.level.value.upper()}.[/]")


def _outcome(level: LevelReport) -> str:
    if level.findings:
        return "[bold red]broken[/]: " + ", ".join(finding.clause.value for finding in level.findings)
    return "[green]kept[/]" if level.judged else "[yellow]not judged[/]"
