"""A real failed sync: it fails once, the next one says success, and the bytes are gone."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ackcheck.rig import fullback
from ackcheck.rig.child import Child
from ackcheck.rig.errors import RigUnavailable, TargetError
from ackcheck.rig.fullback import FullBackingRig
from ackcheck.rig.witness import sync_path

StartToy = Callable[..., Child]
machine_grade = pytest.mark.usefixtures("machine_grade")
BLOCK = b"B" * 4096


def open_synced(path: Path) -> int:
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.write(file, b"A" * 4096)
    os.fsync(file)
    return file


@machine_grade
@pytest.mark.machine
def test_the_second_sync_lies(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path) as rig:
        file = open_synced(rig.path / "log")
        rig.fill()
        assert os.write(file, BLOCK) == len(BLOCK)  # into the page cache
        with pytest.raises(OSError, match="No space left") as caught:
            os.fsync(file)
        assert caught.value.errno == errno.ENOSPC
        os.fsync(file)  # reported once
        assert os.pread(file, 4096, 4096) == BLOCK  # and still readable
        os.close(file)
        rig.remount()
        data = (rig.path / "log").read_bytes()
        assert data[:4096] == b"A" * 4096  # what was synced is there
        assert b"B" not in data


@machine_grade
@pytest.mark.machine
@pytest.mark.parametrize("remounted", [False, True])
def test_no_sync_loses_the_end_of_a_write_that_was_partly_done(tmp_path: Path, remounted: bool) -> None:
    with FullBackingRig(tmp_path) as rig:
        if remounted:
            rig.remount()
        file = os.open(rig.path / "log", os.O_CREAT | os.O_RDWR | os.O_APPEND)
        os.write(file, b"A" * 4000)
        os.fsync(file)
        rig.fill()
        os.write(file, b"B" * 2000)  # 96 of them into the block that is there, the rest into a new one
        with pytest.raises(OSError, match="No space left"):
            os.fsync(file)
        os.close(file)


@machine_grade
@pytest.mark.machine
def test_with_space_again_the_lost_bytes_stay_lost_and_rewritten_ones_stay(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path) as rig:
        file = open_synced(rig.path / "log")
        rig.fill()
        os.write(file, BLOCK)
        with pytest.raises(OSError, match="No space left"):
            os.fsync(file)
        rig.relieve()
        os.fsync(file)
        again = os.open(rig.path / "log-2", os.O_CREAT | os.O_RDWR)
        os.write(again, BLOCK)
        os.fsync(again)
        os.close(file)
        os.close(again)
        rig.remount()
        assert b"B" not in (rig.path / "log").read_bytes()
        assert (rig.path / "log-2").read_bytes() == BLOCK


@machine_grade
@pytest.mark.machine
def test_a_spared_journal_does_not_die_of_what_it_brings_to_its_place(tmp_path: Path) -> None:
    """Once it is full, what it holds is written where it belongs: those blocks have their pages too."""
    with FullBackingRig(tmp_path) as rig:
        files = [open_synced(rig.path / f"log-{number}") for number in range(20)]
        rig.fill()
        for number in range(1500):
            os.utime(files[number % 20])
            os.fsync(files[number % 20])
        assert not rig.has_given_up()
        for file in files:
            os.close(file)


@machine_grade
@pytest.mark.machine
def test_a_starved_journal_ends_all_writing(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path, journal="starved") as rig:
        file = open_synced(rig.path / "log")
        rig.fill()
        assert not rig.has_given_up()
        os.write(file, BLOCK)
        with pytest.raises(OSError, match="No space left"):
            os.fsync(file)  # the bytes
        with pytest.raises(OSError, match="Input/output error"):
            os.fsync(file)  # the journal
        os.fsync(file)  # and then it lies
        assert rig.has_given_up()
        rig.relieve()
        with pytest.raises(OSError, match="Read-only file system"):
            os.open(rig.path / "log-2", os.O_CREAT | os.O_RDWR)
        os.close(file)
        rig.remount()
        assert b"B" not in (rig.path / "log").read_bytes()
        os.close(open_synced(rig.path / "log-2"))


@machine_grade
@pytest.mark.machine
def test_a_starved_journal_loses_what_another_file_was_told_ok_of(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path, journal="starved") as rig:
        files = [os.open(rig.path / name, os.O_CREAT | os.O_RDWR) for name in ("log", "other")]
        for file in files:
            os.write(file, b"A")
            os.fsync(file)
        sync_path(rig.path)
        rig.fill()
        for file in files:
            os.write(file, b"B")  # into the block that is there: only its length needs the journal
        with pytest.raises(OSError, match="Input/output error"):
            os.fsync(files[0])
        os.fsync(files[1])  # no sync of which ever failed
        assert rig.has_given_up()
        for file in files:
            os.close(file)
        rig.remount()
        assert [(rig.path / name).read_bytes() for name in ("log", "other")] == [b"A", b"A"]


@machine_grade
@pytest.mark.machine
def test_a_starved_journal_loses_a_name_with_eio(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path, journal="starved") as rig:
        folder = os.open(rig.path, os.O_RDONLY)
        rig.fill()
        (rig.path / "segment").touch()
        with pytest.raises(OSError, match="Input/output error") as caught:
            os.fsync(folder)
        assert caught.value.errno == errno.EIO
        os.fsync(folder)
        assert (rig.path / "segment").exists()
        os.close(folder)
        rig.remount()
        assert not (rig.path / "segment").exists()


@machine_grade
@pytest.mark.machine
def test_freed_blocks_are_no_way_out(tmp_path: Path) -> None:
    with FullBackingRig(tmp_path) as rig:
        with (rig.path / "old").open("wb", buffering=0) as old, suppress(OSError):
            while True:  # every block of the file system has been used once
                old.write(BLOCK * 16)
        sync_path(rig.path / "old")
        (rig.path / "old").unlink()
        sync_path(rig.path)
        rig.fill()
        with (rig.path / "log").open("wb", buffering=0) as log:
            log.write(BLOCK)
            with pytest.raises(OSError, match="No space left"):
                os.fsync(log.fileno())


def answered_but_lost(child: Child, rig: FullBackingRig) -> set[str]:
    """Acks answered OK, before and after the disk filled up, that are not on it."""
    child.call("open")
    rig.fill()
    answered = set()
    for number in range(2000):  # 7 bytes each: some of them need a new block
        with suppress(TargetError):
            child.call("ack", receipt=f"r{number:05}")
            answered.add(f"r{number:05}")
    child.kill()
    rig.remount()
    child.start()
    child.call("open")
    return answered - set(child.call("stats")["acked"])


@machine_grade
@pytest.mark.machine
def test_a_target_that_syncs_again_loses_what_it_answered(toy: StartToy, tmp_path: Path) -> None:
    with FullBackingRig(tmp_path) as rig:
        child = toy("RetriesTheSync", directory=rig.path)
        assert len(answered_but_lost(child, rig)) > 0
        child.kill()


@machine_grade
@pytest.mark.machine
def test_nothing_is_left_mounted(tmp_path: Path) -> None:
    def work() -> None:
        rig.fill()
        raise KeyboardInterrupt

    rig = FullBackingRig(tmp_path)
    with pytest.raises(KeyboardInterrupt), rig:
        work()
    assert not os.path.ismount(tmp_path / "disk")
    assert not os.path.ismount(tmp_path / "backing")
    rig.close()


@machine_grade
@pytest.mark.machine
def test_nothing_is_left_of_a_rig_that_was_interrupted_while_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> None:
        assert os.path.ismount(tmp_path / "disk")
        raise KeyboardInterrupt

    monkeypatch.setattr(fullback, "sync_path", interrupted)
    with pytest.raises(KeyboardInterrupt):
        FullBackingRig(tmp_path).__enter__()
    assert not os.path.ismount(tmp_path / "disk")
    assert not os.path.ismount(tmp_path / "backing")


def test_unavailable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fullback, "missing", lambda: "needs root")
    with pytest.raises(RigUnavailable, match="needs root"), FullBackingRig(tmp_path):
        pass
    assert not (tmp_path / "backing").exists()
