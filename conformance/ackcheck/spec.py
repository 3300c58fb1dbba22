"""The text of the clauses: the Markdown of `specs/clauses`, read into one value a clause.

A file is a group; in it, a level-two heading is a clause's id, and under it stand the promise in one sentence, a
paragraph that begins **Why.**, and one that begins **How it is checked.** Anything else is refused, with file and line.

>>> text = clause_texts()[Clause.FLUSH_IS_REAL]
>>> text.group, text.promise.split(",")[0]
('flush', 'The flushed watermark covers only bytes that a successful sync covered which began after they were written')
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from ackmodel import Clause, UnknownClause, clause_named

PAGES = {
    "overview": "README.md",
    "protocol": "protocol.md",
    "verdict": "verdict.md",
    "commands": "commands.md",
    "trace": "trace.md",
    "vendoring": "vendoring.md",
    "schema": "protocol.schema.json",
}
"""The pages that `ackcheck spec` prints, by their names there."""

WHY, HOW = "**Why.**", "**How it is checked.**"
SENTENCE_END = re.compile(r"[.?!]\s")


class MalformedClauses(ValueError):
    """The clause files do not say what they must; the message names the file and the line, and what is missing."""


class MissingClauses(FileNotFoundError):
    """The clause files are not where they should be; the message says where they were looked for."""


@frozen
class ClauseText:
    """What the specification says of one clause. `group` is the file's name, `title` its heading.

    `promise`, `why` and `how` are Markdown paragraphs without their labels.
    """

    clause: Clause
    group: str
    title: str
    promise: str
    why: str
    how: str

    @property
    def markdown(self) -> str:
        """The text as it stands in the file."""
        return f"## {self.clause.value}\n\n{self.promise}\n\n{WHY} {self.why}\n\n{HOW} {self.how}\n"


def clauses_folder() -> Path:
    """Return the folder of the clause files: beside the package in an installed wheel, in `specs/` in a checkout."""
    package = Path(__file__).resolve().parent
    places = (package / "clauses", package.parent.parent / "specs" / "clauses")
    for place in places:
        if place.is_dir():
            return place
    looked = " or ".join(map(str, places))
    raise MissingClauses(f"no clause files in {looked}: install the package from its wheel, or run it in a checkout")


def page_text(name: str) -> str:
    """Return a page of the specification: from beside the package in an installed wheel, from `specs/` in a checkout.

    >>> page_text("protocol").splitlines()[0]
    '# The protocol of a target on real files'
    """
    package = Path(__file__).resolve().parent
    for place in (package / "pages", package.parent.parent / "specs"):
        path = place / PAGES[name]
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise MissingClauses(f"no page {PAGES[name]} beside {package}: install the package from its wheel")


def clause_texts(folder: Path | None = None) -> Mapping[Clause, ClauseText]:
    """Return the text of every clause, in the order of `ackmodel.Clause`.

    Raises `MissingClauses`, or `MalformedClauses` for a text without a clause, a clause without a text or with two, and
    a text that lacks one of its parts.
    """
    found: dict[Clause, ClauseText] = {}
    for path in sorted((folder or clauses_folder()).glob("*.md")):
        for line, text in parsed(path):
            if text.clause in found:
                raise MalformedClauses(f"{path.name}:{line}: {text.clause} has a text already, remove one of the two")
            found[text.clause] = text
    without = [clause.value for clause in Clause if clause not in found]
    if without:
        raise MalformedClauses(f"no text for {', '.join(without)}: write one under a heading of that name")
    return {clause: found[clause] for clause in Clause}


def parsed(path: Path) -> Iterator[tuple[int, ClauseText]]:
    """Yield each clause of one file, and the line of its heading."""
    title = ""
    heading: tuple[int, str] | None = None
    body: list[str] = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), "## "], start=1):
        if line.startswith("# "):
            title = line[2:].strip()
        elif line.startswith("## "):
            if heading is not None:
                yield heading[0], _text(path, title, *heading, "\n".join(body))
            heading, body = (number, line[3:].strip()), []
        else:
            body.append(line)


def _text(path: Path, title: str, line: int, name: str, body: str) -> ClauseText:
    """Return one clause, from what stands under its heading."""
    where = f"{path.name}:{line}"
    try:
        clause = clause_named(name)
    except UnknownClause as error:
        raise MalformedClauses(f"{where}: {error}") from None
    promise, found_why, rest = body.partition(WHY)
    why, found_how, how = rest.partition(HOW)
    parts = [" ".join(part.split()) for part in (promise, why, how)]
    for part, found, label in zip(parts, (True, found_why, found_how), ("a promise", WHY, HOW), strict=True):
        if not found or not part:
            raise MalformedClauses(f"{where}: {name} lacks {label}, in this order: the promise, {WHY}, {HOW}")
    if SENTENCE_END.search(parts[0]) or not parts[0].endswith("."):
        raise MalformedClauses(f"{where}: the promise of {name} has to be one sentence")
    return ClauseText(clause, path.stem, title, *parts)
