"""Several verdicts side by side: a row a clause, a column a verdict, and each broken cell leads to its finding.

Columns of equal targets are told apart by what else differs: version, profile, seed, kernel.

>>> from ackcheck.reports.record import record_of
>>> stated = {"target": "a", "outcome": "kept", "level": None, "profile": "quick", "seed": 7, "promises": {}}
>>> stated |= {"levels": [], "findings": [], "runs": []}
>>> clause = {"id": "no-limbo", "status": "kept", "times_checked": 3, "why": "", "levels": []}
>>> one = record_of(stated | {"clauses": [clause]})
>>> two = record_of(stated | {"seed": 8, "clauses": [clause | {"status": "broken"}]})
>>> Comparison.of([("one.json", one), ("two.json", two)]).names
('a (one.json)', 'a (two.json)')
>>> Comparison.of([("one.json", one), ("two.json", two)]).changed
('no-limbo',)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from attrs import frozen

from ackcheck.reports.markdown import cell
from ackcheck.reports.page import findings_html
from ackcheck.reports.record import Record
from ackcheck.reports.sheet import facts_of, promise_of
from ackcheck.reports.style import mark, page
from ackmodel import Level

SIGNS = {"kept": "kept", "broken": "**broken**", "not-judged": "not judged", "": "-"}


@frozen
class Comparison:
    """Verdicts with the names of their columns."""

    names: tuple[str, ...]
    records: tuple[Record, ...]

    @classmethod
    def of(cls, named: Sequence[tuple[str, Record]]) -> Comparison:
        """Name each verdict by its target, and where two have the same, by its file too."""
        often = Counter(record.target for _, record in named)
        names = (record.target if often[record.target] == 1 else f"{record.target} ({file})" for file, record in named)
        return cls(tuple(names), tuple(record for _, record in named))

    @property
    def clauses(self) -> tuple[str, ...]:
        """Every clause that any of them speaks of, in the order of the first that does."""
        return tuple(dict.fromkeys(clause.id for record in self.records for clause in record.clauses))

    def status(self, record: Record, clause: str) -> str:
        """Return what a verdict says of a clause; empty where it does not know it."""
        return next((each.status for each in record.clauses if each.id == clause), "")

    def level_status(self, record: Record, level: str) -> str:
        """Return what a verdict says of a level; empty where it was not asked."""
        return next((each.status for each in record.levels if each.level == level), "")

    @property
    def changed(self) -> tuple[str, ...]:
        """The clauses of which not all say the same."""
        return tuple(name for name in self.clauses if len({self.status(record, name) for record in self.records}) > 1)

    @property
    def facts(self) -> dict[str, tuple[str, ...]]:
        """How they were made, by name: only what is not the same for all."""
        told = [facts_of(record) for record in self.records]
        names = dict.fromkeys(name for each in told for name in each)
        found = {name: tuple(each.get(name, "") for each in told) for name in names}
        return {name: values for name, values in found.items() if len(set(values)) > 1}


def comparison_markdown(compared: Comparison) -> str:
    """Return the comparison as one Markdown table."""
    head = ["| | " + " | ".join(map(cell, compared.names)) + " |", "|---" * (len(compared.names) + 1) + "|"]
    rows = []
    for level in Level:
        told = [SIGNS.get(compared.level_status(record, level.value), "-") for record in compared.records]
        rows.append(f"| level {level.value} | {' | '.join(told)} |")
    for clause in compared.clauses:
        told = [SIGNS.get(compared.status(record, clause), "-") for record in compared.records]
        rows.append(f"| `{clause}` | {' | '.join(told)} |")
    rows += [f"| {cell(name)} | {' | '.join(map(cell, values))} |" for name, values in compared.facts.items()]
    return "\n".join([*head, *rows]) + "\n"


def comparison_page(compared: Comparison) -> str:
    """Return the comparison as a page that holds the findings too."""
    title = "Side by side: " + ", ".join(compared.names)
    parts = [
        f"<h1>{escape(title)}</h1>",
        "<p class=soft>A cell that is broken leads to its finding. What was not judged is not kept.</p>",
        *_table(compared),
    ]
    for number, (name, record) in enumerate(zip(compared.names, compared.records, strict=True)):
        if record.findings:
            parts += [f"<h2>{escape(name)}</h2>", *findings_html(record, prefix=f"v{number}-")]
    return page(title, parts)


def _table(compared: Comparison) -> Iterator[str]:
    heads = "".join(f"<th scope=col>{escape(name)}" for name in compared.names)
    yield f"<div class=wide tabindex=0><table><thead><tr><th>{heads}</tr></thead>"
    for level in Level:
        cells = "".join(f"<td>{_mark(compared.level_status(record, level.value))}" for record in compared.records)
        yield f"<tr><th scope=row>level {escape(level.value)}{cells}</tr>"
    for clause in compared.clauses:
        cells = "".join(f"<td>{_cell(compared, number, clause)}" for number in range(len(compared.records)))
        yield f'<tr><th scope=row title="{escape(promise_of(clause))}"><code>{escape(clause)}</code>{cells}</tr>'
    for name, values in compared.facts.items():
        yield f"<tr><th scope=row>{escape(name)}{''.join(f'<td>{escape(value)}' for value in values)}</tr>"
    yield "</table></div>"


def _mark(status: str) -> str:
    return mark(status) if status else '<span class="soft">-</span>'


def _cell(compared: Comparison, number: int, clause: str) -> str:
    record = compared.records[number]
    shown = _mark(compared.status(record, clause))
    found = record.findings_of(clause)
    return f'<a href="#v{number}-finding-{found[0].number}">{shown}</a>' if found else shown
