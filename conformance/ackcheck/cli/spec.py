"""`ackcheck spec`: the clauses of the specification, and what ties to each.

    ackcheck spec
    ackcheck spec flush-is-real
    ackcheck spec protocol
    ackcheck spec --json clauses.json

>>> from click.testing import CliRunner
>>> ran = CliRunner().invoke(spec, ["no-limbo", "--json", "-"])
>>> import json
>>> ran.exit_code, json.loads(ran.stdout)["group"]
(0, 'delivery')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from ackcheck.cli._completing import clauses, one_of
from ackcheck.cli._output import EnvironmentFailed, console_beside, json_option, write_json
from ackcheck.keeping import functions_keeping
from ackcheck.spec import PAGES, ClauseText, MalformedClauses, MissingClauses, clause_texts, page_text
from ackcheck.traceability import Ties, ties_of
from ackmodel import UnknownClause, clause_named

WIDE = 140  # columns from which what ties to a clause stands on one line, and leaves room for the promise


@click.command(epilog=f"Pages: {', '.join(PAGES)}.")
@click.argument("clause", required=False, metavar="[CLAUSE|PAGE]", shell_complete=one_of(lambda: [*clauses(), *PAGES]))
@json_option("the clauses, their texts and what ties to them,")
def spec(clause: str | None, json_to: str | None) -> None:
    """List the clauses, or show the text of one: the promise, why it is there, how it is checked, what ties to it.

    With the name of a page, print that page.
    """
    if clause in PAGES and json_to is None:
        click.echo(page_text(clause), nl=False)
        return
    try:
        texts = clause_texts()
        chosen = None if clause is None else texts[clause_named(clause)]
    except UnknownClause as error:
        raise click.BadParameter(str(error), param_hint="CLAUSE") from error
    except (MissingClauses, MalformedClauses) as error:
        raise EnvironmentFailed(str(error)) from error
    console = console_beside(json_to)
    if chosen is not None:
        _print_one(console, chosen, ties_of(chosen.clause))
    else:
        _print_all(console, texts.values())
    if json_to:
        everything = {"clauses": [as_json(text) for text in texts.values()]}
        write_json(json_to, everything if chosen is None else as_json(chosen))


def as_json(text: ClauseText) -> dict[str, Any]:
    """Return a clause and its ties as `ackcheck spec --json` writes them."""
    told = {"id": text.clause.value, "group": text.group, "promise": text.promise, "why": text.why, "how": text.how}
    return told | ties_of(text.clause).as_json()


def _print_all(console: Console, texts: Iterable[ClauseText]) -> None:
    groups: dict[str, list[ClauseText]] = {}
    for text in texts:
        groups.setdefault(text.title, []).append(text)
    between = ", " if console.width >= WIDE else "\n"
    counted = {text.clause: _counted(ties_of(text.clause), between) for texts in groups.values() for text in texts}
    longest = max(len(line) for told in counted.values() for line in told.splitlines())
    for title, group in groups.items():
        table = Table(title=title, title_justify="left", header_style="bold", show_lines=True, expand=True)
        table.add_column("clause", no_wrap=True, min_width=max(len(clause) for clause in counted))
        table.add_column("the promise", ratio=1)
        table.add_column("what ties to it", no_wrap=True, min_width=longest)
        for text in group:
            table.add_row(text.clause.value, Markdown(text.promise), counted[text.clause])
        console.print(table)


def _counted(ties: Ties, between: str) -> str:
    counts = {"check": ties.checks, "rule": ties.rules, "bug": ties.seen, "test": ties.tests}
    shown = [f"{len(found)} {name}{'' if len(found) == 1 else 's'}" for name, found in counts.items() if found]
    return between.join(shown)


def _print_one(console: Console, text: ClauseText, ties: Ties) -> None:
    console.print(Markdown(text.markdown))
    sections: dict[str, list[tuple[str, str]]] = {
        "judged by": [(check.where, check.kind) for check in ties.checks],
        "broken without the rule": [
            entry
            for rule in ties.rules
            for entry in [(rule.name, rule.says), *((f"  {function}", "") for function in functions_keeping(rule))]
        ],
        "broken first, as a pinned run shows, by the bug": [(bug.name, bug.source) for bug in ties.seen],
        "may be broken first by the bug": [(bug.name, bug.source) for bug in ties.may],
        "kept in the reference store by": [(function, "") for function in ties.store],
        "named in the test": [(test, "") for test in ties.tests],
    }
    for label, entries in sections.items():
        if entries:
            console.print(f"\n[bold]{label}[/]")
        for name, told in entries:
            console.print(f"  {escape(name)}" + (f"  [dim]{escape(told)}[/]" if told else ""), soft_wrap=True)
