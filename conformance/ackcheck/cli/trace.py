"""`ackcheck trace`: judge a recorded history while it streams.

    ackcheck trace history.jsonl.gz --level disk
    my-broker --audit | ackcheck trace - --format otel

>>> from click.testing import CliRunner
>>> line = '{"at": 1, "asked": {"id": 1, "op": "publish", "queue": "q", "end": 3}}'
>>> CliRunner().invoke(trace, ["-"], input=line).exit_code      # nothing was at stake
4
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

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
from ackcheck.trace.judge import Judge, TooMuchUnderWay
from ackcheck.trace.lines import LONGEST, BadLine, Entry, read_line
from ackcheck.trace.spans import Spans
from ackmodel import CommitPolicy, Level

SHOWN = 10
"""Lines that could not be read, and findings, that are shown."""
GZIP = b"\x1f\x8b"


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
    type=click.Choice(["jsonl", "otel"]),
    help="jsonl: specs/trace.md, also a wire log of the suite; otel: OpenTelemetry's messaging spans.",
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
    judge, spans, bad = Judge(Level(level), CommitPolicy(commit)), Spans(), list[tuple[int, str]]()
    count = 0
    try:
        with _opened(file) as stream:
            for number, text in enumerate(_lines(stream), 1):
                if text.strip():
                    try:
                        for entry in _entries(text, spans if kind == "otel" else None):
                            judge.take(entry, number)
                    except BadLine as error:
                        count += 1
                        if len(bad) < SHOWN:
                            bad.append((number, str(error)))
    except (OSError, EOFError, TooMuchUnderWay) as error:
        raise EnvironmentFailed(f"{file} could not be read to its end, after line {judge.line}: {error}") from error
    judge.ended()
    _print(console_beside(json_to), judge, bad, count, spans.others)
    if json_to:
        write_json(json_to, _as_json(judge, bad, count))
    if judge.findings:
        ctx.exit(BROKEN)
    if count:
        ctx.exit(ENVIRONMENT)
    if not +judge.checked:
        ctx.exit(NOT_JUDGED)


def _entries(text: str, spans: Spans | None) -> Iterator[Entry]:
    if spans is None:
        yield read_line(text)
    else:
        yield from spans.line(text)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """Open a file or the standard input, and unpack it if it is packed."""
    with ExitStack() as stack:
        raw: Any = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
        buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)
        if buffered.peek(2)[:2] == GZIP:
            yield stack.enter_context(cast(IO[bytes], gzip.GzipFile(fileobj=buffered)))
        else:
            yield cast(IO[bytes], buffered)


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield line by line; of one that is too long only as much as shows that it is."""
    while line := stream.readline(LONGEST + 2):
        whole = line
        while not whole.endswith(b"\n") and (whole := stream.readline(LONGEST)):
            pass
        yield line.decode("utf-8", errors="replace").rstrip("\n")


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
        console.print(f"{others:,} spans are of no delivery or ack, and were passed over")
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
