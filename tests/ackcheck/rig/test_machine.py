"""Real power loss: unsynced bytes are gone, synced ones are there, and nothing is left mounted."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from ackcheck.disk.disk import sync_filesystem
from ackcheck.rig import loop, machine
from ackcheck.rig.child import Child
from ackcheck.rig.errors import MountBusy, MountFailed, RigUnavailable
from ackcheck.rig.exchange import Exchange
from ackcheck.rig.machine import PowerRig
from ackcheck.rig.witness import sync_path
from ackcheck.rig.writeback import Range, Writeback, choose_writeback, write_back

StartToy = Callable[..., Child]
JOURNAL = Writeback(metadata=True)
machine_grade = [pytest.mark.machine, pytest.mark.usefixtures("machine_grade")]


def on_machine(test: Callable[..., None]) -> Callable[..., None]:
    for mark in machine_grade:
        test = mark(test)
    return test


def write(path: Path, data: bytes, *, sync: bool) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def pages(path: Path) -> list[str]:
    """The first letter of each page; '0' for one that reads as zeros."""
    data = path.read_bytes()
    starts = (data[at : at + 1].decode() for at in range(0, len(data), 4096))
    return [start.replace("\0", "0") for start in starts]


@on_machine
def test_only_what_was_synced_is_there(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        write(rig.path / "log", b"synced", sync=True)
        write(rig.path / "log", b"UNSYNCED", sync=False)
        write(rig.path / "new", b"x", sync=False)
        rig.power_loss()
        assert (rig.path / "log").read_bytes() == b"synced"
        assert [path.name for path in rig.path.iterdir()] == ["log"]
        write(rig.path / "log", b"+more", sync=True)  # the disk works again
        rig.power_loss()
        assert (rig.path / "log").read_bytes() == b"synced+more"


@on_machine
def test_a_directory_sync_keeps_the_name(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        write(rig.path / "kept", b"", sync=False)
        sync_path(rig.path)
        write(rig.path / "lost", b"", sync=False)
        rig.power_loss()
        assert [path.name for path in rig.path.iterdir()] == ["kept"]


@on_machine
def test_unlinks_and_renames_are_undone(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        write(rig.path / "a", b"a", sync=True)
        write(rig.path / "b", b"b", sync=True)
        (rig.path / "a").unlink()
        (rig.path / "b").rename(rig.path / "c")
        rig.power_loss()
        assert sorted(path.name for path in rig.path.iterdir()) == ["a", "b"]


@on_machine
def test_the_journal_may_survive_without_the_data(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        for _ in range(2):
            write(rig.path / "offset", b"1", sync=True)
            write(rig.path / "offset.tmp", b"2", sync=False)
            write_back(JOURNAL, rig.path, bystander=rig.path.parent / "bystander")
            (rig.path / "offset.tmp").rename(rig.path / "offset")
            rig.power_loss(writeback=JOURNAL)
            assert (rig.path / "offset").read_bytes() == b""  # renamed before it was synced


@on_machine
def test_the_directory_itself_is_durable(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        rig.power_loss()
        assert rig.path.is_dir()


@on_machine
def test_pages_survive_out_of_order(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        log = rig.path / "log"
        write(log, b"A" * 4096, sync=True)
        for letter in b"BCDEFGHI":
            write(log, bytes([letter]) * 4096, sync=False)
        plan = Writeback(ranges=(Range("log", 8 * 4096, 4096),), metadata=True)
        rig.power_loss(writeback=plan)
        assert pages(log)[0] == "A"
        assert pages(log)[-1] == "I"
        assert "0" in pages(log)  # a hole before a page that survived
        assert len(pages(log)) == 9


@on_machine
def test_pages_without_the_journal_are_lost_unless_overwritten(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        log = rig.path / "log"
        write(log, b"A" * 8192, sync=True)
        with log.open("r+b") as file:
            file.write(b"a" * 4096)
        write(log, b"B" * 4096, sync=False)
        rig.power_loss(writeback=Writeback(ranges=(Range("log", 0, 4096), Range("log", 8192, 4096))))
        assert pages(log) == ["a", "A"]


@on_machine
def test_a_chosen_file_survives_beside_one_that_does_not(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        write(rig.path / "first", b"1", sync=False)
        write(rig.path / "second", b"2", sync=False)
        rig.power_loss(writeback=Writeback(files=("second", "gone-by-now"), metadata=True))
        assert (rig.path / "second").read_bytes() == b"2"
        assert (rig.path / "first").read_bytes() == b""


@on_machine
def test_chosen_writebacks_lose_different_subsets(tmp_path: Path) -> None:
    outcomes = set()
    with PowerRig(tmp_path) as rig:
        for seed in range(12):
            for path in rig.path.iterdir():
                path.unlink()
            write(rig.path / "log", b"A" * 4096, sync=True)
            for letter in b"BCDEFGHIJKLMNOPQRSTUVWXYZ":
                write(rig.path / "log", bytes([letter]) * 4096, sync=False)
            rig.power_loss(writeback=choose_writeback(random.Random(seed), rig.path))
            survived = "".join(pages(rig.path / "log"))
            assert survived.startswith("A")
            outcomes.add(survived)
    assert "A" in outcomes
    assert len(outcomes) >= 4


def lost_acks(child: Child, rig: PowerRig, rounds: int) -> int:
    """How many acks that were answered OK are gone, over several power losses."""
    lost = 0
    receipts = (f"r{number:05}" for number in count())
    for seed in range(rounds):
        child.call("open")
        answered, until = list[Exchange](), random.Random(seed).randint(1, 60)
        while len(answered) < until:
            while child.in_flight < 32:
                child.send("ack", receipt=next(receipts))
            answered += child.poll()
        plan = choose_writeback(random.Random(seed), rig.path)
        killed = rig.power_loss(child, writeback=plan)
        told = [one for one in (*answered, *killed.answered) if one.error is None]
        child.start()
        child.call("open")
        kept = set(child.call("stats")["acked"])
        lost += sum(one.arguments["receipt"] not in kept for one in told)
    return lost


@on_machine
@pytest.mark.parametrize(("name", "loses"), [("Appender", False), ("Forgetful", True), ("InMemory", True)])
def test_power_loss_tells_syncing_from_forgetting(toy: StartToy, tmp_path: Path, name: str, loses: bool) -> None:
    with PowerRig(tmp_path) as rig:
        child = toy(name, directory=rig.path, threads=3)
        assert (lost_acks(child, rig, 6) > 0) is loses
        child.kill()


@on_machine
def test_a_log_whose_name_was_never_synced_is_gone(toy: StartToy, tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        child = toy("NeverSyncsTheName", directory=rig.path)
        child.call("open")
        child.call("ack", receipt="r00001")
        assert (rig.path / "log").exists()
        rig.power_loss(child)
        assert not (rig.path / "log").exists()


class Witness:
    """A victim that says in which state of the disk it was asked for what."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[str] = []

    def stop_listening(self) -> None:
        (self.folder / "before").touch()
        self.seen.append("stopped listening, disk alive")

    def kill(self) -> list[str]:
        with pytest.raises(OSError, match="Input/output error"):
            (self.folder / "after").touch()
        self.seen.append("killed, disk dead")
        return self.seen


@on_machine
def test_answers_count_until_the_cut_and_no_longer(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        order = rig.power_loss(Witness(rig.path))
        assert order == ["stopped listening, disk alive", "killed, disk dead"]
        assert list(rig.path.iterdir()) == []


@on_machine
def test_a_holder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BUSY_SECONDS", 0.1)
    with PowerRig(tmp_path) as rig:
        with (rig.path / "log").open("wb"), pytest.raises(MountBusy) as caught:
            rig.power_loss()
        assert any(f"process {os.getpid()} " in holder for holder in caught.value.holders)
    assert not os.path.ismount(tmp_path / "power")


@contextmanager
def copying_the_mounts() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a new mount namespace, which has a copy of every mount that we see, as a container's has of its."""
    command = ["unshare", "--mount", "sh", "-c", "echo entered; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"entered\n"
            yield process
        finally:
            process.kill()


@on_machine
def test_who_keeps_a_copy_of_the_mount_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "COPIED_SECONDS", 0.1)
    with PowerRig(tmp_path) as rig, copying_the_mounts() as other, pytest.raises(MountBusy) as caught:
        rig.power_loss()
    [holder] = caught.value.holders
    assert holder.startswith(f"process {other.pid} (")
    assert "still mounted in a mount namespace of process" in str(caught.value)
    assert not loop_devices_of(tmp_path / "power.img")


@on_machine
def test_a_copy_of_the_mount_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[list[str]] = []
    living = loop.LoopImage._living

    with PowerRig(tmp_path) as rig, copying_the_mounts() as other:

        def look_and_end(image: loop.LoopImage) -> list[str]:
            looks.append(living(image))
            other.kill()
            return looks[-1]

        write(rig.path / "log", b"synced", sync=True)
        monkeypatch.setattr(loop.LoopImage, "_living", look_and_end)
        rig.power_loss()
        assert (rig.path / "log").read_bytes() == b"synced"
    assert looks[0]
    assert not looks[-1]


@on_machine
def test_a_mount_that_does_not_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be seen whether a file system has ended, the next mount shows it."""
    monkeypatch.setattr(loop, "FILE_SYSTEMS", tmp_path / "nowhere")
    with (
        PowerRig(tmp_path) as rig,
        copying_the_mounts(),
        pytest.raises(MountFailed, match="mounted and does not work: Input/output error"),
    ):
        rig.power_loss()


LOSING = """
import sys
from pathlib import Path
from ackcheck.rig import PowerRig, loop
loop.COPIED_SECONDS = 0.1
with PowerRig(Path(sys.argv[1])) as rig:
    print("mounted", flush=True)
    sys.stdin.readline()
    rig.power_loss()
    (rig.path / "log").write_bytes(b"works")
    print((rig.path / "log").read_text(), flush=True)
"""


@on_machine
def test_a_mount_namespace_that_somebody_else_makes_has_no_copy(tmp_path: Path) -> None:
    """Such as a container's, a service's, or that of another run; it is made while the file system is mounted."""
    command = [sys.executable, "-c", LOSING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as losing:
        assert losing.stdin is not None
        assert losing.stdout is not None
        assert losing.stdout.readline() == "mounted\n"
        with copying_the_mounts():
            losing.stdin.write("\n")
            losing.stdin.flush()
            assert losing.stdout.readline() == "works\n"
    assert losing.returncode == 0


def loop_devices_of(image: Path) -> str:
    return loop.run("losetup", "--associated", str(image))


@on_machine
def test_nothing_is_left_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        assert os.path.ismount(tmp_path / "power")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), PowerRig(tmp_path):
        work()
    assert not os.path.ismount(tmp_path / "power")
    assert not loop_devices_of(tmp_path / "power.img")

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine, "sync_path", interrupted)
    with pytest.raises(KeyboardInterrupt), PowerRig(tmp_path):
        pass
    assert not os.path.ismount(tmp_path / "power")


@on_machine
def test_a_held_file_does_not_keep_the_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BUSY_SECONDS", 0.1)
    with PowerRig(tmp_path) as rig:
        file = (rig.path / "log").open("wb")
    assert not os.path.ismount(tmp_path / "power")
    file.close()
    assert not loop_devices_of(tmp_path / "power.img")
    rig.close()  # once more does no harm


@on_machine
def test_an_exit_without_close_unmounts(tmp_path: Path) -> None:
    body = (
        "import pathlib, sys\n"
        "from ackcheck.rig.machine import PowerRig\n"
        "rig = PowerRig(pathlib.Path(sys.argv[1])).__enter__()\n"
        "import os; assert os.path.ismount(rig.path.parent); print('mounted')"
    )
    done = subprocess.run(
        [sys.executable, "-c", body, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "mounted\n"
    assert not os.path.ismount(tmp_path / "power")
    assert not loop_devices_of(tmp_path / "power.img")


@on_machine
def test_a_fork_leaves_the_mount_alone(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        pid = os.fork()
        if pid == 0:
            rig.close()
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.path.ismount(tmp_path / "power")


@on_machine
def test_what_mount_complained_of_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(MountFailed, match="no-such-option"),
        PowerRig(tmp_path, mount_options=("no-such-option",)),
    ):
        pass


def test_a_shutdown_that_does_nothing_is_no_reason_to_skip() -> None:
    """Where the rig can mount and shut down, losing nothing is a fault of the rig's own."""
    assert "does not lose" not in str(machine.available())


def test_reasons_not_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert loop.missing() == "needs root (the effective user is not 0)"
    with pytest.raises(RigUnavailable, match="needs root"), PowerRig(tmp_path):
        pass
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(loop, "TOOLS", ("no-such-tool",))
    reason = loop.missing()
    assert reason is not None
    assert reason.startswith(("needs no-such-tool (packages", "needs loop devices"))


def test_a_command_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MountFailed, match=r"'no-such-command -x' failed: .*No such file"):
        loop.run("no-such-command", "-x")
    with pytest.raises(MountFailed, match="'false' failed: exit status 1"):
        loop.run("false")
    monkeypatch.setattr(loop, "COMMAND_SECONDS", 0.05)
    with pytest.raises(MountFailed, match=r"timed out after 0\.05 seconds"):
        loop.run("sleep", "5")


def test_a_mount_that_is_refused_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*command: str) -> str:
        raise MountFailed(command, "permission denied")

    monkeypatch.setattr(machine, "missing", lambda: None)
    monkeypatch.setattr(loop, "missing", lambda: None)
    monkeypatch.setattr(loop, "run", refused)
    reason = machine.available.__wrapped__()
    assert reason is not None
    assert "cannot be shut down here: 'mkfs.ext4" in reason
    assert reason.endswith("permission denied")


@on_machine
def test_a_shutdown_that_loses_nothing_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "shut_down", sync_filesystem)
    reason = machine.available.__wrapped__()
    assert reason is not None
    assert "does not lose what a power cut would" in reason
