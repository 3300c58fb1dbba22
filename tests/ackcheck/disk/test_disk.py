"""The disk under a real file system: what is synced is there, faults are felt, and nothing is left behind."""

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ackcheck.disk import BadFault, Disk, DiskFailed, Fault, Folder
from ackcheck.disk.available import missing
from ackcheck.disk.disk import sync_filesystem
from ackcheck.disk.filesystem import FILESYSTEMS

pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("disk_grade")]


def synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def failing(call: Callable[[], object]) -> int | None:
    try:
        call()
    except OSError as error:
        return error.errno
    return None


def loops() -> set[str]:
    """The loop devices that are in use with a disk of ours behind."""
    found = set()
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if backing.read_text().strip() == "/disk":
                found.add(backing.parent.parent.name)
    return found


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", sorted(FILESYSTEMS))
def test_every_image_has_what_was_synced_and_some_lack_what_was_not(name: str, tmp_path: Path) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    with Disk(tmp_path, name) as disk:
        synced(disk.directory / "synced", b"s" * 10_000)
        sync_filesystem(disk.mountpoint)  # its directory entry too
        (disk.directory / "lost").write_bytes(b"l" * 10_000)
        _, cut = disk.cut()
        plan = cut.plan(seed=1, most=24)
        seen, folder, folded = set(), Folder(), 0
        for image in plan.images:
            if folder.folds(image):
                folded += 1
                continue
            with cut.shown(image) as directory:
                assert (directory / "synced").read_bytes() == b"s" * 10_000
                lost = directory / "lost"
                seen.add(lost.read_bytes() if lost.exists() else None)
            folder.judged(image, cut.read)
        assert {None, b"l" * 10_000} <= seen
        assert len(plan.images) > folded
        cut.adopt(plan.images[0])
        synced(disk.directory / "after", b"a")
        _, again = disk.cut()
        with again.shown(again.plan(seed=1).images[0]) as directory:
            assert (directory / "synced").exists()
            assert not (directory / "lost").exists()


def test_refused_write_is_a_failed_sync_and_the_fault_knows_the_file(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        for name in ("a.log", "b.log"):
            synced(disk.directory / name, b"1" * 4096)
        number = disk.arm(Fault(on="write", do="eio", blocks=disk.blocks_of("a.*")))
        assert failing(lambda: overwrite(disk.directory / "b.log")) is None
        assert disk.hits(number) == 0
        assert failing(lambda: overwrite(disk.directory / "a.log")) == errno.EIO
        assert disk.hits(number) == 1
        assert disk.drive.counts()["refused"] == 1
        with pytest.raises(BadFault, match="no file"):
            disk.blocks_of("nothing")


def overwrite(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.pwrite(descriptor, b"2" * 4096, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def test_stalled_flush_holds_a_sync_until_it_is_let_go(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        synced(disk.directory / "log", b"1" * 4096)
        number = disk.arm(Fault(on="flush", do="stall"))
        sync = threading.Thread(target=overwrite, args=(disk.directory / "log",))
        sync.start()
        wait_for(lambda: disk.hits(number) == 1)
        assert sync.is_alive()
        disk.disarm(number)
        sync.join(30)
        assert not sync.is_alive()


def test_file_system_whose_journal_dies_has_given_up_until_it_is_mounted_again(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        assert not disk.has_given_up()
        disk.arm(Fault(on="flush", do="eio", times=1))
        assert failing(lambda: synced(disk.directory / "log", b"1")) == errno.EIO
        assert disk.has_given_up()
        disk.remount()
        assert not disk.has_given_up()


def test_lying_flush_loses_what_was_synced(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        synced(disk.directory / "log", b"1" * 4096)
        number = disk.arm(Fault(on="flush", do="lie"))
        overwrite(disk.directory / "log")
        assert disk.hits(number)
        _, cut = disk.cut()
        with cut.shown(cut.plan(seed=1).images[0]) as directory:
            assert (directory / "log").read_bytes() == b"1" * 4096


def test_power_cut_at_a_flush_leaves_the_sync_unanswered(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        synced(disk.directory / "log", b"1" * 4096)
        disk.arm(Fault(on="flush", do="cut"))
        program = (
            "import os, sys; f = os.open(sys.argv[1], os.O_RDWR); os.pwrite(f, b'2' * 4096, 0); os.fsync(f); print(1)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(disk.directory / "log")], stdout=subprocess.PIPE, text=True
        )

        class Victim:
            def stop_listening(self) -> None:
                pass

            def kill(self) -> str:
                process.kill()
                return process.communicate(timeout=250)[0]

        assert disk.drive.was_cut(30)
        process.send_signal(signal.SIGKILL)
        said, cut = disk.cut(Victim())
        assert said == ""
        found = set()
        for image in cut.plan(seed=1, most=32).images:
            with cut.shown(image) as directory:
                found.add((directory / "log").read_bytes()[:1])
        assert found >= {b"1", b"2"}


def test_who_holds_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.disk.disk.BUSY_SECONDS", 0.05)
    with (
        Disk(tmp_path) as disk,
        (disk.directory / "held").open("wb"),
        pytest.raises(DiskFailed, match=f"process {os.getpid()}"),
    ):
        disk.remount()


@pytest.mark.parametrize("size", [0, 5000, 1 << 50])
def test_disk_of_no_sensible_size_is_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(BadFault):
        Disk(tmp_path, size=size)


USES_A_DISK = """
import os, sys, tempfile, time
from pathlib import Path
from ackcheck.disk import Disk, Fault
from ackcheck.disk.disk import sync_filesystem
with Disk(Path(sys.argv[1])) as disk:
    (disk.directory / "file").write_bytes(b"dirty")
    disk.arm(Fault(on="flush", do="stall"))
    if sys.argv[2] == "forked" and os.fork() == 0:
        sync_filesystem(disk.mountpoint)  # is held by the disk
        os._exit(0)
    while sys.argv[2] == "forked" and not disk.drive.counts()["waiting"]:
        time.sleep(0.01)
    print(disk.drive.pid, disk.drive.device.name, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["alone", "forked"])
@pytest.mark.parametrize("victims", ["suite", "server and suite", "suite and server"])
def test_nothing_is_left_whoever_is_killed(victims: str, how: str, tmp_path: Path) -> None:
    """Neither a mount, nor a loop device, nor a process: even where a flush is held that the unmount waits for."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", USES_A_DISK, str(tmp_path), how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "it has no disk within a minute"
    pid, device = process.stdout.readline().split()
    assert device in loops()
    assert not os.path.ismount(tmp_path / "disk")  # it is theirs alone
    for victim in victims.split(" and "):
        if victim == "suite":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(int(pid), signal.SIGKILL)
    process.communicate(timeout=250)
    wait_for(lambda: device not in loops())
    wait_for(lambda: not Path("/proc", pid).exists())
