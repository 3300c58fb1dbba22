"""A verdict asked clause by clause, for any test framework, or none.

    verdict = judge("my_store.py:factory", faults=["process", "power"])     # ackcheck.suite
    assert_kept(verdict, "survives-power-loss")

>>> from ackcheck.suite import judge
>>> verdict = judge("acklab.reference.stepped:Reference", faults=["sim"], level="page-cache", effort=1, seed=1)
>>> assert_kept(verdict, "no-limbo")
>>> outcomes(verdict)["level.page-cache"].status      # one run is too little for a level
'not-judged'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Literal

from attrs import frozen

from ackcheck.ledger import Entry
from ackcheck.verdict import Verdict
from ackmodel import Clause, Level

Status = Literal["kept", "broken", "expected", "unexpectedly-kept", "not-judged"]


class Refuted(AssertionError):
    """What was to be kept is broken; the message has the clause, why, and the shortest history."""


class NotJudged(AssertionError):
    """What was to be kept was not put to the test; the message says why, and what would mend it."""


class UnknownName(ValueError):
    """There is no such clause or level; the message lists those there are."""


@frozen
class Outcome:
    """What is said of one clause or level. `why` is for people: the findings, or what a judgement needs.

    `expected`: all that was found stands in the ledger; `unexpectedly-kept`: the ledger says that it fails.
    """

    id: str
    status: Status
    why: str = ""


def names() -> tuple[str, ...]:
    """Return the ids of all that is judged, always the same: every clause, then every level.

    >>> names()[0], names()[-1]
    ('clause.reply-after-stage', 'level.disk')
    """
    return (*(f"clause.{clause.value}" for clause in Clause), *(f"level.{level.value}" for level in Level))


def outcomes(verdict: Verdict, ledger: Sequence[Entry] = (), *, today: date | None = None) -> Mapping[str, Outcome]:
    """Return what a verdict says of each of `names()`, beside a ledger of findings that are expected."""
    told = (*_clauses(verdict, ledger, today or date.today()), *_levels(verdict))
    return {outcome.id: outcome for outcome in told}


def _clauses(verdict: Verdict, ledger: Sequence[Entry], today: date) -> Iterator[Outcome]:
    standing = [entry for entry in ledger if entry.expires is None or entry.expires >= today]
    for clause, told in verdict.clauses().items():
        id_ = f"clause.{clause.value}"
        found = [finding for finding in verdict.findings if finding.clause is clause]
        entries = [entry for entry in standing if entry.clause is clause or any(entry.covers(one) for one in found)]
        new = [finding for finding in found if not any(entry.covers(finding) for entry in entries)]
        if new:
            yield Outcome(id_, "broken", "\n\n".join(map(str, new)))
        elif found:
            yield Outcome(id_, "expected", "; ".join(f"{entry.reason} {entry.link}".strip() for entry in entries))
        elif told.status == "not-judged":
            yield Outcome(id_, "not-judged", told.why)
        elif not verdict.cut and (fails := [entry for entry in entries if entry.status == "fails"]):
            why = f"the ledger expects it to fail ({fails[0].reason}): remove the entry, or call it flaky"
            yield Outcome(id_, "unexpectedly-kept", why)
        else:
            yield Outcome(id_, "kept")


def _levels(verdict: Verdict) -> Iterator[Outcome]:
    judged = {told.level: told for told in verdict.levels}
    for level in Level:
        if level not in judged:
            yield Outcome(f"level.{level.value}", "not-judged", "another level was asked for")
        else:
            told = judged[level]
            told_why = f"refuted by {told.why}" if told.status == "broken" else told.why
            why = "; ".join(filter(None, [told_why, told.mend and f"mend: {told.mend}"]))
            yield Outcome(f"level.{level.value}", told.status, why)


def assert_kept(verdict: Verdict, what: str, ledger: Sequence[Entry] = ()) -> None:
    """Raise unless a clause, or a level (`level.disk`), was put to the test and kept."""
    told = outcomes(verdict, ledger)
    outcome = told.get(what) or told.get(f"clause.{what}")
    if outcome is None:
        raise UnknownName(f"no clause or level {what!r}: there are {', '.join(names())}")
    if outcome.status == "not-judged":
        raise NotJudged(f"{outcome.id} was not judged: {outcome.why}")
    if outcome.status != "kept":
        raise Refuted(f"{outcome.id} is {outcome.status}: {outcome.why}")
