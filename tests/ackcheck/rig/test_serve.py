"""The child's side: which requests run at once, and what a target cannot break."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ackcheck.rig.child import Child
from ackcheck.rig.errors import ProtocolError, TargetError
from ackcheck.rig.serve import load_factory, offers_of
from ackcheck.rig.wire import decode_request, encode
from ackcheck.target import Target

StartToy = Callable[..., Child]
TOYS = Path(__file__).with_name("toys.py")


def serve(directory: Path, text: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ackcheck.rig.serve", "--target", f"{TOYS}:Appender"]
    return subprocess.run(
        [*command, "--dir", str(directory)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )


def test_a_file_is_a_target() -> None:
    assert isinstance(load_factory(f"{TOYS}:Appender")(), Target)


@pytest.mark.parametrize("name", ["toys", ":factory", "toys:"])
def test_a_name_without_a_factory(name: str) -> None:
    with pytest.raises(ValueError, match="names no factory; write module:factory"):
        load_factory(name)


def test_acks_run_at_once(toy: StartToy) -> None:
    child = toy("Meeting", threads=3)
    for number in range(3):
        child.send("ack", receipt=f"r{number}")
    assert [child.receive().value() for _ in range(3)] == ["OK"] * 3


def test_close_is_called_while_others_are_under_way(toy: StartToy) -> None:
    child = toy("Meeting", threads=4)
    for number in range(3):
        child.send("ack", receipt=f"r{number}")
    assert child.call("close") == "0 acks finished before close"
    assert [child.receive().value() for _ in range(3)] == ["OK"] * 3


def test_prints_of_the_target_do_no_harm(toy: StartToy) -> None:
    child = toy("Printing")
    child.call("open")
    assert child.call("ack", receipt="r00001") == "OK"


def test_a_result_that_json_cannot_carry(toy: StartToy) -> None:
    child = toy("Raising")
    with pytest.raises(TargetError, match=r"'flush' raised TypeError: .*not JSON serializable"):
        child.call("flush")
    assert child.close() == 0


@pytest.mark.parametrize("op", ["__class__", "_sync_directory", "renew"])
def test_only_operations_are_called(toy: StartToy, op: str) -> None:
    child = toy("Appender")
    with pytest.raises(TargetError, match=f"no operation '{op}'; there are ack, ack_many"):
        child.call(op)
    assert child.close() == 0


def test_a_line_that_is_no_request_ends_it(tmp_path: Path) -> None:
    done = serve(tmp_path, '{"id": 1, "op": "open"}\n{"id": 2}\n')
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"id": 1, "result": {"offers": [], "max_attempts": None}}
    assert "no op: b'{\"id\": 2}'; a request is" in done.stderr


def test_a_request_without_an_end_is_bounded(tmp_path: Path) -> None:
    done = serve(tmp_path, "x" * 2_000_000)
    assert done.returncode == 2
    assert "a request over 1048576 bytes; split it" in done.stderr


def test_requests_before_the_end_of_input_are_answered(tmp_path: Path) -> None:
    lines = ['{"id": 1, "op": "open"}']
    lines += [f'{{"id": {n}, "op": "ack", "receipt": "r{n:05}"}}' for n in range(2, 50)]
    done = serve(tmp_path, "\n".join(lines) + "\n")
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == list(range(1, 50))


def test_nobody_listening_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ackcheck.rig.serve", "--target", f"{TOYS}:Appender"]
    with subprocess.Popen(
        [*command, "--dir", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(b'{"id": 1, "op": "open"}\n')
        process.stdin.flush()
        assert process.wait(10) == 0


def test_lines() -> None:
    with pytest.raises(ProtocolError, match="over the limit of 10"):
        encode({"id": 123456789}, 10)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"id": 1, "result": float("nan")})
    assert decode_request(b'{"id":1,"op":"ack","receipt":"a"}').arguments == {"receipt": "a"}
    with pytest.raises(ProtocolError, match="not JSON"):
        decode_request(b"\xff")


def test_what_a_target_offers_is_told_when_it_was_opened() -> None:
    class Some:
        max_attempts = 3
        reset = "no method"

        def renew(self, receipt: str, invisible: float) -> str:
            return "OK"

        def dead(self, queue: str) -> list[int]:
            return []

    assert offers_of(Some()) == {"offers": ["dead", "renew"], "max_attempts": 3}
    assert offers_of(object()) == {"offers": [], "max_attempts": None}
