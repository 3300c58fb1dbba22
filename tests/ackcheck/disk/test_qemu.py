"""One row of `specs/filesystems.md` on a second disk, that shares nothing with ours: QEMU's, with its `blkdebug`."""

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ackcheck.disk.behaviour import Case
from ackcheck.disk.behaviour.files import BLOCK, NEW, called, seen_as
from ackcheck.disk.extents import extents_of
from ackcheck.disk.filesystem import named
from ackcheck.disk.loop import Loop
from ackcheck.rig import namespace

from .test_behaviour import PINNED, SERIES

DAEMON = "qemu-storage-daemon"

pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("disk_grade")]


def end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait(30)


@contextmanager
def mounted(folder: Path, refused: int | None) -> Iterator[Path]:
    """An ext4 on QEMU's disk, whose first write of a block is refused, if one is named; its mount point."""
    image, export, mountpoint = folder / "image", folder / "export", folder / "mount"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    export.touch()
    mountpoint.mkdir(exist_ok=True)
    rule = {"event": "none", "iotype": "write", "errno": 5, "sector": (refused or 0) * 8, "once": True}
    debug: dict[str, Any] = {"driver": "blkdebug", "node-name": "debug", "image": "file"}
    command = [DAEMON, "--blockdev", f"driver=file,node-name=file,filename={image}"]
    command += ["--blockdev", json.dumps(debug | ({} if refused is None else {"inject-error": [rule]}))]
    command += ["--blockdev", "driver=raw,node-name=disk,file=debug"]
    command += ["--export", f"type=fuse,id=export,node-name=disk,mountpoint={export},writable=on"]
    with ExitStack() as undo:
        namespace.enter()
        daemon = subprocess.Popen(command)
        undo.callback(end, daemon)
        deadline = time.monotonic() + 30
        while export.stat().st_size != 64 << 20:
            assert daemon.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        descriptor = os.open(export, os.O_RDWR)
        undo.callback(os.close, descriptor)
        loop = Loop(descriptor, direct=False)  # with direct I/O it cannot be mounted
        undo.callback(loop.close)
        named("ext4").make_on(loop.path)
        named("ext4").mount(loop.path, mountpoint)
        undo.callback(lambda: namespace.unmount(str(mountpoint)))
        yield mountpoint


def preallocated(mountpoint: Path) -> tuple[int, int]:
    """A file of two blocks that were never written: its descriptor, and where it lies."""
    path = mountpoint / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, 2 * BLOCK)
    os.fsync(descriptor)
    return descriptor, extents_of(path)[0].first


@pytest.mark.skipif(shutil.which(DAEMON) is None, reason=f"{DAEMON} is missing; install qemu-system-common")
@pytest.mark.skipif(not platform.release().startswith(f"{SERIES}."), reason=f"the row was made on Linux {SERIES}")
def test_second_disk_loses_the_rewrite_in_place_too(tmp_path: Path) -> None:
    with mounted(tmp_path, None) as mountpoint:
        descriptor, block = preallocated(mountpoint)
        os.close(descriptor)
    with mounted(tmp_path, block) as mountpoint:
        descriptor, again = preallocated(mountpoint)
        assert again == block
        assert called(lambda: os.pwrite(descriptor, NEW, 0)) == "OK"
        failed = called(lambda: os.fsync(descriptor))
        os.pwrite(descriptor, NEW, 0)
        synced = called(lambda: os.fsync(descriptor))
        read = seen_as(os.pread(descriptor, BLOCK, 0))
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        dropped = seen_as(os.pread(descriptor, BLOCK, 0))
        os.close(descriptor)
    ours = PINNED[Case("ext4", "preallocated", "data", "in place")]
    assert (failed, synced, read, dropped) == (ours.syncs[0], ours.again, ours.again_reads, ours.again_dropped)
