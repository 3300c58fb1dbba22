"""`ackcheck bugs`: run the suite against the bug zoo, and see what catches what.

    ackcheck bugs
    ackcheck bugs flush-timeout-treated-as-stored
    ackcheck bugs retry-fsync-after-eio-reports-success --clause flush-rewrites

>>> import json
>>> from click.testing import CliRunner
>>> ran = CliRunner().invoke(bugs, ["old-segment-not-fsynced-on-rotation", "--seed", "1", "--json", "-"])
>>> ran.exit_code, json.loads(ran.stdout)[0]["caught"]
(0, True)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ackcheck.cli._cluster import cluster_options, crew_of
from ackcheck.cli._completing import clauses, one_of
from ackcheck.cli._output import BROKEN, chosen, console_beside, json_option, seed_option, write_json
from ackcheck.cli._programs import save_option, save_programs
from ackcheck.cli._reports import FORMS, Remembered, report_options, typed, write_reports
from ackcheck.cli._together import refuse
from ackcheck.reports.sheet import sheet_of_bugs
from ackcheck.show import finding_view
from acklab.zoo import BUGS, UnknownBug, bug_named
from acklab.zoo.bug import Bug
from acklab.zoo.hunt import MOST_CASES, Catch, Hunt, NotPinned, catch_of, played
from ackmodel import Clause, UnknownClause, clause_named


@click.command(cls=Remembered)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=one_of(lambda: BUGS))
@seed_option()
@click.option(
    "--cases", default=MOST_CASES, show_default=True, type=click.IntRange(1, 10**7), help="Runs a bug, at most."
)
@click.option(
    "--clause",
    metavar="CLAUSE",
    shell_complete=one_of(clauses),
    help="Do not hunt: play the pinned run in which the bug NAME breaks this clause first.",
)
@cluster_options
@save_option()
@json_option("what caught each bug, and in how many cases and seconds,")
@report_options(*FORMS)
@click.pass_context
def bugs(  # noqa: PLR0913 - an argument an option
    ctx: click.Context,
    /,
    *,
    names: tuple[str, ...],
    seed: int | None,
    cases: int,
    clause: str | None,
    cluster: str | None,
    local: int | None,
    save: Path | None,
    json_to: str | None,
) -> None:
    """Run the suite against the bug zoo: real bugs, rebuilt in the reference store.

    With NAMEs, only those, and with the history that shows each. Exit code 1 if a bug is not caught.
    """
    if clause is not None:
        refuse(ctx, ("seed", "cases", "cluster", "local"), "--clause", "a pinned run is always the same, leave it out")
    try:
        chosen_bugs = [bug_named(name) for name in names] or list(BUGS.values())
    except UnknownBug as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    console = console_beside(json_to)
    if clause is None:
        seed = chosen(seed)
        catches = _hunted(chosen_bugs, seed, cases, cluster, local)
    else:
        catches = _played(chosen_bugs if names else (), clause)
    for catch in catches if names else ():
        console.print(catch.bug.mechanism, style="italic")
        if catch.finding:
            console.print(finding_view(catch.finding, by="a pinned run" if catch.pinned else ""))
    console.print(catches_table(catches))
    save_programs(save, [catch.finding for catch in catches if catch.finding], pinned=clause is not None)
    if seed is not None:
        console.print(f"seed {seed}")
    told = [catch.as_json() for catch in catches]
    if json_to:
        write_json(json_to, told)
    write_reports(ctx, sheet_of_bugs(told, typed(ctx, seed)))
    if not all(catch.caught for catch in catches):
        ctx.exit(BROKEN)


def _hunted(bugs: Sequence[Bug], seed: int, cases: int, cluster: str | None, local: int | None) -> list[Catch]:
    """Hunt bugs, showing the progress."""
    catches: list[Catch] = []
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    hunts = [Hunt(bug.name, seed, cases) for bug in bugs]
    with crew_of(cluster, local) as crew, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        crew.begin(hunts)
        for bug, hunt in zip(bugs, hunts, strict=True):
            progress.update(task, description=f"hunting {bug.name} ({len(catches)} of {len(bugs)} done)")
            catches.append(catch_of(bug, crew.report(hunt, lambda _: None)))
    return catches


def _played(bugs: Sequence[Bug], name: str) -> list[Catch]:
    """Play the pinned run of each bug that breaks a clause."""
    if not bugs:
        raise click.UsageError(
            "--clause plays the pinned run of a bug: name the bug too (`ackcheck spec CLAUSE` says which)"
        )
    try:
        clause: Clause = clause_named(name)
        return [played(bug, clause) for bug in bugs]
    except (UnknownClause, NotPinned) as error:
        raise click.BadParameter(str(error), param_hint="--clause") from error


def catches_table(catches: Iterable[Catch]) -> Table:
    """Return what caught what, and who shipped it: two lines a bug, which fit into 80 columns."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("bug\n  caught by, and who shipped it", overflow="fold")
    table.add_column("cases", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for catch in catches:
        by = f"[green]{catch.finding.clause.value}[/]" if catch.caught and catch.finding else _missed(catch)
        bug = f"{catch.bug.name}\n  {by}; [dim]{escape(catch.bug.source)}[/]"
        table.add_row(bug, f"{catch.cases:,}", f"{catch.seconds:.1f}")
    return table


def _missed(catch: Catch) -> str:
    if catch.finding is None:
        return "[bold red]not caught[/]"
    expected = ", ".join(clause.value for clause in catch.bug.breaks)
    return f"[bold red]{catch.finding.clause.value}, not one of {expected}[/]"
