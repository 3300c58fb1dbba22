"""A target that is forked is as new as one that is started, and one that would share something is not forked."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackcheck.rig.child import Child
from ackcheck.rig.contained import Contained, process
from ackcheck.rig.errors import NotForked, TargetDied
from ackcheck.rig.nursery import Nursery

TARGET = """
import os, time
MADE = []

class Target:
    def __init__(self):
        MADE.append(os.getpid())
    def open(self, directory):
        pass
    def stats(self):
        return {"pid": os.getpid(), "made": MADE, "parent": os.getppid()}
    def flush(self):
        os.fork() or (os.setsid(), time.sleep(60))
        return "OK"
    def close(self):
        os._exit(7)
    def publish(self, queue, end): ...
    def pop(self, queue, count, invisible): ...
    def ack(self, receipt): ...
    def ack_many(self, receipts): ...
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A target whose children are forked."""
    (tmp_path / "target.py").write_text(TARGET)
    child = Child.python(f"{tmp_path / 'target.py'}:Target", tmp_path)
    with Nursery(child.served, child.environment) as nursery:
        child.nursery = nursery
        yield child
        child.end()


def test_each_is_a_process_of_its_own_in_which_the_target_is_made(child: Child) -> None:
    seen = []
    for _ in range(3):
        child.start()
        child.call("open", directory="d")
        seen.append(child.call("stats"))
        assert seen[-1]["pid"] == child.pid
        assert seen[-1]["made"] == [child.pid]
        assert isinstance(child.nursery, Nursery)
        assert seen[-1]["parent"] not in (child.pid, child.nursery.pid)  # its keeper
        assert child.kill().processes == (seen[-1]["pid"],)
    assert len({one["pid"] for one in seen}) == 3


def test_nothing_of_it_gets_away(child: Child) -> None:
    child.start()
    child.call("open", directory="d")
    assert child.call("flush") == "OK"
    child.send("stats")
    killed = child.kill()
    assert len(killed.processes) == 2
    assert all(process(pid) is None for pid in killed.processes)


def test_its_end_is_seen(child: Child) -> None:
    child.start()
    child.call("open", directory="d")
    with pytest.raises(TargetDied, match="status 7"):
        child.call("close")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "starts threads"),
        ("FILE = open(__file__)", "opens files"),
        ("import subprocess; P = subprocess.Popen(['sleep', '60'])", "starts processes"),
        ("raise KeyError", "raises KeyError"),
    ],
)
def test_what_forks_would_share_is_not_forked(line: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "target.py").write_text(f"{line}\nTarget = dict\n")
    served = ["--target", f"{tmp_path / 'target.py'}:Target", "--dir", str(tmp_path)]
    with Nursery(served) as nursery, pytest.raises(NotForked, match=why):
        Contained(["a fork"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, nursery=nursery)


def test_where_its_interpreter_was_killed_it_is_started_anew(child: Child) -> None:
    nursery = child.nursery
    assert isinstance(nursery, Nursery)
    child.start()
    child.kill()
    nursery.kill()
    with pytest.raises(NotForked, match="has ended"):
        Contained(["a fork"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, nursery=nursery)
    child.start()
    child.call("open", directory="d")
    assert child.call("stats")["pid"] == child.pid
    assert child.nursery is None
