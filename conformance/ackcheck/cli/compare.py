"""`ackcheck compare`: several verdicts side by side.

    ackcheck compare before.json after.json
    ackcheck compare redis.json nats.json rocketmq.json --html brokers.html

>>> from click.testing import CliRunner
>>> CliRunner().invoke(compare, ["one.json"]).exit_code
2
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ackcheck.cli._reports import asked, report_options, write_text
from ackcheck.cli.report import record_in
from ackcheck.reports.compare import Comparison, comparison_markdown, comparison_page
from ackcheck.show import STYLES
from ackmodel import Level


@click.command()
@click.argument("verdicts", nargs=-1, type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show the clauses too of which all say the same.")
@report_options("markdown", "html")
@click.pass_context
def compare(ctx: click.Context, verdicts: tuple[Path, ...], everything: bool) -> None:
    """Set VERDICTS, each the JSON of `ackcheck run`, side by side: a row a clause, a column a verdict."""
    if len(verdicts) < 2:
        raise click.UsageError("name two verdicts or more, each a file that `ackcheck run --json` wrote")
    compared = Comparison.of([(str(path), record_in(path)) for path in verdicts])
    Console().print(_table(compared, everything=everything))
    if "markdown" in asked(ctx):
        write_text(asked(ctx)["markdown"], comparison_markdown(compared))
    if "html" in asked(ctx):
        write_text(asked(ctx)["html"], comparison_page(compared))


def _table(compared: Comparison, *, everything: bool) -> Table:
    table = Table("", *(escape(name) for name in compared.names), header_style="bold")
    for level in Level:
        table.add_row(
            f"level {level.value}", *(_shown(compared.level_status(each, level.value)) for each in compared.records)
        )
    table.add_section()
    for clause in compared.clauses if everything else compared.changed:
        table.add_row(escape(clause), *(_shown(compared.status(record, clause)) for record in compared.records))
    if not everything:
        same = len(compared.clauses) - len(compared.changed)
        table.caption = f"{same} clauses of which all say the same are left out (--all)"
    table.add_section()
    for name, values in compared.facts.items():
        table.add_row(escape(name), *map(escape, values))
    return table


def _shown(status: str) -> str:
    return f"[{STYLES[status]}]{status}[/]" if status in STYLES else escape(status) or "-"
