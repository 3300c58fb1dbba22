"""The one form that results (of `run`, `broker`, `bugs`, `explore`) take before they become JUnit, CTRF or Markdown.

A sheet has a case for each thing that passes or fails by itself, with an id that stays the same from run to run:

>>> sheet = sheet_of_bugs([{"name": "late-ack", "caught": False, "clause": None, "cases": 9, "seconds": 2.5, "seed": 1,
...                         "why": ""}], "ackcheck bugs late-ack")
>>> sheet.cases[0].id, sheet.cases[0].status, sheet.count("failed")
('bugs.late-ack', 'failed', 1)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from attrs import Factory, frozen

from ackcheck.reports.record import FindingRecord, Record, record_of
from ackcheck.spec import clause_texts
from ackmodel import Clause

Status = Literal["passed", "failed", "skipped"]

STATUSES: Mapping[str, Status] = {"kept": "passed", "broken": "failed", "not-judged": "skipped"}
"""What the words of a verdict are in the words of test reports."""


@frozen
class Case:
    """One row. `says` is what is promised, `why` why it failed or was skipped, `details` the whole finding."""

    id: str
    status: Status
    says: str = ""
    why: str = ""
    details: str = ""
    seconds: float = 0.0
    shown: str = ""
    """What it is called where it is shown: the clause, the bug."""


@frozen
class Sheet:
    """All rows of one run. `facts` say how it was made, for whoever wants to make it again."""

    tool: str
    title: str
    outcome: str
    cases: tuple[Case, ...]
    facts: Mapping[str, str] = Factory(dict)
    seconds: float = 0.0
    began: str = ""

    def count(self, status: Status) -> int:
        """Return how many rows have a status."""
        return sum(case.status == status for case in self.cases)


def promise_of(clause: str) -> str:
    """Return the sentence of a clause; empty for one that this version does not know.

    >>> promise_of("no-limbo").endswith("."), promise_of("of-another-version")
    (True, '')
    """
    return clause_texts()[Clause(clause)].promise if clause in set(Clause) else ""


def finding_text(finding: FindingRecord) -> str:
    """Return a finding as plain text: why, the history by step and lane, and how to see it again."""
    case = "" if finding.case is None else f", case {finding.case}"
    lines = [f"{line.step:4} {line.lane:10}  {line.text}" for line in finding.lines]
    again = ["again:", f"  {finding.again}"] if finding.again else []
    test = ["a program that shows it again:", finding.test] if finding.test else []
    return "\n".join([f"{finding.why} (grade {finding.grade}, seed {finding.seed}{case})", *lines, *again, *test])


def facts_of(record: Record) -> dict[str, str]:
    """Return how a verdict was made, a line a fact."""
    facts = {"target": record.target, "command": record.command, "profile": record.profile, "seed": str(record.seed)}
    facts["level"] = record.level or "none"
    facts |= {f"promise {name}": str(value) for name, value in record.promises.items()}
    told = {name: value for name, value in record.machine.items() if name != "file_systems"}
    facts |= {name.replace("_", " "): str(value) for name, value in told.items()}
    places = record.machine.get("file_systems", {})
    for grade, place in places.items() if isinstance(places, dict) else ():
        facts[f"file system of {grade}"] = str(place)
    return {name: value for name, value in facts.items() if value}


def sheet_of_run(record: Record) -> Sheet:
    """Return the sheet of a verdict: a row a clause, and a row a level."""
    cases = [
        Case(
            f"clause.{clause.id}",
            STATUSES.get(clause.status, "skipped"),
            promise_of(clause.id),
            clause.why,
            "\n\n".join(finding_text(finding) for finding in record.findings_of(clause.id)),
            shown=clause.id,
        )
        for clause in record.clauses
    ]
    for level in record.levels:
        at_stake = ", ".join(f"{name} {times} of at least {floor}" for name, (times, floor) in level.at_stake.items())
        why = "; ".join(filter(None, [level.why, level.mend and f"mend: {level.mend}"]))
        status = STATUSES.get(level.status, "skipped")
        cases.append(Case(f"level.{level.level}", status, f"at stake: {at_stake}", why, shown=f"level {level.level}"))
    seconds = sum(run.seconds for run in record.runs)
    title = f"{record.target}: {_sentence(record)}"
    return Sheet("ackcheck run", title, record.outcome, tuple(cases), facts_of(record), seconds, record.began)


def _sentence(record: Record) -> str:
    if record.level:
        return f"keeps level {record.level.upper()}"
    return "no level could be shown to be kept" if record.outcome == "not-judged" else "keeps no level that was judged"


def sheet_of_bugs(catches: Sequence[Mapping[str, Any]], command: str) -> Sheet:
    """Return the sheet of `ackcheck bugs --json`: a row a bug, passed where it was caught."""
    cases = [
        Case(
            f"bugs.{catch['name']}",
            "passed" if catch["caught"] else "failed",
            f"caught by {catch['clause']} in {catch['cases']} cases" if catch["caught"] else "",
            "" if catch["caught"] else f"not caught in {catch['cases']} cases by a clause that it must break",
            str(catch["why"] or ""),
            float(catch["seconds"]),
            str(catch["name"]),
        )
        for catch in catches
    ]
    missed = sum(case.status == "failed" for case in cases)
    title = f"the bug zoo: {len(cases) - missed} of {len(cases)} caught"
    seconds = sum(case.seconds for case in cases)
    return Sheet("ackcheck bugs", title, "broken" if missed else "kept", tuple(cases), {"command": command}, seconds)


def sheet_of_brokers(runs: Sequence[Mapping[str, Any]], command: str) -> Sheet:
    """Return the sheet of `ackcheck broker --json`: a row a run, passed where all came as expected of that broker.

    A run is called by its broker, configuration and grade, and has a number where there are several of these.
    """
    names = [f"{run['broker']}.{run['configuration']}.{run['grade']}" for run in runs]
    many, count, cases = Counter(names), Counter[str](), []
    for name, run in zip(names, runs, strict=True):
        count[name] += 1
        record = record_of({**run, **run["verdict"]})
        status, why = _of_broker(run)
        told = "\n\n".join(f"{finding.clause}: {finding_text(finding)}" for finding in record.findings)
        seconds = sum(one.seconds for one in record.runs)
        id_ = f"broker.{name}" + (f".{count[name]}" if many[name] > 1 else "")
        details = "\n\n".join(filter(None, [f"again: {run['command']}", told]))
        cases.append(Case(id_, status, run["told"], why, details, seconds, id_.partition(".")[2]))
    new, judged = (sum(case.status == status for case in cases) for status in ("failed", "passed"))
    title = f"brokers: {judged} of {len(cases)} runs came as expected"
    outcome = "broken" if new else "kept" if cases and judged == len(cases) else "not-judged"
    return Sheet("ackcheck broker", title, outcome, tuple(cases), {"command": command}, sum(c.seconds for c in cases))


def _of_broker(run: Mapping[str, Any]) -> tuple[Status, str]:
    """Return how a run of a broker ended, and why; one that failed by itself is no run that was passed over."""
    if run["failed"]:
        return "failed", f"came to no verdict: {run['failed']}"
    if run["surprises"]:
        return "failed", "; ".join(run["surprises"])
    return ("skipped", "; ".join(run["not_judged"])) if run["not_judged"] else ("passed", "")


def sheet_of_exploration(
    told: Mapping[str, Any], command: str, trace: str, lassos: Mapping[str, str] = MappingProxyType({})
) -> Sheet:
    """Return the sheet of `ackcheck explore --json`: a row a clause; one that was never at stake is skipped.

    `trace` has the steps of the counterexample, `lassos` those of each property that never comes to pass, by its name.
    """
    broken, at_stake = told["violations"], told["at_stake"]
    never: dict[str, list[str]] = {}
    for finding in told.get("liveness", ()):
        if not finding["holds"]:
            never.setdefault(finding["clause"], []).append(finding["name"])
    cases = []
    for clause in Clause:
        id_ = clause.value
        if id_ in broken:
            case = Case(f"model.{id_}", "failed", promise_of(id_), f"broken {broken[id_]} times", trace, shown=id_)
        elif id_ in never:
            why, steps = f"never in the end: {', '.join(never[id_])}", lassos.get(never[id_][0], "")
            case = Case(f"model.{id_}", "failed", promise_of(id_), why, steps, shown=id_)
        elif at_stake.get(id_):
            case = Case(f"model.{id_}", "passed", promise_of(id_), shown=id_)
        else:
            case = Case(f"model.{id_}", "skipped", promise_of(id_), "never at stake in this configuration", shown=id_)
        cases.append(case)
    fallen = len({*broken, *never})
    title = f"the model: {told['states']:,} states, {fallen} clauses broken"
    facts = {"command": command, **{name: str(value) for name, value in told["config"].items()}}
    return Sheet("ackcheck explore", title, "broken" if fallen else "kept", tuple(cases), facts, told["seconds"])
