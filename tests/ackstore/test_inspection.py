"""`ackstore inspect`: what a directory holds, whatever state it is in, and nothing of it is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, NoStore, Reply, Store
from ackstore.cli import main
from ackstore.inspection import inspect


def lived(path: Path, **settings: Any) -> Path:
    """The directory of a closed store with something of every kind in several segments."""
    with Store(path, Config(segment_bytes=300, max_attempts=1, flush_interval=0.01, **settings)) as store:
        store.publish("orders", 100)
        found = store.pop("orders", 5, 600.0)
        for delivery in (found[0], found[1], found[3]):
            assert store.ack(delivery.receipt) is Reply.OK
            store.flush()
        store.renew(found[2].receipt, 900.0)
        store.release(found[4].receipt)
        while not store.dead("orders"):
            store.flush()
        store.publish("other", 10)
        store.pop("other", 2, 600.0)
        store.reset("other", 1)
    return path


def contents(path: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}


def test_it_shows_segments_records_and_queues_and_changes_nothing(tmp_path: Path) -> None:
    path = lived(tmp_path / "store")
    before = contents(path)
    found = inspect(path)
    assert contents(path) == before
    (log,) = found.logs
    assert (found.problem, found.in_use_by, log.beyond, log.could_be_saved) == (None, None, 0, None)
    assert len(log.segments) >= 3
    assert (log.first, log.last) == (1, sum(segment.records for segment in log.segments))
    assert log.proved == log.last == log.offsets_flushed
    kinds: dict[str, int] = {}
    for segment in log.segments:
        for kind, count in segment.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    assert kinds == {"checkpoint": 2, "ack": 3, "renew": 2, "dead": 1, "reset": 1}
    orders, other = log.queues
    assert (orders.queue, orders.offset, orders.next_new, orders.in_hand) == ("orders/default/0", 2, 5, 1)
    assert (orders.settled_above, orders.dead) == (2, 1)
    assert (other.offset, other.generation) == (1, 1)


def test_it_looks_at_an_open_store_and_keeps_nobody_out(tmp_path: Path) -> None:
    with Store(tmp_path / "store", Config(logs=2)) as store:
        store.publish("orders", 5)
        store.pop("orders", 5)
        found = inspect(tmp_path / "store")
        assert found.in_use_by is not None
        assert [log.log for log in found.logs] == [1, 2]
        assert sum(queue.in_hand for log in found.logs for queue in log.queues) == 5
        assert store.stats().healthy


def test_of_a_damaged_log_it_says_what_could_be_saved(tmp_path: Path) -> None:
    path = lived(tmp_path / "store")
    third = sorted(path.glob("log-*.seg"))[2]
    data = bytearray(third.read_bytes())
    data[100] ^= 1
    third.write_bytes(data)
    before = contents(path)
    (log,) = inspect(path).logs
    assert contents(path) == before
    assert log.problem is not None
    assert third.name in log.problem
    assert log.last < log.proved
    assert log.beyond > 0
    assert log.could_be_saved is not None
    assert f"records 1 to {log.last} are whole" in log.could_be_saved
    assert log.queues[0].queue == "orders/default/0"
    assert log.queues[0].settled_above + log.queues[0].settled_below <= 4  # as of then
    assert [segment.damaged_at is not None for segment in log.segments].count(True) == 1


def test_of_a_damaged_offset_file_it_says_that_the_log_is_whole(tmp_path: Path) -> None:
    path = lived(tmp_path / "store")
    (path / "offsets").write_bytes(b"nonsense")
    (log,) = inspect(path).logs
    assert log.problem is not None
    assert "move it away" in log.problem
    assert log.could_be_saved is not None
    assert "by them alone" in log.could_be_saved
    (path / "offsets").unlink()
    after = inspect(path)
    assert after.problem is None
    assert after.logs[0].queues[0].settled_below == log.queues[0].settled_below


@pytest.mark.parametrize("damage", ["empty", "torn header", "link", "a later version", "other logs"])
def test_whatever_is_wrong_is_said_by_name(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = lived(tmp_path / "store")
    first = sorted(path.glob("log-*.seg"))[0]
    if damage == "empty":
        first.write_bytes(b"")
    elif damage == "torn header":
        first.write_bytes(first.read_bytes()[:40])
    elif damage == "link":
        first.rename(path / "elsewhere")
        first.symlink_to(path / "elsewhere")
    elif damage == "a later version":
        data = bytearray(first.read_bytes())
        data[8] = 9
        first.write_bytes(data)
    else:
        shutil.copy(first, path / "log-1of2-00000001.seg")
    assert main(["inspect", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "it would not open" in shown
    assert "problem: " in shown


def test_bad_input_gets_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "file", "empty", "a\0b", "x" * 300):
        assert main(["inspect", str(tmp_path / name)]) == 2
        assert "give the directory of a store" in capsys.readouterr().err
    with pytest.raises(NoStore):
        inspect(tmp_path / "empty")
    for arguments in (["inspect"], [], ["inspect", str(tmp_path), "--queues", "-1"], ["repair", str(tmp_path)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2


def test_it_lists_some_queues_and_all_of_them_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / "store") as store:
        for number in range(60):
            store.publish(f"q{number}", 1)
            store.pop(f"q{number}")
    assert main(["inspect", str(tmp_path / "store")]) == 0
    assert "and 10 queues more" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "store"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["logs"][0]["queues"]) == 60


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_cannot_be_shown_says_nothing_of_the_store(tmp_path: Path, options: list[str]) -> None:
    path = lived(tmp_path / "store")
    command = [sys.executable, "-m", "ackstore.cli", "inspect", str(path), *options]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr == "ackstore: what was found cannot be written (No space left on device)\n"


def test_what_goes_wrong_otherwise_says_nothing_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_path: str) -> None:
        raise MemoryError

    monkeypatch.setattr("ackstore.cli.inspect", fails)
    assert main(["inspect", str(tmp_path)]) == 3
    assert "MemoryError" in capsys.readouterr().err


def test_a_name_that_the_terminal_has_no_letters_for_is_shown(tmp_path: Path) -> None:
    path = lived(tmp_path / "store").rename(tmp_path / os.fsdecode(b"\xe9-\xc3\xa9"))
    ran = subprocess.run(
        [sys.executable, "-m", "ackstore.cli", "inspect", path],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "it would open" in ran.stdout


def test_it_is_a_command(tmp_path: Path) -> None:
    path = lived(tmp_path / "store")
    script = Path(sys.executable).with_name("ackstore")
    command = [script] if script.exists() else [sys.executable, "-m", "ackstore.cli"]
    ran = subprocess.run([*command, "inspect", path], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "it would open" in ran.stdout
