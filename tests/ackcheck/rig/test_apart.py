"""A server apart from its adapter: the one is killed and restarted, the other lives on and is told."""

import os
import sys
import time
from pathlib import Path

import pytest

from ackcheck.disk.available import missing
from ackcheck.grades import run_damage_grade, run_disk_grade, run_power_grade, run_process_grade
from ackcheck.grades.before_cut import PRELUDES
from ackcheck.hits import Fault
from ackcheck.rig.apart import Apart, WithServer
from ackcheck.rig.errors import TargetDied, TargetHung
from ackmodel import Clause, Level

TOYS = Path(__file__).parents[1] / "grades" / "toys.py"
SEALED = f"{Path(__file__).parents[2] / 'textbook' / 'sealed.py'}:SealedLog"

SERVER = """
import os, socket, sys
from ackcheck.rig.serve import main
listening = socket.socket(socket.AF_UNIX)
listening.bind(chr(0) + sys.argv[1])
listening.listen()
connection, _ = listening.accept()
os.dup2(connection.fileno(), 0)
os.dup2(connection.fileno(), 1)
sys.exit(main(["--target", sys.argv[2], "--dir", sys.argv[3], "--threads", "4"]))
"""
"""A store behind a socket."""

ADAPTER = """
import json, socket, sys, threading, time
under_way, connection, reader = set(), None, None
def pass_on(connection):
    for line in connection.makefile("rb"):
        under_way.discard(json.loads(line)["id"])
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    for number in sorted(under_way):
        print(json.dumps({"id": number, "error": {"type": "ConnectionError", "message": "lost"}}), flush=True)
    under_way.clear()
def alive():
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
for line in sys.stdin.buffer:
    asked = json.loads(line)
    if asked["op"] == "open":
        while not alive():
            if reader:
                reader.join()
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(chr(0) + sys.argv[1])
            except OSError:
                connection = None
                time.sleep(0.01)
                continue
            reader = threading.Thread(target=pass_on, args=[connection], daemon=True)
            reader.start()
    under_way.add(asked["id"])
    try:
        connection.sendall(line)
    except OSError:
        pass
"""
"""A client: it passes on, and answers with errors what was under way when the connection was lost."""


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entry for entry in sys.path if entry))
    return f"ackcheck-test-{os.getpid()}-{time.monotonic_ns()}"


def server(name: str, toy: str) -> list[str]:
    return [sys.executable, "-c", SERVER, name, toy if ":" in toy else f"{TOYS}:{toy}", "{dir}"]


def adapter(name: str) -> list[str]:
    return [sys.executable, "-c", ADAPTER, name]


def test_a_right_server_is_killed_and_kept(name: str) -> None:
    report = run_process_grade(WithServer(adapter(name), server(name, "Toy")), Level.DISK, seed=1, rounds=3)
    assert report.finding is None, str(report.finding)
    assert (report.hits.seen(Fault.PROCESS_CRASH), report.hits.reasons(Fault.PROCESS_CRASH)) == (3, ())
    assert report.checked[Clause.SURVIVES_PROCESS_CRASH] > 0


@pytest.mark.usefixtures("machine_grade")
@pytest.mark.machine
def test_a_server_that_never_syncs_is_caught(name: str) -> None:
    target = WithServer(adapter(name), server(name, "NeverSyncs"))
    report = run_power_grade(target, Level.DISK, seed=4, rounds=4, failed_syncs=0)
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS
    assert report.hits.lost() > 0


@pytest.mark.usefixtures("machine_grade")
@pytest.mark.machine
def test_an_adapter_and_its_network_live_on_from_image_to_image(name: str) -> None:
    if reason := missing("ext4"):
        pytest.skip(reason)
    target = WithServer(adapter(name), server(name, "Toy"), own_network=True)
    report = run_disk_grade(target, Level.DISK, seed=PRELUDES.index("at a flush"), rounds=1, images=3)
    assert report.finding is None, str(report.finding)
    assert report.ran["images judged"] >= 2
    assert report.ran["clean restart"] == 1


def test_an_adapter_lives_on_from_damaged_copy_to_damaged_copy(name: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    noting = [sys.executable, "-c", f"open({str(begun)!r}, 'a').write('begun ')\n{ADAPTER}", name]
    report = run_damage_grade(WithServer(noting, server(name, SEALED)), Level.DISK, seed=1, rounds=2)
    assert report.finding is None, str(report.finding)
    assert report.ran["refused by name"] >= 2
    assert begun.read_text() == "begun "


def test_a_server_that_ends_by_itself_has_died(tmp_path: Path) -> None:
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    target = Apart(idle, server=["sh", "-c", "echo 'bad log' >&2; exit 5"], directory=tmp_path, reply_timeout=60.0)
    with target, pytest.raises(TargetDied, match=r"exited with status 5 (.|\n)*bad log"):
        target.call("open")
    assert (target.pid, target.adapter_pid) == (None, None)


def test_a_server_that_ends_as_it_shows_what_it_has_cannot_be_opened(name: str) -> None:
    """The adapter may say first that it was lost."""
    toy = f"{TOYS.with_name('files.py')}:EndsAsItShowsWhatItHas"
    report = run_process_grade(WithServer(adapter(name), server(name, toy)), Level.DISK, seed=1, rounds=1)
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_PROCESS_CRASH
    assert "exited with status 4" in report.finding.why


def test_an_adapter_that_ends_by_itself_after_a_fault_is_no_finding(name: str) -> None:
    ends = 'opens += asked["op"] == "open"\n    if opens == 2 and asked["op"] != "open":\n        sys.exit(7)\n'
    begun = ADAPTER.replace("for line in sys.stdin.buffer:", "opens = 0\nfor line in sys.stdin.buffer:")
    ending = begun.replace('    under_way.add(asked["id"])', f'    {ends}    under_way.add(asked["id"])')
    lives_on = ["sh", "-c", '"$@"; sleep 600', "sh", *server(name, "Toy")]  # also without its client
    target = WithServer([sys.executable, "-c", ending, name], lives_on)
    with pytest.raises(TargetDied, match="exited with status 7"):
        run_process_grade(target, Level.DISK, seed=1, rounds=1)


def test_a_server_that_does_not_end_when_asked_hangs(tmp_path: Path) -> None:
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    deaf = ["sh", "-c", f"trap '' TERM; echo > {tmp_path}/up; while true; do sleep 0.05; done"]
    with Apart(idle, server=deaf, directory=tmp_path, reply_timeout=0.3) as target:
        while not (tmp_path / "up").exists():
            time.sleep(0.01)
        with pytest.raises(TargetHung, match="SIGTERM"):
            target.close()
        assert target.adapter_pid is not None
