"""A file system without a free block refuses writes, and has its room again afterwards, after a power cut too."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from ackcheck.disk import BadFault, Disk
from ackcheck.disk.available import missing
from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.full import NAME, full

MANY = 64 * BLOCK


def written(path: Path) -> int:
    """Return how many bytes of a file the file system takes."""
    left = b"x" * MANY
    with path.open("wb", buffering=0) as file, contextlib.suppress(NoRoom):
        while left:
            left = left[_write(file.fileno(), left) :]
    return MANY - len(left)


class NoRoom(Exception):
    """The file system has no block left."""


def _write(file: int, data: bytes) -> int:
    try:
        return os.write(file, data)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoRoom from error
        raise


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize("name", ["ext4", "xfs"])
def test_writes_are_refused_until_there_is_room_again(name: str, tmp_path: Path) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    with Disk(tmp_path, name) as disk:
        assert written(disk.directory / "before") == MANY
        (disk.directory / "log").touch()  # for a new file XFS has no room either
        with full(disk.mountpoint, most=disk.drive.size):
            assert written(disk.directory / "log") < MANY
        assert written(disk.directory / "log") == MANY
        _, cut = disk.cut()
        cut.adopt(cut.plan(seed=1, most=2).images[0])  # as of the last flush: the room was given back by one
        assert (disk.directory / "before").exists()
        assert written(disk.directory / "again") == MANY


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_nothing_is_left_and_nothing_is_followed(tmp_path: Path) -> None:
    with Disk(tmp_path, "ext4") as disk:
        with pytest.raises(RuntimeError), full(disk.mountpoint, most=disk.drive.size):
            raise RuntimeError
        assert not (disk.mountpoint / NAME).exists()
        (disk.mountpoint / NAME).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FileExistsError), full(disk.mountpoint, most=disk.drive.size):
            pass
        assert not (tmp_path / "elsewhere").exists()


def test_a_disk_with_more_room_than_a_test_has_is_not_filled(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    with (
        pytest.raises(BadFault, match="this is no disk for tests"),
        full(tmp_path, most=min(found.f_bfree * found.f_frsize - 1, 1 << 20)),
    ):
        pass
    assert not (tmp_path / NAME).exists()
