"""`ackcheck trace`: judge a recorded history while it streams.

    ackcheck trace history.jsonl.gz --level disk
    my-broker --audit | ackcheck trace - --format otel

>>> from click.testing import CliRunner
>>> line = '{"at": 1, "asked": {"id": 1, "op": "publish", "queue": "q", "end": 3}}'
>>> CliRunner().invoke(trace, ["-"], input=line).exit_code      # nothing was at stake
4
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ackcheck.cli._output import (
    BROKEN,
    ENVIRONMENT,
    NOT_JUDGED,
    EnvironmentFailed,
    console_beside,
    json_option,
    write_json,
)
from ackcheck.cli._together import refuse
from ackcheck.trace.judge import Judge, TooMuchUnderWay
from ackcheck.trace.lines import BadLine
from ackcheck.trace.natslog import NatsLog
from ackcheck.trace.recording import Recording
from ackcheck.trace.spans import Spans
from ackcheck.trace.stream import lines_of, opened
from ackmodel import CommitPolicy, Level

SHOWN = 10
"""Lines that could not be read, and findings, that are shown."""
READERS: Mapping[str, Callable[[], Spans | NatsLog | None]] = {"jsonl": lambda: None, "otel": Spans, "nats": NatsLog}
"""What reads the lines of each format; None: the lines are a history as they stand."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--level",
    default=Level.PAGE_CACHE.value,
    show_default=True,
    type=click.Choice([level.value for level in Level]),
    help="The level that the store claims.",
)
@click.option(
    "--format",
    "kind",
    default="jsonl",
    show_default=True,
    type=click.Choice(list(READERS)),
    help="jsonl: specs/trace.md, also a wire log of the suite; otel: OpenTelemetry's messaging spans; "
    "nats: what a NATS server tells of acks.",
)
@click.option(
    "--commit",
    default=CommitPolicy.ACK.value,
    show_default=True,
    type=click.Choice([policy.value for policy in CommitPolicy]),
    help="What the offsets wait for that the store shows in its stats.",
)
@json_option("what was found")
@click.pass_context
def trace(ctx: click.Context, file: Path, level: str, kind: str, commit: str, json_to: str | None) -> None:
    """Judge FILE, a recorded history (- is the standard input); gzip is unpacked.

    Exit codes: 0 nothing broke, 1 a clause is broken, 2 usage, 3 there are lines that could not be read, and nothing
    broke, 4 nothing was at stake.
    """
    if kind != "jsonl":
        refuse(ctx, ["commit"], f"--format {kind}", "it shows no offsets")
    recording = Recording(Judge(Level(level), CommitPolicy(commit)))
    reader = READERS[kind]()
    bad, count = list[tuple[int, str]](), 0
    try:
        with opened(file) as stream:
            for line in lines_of(stream):
                try:
                    if reader is None:
                        recording.take(line)
                    else:
                        recording.take_entries(reader.line(line))
                except BadLine as error:
                    count += 1
                    if len(bad) < SHOWN:
                        bad.append((recording.line, str(error)))
    except (OSError, EOFError, TooMuchUnderWay) as error:
        raise EnvironmentFailed(f"{file} could not be read to its end, after line {recording.line}: {error}") from error
    recording.ended()
    judge = recording.judge
    _print(console_beside(json_to), judge, bad, count, 0 if reader is None else reader.others)
    if json_to:
        write_json(json_to, _as_json(judge, bad, count))
    if judge.findings:
        ctx.exit(BROKEN)
    if count:
        ctx.exit(ENVIRONMENT)
    if not +judge.checked:
        ctx.exit(NOT_JUDGED)


def _print(console: Console, judge: Judge, bad: list[tuple[int, str]], count: int, others: int) -> None:
    for found in judge.findings[:SHOWN]:
        console.print(f"[bold red]{found.clause.value}[/] is broken at line {found.line}: {escape(found.why)}")
    if len(judge.findings) > SHOWN:
        console.print(f"... and {len(judge.findings) - SHOWN} more findings (--json FILE has them)")
    for number, why in bad:
        console.print(f"[yellow]line {number} could not be read[/]: {escape(why)}")
    if count > len(bad):
        console.print(f"... and {count - len(bad)} more lines that could not be read")
    table = Table("action", header_style="bold")
    for name in ("came", "fitted", "not judged"):
        table.add_column(name, justify="right")
    for name, told in sorted(judge.counts.items()):
        if name != "findings":
            table.add_row(escape(name), f"{told.came:,}", f"{told.fitted:,}", f"{told.passed_over:,}")
    console.print(table)
    checked = Table("clause", header_style="bold")
    checked.add_column("times checked", justify="right")
    for clause, times in sorted((+judge.checked).items()):
        checked.add_row(clause.value, f"{times:,}")
    console.print(checked)
    if others:
        console.print(f"{others:,} lines or spans are of no delivery or ack, and were passed over")
    console.print(f"{judge.line:,} lines, judged for level {judge.level.value}: {len(judge.findings)} findings")


def _as_json(judge: Judge, bad: list[tuple[int, str]], count: int) -> dict[str, Any]:
    return {
        "level": judge.level.value,
        "lines": judge.line,
        "findings": [
            {"clause": one.clause.value, "why": one.why, "line": one.line, "at": one.at} for one in judge.findings
        ],
        "unreadable": {"count": count, "first": [{"line": number, "why": why} for number, why in bad]},
        "actions": {
            name: {"came": told.came, "fitted": told.fitted, "not_judged": told.passed_over}
            for name, told in sorted(judge.counts.items())
        },
        "times_checked": {clause.value: times for clause, times in sorted((+judge.checked).items())},
    }
