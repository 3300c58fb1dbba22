"""A target in a child process: what is said to it, how it dies, and how each failure is named."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ackcheck.rig.child import Child
from ackcheck.rig.errors import (
    ProtocolError,
    TargetDied,
    TargetError,
    TargetHung,
    TargetNotStarted,
)
from ackcheck.rig.exchange import Exchange, SecondAnswer

StartToy = Callable[..., Child]


def script(body: str) -> list[str]:
    """A target that is a few lines of Python and nothing of ours."""
    return [sys.executable, "-c", f"import json, os, sys, time\n{body}"]


def says(line: str) -> list[str]:
    """A target that answers its first request with `line`, whatever it was."""
    return script(f"sys.stdin.readline()\nprint({line!r}, flush=True)\ntime.sleep(60)")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_operations_reach_the_target(toy: StartToy) -> None:
    child = toy("Appender")
    assert child.call("open") == {"offers": [], "max_attempts": None}
    child.call("publish", queue="q", end=3)
    deliveries = child.call("pop", queue="q", count=2, invisible=30.0)
    assert [one["receipt"] for one in deliveries] == ["r00000", "r00001"]
    assert child.call("ack_many", receipts=["r00000", "r00001"]) == ["OK", "OK"]
    assert child.call("close") == "OK"
    assert child.close() == 0


def test_a_killed_target_restarts_on_its_directory(toy: StartToy) -> None:
    child = toy("Forgetful")
    child.call("open")
    child.call("ack", receipt="r00004")
    first = child.pid
    child.kill()
    child.start()
    assert child.pid != first
    child.call("open")
    assert child.call("stats") == {"acked": ["r00004"]}


def test_a_kill_accounts_for_every_request(toy: StartToy) -> None:
    child = toy("Appender")
    child.call("open")
    sent = [child.send("ack", receipt=f"r{n:05}") for n in range(200)]
    child.receive()
    killed = child.kill()
    ids = [exchange.id for exchange in (*killed.answered, *killed.unanswered)]
    assert ids == sent[1:]
    assert all(exchange.replied_ns is not None for exchange in killed.answered)
    assert all(exchange.replied_ns is None for exchange in killed.unanswered)
    assert child.in_flight == 0
    assert child.kill().answered == ()  # a second kill finds nothing


def test_a_reply_in_the_pipe_counts_as_given(tmp_path: Path) -> None:
    flag = tmp_path / "written"
    body = (
        "sys.stdin.readline()\n"
        'print(json.dumps({"id": 1, "result": "OK"}), flush=True)\n'
        'sys.stdout.write(\'{"id": 2, "resu\'); sys.stdout.flush()\n'
        f"open({str(flag)!r}, 'w').close()\n"
        "time.sleep(60)"
    )
    with Child(script(body)) as child:
        child.send("ack", receipt="a")
        child.send("ack", receipt="b")
        while not flag.exists():
            time.sleep(0.01)
        killed = child.kill()
    assert [exchange.value() for exchange in killed.answered] == ["OK"]
    assert [exchange.id for exchange in killed.unanswered] == [2]  # half a line is no answer


def test_what_comes_after_listening_stops_was_never_heard() -> None:
    body = (
        'print(json.dumps({"id": 1, "result": "OK"}), flush=True)\n'
        "for line in sys.stdin:\n"
        '    if json.loads(line)["id"] == 2: break\n'
        "time.sleep(0.2)\n"
        'print(json.dumps({"id": 2, "result": "OK"}), flush=True)'
    )
    with Child(script(body)) as child:
        child.send("ack", receipt="a")
        child.send("ack", receipt="b")
        child.receive()
        child.stop_listening()
        time.sleep(0.5)
        killed = child.kill()
        assert killed.answered == ()
        assert [exchange.id for exchange in killed.unanswered] == [2]
        child.start()
        child.send("ack", receipt="c")  # ids go on, so the script's reply to 1 is a stranger
        with pytest.raises(ProtocolError, match="reply to request 1, which was never asked"):
            child.receive()


def test_pipelining_does_not_deadlock_on_full_pipes() -> None:
    body = (
        "for line in sys.stdin:\n"
        '    print(json.dumps({"id": json.loads(line)["id"], "result": "x" * 2000}), flush=True)'
    )
    with Child(script(body)) as child:
        for _ in range(2000):  # some 4 MB each way, far over what pipes hold
            child.send("ack", receipt="y" * 2000)
        assert len({child.receive().id for _ in range(2000)}) == 2000


def test_a_target_that_answers_others_meanwhile_is_not_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    child, now = Child(["none"], reply_timeout=1.0), [0.0]
    child._in_flight = {number: Exchange(id=number, op="ack", arguments={}, sent_ns=0) for number in range(5)}

    def slowly(_seconds: float) -> bool:
        now[0] += 0.8
        child._in_flight.pop(next(iter(child._in_flight)))
        return True

    monkeypatch.setattr(child, "_exchange_bytes", slowly)
    monkeypatch.setattr("ackcheck.rig.child.time.monotonic", lambda: now[0])
    child._wait_for(lambda: not child._in_flight, None)
    assert now[0] > 3 * child.reply_timeout


def test_hung(toy: StartToy) -> None:
    child = toy("Hanging", reply_timeout=5.0)
    child.call("open")
    child.reply_timeout = 0.2
    with pytest.raises(TargetHung, match=r"no reply to 'ack' within 0\.2 s") as caught:
        child.call("ack", receipt="r")
    assert caught.value.operation == "ack"
    with pytest.raises(TargetHung, match="end of input"):
        child.close()
    assert child.pid is None


def test_died_with_its_last_words(toy: StartToy) -> None:
    child = toy("Dying")
    child.call("open")
    child.send("stats")
    with pytest.raises(TargetDied, match=r"exited with status 7 with 1 requests.*") as caught:
        child.call("ack", receipt="r")
    assert caught.value.returncode == 7
    assert caught.value.stderr_tail.endswith("panic: out of cheese")
    assert child.receive().op == "stats"  # what it answered before it died is not lost
    child.send("ack", receipt="r2")  # into a broken pipe
    with pytest.raises(TargetDied):
        child.poll()


def test_died_by_a_signal() -> None:
    with (
        Child(script("os.kill(os.getpid(), 11)")) as child,
        pytest.raises(TargetDied, match=r"killed by signal 11 .* it wrote no error"),
    ):
        child.call("open")


def test_closed_its_output() -> None:
    with (
        Child(script("sys.stdin.readline()\nos.close(1)\ntime.sleep(60)")) as child,
        pytest.raises(TargetDied, match="closed its output but did not exit"),
    ):
        child.call("open")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("starting up...", "not JSON: b'starting up...'"),
        ("[1, 2]", "not an object with an integer id"),
        ("[" * 1900, "not JSON|too deep to be read"),
        ('{"result": "OK"}', "not an object with an integer id"),
        ('{"id": true, "result": "OK"}', "not an object with an integer id"),
        ('{"id": 1, "result": "OK", "error": {"type": "E", "message": "m"}}', "both a result and an error"),
        ('{"id": 99, "result": "OK"}', "reply to request 99, which was never asked"),
        ('{"id": 1}', "neither a result nor an error"),
        ('{"id": 1, "error": "no"}', "neither a result nor an error"),
        ('{"id": 1, "result": 1, "error": null}', "neither a result nor an error"),
        ("x" * 3000, "without a line end, over 2000|not JSON"),
    ],
)
def test_garbage_is_shown(line: str, message: str) -> None:
    with Child(says(line), line_limit=2000) as child, pytest.raises(ProtocolError, match=message):
        child.call("open")


def test_a_line_without_an_end_is_bounded() -> None:
    body = "while True: sys.stdout.write('x' * 4096)"
    with (
        Child(script(body), line_limit=100_000) as child,
        pytest.raises(ProtocolError, match="without a line end, over 100000"),
    ):
        child.call("open")


def test_a_second_reply_to_one_request_is_kept_and_is_none_to_another() -> None:
    body = 'sys.stdin.readline()\nprint(\'{"id":1,"result":0}\\n{"id":1,"result":9}\\n\', flush=True, end=\'\')'
    with Child(script(body)) as child:
        child.send("open")
        assert child.receive().result == 0
        assert child.kill().unanswered == ()
        assert child.second_answers == [SecondAnswer(1, 9)]


def test_too_long_a_request_is_not_sent() -> None:
    with Child(says("{}"), line_limit=1000) as child:
        with pytest.raises(ProtocolError, match="over the limit of 1000; split it"):
            child.call("ack_many", receipts=["r" * 100] * 10)
        assert child.in_flight == 0


def test_not_started() -> None:
    with pytest.raises(TargetNotStarted, match="cannot start '/nowhere/broker --dir x'"):
        Child(["/nowhere/broker", "--dir", "x"]).start()


def test_an_exception_of_the_target_is_named(toy: StartToy) -> None:
    child = toy("Raising")
    child.call("open")
    with pytest.raises(TargetError, match=r"'ack' raised LookupError: .*no receipt r9"):
        child.call("ack", receipt="r9")
    assert child.call("stats") == {"acked": []}  # and the target goes on


def test_the_rest_of_its_process_group_dies_too(toy: StartToy) -> None:
    child = toy("Breeding")
    grandchild = child.call("stats")["child"]
    assert not gone(grandchild)
    child.kill()
    deadline = time.monotonic() + 5
    while not gone(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(grandchild)


def test_leaving_the_context_kills() -> None:
    with Child(script("time.sleep(60)")) as child:
        pid = child.pid
        assert pid is not None
    assert gone(pid)


def test_environment_is_added() -> None:
    body = 'sys.stdin.readline(); print(json.dumps({"id": 1, "result": dict(os.environ)}))'
    with Child(script(body), environment={"ACK_MODE": "sync"}) as child:
        result = child.call("stats")
    assert result["ACK_MODE"] == "sync"
    assert result["PATH"] == os.environ["PATH"]


def test_misuse_is_named(toy: StartToy) -> None:
    child = Child(script("time.sleep(60)"))
    with pytest.raises(RuntimeError, match="not running; start"):
        child.send("open")
    assert child.close() == 0
    with child:
        with pytest.raises(RuntimeError, match="is running; kill"):
            child.start()
        with pytest.raises(RuntimeError, match="nothing is in flight"):
            child.receive()
