"""The ledger: findings that are expected of a target, each with its reason, so that a new one stands out.

    [[expected]]
    clause = "deadline-is-exact"          # or: pattern = "a regular expression, of `clause: why`"
    status = "fails"                      # or: "flaky", which may come or not
    reason = "reservations die with the server, by design"
    link = "https://example.org/issues/7"
    expires = 2027-01-01

An expected finding is told apart from the others. One that `fails` and does not come is an error, so that the ledger
does not outlive the bug; so is an entry that has expired. A run that was cut short did not wait for what had not come:
that is told, and is no error. What a finding refutes it refutes, expected or not.

>>> entry = Entry(clause=Clause.NO_LIMBO, status="fails", reason="known", expires=date(2027, 1, 1))
>>> compared([entry], [], today=date(2026, 1, 1)).errors
('no-limbo (known) was expected, and did not come: remove it from the ledger, or call it flaky',)
>>> compared([entry], [Finding(Clause.NO_LIMBO, "late", "sim", 1)], today=date(2026, 1, 1)).new
()
>>> compared([entry], [], today=date(2026, 1, 1), cut="it was interrupted").unwaited
('no-limbo (known) was not waited for: it was interrupted',)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from attrs import frozen

from ackcheck.findings import Finding
from ackcheck.given import Unreadable, toml_of
from ackmodel import Clause, nearest

FIELDS = ("clause", "pattern", "status", "reason", "link", "expires")
STATUSES = ("fails", "flaky")
NO_REASON = "TODO: say why"
"""What an entry that was written by `ackcheck ledger update` says, until somebody knows better."""


class BadLedger(ValueError):
    """The ledger cannot be read; the message names the entry and the mend."""


@frozen(kw_only=True)
class Entry:
    """One expected finding: by its clause, or by a pattern that is searched in `clause: why`."""

    clause: Clause | None = None
    pattern: str = ""
    status: str = "fails"
    reason: str = ""
    link: str = ""
    expires: date | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.clause.value if self.clause else repr(self.pattern)} ({self.reason})"

    def covers(self, finding: Finding) -> bool:
        """Tell whether it speaks of this finding."""
        if self.clause is not None and finding.clause is not self.clause:
            return False
        return not self.pattern or re.search(self.pattern, f"{finding.clause.value}: {finding.why}") is not None


@frozen
class Compared:
    """What came beside what was expected."""

    expected: tuple[Finding, ...]
    new: tuple[Finding, ...]
    errors: tuple[str, ...]
    unwaited: tuple[str, ...]
    """Which entries could have come yet, where the run was cut short."""


def compared(entries: Sequence[Entry], findings: Iterable[Finding], *, today: date, cut: str = "") -> Compared:
    """Tell the expected findings from the others, and say what is wrong with the ledger.

    `cut` says why the run ended before its end; empty where it did not.
    """
    expected: list[Finding] = []
    new: list[Finding] = []
    for finding in findings:
        (expected if any(entry.covers(finding) for entry in entries) else new).append(finding)
    errors, unwaited = [], []
    for entry in entries:
        if entry.expires is not None and entry.expires < today:
            errors.append(f"{entry.name} expired on {entry.expires}: look at it again, and give it another date")
        if entry.status != "fails" or any(entry.covers(finding) for finding in expected):
            continue
        if cut:
            unwaited.append(f"{entry.name} was not waited for: {cut}")
        else:
            errors.append(f"{entry.name} was expected, and did not come: remove it from the ledger, or call it flaky")
    return Compared(tuple(expected), tuple(new), tuple(errors), tuple(unwaited))


def read_ledger(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a ledger."""
    try:
        stated = toml_of(path)
    except Unreadable as error:
        raise BadLedger(str(error)) from error
    entries = stated.get("expected", [])
    if set(stated) - {"expected"} or not isinstance(entries, list):
        raise BadLedger(f"{path}: write entries as [[expected]], and nothing else")
    return tuple(_entry(f"{path}: entry {number}", one) for number, one in enumerate(entries, 1))


def _entry(where: str, stated: Any) -> Entry:
    if not isinstance(stated, dict) or set(stated) - set(FIELDS):
        raise BadLedger(f"{where}: write only {', '.join(FIELDS)}")
    if not stated.get("reason") or not (stated.get("clause") or stated.get("pattern")):
        raise BadLedger(f"{where}: write a reason, and a clause or a pattern")
    if stated.get("status", "fails") not in STATUSES:
        raise BadLedger(f"{where}: status is {stated['status']!r}: write {' or '.join(STATUSES)}")
    expires = stated.get("expires")
    if expires is not None and type(expires) is not date:
        raise BadLedger(f"{where}: expires is {expires!r}: write a date, as 2027-01-01")
    return Entry(
        clause=_clause(where, stated["clause"]) if "clause" in stated else None,
        pattern=_pattern(where, stated.get("pattern", "")),
        status=stated.get("status", "fails"),
        reason=str(stated["reason"]),
        link=str(stated.get("link", "")),
        expires=expires,
    )


def _clause(where: str, stated: object) -> Clause:
    if not isinstance(stated, str) or stated not in set(Clause):
        raise BadLedger(f"{where}: no clause {stated!r}; {nearest(str(stated), [*Clause], 'there are')}")
    return Clause(stated)


def _pattern(where: str, stated: object) -> str:
    if not isinstance(stated, str):
        raise BadLedger(f"{where}: pattern is {stated!r}: write a regular expression, in quotes")
    try:
        re.compile(stated)
    except re.error as error:
        mend = "escape what stands for itself"
        raise BadLedger(f"{where}: {stated!r} is no regular expression: {error}; {mend}") from error
    return stated


def updated(entries: Sequence[Entry], findings: Iterable[Finding], *, cut: str = "") -> tuple[Entry, ...]:
    """Return the entries that still come, or are flaky, and a new one for each clause that no entry covers.

    Of a run that was `cut` short all stay: what had not come might have.
    """
    found = list(findings)
    kept = [entry for entry in entries if cut or entry.status == "flaky" or any(entry.covers(one) for one in found)]
    fresh = {one.clause: None for one in found if not any(entry.covers(one) for entry in kept)}
    return (*kept, *(Entry(clause=clause, reason=NO_REASON) for clause in fresh))


def as_toml(entries: Iterable[Entry]) -> str:
    """Return the text of a ledger.

    >>> print(as_toml([Entry(clause=Clause.NO_LIMBO, reason="known")]), end="")
    [[expected]]
    clause = "no-limbo"
    status = "fails"
    reason = "known"
    """
    blocks = []
    for entry in entries:
        stated = {
            "clause": entry.clause.value if entry.clause else "",
            "pattern": entry.pattern,
            "status": entry.status,
            "reason": entry.reason,
            "link": entry.link,
        }
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in stated.items() if value]
        lines += [f"expires = {entry.expires.isoformat()}"] if entry.expires else []
        blocks.append("\n".join(["[[expected]]", *lines]) + "\n")
    return "\n".join(blocks)
