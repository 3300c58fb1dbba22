"""What `--validate` tells: all that is wrong with a target's methods, and with its lines, at once."""

import inspect
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck import lab
from ackcheck.cli import main
from ackcheck.cli._validate import validated
from ackcheck.cli.run import run
from ackcheck.rig import Child, TargetDied
from ackcheck.rig.rehearsal import rehearsed
from ackcheck.rig.schema import every_line_checked
from ackcheck.rig.shape import Extended, Target, lacks
from ackcheck.sim.rehearsal import rehearsed as rehearsed_steps
from ackcheck.sim.target import Ended, Io
from ackcheck.subject import Subject
from ackmodel import Delivered, Level, Reply

pytest.importorskip("jsonschema")

STORE = """
    import json, sys
    deliveries = [{"receipt": "r", "offset": 0, "attempt": 1, "deadline": 0.0}]
    right = {"open": None, "publish": None, "pop": deliveries, "ack": "OK", "ack_many": [], "stats": {}}
    right |= {"flush": "OK", "close": "OK"}
    right |= WRONG
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps({"id": asked["id"], "result": right[asked["op"]]}), flush=True)
"""


def answers(tmp_path: Path, wrong: str) -> list[str]:
    (tmp_path / "store.py").write_text(textwrap.dedent(STORE.replace("WRONG", wrong)), encoding="utf-8")
    with every_line_checked():
        child = Child([sys.executable, str(tmp_path / "store.py")], directory=tmp_path, reply_timeout=60.0)
        return rehearsed(child, tmp_path)


def test_all_wrong_answers_are_told_together_and_each_says_where_in_the_line(tmp_path: Path) -> None:
    assert answers(tmp_path, "{}") == []
    wrong = answers(
        tmp_path, '{"stats": {"queues": {"q": {"committed": -1}}}, "close": "fine", "ack_many": ["OK", "no"]}'
    )
    assert [line.split("'")[1] for line in wrong] == ["ack_many", "stats", "close"]
    assert "result[1]: 'no' is not one of" in wrong[0]
    assert "result.queues.q: 'persisted' is a required property" in wrong[1]
    assert "result.queues.q.committed: -1 is less than the minimum" in wrong[1]


def test_a_target_that_dies_is_told_of_with_what_was_wrong_before(tmp_path: Path) -> None:
    wrong = answers(tmp_path, '{"ack": 7, "stats": sys.exit}')
    assert "7 is not one of" in wrong[0]
    assert "TargetDied" in wrong[-1]


def test_every_line_of_the_run_is_held_against_the_schema(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(textwrap.dedent(STORE.replace("WRONG", '{"flush": "fine"}')), encoding="utf-8")
    words = [
        "--validate",
        "--faults",
        "process",
        "--reply-timeout",
        "60",
        "--",
        sys.executable,
        str(tmp_path / "store.py"),
    ]
    ran = CliRunner().invoke(run, words)
    assert ran.exit_code == 3
    assert "'flush'" in ran.output
    assert "'fine' is not one of" in ran.output


class Stepped:
    """A stepped store without a disk, and of what it says some is wrong."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def open(self, directory: object, now: float) -> None: ...

    def publish(self, queue: str, end: int, now: float) -> None: ...

    def pop(self, op: int, queue: str, count: int, invisible: float, now: float) -> None:
        self.told += [Io(1, "write", "log"), Ended(op, Reply.OK, tuple(Delivered(r, 0, now) for r in "ab"))]

    def ack(self, op: int, receipts: list[str], now: float) -> None:
        self.told += [Io(1, "fsync", "log"), Ended(op, "fine" if len(receipts) > 1 else Reply.OK)]  # type: ignore[arg-type]

    def flush(self, op: int, now: float) -> None: ...

    def close(self, op: int, now: float) -> None:
        raise KeyError("log")

    def take(self) -> list[object]:
        told, self.told = self.told, []
        return told

    def finish(self, io: int, outcome: object, now: float) -> None: ...

    def tick(self, now: float) -> None: ...

    def next_tick(self) -> None: ...

    def look(self, receipts: list[str]) -> dict[str, object]:
        return {}


def test_the_calls_of_a_stepped_target_are_rehearsed_and_all_that_is_wrong_is_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = rehearsed_steps(Stepped)
    for told in (
        "write log @0, 0 bytes: there is no such file; create it first",
        "look returned {}: return a Look",
        "the id 1 of fsync log was given before",
        "the action of an Io is 'fsync': it must be one of create, write",
        "the reply to ack is 'fine': it must be one of",
        "ack of 2 receipts ended with 0 replies",
        "flush (operation 4) has not ended",
        "close raised KeyError: 'log'",
    ):
        assert [line for line in wrong if line.startswith(told)], (told, wrong)
    assert rehearsed_steps(lab.reference().setups(Level.DISK, 1)[0][0].target) == []
    new = CliRunner().invoke(main, ["new", "stepped", str(tmp_path / "store")])
    assert new.exit_code == 0
    with validated(Subject(f"{tmp_path / 'store/target.py'}:Store"), True, 1.0):
        assert "every call was tried once" in capsys.readouterr().err


def test_a_stepped_target_without_its_methods_is_told_of_all_of_them_at_once(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("class Half:\n    def take(self, now): return []\n", encoding="utf-8")
    for more in ([], ["--validate"]):
        ran = CliRunner().invoke(main, ["run", *more, "--faults", "sim", f"{tmp_path / 'half.py'}:Half"])
        assert ran.exit_code == 3
        assert "no method pop(op, queue, count, invisible, now)" in ran.output
        assert "take(now) cannot be called as take(): it must take as many" in ran.output


class Half:
    """Half a target, and of that some with other arguments."""

    def open(self, directory: object) -> None: ...

    def pop(self, queue: str, n: int, invisible: float) -> list[object]:
        return []

    def ack(self, receipt: str, *, and_more: bool) -> str:
        return "OK"

    def renew(self, receipt: str) -> str:
        return "OK"


def test_methods_and_arguments_are_checked_at_once_and_told_together(tmp_path: Path) -> None:
    wrong = lacks(Half(), Target, Extended)
    assert [line.split("(")[0] for line in wrong] == [
        *("no method ack_many", "no method close", "no method flush", "no method publish", "no method stats"),
        *("ack", "pop", "renew"),
    ]
    (tmp_path / "half.py").write_text(inspect.getsource(Half), encoding="utf-8")
    child = Child.python(f"{tmp_path / 'half.py'}:Half", tmp_path, reply_timeout=60.0)
    with child, pytest.raises(TargetDied) as died:
        child.call("open", directory=str(tmp_path), protocol=1)
    assert all(line in str(died.value) for line in wrong)
