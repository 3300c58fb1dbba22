"""`ackcheck bugs`: run the suite against the bug zoo, and see what catches what.

    ackcheck bugs
    ackcheck bugs flush-timeout-treated-as-stored

>>> import json
>>> from click.testing import CliRunner
>>> ran = CliRunner().invoke(bugs, ["old-segment-not-fsynced-on-rotation", "--seed", "1", "--json", "-"])
>>> ran.exit_code, json.loads(ran.stdout)[0]["caught"]
(0, True)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ackcheck.cli._cluster import cluster_options, crew_of
from ackcheck.cli._output import BROKEN, chosen, console_beside, json_option, seed_option, write_json
from ackcheck.cli._programs import save_option, save_programs
from ackcheck.cli._reports import FORMS, Remembered, report_options, typed, write_reports
from ackcheck.reports.sheet import sheet_of_bugs
from ackcheck.show import finding_view
from acklab.zoo import BUGS, UnknownBug, bug_named
from acklab.zoo.hunt import MOST_CASES, Catch, Hunt, catch_of


@click.command(cls=Remembered)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@seed_option()
@click.option(
    "--cases", default=MOST_CASES, show_default=True, type=click.IntRange(1, 10**7), help="Runs a bug, at most."
)
@cluster_options
@save_option()
@json_option("what caught each bug, and in how many cases and seconds,")
@report_options(*FORMS)
@click.pass_context
def bugs(
    ctx: click.Context,
    names: tuple[str, ...],
    seed: int | None,
    cases: int,
    cluster: str | None,
    local: int | None,
    save: Path | None,
    json_to: str | None,
) -> None:
    """Run the suite against the bug zoo: real bugs, rebuilt in the reference store.

    With NAMEs, only those, and with the history that shows each. Exit code 1 if a bug is not caught.
    """
    try:
        chosen_bugs = [bug_named(name) for name in names] or list(BUGS.values())
    except UnknownBug as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    seed = chosen(seed)
    console = console_beside(json_to)
    catches: list[Catch] = []
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    hunts = [Hunt(bug.name, seed, cases) for bug in chosen_bugs]
    with crew_of(cluster, local) as crew, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        crew.begin(hunts)
        for bug, hunt in zip(chosen_bugs, hunts, strict=True):
            progress.update(task, description=f"hunting {bug.name} ({len(catches)} of {len(chosen_bugs)} done)")
            catches.append(catch_of(bug, crew.report(hunt, lambda _: None)))
    for catch in catches if names else ():
        console.print(catch.bug.mechanism, style="italic")
        if catch.finding:
            console.print(finding_view(catch.finding))
    console.print(catches_table(catches))
    save_programs(save, [catch.finding for catch in catches if catch.finding])
    console.print(f"seed {seed}")
    told = [catch.as_json() for catch in catches]
    if json_to:
        write_json(json_to, told)
    write_reports(ctx, sheet_of_bugs(told, typed(ctx, seed)))
    if not all(catch.caught for catch in catches):
        ctx.exit(BROKEN)


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
