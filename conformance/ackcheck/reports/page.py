"""A verdict as one page that loads nothing: what it says, every clause, every finding in lanes, and how to repeat it.

>>> from ackcheck.reports.record import record_of
>>> stated = {"target": "./store <1>", "outcome": "kept", "level": "disk", "profile": "quick", "seed": 7}
>>> stated |= {"promises": {}, "levels": [], "clauses": [], "findings": [], "runs": []}
>>> html = html_page(record_of(stated))
>>> "./store &lt;1&gt; keeps level DISK" in html, "http" in html
(True, False)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from ackcheck.history import LANES, Line
from ackcheck.reports.record import ClauseRecord, FindingRecord, Record, RunRecord
from ackcheck.reports.sheet import facts_of, promise_of
from ackcheck.reports.style import mark, page

HEADS: Mapping[str, str] = {
    "client": "client",
    "store": "store (what it believes)",
    "page cache": "page cache (what is written)",
    "disk": "disk (what is true)",
    "offset": "offset",
}
"""What stands above each lane."""

TABLE = "<div class=wide tabindex=0><table class=stack><thead><tr>"
FAULTS = (": EIO", ": ENOSPC", ": hangs", "the process dies", "the power goes", "SIGKILL")
"""How a line ends that tells of a fault."""


def html_page(record: Record) -> str:
    """Return the page of a verdict."""
    verdict = _verdict(record)
    parts = [
        f'<div class="banner {escape(record.outcome)}"><h1>{escape(verdict)}</h1></div>',
        f"<p class=soft>{escape(_made(record))}</p>",
        *_levels(record),
        *findings_html(record),
        *_clauses(record),
        *_faults(record.runs),
        *_ran(record.runs),
        *_how(record),
    ]
    return page(verdict, parts)


def _verdict(record: Record) -> str:
    if record.level:
        return f"{record.target} keeps level {record.level.upper()}"
    if record.outcome == "not-judged":
        return f"{record.target}: no level could be shown to be kept"
    return f"{record.target} keeps no level that was judged"


def _made(record: Record) -> str:
    seconds = sum(run.seconds for run in record.runs)
    judged = sum(clause.status != "not-judged" for clause in record.clauses)
    told = f"{judged} of {len(record.clauses)} clauses judged in {seconds:.0f} s"
    told += f"; profile {record.profile}, seed {record.seed}"
    return told + (f"; {record.began}" if record.began else "")


def _levels(record: Record) -> Iterator[str]:
    yield "<h2>Levels</h2>"
    yield f"{TABLE}<th>level<th>verdict<th>what it rests on</tr></thead>"
    for level in record.levels:
        at_stake = "; ".join(
            f"{name}: {times} faults, at least {floor}" for name, (times, floor) in level.at_stake.items()
        )
        mend = f" <b>Mend:</b> {escape(level.mend)}" if level.mend else ""
        why = f"{escape(level.why)}.{mend}<br>" if level.why else ""
        row = f"<th scope=row>{escape(level.level.upper())}<td>{mark(level.status)}<td>{why}{escape(at_stake)}"
        yield f"<tr>{row}</tr>"
    yield "</table></div>"
    if record.promises:
        told = ", ".join(
            f"<code>{escape(name)} = {escape(str(value))}</code>" for name, value in record.promises.items()
        )
        yield f"<p>Judged by promises that are not the strictest: {told}.</p>"


def findings_html(record: Record, prefix: str = "") -> Iterator[str]:
    """Yield every finding, each with an anchor `{prefix}finding-N`."""
    if record.findings:
        yield "<h2>What broke</h2>"
    for finding in record.findings:
        yield f'<section class=finding id="{escape(prefix)}finding-{finding.number}">'
        yield f"<h3>{mark('broken', finding.clause)} {escape(finding.why)}</h3>"
        if promise := promise_of(finding.clause):
            yield f"<p class=soft>The clause: {escape(promise)}</p>"
        yield f"<p>{escape(_where(finding))}</p>"
        yield lanes(finding.lines)
        yield from _again(finding)
        yield "</section>"


def _where(finding: FindingRecord) -> str:
    parts = [f"grade {finding.grade}, seed {finding.seed}"]
    parts += [] if finding.case is None else [f"case {finding.case}"]
    parts += [f"refutes level {', '.join(finding.refutes)}"] if finding.refutes else []
    parts += [f"the like of it came {finding.times} times"] if finding.times > 1 else []
    return "; ".join(parts)


def _again(finding: FindingRecord) -> Iterator[str]:
    if finding.again:
        yield f"<p>To run its case again:</p><pre>{escape(finding.again)}</pre>"
    if finding.test:
        yield "<details><summary>A program that shows it again: save it as test_replay.py, and run it</summary>"
        yield f"<pre>{escape(finding.test)}</pre></details>"


def lanes(lines: Sequence[Line]) -> str:
    """Return a history as a table: a column a lane, a row a thing that happened; faults and the last row are marked."""
    if not lines:
        return ""
    head = "".join(f"<th scope=col>{HEADS[lane]}" for lane in LANES)
    rows = []
    shown = None
    for number, line in enumerate(lines):
        classes = [*(["fault"] if line.text.endswith(FAULTS) else []), *(["last"] if number == len(lines) - 1 else [])]
        step = "" if line.step == shown else str(line.step)
        shown = line.step
        cells = "".join(
            f'<td data-name="{lane}">{escape(line.text)}' if lane == line.lane else "<td>" for lane in LANES
        )
        rows.append(f'<tr class="{" ".join(classes)}"><td class=step>{step}{cells}</tr>')
    body = "".join(rows)
    table = f'<table class="lanes stack"><thead><tr><th>step{head}</tr></thead><tbody>{body}</tbody></table>'
    return f"<div class=wide tabindex=0>{table}</div>"


def _clauses(record: Record) -> Iterator[str]:
    yield "<h2>Clauses</h2>"
    yield f"{TABLE}<th>clause<th>verdict<th class=number>times checked<th>what it says</tr></thead>"
    for clause in record.clauses:
        yield f"<tr><th scope=row><code>{escape(clause.id)}</code><td>{_linked(clause, record)}"
        why = f"<br><b>{escape(clause.why)}</b>" if clause.status != "kept" and clause.why else ""
        times = f'<td class=number data-name="times checked">{clause.times:,}'
        yield f"{times}<td>{escape(promise_of(clause.id))}{why}</tr>"
    yield "</table></div>"


def _linked(clause: ClauseRecord, record: Record) -> str:
    found = record.findings_of(clause.id)
    shown = mark(clause.status)
    return f'<a href="#finding-{found[0].number}">{shown}</a>' if found else shown


def _faults(runs: Sequence[RunRecord]) -> Iterator[str]:
    rows = [
        f"<tr><td>{escape(run.grade)}<td>{escape(', '.join(run.levels))}<td>{escape(fault)}"
        f'<td class=number data-name="seen to hit">{seen} of {tried}<td>{escape("; ".join(missed))}</tr>'
        for run in runs
        for fault, (tried, seen, missed) in run.faults.items()
    ]
    if rows:
        yield "<h2>Faults that were seen to hit</h2>"
        yield "<p>A fault counts only where the suite itself saw it hit the store.</p>"
        yield f"{TABLE}<th>grade<th>for level<th>fault<th class=number>seen to hit<th>why others did not</tr></thead>"
        yield f"{''.join(rows)}</table></div>"


def _ran(runs: Sequence[RunRecord]) -> Iterator[str]:
    yield "<h2>What was run</h2>"
    yield f"{TABLE}<th>grade<th>for level<th class=number>cases<th class=number>operations<th class=number>seconds"
    yield "<th>what really ran</tr></thead>"
    for run in runs:
        ran = ", ".join(f"{name} {count:,}" for name, count in sorted(run.ran.items()))
        told = f"not judged: {run.not_judged}" if run.not_judged else ran
        numbers = (
            ("cases", f"{run.cases:,}"),
            ("operations", f"{run.operations:,}"),
            ("seconds", f"{run.seconds:.1f}"),
        )
        cells = "".join(f'<td class=number data-name="{name}">{value}' for name, value in numbers)
        yield f"<tr><th scope=row>{escape(run.grade)}<td>{escape(', '.join(run.levels))}{cells}<td>{escape(told)}</tr>"
    yield "</table></div>"


def _how(record: Record) -> Iterator[str]:
    yield "<h2>How to repeat it</h2>"
    if record.command:
        yield f"<pre>{escape(record.command)}</pre>"
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}<td>{escape(value)}</tr>" for name, value in facts_of(record).items()
    )
    yield f"<div class=wide tabindex=0><table class=stack>{rows}</table></div>"
    wrong = Counter(clause.status for clause in record.clauses)["not-judged"]
    if wrong:
        yield f"<p class=soft>{wrong} clauses were not judged. What was not judged is not kept.</p>"
