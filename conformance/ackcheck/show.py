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
from ackcheck.grades.reached import never_reached
from ackcheck.history import LANES, Line
from ackcheck.hits import Hits
from ackcheck.levels import FAULT_NAMES, LevelVerdict
from ackcheck.needs import NEEDS
from ackcheck.sim.aims import all_aims, never_met, never_opened
from ackcheck.verdict import ClauseVerdict, ModeReport, Verdict

FAILED = (": EIO", ": ENOSPC", ": hangs", "the process dies", "the power goes")
"""How the text of a line ends that tells of a fault."""

BREAKS = "  <- here it breaks"
"""What stands behind the last line of a history."""

REPETITION = (
    "The case is repeated with the same faults at the same points, and calls chosen by the same seed. When each answer "
    "comes is the machine's, and later calls depend on it: it may take a few runs to break again, and --repeat 10 says "
    "in how many of them it does."
)
"""What a repeated case on real files has in common with the one that broke."""

LEGEND = (
    "In these histories q[3..5]#2 is the second delivery of the messages 3 to 5 of queue q, as the target counts them, "
    "and a new step begins where the target was stopped."
)
"""What the signs of a history on real files mean."""

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
    """Return a history as a table; its last line is where the clause broke."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("step", justify="right", style="dim")
    for lane in ("lane",) if narrow else LANES:
        table.add_column(lane, justify="left" if narrow else "center", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    last, shown = 0, tuple(lines)
    for number, line in enumerate(shown, 1):
        breaks = number == len(shown)
        new = line.step != last
        if new:
            table.add_section()
        style = "reverse bold red" if breaks else "bold red" if line.text.endswith(FAILED) else ""
        marks = [line.lane] if narrow else ["●" if lane == line.lane else "" for lane in LANES]
        table.add_row(
            str(line.step) if new else "", *marks, escape(line.text) + (BREAKS if breaks else ""), style=style
        )
        last = line.step
    return table


def finding_view(finding: Finding, *, test: bool = True, by: str = "") -> RenderableType:
    """Return a finding: what broke, the shortest history, and the test that shows it again. `by` says how it was found,
    where no seed led to it."""
    how = by or f"grade {finding.grade}, seed {finding.seed}{_case(finding)}"
    title = f"[bold red]{finding.clause.value}[/] is broken  ({how})"
    head = Panel(escape(finding.why), title=title, title_align="left", border_style="red")
    parts: list[RenderableType] = [head, *_refutes(finding), Timeline(finding.lines)]
    if test and finding.test:
        program = Syntax(finding.test, "python", word_wrap=True)  # else rich cuts off what is too long
        parts += ["Save this as test_replay.py, and run it to see it again:", "", program, ""]
    if finding.again:
        parts += [
            f"To run its case (number {finding.case}) again:",
            "",
            Text(
                f"    {finding.again}", no_wrap=True, overflow="ignore"
            ),  # one line, to be pasted: print with crop=False
            "",
            REPETITION,
            "",
        ]
    return Group(*parts)


def _case(finding: Finding) -> str:
    return "" if finding.case is None else f", case {finding.case}"


def _refutes(finding: Finding) -> list[str]:
    """Return which levels a finding refutes, and how often the like of it was found."""
    refutes = [f"refutes level {', '.join(level.value for level in finding.refutes)}"] if finding.refutes else []
    return [*refutes, *([f"found {finding.times} times"] if finding.times > 1 else [])]


def clause_table(verdict: Verdict) -> Table:
    """Return the clause table of a verdict."""
    table = Table("clause", "status", header_style="bold")
    table.add_column("times checked", justify="right")
    table.add_column("why", overflow="fold")
    for clause in verdict.clauses().values():
        style = STYLES[clause.status]
        status = f"[{style}]{clause.status}[/]"
        table.add_row(clause.clause.value, status, f"{clause.times_checked:,}", escape(_why(clause)))
    return table


def _why(clause: ClauseVerdict) -> str:
    return (
        f"at level {', '.join(level.value for level in clause.levels)}: {clause.why}" if clause.levels else clause.why
    )


def runs_table(verdict: Verdict) -> Table:
    """Return what was tried: a row a grade, for each mode of a target with several."""
    table = Table("judged for level", "grade", header_style="bold")
    for name in ("cases", "operations", "findings", "seconds", "seed"):
        table.add_column(name, justify="right")
    for mode in verdict.modes:
        for report in mode.grades:
            found = sum(finding.times for finding in report.findings)
            counts = (f"{report.cases:,}", f"{report.operations:,}", str(found), f"{report.seconds:.1f}")
            shown = (*counts, str(report.seed)) if not report.not_judged else ["-"] * 5
            table.add_row(_levels(mode), report.grade, *shown)
        table.add_section()
    return table


def _levels(mode: ModeReport) -> str:
    return ", ".join(level.value for level in mode.levels)


def ran_table(verdict: Verdict) -> Table:
    """Return how often each operation and fault really ran, a row a grade, and what was measured, a row a mode."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    table.add_column("grade")
    together = ", in all modes together" if len(verdict.modes) > 1 else ""
    table.add_column("what really ran" + together, overflow="fold")
    ran: dict[str, Counter[str]] = {}
    measured: dict[str, str] = {}
    for mode in verdict.modes:
        for report in mode.grades:
            ran.setdefault(report.grade, Counter()).update(report.ran)
            if report.figures:
                measured[f"{report.grade}, {mode.name}"] = _listed(report.figures)
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
    return {report.grade: report.not_judged for report in verdict.reports if report.not_judged}


def _in_play(verdict: Verdict) -> list[str]:
    """Return how many of the faults that were aimed were met, and which never were, and which windows never opened."""
    met: Counter[str] = Counter()
    for report in verdict.reports:
        met.update(report.in_play)
    aims, never = [aim for aim in all_aims() if aim in met], never_met(met)
    reached = (
        f"in play: {len(aims) - len(never)} of {len(aims)} aimed faults; with what was done then, {len(+met)} states"
    )
    missed = {
        "never met in this profile": never,
        "windows that never opened in this profile": never_opened(met),
        "never reached on real files in this profile": never_reached(met),
    }
    return [*([reached] if aims else []), *(f"{which}: {', '.join(each)}" for which, each in missed.items() if each)]


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print a verdict: what broke first, then the tables, then the levels."""
    for finding in verdict.findings:
        console.print(finding_view(finding), crop=False)
    if any(finding.case is not None for finding in verdict.findings):
        console.print(LEGEND, markup=False, highlight=False)
    console.print(clause_table(verdict))
    for method in verdict.lacks:
        what, clauses = NEEDS[method]
        part = ", ".join(clause.value for clause in clauses)
        console.print(
            f"[yellow]not judged[/]: {what} ({part}): needs {NEEDED_FOR.get(method, f'`{method}`')}", highlight=False
        )
    console.print(runs_table(verdict))
    if verdict.never_ran:
        steps = ", ".join(verdict.never_ran)
        console.print(f"[yellow]not judged[/]: {steps} never ran: choose a larger --profile", highlight=False)
    for grade, why in _not_judged(verdict).items():
        console.print(f"[yellow]not judged[/]: grade {grade}: {escape(why)}", highlight=False)
    console.print(ran_table(verdict))
    if seen := str(Hits(tuple(hit for report in verdict.reports for hit in report.hits.all))):
        console.print(f"faults: {escape(seen)}", highlight=False)
    for line in _in_play(verdict):
        console.print(line, markup=False, highlight=False)
    for name, value in verdict.departures.items():
        console.print(f"judged by a promise that is not the strictest: {name} = {value}", markup=False, highlight=False)
    for told in verdict.levels:
        console.print(f"level {told.level.value}: {_outcome(told)}", highlight=False)
    console.print(_sentence(verdict))


def _sentence(verdict: Verdict) -> str:
    """Return the verdict in one sentence."""
    target = escape(verdict.target)
    open_ = ", ".join(told.level.value.upper() for told in verdict.levels if told.status == "not-judged")
    beyond = f"; whether it keeps {open_} could not be judged" if open_ else ""
    if verdict.level is not None:
        style = {"kept": "bold green", "broken": "bold red", "not-judged": "bold yellow"}[verdict.outcome]
        return f"[{style}]Verdict: {target} keeps level {verdict.level.value.upper()}{beyond}.[/]"
    if open_:
        return f"[bold yellow]Verdict: {target}: no level could be shown to be kept{beyond}.[/]"
    return f"[bold red]Verdict: {target} keeps no level that was judged.[/]"


def _outcome(told: LevelVerdict) -> str:
    """Return what is said of a level, with what it rests on."""
    at_stake = ", ".join(
        f"{FAULT_NAMES[clause]} {times} (at least {told.floor[clause]})" for clause, times in told.tested.items()
    )
    if told.status == "kept":
        return f"[green]kept[/]; something was at stake in: {at_stake}"
    if told.status == "broken":
        return f"[bold red]broken[/]: {told.why}"
    return f"[yellow]not judged[/]: {escape(told.why)}; mend: {escape(told.mend)}"
