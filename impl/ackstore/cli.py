"""The command `ackstore`: `ackstore inspect DIR` shows what a store's directory holds, and changes nothing.

Exit codes: 0 where the store would open, 1 where it would not, 2 where there is none, 3 where that could not be found
out or shown.

>>> import tempfile
>>> from ackstore.store import Store
>>> with Store(tempfile.mkdtemp()) as store:
...     store.publish("orders", 2)
...     store.ack(store.pop("orders")[0].receipt)
<Reply.OK: 'OK'>
>>> main(["inspect", str(store.path)])          # doctest: +ELLIPSIS
/...: closed, 1 log; it would open
log 1: history 1 to 2, of which all up to 2 is proved; offset file of 2
  file                    bytes epoch  records  kinds
  log-00000001.seg          220     1  1-2      1 ack, 1 checkpoint
  queue                      offset  settled<  handed<  in hand  settled>  dead  resets
  orders/default/0                1         1        1        0         0     0       0
0
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

from attrs import asdict

from ackstore.inspection import Inspection, LogFound, SegmentFound, inspect
from ackstore.words.errors import DirectoryError

SHOWN = 50
"""Queues that are listed, unless all are asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        found = inspect(given.directory)
        text = json.dumps(asdict(found), indent=2) if given.json else "\n".join(_lines(found, most=given.queues))
    except DirectoryError as error:
        print(f"ackstore: {error}", file=sys.stderr)
        return 2
    except Exception:
        # The program's top: whatever it was, it says nothing of the store, as Python's own exit code would.
        traceback.print_exc()
        return 3
    return _show(text) or (1 if found.problem else 0)


def _show(text: str) -> int:
    """Print it; 3 where that cannot be done."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be of any bytes
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes there once more at its end
        if not isinstance(error, BrokenPipeError):  # who reads it has seen enough
            print(f"ackstore: what was found cannot be written ({error.strerror})", file=sys.stderr)
            return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ackstore", description="Look after the directory of a store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "inspect",
        help="show what a directory holds, without changing it",
        description="Show segments, records and queues, what of them is proved to have been synced, and where the "
        "store would not open, what could be saved. Exit codes: 0 it would open, 1 it would not, 2 there is no store, "
        "3 that could not be found out or shown.",
    )
    command.add_argument("directory", metavar="DIR", help="the directory of a store, open or closed")
    command.add_argument("--json", action="store_true", help="as JSON, with every queue")
    command.add_argument(
        "--queues", type=_count, default=SHOWN, metavar="N", help=f"how many queues to list (default: {SHOWN})"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of queues: give an integer from 0")
    return int(text)


def _lines(found: Inspection, most: int) -> Iterator[str]:
    logs = "1 log" if len(found.logs) == 1 else f"{len(found.logs)} logs"
    state = "closed" if found.in_use_by is None else f"open in process {found.in_use_by}"
    room = f", {found.room_kept} bytes kept free" if found.room_kept else ""
    opens = "it would open" if found.problem is None else "it would not open"
    yield f"{found.directory}: {state}, {logs}{room}; {opens}"
    if found.in_use_by is not None:
        yield "what follows may be of different instants: Store.snapshot makes a copy of one"
    if found.problem:
        yield f"problem: {found.problem}"
    for log in found.logs:
        yield from _log(log, most)


def _log(log: LogFound, most: int) -> Iterator[str]:
    offsets = "no offset file" if log.offsets_flushed is None else f"offset file of {log.offsets_flushed}"
    history = f"history {log.first} to {log.last}" if log.last else "no record"
    beyond = f", {log.beyond} whole records behind its end" if log.beyond else ""
    yield f"log {log.log}: {history}, of which all up to {min(log.proved, log.last)} is proved{beyond}; {offsets}"
    if log.proved > log.last:
        yield f"  records up to {log.proved} had been synced, and those from {log.last + 1} on are damaged or missing"
    if log.could_be_saved:
        yield f"  could be saved: {log.could_be_saved}"
    yield f"  {'file':<20} {'bytes':>8} {'epoch':>5}  {'records':<8} kinds"
    for segment in log.segments:
        yield _segment(segment)
    yield f"  {'queue':<25} {'offset':>7}  settled<  handed<  in hand  settled>  dead  resets"
    for each in log.queues[:most]:
        yield (
            f"  {each.queue:<25} {each.offset:>7} {each.settled_below:>9} {each.next_new:>8} {each.in_hand:>8} "
            f"{each.settled_above:>9} {each.dead:>5} {each.generation:>7}"
        )
    if len(log.queues) > most:
        yield f"  and {len(log.queues) - most} queues more: --queues {len(log.queues)} lists them, and --json"


def _segment(segment: SegmentFound) -> str:
    records = f"{segment.first}-{segment.last}" if segment.records else "none"
    kinds = ", ".join(f"{count} {kind}" for kind, count in segment.kinds.items())
    epoch = "-" if segment.epoch is None else segment.epoch
    damage = "" if segment.damaged_at is None else f"  not whole from byte {segment.damaged_at} on"
    return f"  {segment.file:<20} {segment.bytes:>8} {epoch:>5}  {records:<8} {kinds}{damage}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
