"""Results for people: counterexamples as tables of steps, counts as a few lines. All of it as rich renderables.

>>> from ackmodel import Config
>>> from ackexplore import Options, explore
>>> from rich.console import Console
>>> broken = explore(Config(rules={"commit-after-flush": False}), Options(stop_at="commit-is-safe"))
>>> Console(width=100).print(trace_table(broken.counterexample))  # doctest: +NORMALIZE_WHITESPACE
#  step              who        what changed (belief / truth)
───────────────────────────────────────────────────────────────────────
 1  pop               message 0  phase: waiting → popping
                                 delivery: 0 → 1
                                 checkpoint: none → pending
 2  write_checkpoint  message 0  checkpoint: pending → cached / dirty
 3  commit            message 0  store offset volatile: 0 → 1
<BLANKLINE>
                                 broken: commit-is-safe
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import fields
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ackexplore.coverage import never_possible
from ackexplore.graph.progress import ProgressFinding
from ackexplore.needed import RuleFinding
from ackexplore.result import Progress, Result
from ackexplore.trace import Change, Trace, TraceStep
from ackmodel import Budget, Clause
from ackmodel.spec.invariants import STATE, STEP
from ackmodel.spec.vacuity import AT_STAKE

OF_THE_BUDGET = "in the budget"
"""How the reason ends why a step never happens, where more of something in the budget would mend it."""


def progress_line(progress: Progress) -> str:
    """Return the progress as one line.

    >>> progress_line(Progress(states=20_000, edges=70_000, depth=9, frontier=512, seconds=2.0))
    '20,000 states, 10,000/s, depth 9, frontier 512'
    """
    return f"{progress.states:,} states, {progress.rate:,.0f}/s, depth {progress.depth}, frontier {progress.frontier:,}"


def clause_in_a_line(clause: Clause) -> str:
    """Return what a clause promises, as its invariant says it.

    >>> clause_in_a_line(Clause.FLUSH_IS_REAL)
    'What is FLUSHED is on the disk.'
    """
    invariant = STATE.get(clause) or STEP.get(clause)
    promise = (invariant.__doc__ or "").strip().removeprefix("Require that ") if invariant else ""
    return promise[:1].upper() + promise[1:]


def _changed(change: Change, step: TraceStep) -> Text:
    """Return the name of what changed: the acting message needs none, any other does."""
    own = change.where == f"message {step.actor}"
    text = Text("" if own else f"{change.where} ", style="dim")
    text.append(change.field, style="bold")
    text.append(f": {change.before} → ", style="not bold")
    text.append(change.after, style="cyan")
    return text


def trace_table(trace: Trace) -> Table:
    """Return a trace as a table: a row a step, only the fields that changed, and what is broken at the end."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("step", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("what changed (belief / truth)")
    for step in trace.steps:
        who = "everything" if step.actor is None else f"message {step.actor}"
        changes = [_changed(change, step) for change in step.changes] or [Text("nothing", style="dim")]
        table.add_row(str(step.number), step.action, who, Text("\n").join(changes))
    if trace.broken:
        table.add_row()
        names = ", ".join(clause.value for clause in trace.broken)
        table.add_row("", "", "", Text(f"broken: {names}", style="bold red"))
    return table


def counts_line(result: Result) -> str:
    """Return the counts of a result as one line."""
    rate = result.states / result.seconds if result.seconds else 0.0
    scope = "" if result.complete else " (not all: the search ended early)"
    return (
        f"{result.states:,} states, {result.edges:,} transitions, depth {result.depth}{scope}; "
        f"{result.seconds:.2f} s, {rate:,.0f} states/s, {result.engine} engine"
    )


def result_view(result: Result) -> Iterator[RenderableType]:
    """Yield what is to be shown of a result, in order."""
    yield Text(counts_line(result))
    if result.holds:
        judged = len(AT_STAKE) - len(result.never_at_stake)
        yield Text(f"every clause that was at stake holds in every state: {judged} of {len(AT_STAKE)}", style="green")
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("broken clause", style="bold red", no_wrap=True)
    table.add_column("times", justify="right")
    table.add_column("shortest", justify="right")
    table.add_column("the promise")
    for clause, times in result.violations.items():
        length = f"{len(result.counterexamples[clause])} steps"
        table.add_row(clause.value, f"{times:,}", length, clause_in_a_line(clause))
    yield table
    if result.counterexample is not None:
        yield Text("the shortest counterexample:")
        yield trace_table(result.counterexample)


def scope_view(result: Result) -> Iterator[RenderableType]:
    """Yield what the result does not speak of, each thing once: it comes after the result.

    >>> from ackexplore import explore
    >>> from ackmodel import Config
    >>> *_, budget, settings = scope_view(explore(Config(power_losses=1, sync_failures=1)))
    >>> str(budget)
    'not in the budget: process crashes, sync timeouts, write failures, renewals, releases, restarts, resets'
    >>> str(settings).startswith("nor in these settings: one delivery only; no dead letters")
    True
    """
    ruled_out = never_possible(result.config)
    never = [action for action in result.unhit if action not in ruled_out]
    if never:
        yield Text(f"never happened, though the settings allow it: {', '.join(never)}", style="yellow")
    if result.never_at_stake:
        idle = ", ".join(clause.value for clause in result.never_at_stake)
        yield Text(f"never at stake, and so not judged: {idle}", style="dim")
    budget = result.config.initial()[0].budget
    none_of = [each.name.replace("_", " ") for each in fields(Budget) if not getattr(budget, each.name)]
    if none_of:
        yield Text(f"not in the budget: {', '.join(none_of)}", style="dim")
    if settings := [why for why in dict.fromkeys(ruled_out.values()) if not why.endswith(OF_THE_BUDGET)]:
        yield Text(f"nor in these settings: {'; '.join(settings)}", style="dim")


def progress_view(findings: Sequence[ProgressFinding]) -> Iterator[RenderableType]:
    """Yield what is to be shown of the liveness of a configuration: each lasso, or that there is none."""
    broken = [finding for finding in findings if finding.lasso is not None]
    if findings and not broken:
        yield Text(f"in the end: all {len(findings)} properties hold", style="green")
    for finding in broken:
        yield Text(f"never in the end: {finding.name}; after these steps", style="bold red")
        if finding.prefix is not None:
            yield trace_table(finding.prefix)
        if finding.cycle is not None and len(finding.cycle):
            yield Text("for ever round:")
            yield trace_table(finding.cycle)
        else:
            yield Text("nothing happens any more")


def findings_view(findings: Iterable[RuleFinding]) -> Table:
    """Return a table: each rule, who got it wrong, what falls without it, and after how many steps."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("without the rule, and who got it wrong")
    table.add_column("falls", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    for finding in findings:
        rule = Text(finding.rule.name)
        if finding.rule.source:
            rule.append(f"\n  {finding.rule.source}", style="dim")
        falls, lengths = [], []
        for clause in finding.rule.falls:
            length = finding.length(clause)
            falls.append(Text(f"{clause.value}, for ever" if clause in finding.lassos else clause.value))
            lengths.append(Text("none", style="bold red") if length is None else Text(str(length)))
            if length is None:
                falls[-1].append("\n  NOT BROKEN", style="bold red")
                lengths.append(Text())
        for clause in finding.broken_with_rule:
            falls.append(Text(f"{clause.value}\n  broken with every rule on", style="bold red"))
        table.add_row(rule, Text("\n").join(falls), Text("\n").join(lengths))
    return table
