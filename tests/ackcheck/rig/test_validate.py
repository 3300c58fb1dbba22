"""What `--validate` tells: all that is wrong with a target's methods, and with its lines, at once."""

import inspect
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck.cli.run import run
from ackcheck.rig import Child, TargetDied
from ackcheck.rig.rehearsal import rehearsed
from ackcheck.rig.schema import every_line_checked
from ackcheck.rig.shape import Extended, Target, lacks

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
