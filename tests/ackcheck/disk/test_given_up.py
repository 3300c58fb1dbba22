"""What a file system that has given up says to a sync of a file that it never told of any failure."""

import os
from pathlib import Path

import pytest

from ackcheck.disk import Disk, Fault
from ackcheck.disk.available import missing
from ackcheck.disk.filesystem import FILESYSTEMS
from ackcheck.grades.giving_up import SAY_OK


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize("name", sorted(FILESYSTEMS))
def test_only_those_that_are_known_for_it_say_ok(name: str, tmp_path: Path) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    with Disk(tmp_path, name) as disk:
        files = [os.open(disk.directory / each, os.O_CREAT | os.O_RDWR) for each in ("log", "other")]
        try:
            for file in files:
                os.write(file, b"A")
                os.fsync(file)
            for file in files:
                os.write(file, b"B")
            disk.arm(Fault(on="flush", do="eio", times=1))
            with pytest.raises(OSError, match=r"Input/output error|Read-only"):
                os.fsync(files[0])
            assert says_ok(files[1]) == (name in SAY_OK)
            assert disk.has_given_up()
        finally:
            for file in files:
                os.close(file)


def says_ok(file: int) -> bool:
    try:
        os.fsync(file)
    except OSError:
        return False
    return True
