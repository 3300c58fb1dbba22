"""`ackcheck explore`: go through every state of the model, and show the shortest way to a broken clause.

    ackcheck explore --messages 2 --power-losses 1
    ackcheck explore --sync-failures 1 --without rewrite-after-failure
    ackcheck explore --rules

>>> import json
>>> from click.testing import CliRunner
>>> ran = CliRunner().invoke(explore, ["--json", "-"])
>>> ran.exit_code, json.loads(ran.stdout)["states"]
(0, 54)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from attrs import fields
from rich.console import Console

from ackcheck.cli._completing import files, one_of, or_any, without_option
from ackcheck.cli._exploring import Refused, check_cluster, progress_shown, searched
from ackcheck.cli._output import BROKEN, check_folder, file_only, writable, write_json
from ackcheck.cli._reports import FORMS, Remembered, report_options, typed, write_reports
from ackcheck.cli._serve import LOOPBACK, server_for
from ackcheck.cli._together import given, refuse, refuse_others
from ackcheck.cli._walking import walk_here
from ackcheck.reports.sheet import sheet_of_exploration
from ackexplore import (
    MissingExtra,
    Options,
    Result,
    Unfinished,
    UnknownEngine,
    explore_rules,
)
from ackexplore.graph.progress import ProgressFinding
from ackexplore.needed import unbreakable
from ackexplore.reports.exports import NoGraph, itf, write_dot, write_graphml
from ackexplore.reports.page import html_page
from ackexplore.reports.show import findings_view, progress_view, result_view, scope_view
from ackexplore.reports.walk import TooLarge, walk_page
from ackexplore.trace import Trace
from ackmodel import (
    BadConfig,
    CommitPolicy,
    Config,
    FailedPage,
    InPlace,
    Level,
    SyncError,
    UnknownClause,
    UnknownRule,
    rule_named,
)

QUEUE = {
    "messages": "Messages in the queue.",
    "deliveries": "Deliveries each may have.",
}
FAULTS = {
    "process_crashes": "How often the process may die.",
    "power_losses": "How often the machine may lose power.",
    "sync_failures": "How often a sync may fail (EIO).",
    "sync_timeouts": "How often a sync may time out.",
    "write_failures": "How often a write may fail (ENOSPC).",
}
EVENTS = {
    "renewals": "How often a consumer may ask for a later deadline.",
    "releases": "How often a consumer may give a delivery back.",
    "restarts": "How often the store may be closed and opened again.",
    "resets": "How often the offset may be set to 0 by hand.",
}
THRESHOLDS = {
    "degrade_after": (1, "Failed syncs in a row before answers wait for the disk."),
    "refuse_after": (0, "Failed syncs in a row before operations are refused (BUSY); 0: never."),
    "limit": (0, "Operations that may be in flight before more are refused (BUSY); 0: no limit."),
    "logs": (1, "Logs (flush threads) that the messages are partitioned into."),
}
SWITCHES = {
    "dead_letters": "Settle by a dead letter what was delivered as often as it may be.",
    "merge_buffer": "Never write a checkpoint and an ack that meet in memory (needs --level memory).",
    "compaction": "Discard the records of what is settled and behind the offset.",
    "careless": "Consumers ack late, twice and what they gave back, and reuse their buffers.",
    "uncommitted": "Leave the offset where it began, so that the messages of a log are alike.",
    "confirm_syncs": "A sync counts only once another one after it has succeeded too.",
}
LEAST_MEMORY = 1 << 20
"""Bytes that the table engine needs for anything at all."""

NO_FAULTS = "no fault is in the budget: add --process-crashes 1, --power-losses 1 or --sync-failures 1"


def config_of(settings: dict[str, Any], without: tuple[str, ...]) -> Config:
    """Return the configuration that options ask for; a usage error where it is out of range."""
    try:
        return Config(rules=dict.fromkeys(without, False), **settings)
    except (BadConfig, UnknownRule) as error:
        raise click.UsageError(str(error)) from error


def _options_of(**settings: Any) -> Options:
    try:
        return Options(**settings)
    except (UnknownClause, UnknownEngine) as error:
        raise click.UsageError(str(error)) from error


def _bytes(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:  # noqa: ARG001 - click's
    """Return an amount of memory in bytes, from a number with or without K, M or G after it."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d*)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found:
        raise click.BadParameter(f"{text!r} is no amount of memory; write 500M or 8G")
    size = int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]
    if size < LEAST_MEMORY:
        raise click.BadParameter(f"{text!r} is {size:,} bytes, too little to begin with; write 500M or 8G")
    return size


def _show_rules(ctx: click.Context, config: Config, json_to: str | None) -> None:
    """Switch off each rule in turn, and show what falls."""
    with progress_shown() as _, Console(stderr=True).status("switching off one rule after another"):
        try:
            findings = explore_rules(config)
        except Unfinished as error:
            raise Refused(
                f"{error.fact}: --rules needs a smaller model: fewer messages, deliveries or faults"
            ) from error
        except MissingExtra as error:
            raise Refused(str(error)) from error
    if json_to != "-":
        console = Console()
        console.print(findings_view(findings))
        unneeded = [finding.rule.name for finding in findings if not finding.needed]
        never = [clause.value for clause in unbreakable(findings)]
        if never:
            console.print(f"[bold red]no rule breaks: {', '.join(never)}")
        console.print(
            f"not needed, or not checked: {', '.join(unneeded)}"
            if unneeded
            else f"all {len(findings)} rules are needed; with all of them on, every clause holds"
        )
    if json_to:
        told = {"rules": [finding.as_json() for finding in findings]}
        write_json(json_to, told | {"unbreakable": [clause.value for clause in unbreakable(findings)]})
    if unbreakable(findings) or not all(finding.needed and finding.holds_with_rule for finding in findings):
        ctx.exit(BROKEN)


EXPORTS = {
    "graphml": "Write the whole graph as GraphML (graph engine).",
    "dot": "Write the whole graph for Graphviz (graph engine).",
    "itf": "Write the shortest counterexample as an ITF trace (Apalache, Quint).",
    "html": "Write the shortest counterexample as one page.",
    "walk": "Write the whole graph as one page to walk in (graph engine, small models).",
}


INSTEAD = {"rules": ("json_to",), "serve": ("port", "without"), "interactive": ("without",)}
"""What does something else than explore, and the options that say something beside it, apart from the model's."""

WHOLE = (
    "--graphml, --dot and --walk need the whole graph: allow more with --max-states, or take fewer messages, "
    "deliveries or faults; --interactive walks in a model of any size"
)
"""What is to be done where there are too many states, and the table engine, which makes no graph, cannot help."""

MODEL = frozenset(field.name for field in fields(Config)) - {"without"}


def _check_together(ctx: click.Context) -> None:
    """Refuse options that say nothing, or not what they seem to, beside others."""
    asked = ctx.params
    for name, beside in INSTEAD.items():
        if asked[name]:
            refuse_others(ctx, f"--{name}", {name, *beside, *MODEL})
    if given(ctx, ["port"]) and not asked["serve"]:
        raise click.UsageError("--port is for --serve: add it")
    if asked["walk"]:
        refuse(ctx, ["clause"], "--walk", "the page needs every state, and --clause ends before")
    if asked["engine"] == "graph":
        refuse(ctx, ["memory"], "--engine graph", "it is the table engine's, which is bounded by it")
    if asked["symmetric"] and (asked["liveness"] or any(asked[name] for name in ("graphml", "dot", "walk"))):
        raise click.UsageError(
            "--symmetric merges states, and --liveness, --graphml, --dot and --walk need each by itself: "
            "leave one of them out"
        )


def _check_checkpoint(checkpoint: Path | None, *, resume: bool, engine: str) -> None:
    """Refuse to go on from nowhere, and a folder or an engine that keeps no checkpoint."""
    if checkpoint is None:
        if resume:
            raise click.UsageError("--resume needs --checkpoint DIR: where is it to go on from?")
        return
    check_folder("--checkpoint", checkpoint)
    if engine == "graph":
        raise click.UsageError("the graph engine keeps no checkpoint: use --engine table")


def _export_options(command: Any) -> Any:
    for name, text in reversed(EXPORTS.items()):
        option = click.option(f"--{name}", metavar="FILE", callback=file_only, shell_complete=files, help=text)
        command = option(command)
    return command


def _export(result: Result, shown: Trace | None, places: dict[str, str | None], command: str) -> None:
    """Write what was asked for; without a counterexample, say that there is none to write."""
    off = [f"switched off: {rule_named(name).name}: {rule_named(name).says}" for name in sorted(result.config.without)]
    about = [command, *off]
    if places["graphml"]:
        write_graphml(result, Path(places["graphml"]))
    if places["dot"]:
        write_dot(result, Path(places["dot"]))
    if places["walk"]:
        Path(places["walk"]).write_text(_walk_page(result, command), encoding="utf-8")
    for name in ("itf", "html"):
        where = places[name]
        if where and shown is None:
            Console(stderr=True).print(f"nothing is broken, so there is no counterexample to write to {where}")
        elif where and shown is not None:
            text = html_page(shown, about) if name == "html" else json.dumps(itf(shown), indent=1) + "\n"
            Path(where).write_text(text, encoding="utf-8")


def _walk_page(result: Result, command: str) -> str:
    try:
        return walk_page(result, command)
    except (TooLarge, NoGraph) as error:
        raise Refused(f"no page to walk in: {error}") from error


def _serve(config: Config, command: str, port: int) -> None:
    """Serve the page to walk in until Ctrl-C."""
    try:
        server = server_for(config, command, port)
    except OSError as error:
        raise Refused(f"port {port} cannot be used ({error.strerror}): name another, or 0 for any") from error
    with server:
        click.echo(f"http://{LOOPBACK}:{server.server_address[1]}/    (Ctrl-C ends it)")
        server.serve_forever()


def _steps(trace: Trace | None) -> str:
    """Return the steps of a trace, a line each, and of a lasso how it goes on."""
    steps = () if trace is None else trace.steps
    told = (("" if step.actor is None else f" of message {step.actor}", step) for step in steps)
    lines = [f"{step.number:4} {step.action}{actor}" for actor, step in told]
    if trace is not None and trace.loop is not None:
        left = len(trace) - trace.loop
        lines.append(f"the last {left} for ever round" if left else "nothing happens any more")
    return "\n".join(lines)


def _shortest_lasso(findings: Sequence[ProgressFinding]) -> Trace | None:
    """Return the shortest way to see that something never comes to pass; None where all does."""
    found = [finding.trace for finding in findings if finding.trace is not None]
    return min(found, key=len, default=None)


def _flag(name: str) -> str:
    return "--timeouts" if name == "sync_timeouts" else "--" + name.replace("_", "-")


def model_options(command: Any) -> Any:
    """Add an option for each setting of the model that is a number, a switch or a level: the queue and the budgets
    first."""
    command = click.option(
        "--level",
        default=Level.PAGE_CACHE.value,
        show_default=True,
        type=click.Choice([level.value for level in Level]),
        help="The point at which the store answers OK.",
    )(command)
    for name, text in reversed(SWITCHES.items()):
        command = click.option(_flag(name), name, is_flag=True, help=text)(command)
    numbers = {name: (1, text) for name, text in QUEUE.items()}
    numbers |= {name: (0, text) for name, text in (FAULTS | EVENTS).items()}
    for name, (default, text) in reversed((numbers | THRESHOLDS).items()):
        command = _number(name, default, text)(command)
    return command


def _number(name: str, default: int, text: str) -> Any:
    return click.option(_flag(name), name, default=default, show_default=True, metavar="N", type=int, help=text)


@click.command(cls=Remembered)
@model_options
@click.option(
    "--sync-error",
    default=SyncError.ONCE.value,
    show_default=True,
    type=click.Choice([told.value for told in SyncError]),
    help="Who is told that bytes were lost: the sync that lost them, each one until they are rewritten, or the next.",
)
@click.option(
    "--failed-page",
    default=FailedPage.KEPT.value,
    show_default=True,
    type=click.Choice([page.value for page in FailedPage]),
    help="What can be read where a failed sync has lost bytes: the bytes, or what the disk has.",
)
@click.option(
    "--in-place",
    default=InPlace.KEPT.value,
    show_default=True,
    type=click.Choice([place.value for place in InPlace]),
    help="What becomes of bytes that are written again where a failed sync has lost them, once a sync has succeeded.",
)
@click.option(
    "--commit",
    default=CommitPolicy.CHECKPOINT.value,
    show_default=True,
    type=click.Choice([policy.value for policy in CommitPolicy]),
    help="What the offset waits for: a flushed ack, or a flushed checkpoint that can redeliver.",
)
@without_option()
@click.option(
    "--clause", metavar="CLAUSE", shell_complete=one_of(or_any), help="End when this clause, or `any`, first falls."
)
@click.option("--rules", "rules", is_flag=True, help="Switch each rule off in turn, and show that something falls.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "graph", "table"]),
    help="graph: networkx, to some 10^5 states; table: to 10^9 (extra `table`); auto: the one, then the other.",
)
@click.option(
    "--memory",
    callback=_bytes,
    metavar="SIZE",
    help="What the table engine may take, e.g. 8G; then levels go to TMPDIR.  [default: half of all]",
)
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to go beyond this many states.")
@click.option(
    "--checkpoint", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Save each level there."
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Explore on the Dask cluster whose scheduler is there.",
)
@click.option(
    "--local", type=click.IntRange(min=1), metavar="N", help="The same on N workers, started on this machine and ended."
)
@click.option("--resume", is_flag=True, help="Go on from what --checkpoint holds.")
@click.option("--symmetric", is_flag=True, help="One state for all orders of alike messages, where that is exact.")
@click.option("--liveness", is_flag=True, help="Judge also what must happen in the end.")
@click.option("--serve", is_flag=True, help="Serve the page to walk in, for this machine only, until Ctrl-C.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), metavar="N", help="The port for --serve; 0 for any.")
@click.option("--interactive", is_flag=True, help="Walk in this terminal: choose each next step; ? there for help.")
@_export_options
@click.option(
    "--json",
    "json_to",
    metavar="FILE",
    callback=writable,
    shell_complete=files,
    help="Write the result as JSON; - is the standard output.",
)
@report_options(*FORMS)
@click.pass_context
def explore(  # noqa: PLR0913 - an argument an option
    ctx: click.Context,
    /,
    *,
    without: tuple[str, ...],
    clause: str | None,
    rules: bool,
    engine: str,
    symmetric: bool,
    memory: int | None,
    max_states: int | None,
    checkpoint: Path | None,
    cluster: str | None,
    local: int | None,
    resume: bool,
    liveness: bool,
    serve: bool,
    port: int,
    interactive: bool,
    json_to: str | None,
    **settings: Any,
) -> None:
    """Go through every state of the model, and judge every clause in each.

    Exits with 0 if nothing is broken, 1 if a clause is (or, with --rules, if a rule proves not to be needed), 2 for a
    setting that is out of its range, or more states than --max-states.
    """
    check_cluster(ctx.params)
    _check_together(ctx)
    if rules:
        exports = set(EXPORTS)
        _show_rules(ctx, config_of({k: v for k, v in settings.items() if k not in exports}, without), json_to)
        return
    _check_checkpoint(checkpoint, resume=resume, engine=engine)
    places = {name: settings.pop(name) for name in EXPORTS}
    if places["graphml"] or places["dot"] or places["walk"]:
        if engine == "table" or checkpoint is not None:
            raise click.UsageError("--graphml, --dot and --walk need the whole graph: use --engine graph")
        engine = "graph"
    if liveness and checkpoint is not None:
        raise click.UsageError("--liveness looks at all states in one go: leave --checkpoint out")
    config = config_of(settings, without)
    if interactive:
        walk_here(config, typed(ctx))
        return
    if serve:
        _serve(config, typed(ctx), port)
        return
    options = _options_of(
        stop_at=clause,
        engine=engine,
        memory=memory,
        symmetric=symmetric,
        max_states=max_states,
        checkpoint=checkpoint,
        resume=resume,
    )
    mend = WHOLE if places["graphml"] or places["dot"] or places["walk"] else ""
    result, findings = searched(config, options, liveness=liveness, cluster=cluster, local=local, mend=mend)
    if json_to != "-":
        console = Console()
        for part in (*result_view(result), *progress_view(findings), *scope_view(result)):
            console.print(part)
        if not any(settings[name] for name in FAULTS | EVENTS):
            Console(stderr=True).print(f"[dim]{NO_FAULTS}[/dim]")
    told = result.as_json()
    if liveness:
        told["liveness"] = [finding.as_json() for finding in findings]
    if json_to:
        write_json(json_to, told)
    _export(result, result.counterexample or _shortest_lasso(findings), places, typed(ctx))
    lassos = {finding.name: _steps(finding.trace) for finding in findings if finding.lasso}
    write_reports(ctx, sheet_of_exploration(told, typed(ctx), _steps(result.counterexample), lassos))
    if not result.holds or any(finding.lasso for finding in findings):
        ctx.exit(BROKEN)
