"""A counterexample as one self-contained HTML page: a row a step, lanes for client, store, cache, disk and offset.

The page loads nothing from anywhere, and reads without colours and without scripts.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> broken = explore(Config(rules={"commit-after-flush": False}), Options(stop_at="commit-is-safe"))
>>> page = html_page(broken.counterexample)
>>> page.startswith("<!doctype html>"), page.count("<tr"), page.count("<th scope=col"), "commit-is-safe" in page
(True, 4, 6, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html import escape

from ackexplore.reports.show import clause_in_a_line
from ackexplore.trace import Trace, TraceStep
from ackexplore.values import GHOSTS, wording
from ackmodel import Message, Record, State, Truth
from ackmodel.spec.catalogue import named

STYLE = """
:root { color-scheme: light dark; --page: #fff; --line: #d9dde3; --lane: #f6f7f9; --text: #1c2128; --soft: #6b7480;
  --fault: #b42318; --fault-soft: #fdecea; --new: #0b57d0; --new-soft: #e6effd; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --line: #333a44; --lane: #1b2027; --text: #e4e7eb;
  --soft: #949eab; --fault: #ff9488; --fault-soft: #3a1d1b; --new: #9cc2ff; --new-soft: #1b2c47; } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 0; padding: 1.5rem 2rem; background: var(--page);
  color: var(--text); }
h1 { font-size: 1.5rem; margin: 0 0 .75rem; } p { max-width: 60rem; color: var(--soft); margin: .75rem 0 1rem; }
.broken { border-left: 4px solid var(--fault); background: var(--fault-soft); padding: .5rem 1rem; max-width: 60rem; }
.broken ul { margin: 0; padding: 0; list-style: none; } .broken b { color: var(--fault); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; max-width: 75rem; }
table { border-collapse: separate; border-spacing: 0; }
table { width: 100%; } th, td { padding: .45rem .7rem; text-align: left; vertical-align: top; min-width: 7rem;
  border-bottom: 1px solid var(--line); border-right: 1px solid var(--line); overflow-wrap: anywhere; }
tr:last-child > * { border-bottom: 0; } tr > :last-child { border-right: 0; }
tbody tr:nth-child(odd) > * { background: var(--lane); } tbody tr:nth-child(even) > * { background: var(--page); }
thead th { background: var(--page); font-weight: 600; border-bottom: 2px solid var(--line); }
th[scope=row] { border-right: 2px solid var(--line); font-weight: 600; }
.number { display: block; color: var(--soft); font-weight: 400; font-size: .85em; }
tbody tr > th.fault { background: var(--fault-soft); color: var(--fault); }
td ul { margin: 0; padding: 0; list-style: none; } .old { color: var(--soft); }
.new { color: var(--new); background: var(--new-soft); border-radius: 3px; padding: 0 .25em; font-weight: 600; }
.last { outline: 2px solid var(--fault); outline-offset: -2px; }
@media (max-width: 40rem) { body { padding: 1rem .8rem; } thead { display: none; } tr, th, td { display: block; }
  tbody tr > th, tbody tr > td { border-right: 0; padding: .25rem .7rem; } td:empty { display: none; }
  td[data-lane]::before { content: attr(data-lane); color: var(--soft); font-size: .85em; display: block; } }
@media print { .wide { overflow: visible; } }
"""


def _name(record: str, message: Message, several: bool) -> str:
    return f"{record} {message.index}" if several else record


def _records(state: State) -> Iterator[tuple[str, Record]]:
    several = len(state[1]) > 1
    for message in state[1]:
        for kind in ("checkpoint", "earlier", "ack", "renewal"):
            yield _name(kind, message, several), getattr(message, kind)


def _client(step: TraceStep) -> str:
    """Return what the consumer of the acting message sees."""
    told = named(step.action).client
    if step.actor is None or not told:
        return ""
    before, after = step.before[1][step.actor], step.after[1][step.actor]
    if before.promise != after.promise:
        told = f"{told}, promised: {wording(after.promise)}"
    return f"message {step.actor}: {told}"


def _listed(items: Iterable[str]) -> str:
    told = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{told}</ul>" if told else ""


def _marked(text: str, new: bool) -> str:
    return f"<span class={'new' if new else 'old'}>{escape(text)}</span>"


def _beliefs(step: TraceStep) -> str:
    """Return what changed in the store: everything that is not a record, and the beliefs in records."""
    told = []
    several = len(step.after[1]) > 1
    for change in step.changes:
        if change.field in GHOSTS or change.field.startswith(("offset", "budget")):
            continue
        before, after = change.before.partition(" / ")[0], change.after.partition(" / ")[0]
        if before != after:
            index = change.where.removeprefix("message ")
            name = f"{change.field} {index}" if several and index.isdigit() else change.field
            told.append(f"{escape(name)}: {_marked(after, True)}")
    return _listed(told)


def _bytes_in(step: TraceStep, truths: frozenset[Truth]) -> str:
    """Return the records whose bytes are in a place now; new ones marked."""
    before = dict(_records(step.before))
    told = []
    for name, record in _records(step.after):
        if record.truth in truths:
            text = f"{name} ({record.truth.value})" if record.truth is not Truth.DISK else name
            told.append(_marked(text, before[name].truth is not record.truth))
    return _listed(told)


def _offsets(step: TraceStep) -> str:
    now, was = step.after[0].offset, step.before[0].offset
    places = (("memory", now.volatile, was.volatile), ("file", now.cached, was.cached), ("disk", now.disk, was.disk))
    return _listed(f"{place} {_marked(str(here), here != before)}" for place, here, before in places)


LANES: tuple[tuple[str, Callable[[TraceStep], str]], ...] = (
    ("client", lambda step: escape(_client(step))),
    ("store believes", _beliefs),
    ("page cache", lambda step: _bytes_in(step, frozenset({Truth.DIRTY, Truth.PHANTOM}))),
    ("disk", lambda step: _bytes_in(step, frozenset({Truth.DISK}))),
    ("offset", _offsets),
)
"""The lanes from left to right, and what stands in each at a step, as HTML."""


def _head(step: TraceStep, several: bool) -> str:
    actor = f" ({step.actor})" if several and step.actor is not None else ""
    kind = " class=fault" if named(step.action).kind.is_fault else ""
    action = escape(step.action.replace("_", " ") + actor)
    return f"<th scope=row{kind}><span class=number>{step.number}</span>{action}</th>"


def _rows(trace: Trace, several: bool) -> Iterator[str]:
    for step in trace.steps:
        falls = trace.broken and trace.loop is None and step is trace.steps[-1]
        last = " class=last" if falls else ""
        cells = "".join(f'<td{last} data-lane="{name}">{told(step)}</td>' for name, told in LANES)
        yield f"<tr>{_head(step, several)}{cells}</tr>"


def lanes_table(trace: Trace) -> str:
    """Return a trace as a table: a row a step, a column a lane."""
    head = "".join(f"<th scope=col>{name}</th>" for name in ("step", *(name for name, _ in LANES)))
    rows = _rows(trace, several=len(trace.initial[1]) > 1)
    return "\n".join(
        [f"<div class=wide tabindex=0><table><thead><tr>{head}</tr></thead><tbody>", *rows, "</tbody></table></div>"]
    )


def _for_ever(trace: Trace) -> str:
    """Return what comes after the steps of a lasso, as a paragraph; empty for any other trace."""
    if trace.loop is None:
        return ""
    left = len(trace) - trace.loop
    if not left:
        return "<p><b>After these steps nothing happens any more</b>: what the clause asks for never comes.</p>"
    steps = "the last step is" if left == 1 else f"the last {left} steps are"
    return f"<p><b>For ever round {steps} taken</b>: what the clause asks for never comes.</p>"


def html_page(trace: Trace, about: Iterable[str] = ()) -> str:
    """Return a trace as a page; `about` are lines that say how it was found."""
    names = ", ".join(clause.value for clause in trace.broken) or "a run"
    promises = "".join(f"<li><b>{clause.value}</b>: {escape(clause_in_a_line(clause))}</li>" for clause in trace.broken)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(names)} in {len(trace)} steps</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(names)}, in {len(trace)} steps</h1>",
            f"<div class=broken><ul>{promises}</ul></div>" if promises else "",
            *(f"<p><code>{escape(line)}</code></p>" for line in about),
            "<p>A row is a step; what it changed is marked. The store lane shows changes only, the others what "
            "there is after the step. A record in the page cache is <i>dirty</i> (it will be written some day) or "
            "<i>phantom</i> (readable, but it never will be).</p>",
            lanes_table(trace),
            _for_ever(trace),
            "</body></html>",
            "",
        ]
    )
