"""A counterexample as one self-contained HTML page: a row a step, a lane each for client, store, cache, disk, offset.

The page loads nothing from anywhere, and reads without colours and without scripts.

>>> from ackmodel import Config
>>> from ackexplore import explore
>>> broken = explore(Config(rules={"commit-after-flush": False}), stop_at="commit-is-safe")
>>> page = html_page(broken.counterexample)
>>> page.startswith("<!doctype html>"), page.count("<tr"), "commit-is-safe" in page
(True, 5, True)
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ackmodel import Message, Phase, Record, State, Truth

from .show import clause_in_a_line
from .trace import Change, Trace, TraceStep
from .values import wording

LANES = ("client", "store believes", "page cache", "disk", "offset")
CLIENT_ACTIONS = frozenset(
    {"pop", "deliver", "ask_ack", "late_ack", "answer_ack", "answer_unknown", "durable_callback", "expire"}
)
FAULTS = frozenset(
    {
        "process_crash",
        "power_loss",
        "sync_fails",
        "sync_times_out",
        "late_sync_fails",
        "fail_checkpoint_write",
        "fail_ack_write",
    }
)
STYLE = """
:root { color-scheme: light dark; --line: #8884; --fault: #c0392b; --new: #2563eb; --soft: #8888; }
@media (prefers-color-scheme: dark) { :root { --fault: #ff8a7a; --new: #8ab4ff; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { position: sticky; top: 0; background: Canvas; }
td.number { text-align: right; color: var(--soft); }
tr.fault td { border-left: 0; } tr.fault code { color: var(--fault); font-weight: 600; }
.new { color: var(--new); font-weight: 600; }
.broken { border: 2px solid var(--fault); padding: .6rem 1rem; }
"""


def _name(record: str, message: Message, several: bool) -> str:
    return f"{record} {message.index}" if several else record


def _records(state: State) -> Iterator[tuple[str, Record]]:
    several = len(state[1]) > 1
    for message in state[1]:
        for kind in ("checkpoint", "earlier", "ack"):
            yield _name(kind, message, several), getattr(message, kind)


def _client(step: TraceStep) -> str:
    """What the consumer of the acting message sees."""
    if step.actor is None or step.action not in CLIENT_ACTIONS:
        return ""
    before, after = step.before[1][step.actor], step.after[1][step.actor]
    said = {
        Phase.POPPING: "pops",
        Phase.DELIVERED: "has the message",
        Phase.ACKING: "asks to ack",
        Phase.DUE: "deadline passed",
        Phase.SETTLED: "told OK",
    }
    text = said.get(after.phase, after.phase.value) if before.phase is not after.phase else ""
    if step.action == "answer_unknown":
        text = "told UNKNOWN"
    elif step.action == "late_ack":
        text = "acks an earlier delivery"
    if before.promise != after.promise:
        text = f"{text}, promised: {wording(after.promise)}".lstrip(", ")
    return f"message {step.actor}: {text}" if text else ""


def _beliefs(changes: tuple[Change, ...]) -> str:
    """What changed in the store: everything that is not a record, and the beliefs in records."""
    told = []
    for change in changes:
        if change.field in ("asked", "promise") or change.field.startswith(("offset", "budget")):
            continue
        before, after = change.before.partition(" / ")[0], change.after.partition(" / ")[0]
        if before != after:
            told.append(f"{escape(change.where)} {escape(change.field)}: <span class=new>{escape(after)}</span>")
    return "<br>".join(told)


def _bytes_in(step: TraceStep, truths: frozenset[Truth]) -> str:
    """The records whose bytes are in a place now; new ones marked."""
    before = dict(_records(step.before))
    told = []
    for name, record in _records(step.after):
        if record.truth in truths:
            text = f"{name} ({record.truth.value})" if record.truth is not Truth.DISK else name
            new = before[name].truth is not record.truth
            told.append(f"<span class=new>{escape(text)}</span>" if new else escape(text))
    return "<br>".join(told)


def _offsets(state: State, before: State) -> str:
    offset, old = state[0].offset, before[0].offset
    text = f"memory {offset.volatile}, file {offset.cached}, disk {offset.disk}"
    return f"<span class=new>{text}</span>" if offset != old else text


def _rows(trace: Trace) -> Iterator[str]:
    for step in trace.steps:
        lanes = (
            escape(_client(step)),
            _beliefs(step.changes),
            _bytes_in(step, frozenset({Truth.DIRTY, Truth.PHANTOM})),
            _bytes_in(step, frozenset({Truth.DISK})),
            _offsets(step.after, step.before),
        )
        actor = "" if step.actor is None else f" ({step.actor})"
        kind = " class=fault" if step.action in FAULTS else ""
        cells = "".join(f"<td>{lane}</td>" for lane in lanes)
        number = f"<td class=number>{step.number}</td>"
        yield f"<tr{kind}>{number}<td><code>{escape(step.action)}{actor}</code></td>{cells}</tr>"


def html_page(trace: Trace) -> str:
    """Return a trace as a page."""
    names = ", ".join(clause.value for clause in trace.broken) or "a run"
    head = "".join(f"<th scope=col>{lane}</th>" for lane in ("#", "step", *LANES))
    promises = "".join(f"<li><b>{clause.value}</b>: {escape(clause_in_a_line(clause))}</li>" for clause in trace.broken)
    rows = [f"<tr>{head}</tr></thead><tbody>", *_rows(trace)]
    last = f"<tr><td></td><td colspan=6>broken: {escape(names)}</td></tr>" if trace.broken else ""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(names)} in {len(trace)} steps</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(names)}, in {len(trace)} steps</h1>",
            f"<div class=broken><ul>{promises}</ul></div>" if promises else "",
            "<p>Each step shows what it changed; what is new is marked. A record in the page cache is <i>dirty</i> (it "
            "will be written some day) or <i>phantom</i> (readable, but it never will be).</p>",
            "<div class=wide><table><thead>",
            *rows,
            last,
            "</tbody></table></div></body></html>",
            "",
        ]
    )
