"""All of a target is killed, whatever it does to get away, and is seen to be gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ackcheck.hits import Fault
from ackcheck.rig import contained
from ackcheck.rig.child import Child
from ackcheck.rig.contained import Contained, Process, own_cgroup, process
from ackcheck.rig.errors import TargetDied, TargetNotStarted, TargetOutlived

FLEES = """
import os, sys, time
for way in ("session", "daemon", "worker"):
    if child := os.fork():
        if way == "daemon":
            os.waitpid(child, 0)
    else:
        if way != "worker":
            os.setsid()
        if way == "daemon" and os.fork():
            os._exit(0)
        time.sleep(60)
print("fled", flush=True)
sys.stdin.readline()
"""
"""Leaves its session, and a daemon whose parent has gone, and a worker."""


PUBLIC_PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
"""One that everybody may run, if there is one: the one of a virtual environment may lie in somebody's home."""


@pytest.fixture(params=["cgroup v2", "subreaper"])
def held_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "subreaper":
        monkeypatch.setattr(contained, "own_cgroup", lambda: None)
    else:
        folder = own_cgroup()
        if folder is None or not os.access(folder, os.W_OK):
            pytest.skip("no cgroup of version 2 can be made here")
    return str(request.param)


def fleeing() -> Contained:
    started = Contained([sys.executable, "-c", FLEES], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"fled\n"
    assert len(started.processes()) == 4
    return started


def let_go(started: Contained) -> None:
    for stream in (started.stdin, started.stdout):
        assert stream is not None
        stream.close()


def states(running: Iterable[Process]) -> set[str]:
    return {Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[0] for one in running}


def eventually(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)
    return done()


def test_nothing_gets_away(held_by: str) -> None:
    started = fleeing()
    assert started.held_by == held_by
    before = started.processes()
    killed = started.kill()
    assert set(killed) == {one.pid for one in before}
    assert all(process(one.pid) != one for one in before)
    assert started.status() == -signal.SIGKILL
    let_go(started)


def test_all_of_it_stands_still(held_by: str) -> None:
    started = fleeing()
    running = started.processes()
    started.stop()
    assert states(running) == {"T"}
    started.go_on()
    assert eventually(lambda: "T" not in states(running))
    started.kill()
    let_go(started)


def test_no_cgroup_is_left_behind() -> None:
    folder = own_cgroup()
    started = fleeing()
    started.kill()
    let_go(started)
    assert folder is None or not [one for one in folder.iterdir() if one.name.startswith(f"ackcheck-{os.getpid()}-")]


def test_it_ends_with_us(held_by: str) -> None:
    ours = (
        "import subprocess, time\n"
        "from ackcheck.rig import contained\n"
        f"contained.own_cgroup = {'contained.own_cgroup' if held_by == 'cgroup v2' else '(lambda: None)'}\n"
        "started = contained.Contained(['sh', '-c', 'setsid sleep 60 & sleep 60'])\n"
        "while len(started.processes()) < 3: pass\n"
        "print(*[one.pid for one in started.processes()], flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, env=environment) as suite:
        assert suite.stdout is not None
        started = [process(int(pid)) for pid in suite.stdout.readline().split()]
        assert len(started) == 3
        assert None not in started
        suite.kill()
    assert eventually(lambda: all(one is not None and process(one.pid) != one for one in started))


def test_it_ends_with_us_though_we_have_not_read_what_we_were_told() -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-S", str(contained.KEEPER), str(theirs.fileno()), "", "sleep", "60"]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as kept, ours:
        theirs.close()
        told = json.loads(ours.recv(1 << 16, socket.MSG_PEEK))
        started = process(told["started"])
        assert started is not None
    assert (kept.returncode, process(started.pid) != started) == (0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_ordinary_user_needs_no_rights(tmp_path: Path) -> None:
    ours = (
        "import os, sys\n"
        "from ackcheck.rig.contained import Contained\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"sys.executable = {PUBLIC_PYTHON!r}\n"
        "with Contained(['sh', '-c', '(setsid sleep 60 &); sleep 60']) as started:\n"
        "    while len(started.processes()) < 3: pass\n"
        "    print(started.held_by, len(started.kill()))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    ran = subprocess.run([sys.executable, "-c", ours], env=environment, capture_output=True, text=True, check=False)
    if "Permission denied" in ran.stderr:
        pytest.skip("this Python, or the checkout, is not to be read by others")
    assert ran.stdout == "subreaper 3\n", ran.stderr


def test_a_keeper_that_somebody_kills_is_no_way_out() -> None:
    started = fleeing()
    keeper = int(Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    running = started.processes() | {process(started.pid)}
    with pytest.raises(TargetOutlived, match="its keeper was killed by somebody else"):
        started.kill()
    if (folder := own_cgroup()) is not None:
        assert not [one for one in folder.iterdir() if one.name.startswith(f"ackcheck-{os.getpid()}-")]
    if started.held_by == "cgroup v2":
        assert eventually(lambda: all(one is None or process(one.pid) != one for one in running))
    let_go(started)


def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(TargetNotStarted, match="cannot start '/nowhere/broker': No such file"):
        Contained(["/nowhere/broker"])
    (tmp_path / "text").write_text("no program")
    with pytest.raises(TargetNotStarted, match="Permission denied"):
        Contained([str(tmp_path / "text")])


def test_signals_are_as_a_shell_gives_them() -> None:
    with Contained(["sh", "-c", "kill -PIPE $$; sleep 60"]) as started:  # ignored, it would live on
        assert started.status(10.0) == -signal.SIGPIPE


def test_what_a_target_leaves_behind_does_not_speak_for_it() -> None:
    child = Child(["sh", "-c", "echo 'no such disk' >&2; sleep 60 & exit 4"], reply_timeout=60.0)
    with child, pytest.raises(TargetDied, match=r"exited with status 4 (.|\n)*no such disk") as caught:
        child.call("open")
    assert caught.value.returncode == 4


def test_what_was_written_is_seen(tmp_path: Path) -> None:
    child = Child(["sh", "-c", f"echo > {tmp_path}/log; echo > {tmp_path}/offsets; sleep 60"], directory=tmp_path)
    with child:
        assert eventually((tmp_path / "offsets").exists)
        hit = child.kill().hit(Fault.PROCESS_CRASH)
        assert (hit.wrote, hit.missed, hit.killed) == (2, "", 2)
        child.command = ("sleep", "60")
        child.start()
        hit = child.kill().hit(Fault.PROCESS_CRASH)
        assert (hit.wrote, hit.missed, hit.killed) == (0, "", 1)


def test_a_server_from_elsewhere_is_named(tmp_path: Path) -> None:
    """What writes to the directory, and was not started by the target, outlives every kill of ours."""
    elsewhere = [
        sys.executable,
        "-c",
        "import sys, time; f = open(sys.argv[1], 'w'); print(flush=True); time.sleep(60)",
    ]
    with subprocess.Popen([*elsewhere, str(tmp_path / "aof")], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with Child(["sleep", "60"], directory=tmp_path) as child:
            hit = child.kill().hit(Fault.PROCESS_CRASH)
        server.kill()
    assert f"process {server.pid} (python" in hit.missed
    assert "--server" in hit.missed


def test_a_sync_that_was_not_refused_is_no_fault(tmp_path: Path) -> None:
    with Child(["sleep", "60"], directory=tmp_path) as child:
        killed = child.kill()
    assert "the disk refused no sync" in killed.hit(Fault.FAILED_SYNC).missed
    assert not killed.hit(Fault.FAILED_SYNC, refused=1).missed
