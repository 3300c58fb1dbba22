"""The rows as tables: for people (Markdown), and as JSON.

>>> print(table(("said", "then"), [("EIO", "OK")]))
| said | then |
|---|---|
| EIO | OK |
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import fields

from ackcheck.disk.behaviour.cases import Case, filesystem_of
from ackcheck.disk.behaviour.meaning import meaning_of
from ackcheck.disk.behaviour.probe import Row
from ackcheck.disk.behaviour.retries import Retries

RULE = "rewrite-after-failure"

Falls: TypeAlias = Callable[[str, str], int | None]
"""Says after how many steps a clause falls for a store without that rule, where syncs and pages fail so."""

FAILED = ("fails", "written by", "the write", "its sync, asked three times", "another descriptor", "a later one")
FAILED_THEN = ("read at once", "file system", "page dropped", "remounted", "model", f"without {RULE}")
AGAIN = (
    "written by",
    "written again",
    "the write",
    "its sync",
    "read at once",
    "page dropped",
    "remounted",
    "comes to",
)

RETRIED = ("tries for an EIO", "writes refused", "an fsync meanwhile", "a freeze", "file system")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("| --- |", "|---|").replace(" --- |", "---|") for line in lines)


def told(rows: Sequence[Row], kernel: str, falls: Falls, tried_again: Sequence[Retries] = ()) -> str:
    """Return the tables of all file systems that rows are about, and how XFS tries again."""
    parts = [f"Linux {kernel}"]
    for name in dict.fromkeys(row.case.filesystem for row in rows):
        own = [row for row in rows if row.case.filesystem == name]
        options = ",".join(filesystem_of(name).options)
        parts += [f"## {name} (`-t {filesystem_of(name).kind} -o {options}`)"]
        parts += [table(FAILED + FAILED_THEN, [_failed(row, falls) for row in own if row.case.then == "nothing"])]
        parts += [table(AGAIN, [_again(row) for row in own if row.case.then != "nothing"])]
    if tried_again:
        settings = ", ".join(f"`{name}` {value}" for name, value in tried_again[0].settings.items())
        parts += [f"## xfs, where the disk refuses all but the log (by itself: {settings})"]
        parts += [table(RETRIED, [_retried(one) for one in tried_again])]
    return "\n\n".join(parts) + "\n"


def as_json(rows: Sequence[Row], tried_again: Sequence[Retries] = ()) -> dict[str, Any]:
    """Return them as JSON, with what they depend on."""
    names = dict.fromkeys(row.case.filesystem for row in rows)
    return {
        "kernel": platform.release(),
        "file_systems": {
            name: {"kind": filesystem_of(name).kind, "options": list(filesystem_of(name).options)} for name in names
        },
        "rows": [row.as_json() | {"model": _model(row)} for row in rows],
        "retries": [one.as_json() for one in tried_again],
    }


def from_json(profile: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a profile that was written as JSON."""
    of_case, of_row = ({field.name for field in fields(kind)} for kind in (Case, Row))
    return [
        Row(
            case=Case(**{name: row[name] for name in of_case}),
            **{name: row[name] for name in of_row - {"case", "syncs"}},
            syncs=tuple(row["syncs"]),
        )
        for row in profile["rows"]
    ]


def _retried(one: Retries) -> list[str]:
    return [one.tries, str(one.hits), one.sync, one.ends, {"OK": "works"}.get(one.state, one.state)]


def _failed(row: Row, falls: Falls) -> list[str]:
    meaning = meaning_of(row)
    model = ", ".join(filter(None, (meaning.sync_error, meaning.failed_page)))
    without = ""
    if meaning.sync_error in ("once", "each", "late"):
        steps = falls(meaning.sync_error, meaning.failed_page)
        without = "nothing falls" if steps is None else f"`flush-is-real` falls in {steps} steps"
    calls = [row.write, ", ".join(row.syncs) + (" (held up)" if row.hung else ""), row.other, row.later]
    return [row.case.fails, row.case.kind, *calls, row.reads, row.state, row.dropped, row.remounted, model, without]


def _again(row: Row) -> list[str]:
    rewrite = meaning_of(row).rewrite
    comes = {"lost": "**lost**", "kept": "kept", "in part": "that part", "": "refused"}[rewrite]
    seen = [row.again_reads, row.again_dropped, row.remounted]
    return [row.case.kind, row.case.then, row.write, f"{row.syncs[0]}, then {row.again}", *seen, comes]


def _model(row: Row) -> dict[str, str]:
    meaning = meaning_of(row)
    return {"sync_error": meaning.sync_error, "failed_page": meaning.failed_page, "rewrite": meaning.rewrite}
