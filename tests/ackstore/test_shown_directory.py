"""What `ackstore inspect` prints, to the letter: people read it in a hurry, and programs read the JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import Config, Reply, Store
from ackstore.cli import main
from ackstore.inspection import inspect

SLOW: dict[str, Any] = {"flush_interval": 1000.0, "offset_interval": 1000.0}


def lived(path: Path, **settings: Any) -> Path:
    """The directory of a closed store whose every byte is known: each record is there before the next is made."""
    with Store(path, Config(**{**SLOW, "segment_bytes": 400, **settings}), clock=lambda: 1000.0) as store:
        store.publish("orders", 100)
        found = store.pop("orders", 5, 600.0)
        for delivery in (found[0], found[1], found[3]):
            assert store.ack(delivery.receipt) is Reply.OK
            assert store.flush() is Reply.OK
        assert store.renew(found[2].receipt, 900.0) is Reply.OK
        assert store.flush() is Reply.OK
        store.publish("other", 10)
        store.pop("other", 2, 600.0)
        assert store.reset("other", 1) is Reply.OK
    return path


def shown(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["inspect", str(path), *options])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


CLOSED = """\
{path}: closed, 1 log; it would open
log 1: history 1 to 7, of which all up to 7 is proved; offset file of 7
  file                    bytes epoch  records  kinds
  log-00000001.seg          408     1  1-4      3 ack, 1 checkpoint
  log-00000002.seg          304     1  5-7      1 checkpoint, 1 renew, 1 reset
  queue                      offset  settled<  handed<  in hand  settled>  dead  resets
  orders/default/0                2         2        5        2         1     0       0
  other/default/0                 1         1        1        0         0     0       1
"""


def test_a_closed_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lived(tmp_path / "store")
    assert shown(path, capsys) == (0, CLOSED.format(path=path))


SEVERAL = """\
{path}: open in process {process}, 2 logs, 3 bytes kept free; it would open
what follows may be of different instants: Store.snapshot makes a copy of one
log 1: history 1 to 2, of which all up to 0 is proved; no offset file
  file                    bytes epoch  records  kinds
  log-1of2-00000001.seg      232     1  1-2      1 ack, 1 checkpoint
  queue                      offset  settled<  handed<  in hand  settled>  dead  resets
  orders/default/0                0         0        2        1         1     0       0
log 2: no record, of which all up to 0 is proved; no offset file
  file                    bytes epoch  records  kinds
  log-2of2-00000001.seg       72     1  none
  queue                      offset  settled<  handed<  in hand  settled>  dead  resets
"""


def test_an_open_one_of_several_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "store"
    with Store(path, Config(logs=2, **SLOW), clock=lambda: 1000.0) as store:
        store.publish("orders", 3)
        (_first, second) = store.pop("orders", 2)
        assert store.ack(second.receipt) is Reply.OK
        (path / "reserve").write_bytes(b"123")
        assert shown(path, capsys) == (0, SEVERAL.format(path=path, process=os.getpid()))


DAMAGED = """\
{path}: closed, 1 log; it would not open
problem: {problem}
log 1: history 1 to 4, of which all up to 4 is proved, 2 whole records behind its end; offset file of 7
  records up to 7 had been synced, and those from 5 on are damaged or missing
  could be saved: {saved}
  file                    bytes epoch  records  kinds
  log-00000001.seg          408     1  1-4      3 ack, 1 checkpoint
  log-00000002.seg          304     1  6-7      1 checkpoint, 1 reset  not whole from byte 72 on
  queue                      offset  settled<  handed<  in hand  settled>  dead  resets
  orders/default/0                2         2        5        2         1     0       0
"""
PROBLEM = (
    "offsets derives from records up to 7, but the log ends with record 4, at log-00000002.seg, byte 72. Nothing was "
    "changed. Restore the directory from a copy, or move it away to begin with an empty store"
)
SAVED = (
    "records 1 to 4 are whole, and the queues stood then as listed; what the 3 records after it say would be lost: "
    "their messages would come back"
)


def damaged(path: Path) -> Path:
    """A log of which the first record of the second segment is not whole."""
    second = sorted(lived(path).glob("log-*.seg"))[1]
    data = bytearray(second.read_bytes())
    data[100] ^= 1
    second.write_bytes(data)
    return path


def test_a_damaged_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = damaged(tmp_path / "store")
    assert shown(path, capsys) == (1, DAMAGED.format(path=path, problem=PROBLEM, saved=SAVED))


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = damaged(tmp_path / "store")
    (path / "reserve").write_bytes(b"123")
    segment = {"epoch": 1, "bytes": 408, "first": 1, "last": 4, "records": 4, "synced": 3, "damaged_at": None}
    second = {**segment, "bytes": 304, "first": 6, "last": 7, "records": 2, "synced": 5, "damaged_at": 72}
    queue = {"offset": 2, "settled_below": 2, "next_new": 5, "in_hand": 2, "settled_above": 1}
    log = {"log": 1, "first": 1, "last": 4, "proved": 7, "beyond": 2, "offsets_flushed": 7}
    code, text = shown(path, capsys, "--json")
    assert (code, json.loads(text)) == (
        1,
        {
            "directory": str(path),
            "in_use_by": None,
            "room_kept": 3,
            "logs": [
                {
                    **log,
                    "segments": [
                        {"file": "log-00000001.seg", "kinds": {"ack": 3, "checkpoint": 1}, **segment},
                        {"file": "log-00000002.seg", "kinds": {"checkpoint": 1, "reset": 1}, **second},
                    ],
                    "queues": [{"queue": "orders/default/0", "dead": 0, "generation": 0, **queue}],
                    "problem": PROBLEM,
                    "could_be_saved": SAVED,
                }
            ],
            "problem": PROBLEM,
        },
    )
    assert text.startswith('{\n  "directory": ')


@pytest.mark.parametrize(("most", "listed"), [("0", 0), ("1", 1), ("2", 2), ("3", 2)])
def test_as_many_queues_as_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], most: str, listed: int
) -> None:
    path = lived(tmp_path / "store")
    lines = CLOSED.format(path=path).splitlines(keepends=True)
    lines = lines[: len(lines) - 2 + listed]
    if listed < 2:
        lines.append(f"  and {2 - listed} queues more: --queues 2 lists them, and --json\n")
    assert shown(path, capsys, "--queues", most) == (0, "".join(lines))


def records_beyond(path: Path) -> None:
    """The end of the first segment is gone, and with it a record."""
    first = sorted(path.glob("log-*.seg"))[0]
    first.write_bytes(first.read_bytes()[:-1])


def nothing_counts(path: Path) -> None:
    for file in path.glob("log-*.seg"):
        file.write_bytes(file.read_bytes()[:40])


def nonsense_for_offsets(path: Path) -> None:
    (path / "offsets").write_bytes(b"nonsense")


@pytest.mark.parametrize(
    ("spoil", "saved", "queues", "segments"),
    [
        (records_beyond, "records 1 to 3 are whole, and the queues stood then as listed; what the 4 records", 1, 2),
        (nothing_counts, "no record counts: nothing could be saved", 0, 2),
        (nonsense_for_offsets, "all records, 1 to 7, are whole: by them alone the queues stand as listed", 2, 2),
    ],
)
def test_what_could_be_saved(
    tmp_path: Path, spoil: Callable[[Path], None], saved: str, queues: int, segments: int
) -> None:
    path = lived(tmp_path / "store")
    spoil(path)
    found = inspect(path)
    (log,) = found.logs
    assert log.could_be_saved is not None
    assert log.could_be_saved.startswith(saved)
    assert (found.problem, len(log.queues), len(log.segments)) == (log.problem, queues, segments)


HELP = """\
usage: ackstore inspect [-h] [--json] [--queues N] DIR

Show segments, records and queues, what of them is proved to have been synced, and where the store would not open, what
could be saved. Exit codes: 0 it would open, 1 it would not, 2 there is no store, 3 that could not be found out or
shown.

positional arguments:
  DIR         the directory of a store, open or closed

options:
  -h, --help  show this help message and exit
  --json      as JSON, with every queue
  --queues N  how many queues to list (default: 50)
"""


def test_its_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "122")
    monkeypatch.setenv("NO_COLOR", "1")
    out = ""
    for arguments, text in (
        (["inspect", "--help"], HELP),
        (["--help"], "usage: ackstore [-h] COMMAND ...\n\nLook after the directory of a store.\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert out.split()[: len(text.split())] == text.split()
    assert "inspect show what a directory holds, without changing it" in " ".join(out.split())


def test_what_is_no_number_of_queues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lived(tmp_path / "store")
    for number in ("-1", "x", "", "1" * 10, "1.0"):
        with pytest.raises(SystemExit) as ended:
            main(["inspect", str(path), f"--queues={number}"])
        assert ended.value.code == 2
        assert f"{number!r} is no number of queues: give an integer from 0" in capsys.readouterr().err
    assert shown(path, capsys, "--queues", "9" * 9) == (0, CLOSED.format(path=path))


def test_a_segment_of_which_nothing_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lived(tmp_path / "store")
    nothing_counts(path)
    code, text = shown(path, capsys)
    assert code == 1
    (line,) = (line for line in text.splitlines() if line.startswith("  log-00000001.seg"))
    assert line.split() == ["log-00000001.seg", "40", "-", "none", "not", "whole", "from", "byte", "0", "on"]
    (first, second) = inspect(path).logs[0].segments
    assert (first.epoch, first.first, first.last, first.records) == (None, 0, 0, 0)
    assert (second.file, second.bytes, second.kinds) == ("log-00000002.seg", 40, {})


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BrokenPipeError(), 0, ""),  # who reads it has seen enough
        (OSError(28, "No space left on device"), 3, "ackstore: what was found cannot be written (No space left on "),
    ],
)
def test_where_nobody_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, error: OSError, code: int,
    said: str,
) -> None:  # fmt: skip
    """And what Python writes there at its end goes nowhere."""
    path = lived(tmp_path / "store")

    def write(_text: str) -> None:
        raise error

    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("sys.stdout", SimpleNamespace(write=write, flush=print, fileno=out.fileno))
        assert main(["inspect", str(path)]) == code
        monkeypatch.undo()
        assert os.fstat(out.fileno()).st_rdev == os.stat(os.devnull).st_rdev
        assert os.write(out.fileno(), b"the rest") == 8
    assert capsys.readouterr().err.startswith(said)
    assert (tmp_path / "out").read_text() == ""


def test_what_is_no_text_is_shown_as_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lived(tmp_path / "store-\udcff")
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert main(["inspect", str(path)]) == 0
        monkeypatch.undo()
    assert "store-\\udcff" in (tmp_path / "out").read_text(encoding="utf-8")
