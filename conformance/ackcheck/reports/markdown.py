"""A sheet as Markdown that fits a CI summary: what failed first and whole, what passed in a list that is folded.

GitHub shows at most 1 MiB of a step's summary; findings are cut off well before, and it is said.

>>> from ackcheck.reports.sheet import Case, Sheet
>>> text = markdown(Sheet("ackcheck run", "my store: keeps level DISK", "kept", (Case("clause.no-limbo", "passed"),)))
>>> text.splitlines()[0]
'## \N{WHITE HEAVY CHECK MARK} my store: keeps level DISK'
"""

from __future__ import annotations

from ackcheck.reports.sheet import Case, Sheet
from ackcheck.signs import clean

MARKS = {
    "kept": "\N{WHITE HEAVY CHECK MARK}",
    "broken": "\N{CROSS MARK}",
    "not-judged": "\N{WHITE QUESTION MARK ORNAMENT}",
}
MOST_CHARACTERS = 60_000
"""Of one finding's details."""


def cell(text: str) -> str:
    """Return a text that stands in one cell of a table, and is shown as it is.

    >>> cell("a|b <c>\\nd")
    'a\\\\|b &lt;c&gt; d'
    """
    for sign, shown in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "\\|"),
        ("*", "\\*"),
        ("_", "\\_"),
        ("`", "\\`"),
    ):
        text = text.replace(sign, shown)
    return " ".join(text.split())


def fenced(text: str) -> str:
    """Return a text in a fence that nothing in it can close."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}\n... {len(text) - MOST_CHARACTERS} more characters: see the JSON"
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def markdown(sheet: Sheet) -> str:
    """Return the Markdown."""
    failed = [case for case in sheet.cases if case.status == "failed"]
    skipped = [case for case in sheet.cases if case.status == "skipped"]
    passed = [case for case in sheet.cases if case.status == "passed"]
    counts = f"{len(passed)} kept, {len(failed)} broken, {len(skipped)} not judged, in {sheet.seconds:.0f} s"
    parts = [f"## {MARKS[sheet.outcome]} {cell(sheet.title)}", counts]
    parts += [_failure(case) for case in failed]
    if skipped:
        rows = [f"| `{case.shown or case.id}` | {cell(case.why)} |" for case in skipped]
        parts.append("\n".join(["| not judged | why |", "|---|---|", *rows]))
    if passed:
        rows = [f"| `{case.shown or case.id}` | {cell(case.says)} |" for case in passed]
        table = "\n".join(["| kept | what it says |", "|---|---|", *rows])
        parts.append(f"<details><summary>{len(passed)} kept</summary>\n\n{table}\n\n</details>")
    if sheet.facts:
        rows = [f"| {cell(name)} | {cell(value)} |" for name, value in sheet.facts.items()]
        table = "\n".join(["| how it was made | |", "|---|---|", *rows])
        parts.append(f"<details><summary>How it was made</summary>\n\n{table}\n\n</details>")
    return clean("\n\n".join(parts) + "\n")


def _failure(case: Case) -> str:
    parts = [f"### `{case.shown or case.id}` is broken", f"> {cell(case.says)}" if case.says else "", cell(case.why)]
    if case.details:
        parts.append(
            f"<details><summary>The shortest history that was found</summary>\n\n{fenced(case.details)}\n\n</details>"
        )
    return "\n\n".join(filter(None, parts))
