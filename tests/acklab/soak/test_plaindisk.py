"""The disk that has faults in its syncs only: what a played power loss takes, and that nothing passes the cut."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from random import Random

import pytest

from acklab.soak.injection import DEAD_DISK, NO_FAULTS, NOTICED, Faults
from acklab.soak.plaindisk import PlainDisk
from ackstore import Config, Reply, Store
from ackstore.core.effects import DONE, Create, Failed, Rename, Sync, SyncDir, Unlink, Write

FAILING = Faults("every sync fails", sync_fails=1.0)


def disk_with(path: Path, *effects: object, seed: int = 1) -> PlainDisk:
    disk = PlainDisk(path, Random(seed))
    for effect in (Create("log-1"), SyncDir(), Write("log-1", 0, b"safe"), Sync("log-1"), *effects):
        assert disk.perform(effect) == DONE  # type: ignore[arg-type]
    return disk


def lost(disk: PlainDisk) -> bytes:
    disk.cut()
    disk.close()
    disk.lose_power()
    return (disk.path / "log-1").read_bytes()


def test_what_a_sync_covered_stays_and_of_the_rest_any_first_part(tmp_path: Path) -> None:
    sizes = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        left = lost(disk_with(tmp_path / str(seed), Write("log-1", 4, b"12345"), seed=seed))
        assert left[:4] == b"safe"
        assert b"safe12345".startswith(left)
        sizes.add(len(left))
    assert (min(sizes), max(sizes) > 4) == (4, True)


def test_what_a_failed_sync_covered_is_gone_though_a_later_one_succeeds(tmp_path: Path) -> None:
    disk = disk_with(tmp_path, Write("log-1", 4, b"gone"))
    disk.injector.faults = FAILING
    assert disk.perform(Sync("log-1")) == Failed(errno.EIO)
    disk.injector.faults = NO_FAULTS
    disk.perform(Write("log-1", 8, b"more"))
    assert disk.perform(Sync("log-1")) == DONE
    assert lost(disk) == b"safe\0\0\0\0more"


def test_what_is_cut_off_while_its_sync_fails_keeps_what_was_synced_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = disk_with(tmp_path, Write("log-1", 4, b"gone"))
    disk.injector.faults = FAILING
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        disk.cut()

    monkeypatch.setattr(os, "fsync", fsync)
    assert disk.perform(Sync("log-1")) == Failed(errno.EIO)
    assert lost(disk)[:4] == b"safe"


def test_a_file_is_known_by_its_inode(tmp_path: Path) -> None:
    disk = disk_with(tmp_path, Create("tmp"), Write("tmp", 0, b"x"), Sync("tmp"), Rename("tmp", "offsets"), SyncDir())
    disk.perform(Create("log-2"))
    disk.perform(Unlink("log-2"))
    lost(disk)
    assert (tmp_path / "offsets").read_bytes() == b"x"


def test_a_file_whose_name_no_sync_covered_may_go(tmp_path: Path) -> None:
    there = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        disk = disk_with(tmp_path / str(seed), Create("log-2"), seed=seed)
        disk.injector.faults = FAILING
        assert disk.perform(SyncDir()) == Failed(errno.EIO)
        lost(disk)
        there.add((disk.path / "log-2").exists())
    assert there == {True, False}


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    (tmp_path / "log-0").write_bytes(b"old")
    lost(disk_with(tmp_path))
    assert (tmp_path / "log-0").read_bytes() == b"old"


def test_nothing_passes_the_cut(tmp_path: Path) -> None:
    disk = disk_with(tmp_path)
    disk.cut()
    for effect in (Write("log-1", 4, b"late"), Sync("log-1"), SyncDir(), Create("log-2"), Rename("log-1", "log-3")):
        assert isinstance(disk.perform(effect), Failed), effect
    assert isinstance(disk.perform(Unlink("log-1")), Failed)
    disk.close()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("log-1", b"safe")]


def test_one_that_is_closed_touches_nobody_elses_descriptors(tmp_path: Path) -> None:
    disk = disk_with(tmp_path)
    disk.close()
    with (tmp_path / "other").open("wb") as first, (tmp_path / "another").open("wb") as second:
        disk.cut()
        first.write(b"x")
        second.write(b"x")
    assert (tmp_path / "other").read_bytes() == (tmp_path / "another").read_bytes() == b"x"


def test_a_file_that_is_made_as_the_cut_comes_is_cut_off_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disk_with(tmp_path)
    real = os.open

    def opens(path: str, *given: int, dir_fd: int | None = None) -> int:
        fd = real(path, *given, dir_fd=dir_fd)
        if path == "log-2":
            disk.cut()
        return fd

    monkeypatch.setattr(os, "open", opens)
    disk.perform(Create("log-2"))
    assert isinstance(disk.perform(Write("log-2", 0, b"late")), Failed)
    disk.close()
    assert (tmp_path / "log-2").read_bytes() == b""


@pytest.mark.parametrize("ends", ["well", "cut"])
def test_on_a_dead_disk_no_sync_returns_until_it_is_well_or_cut_off(tmp_path: Path, ends: str) -> None:
    disk = disk_with(tmp_path)
    disk.injector.faults = DEAD_DISK
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda effect=effect: results.append(disk.perform(effect)))
        for effect in (Sync("log-1"), SyncDir())
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20.0
    while disk.injector.hanging < 2 and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(3 * NOTICED)
    assert (results, disk.injector.hanging) == ([], 2)
    if ends == "well":
        disk.injector.faults = NO_FAULTS
    else:
        disk.cut()
    for thread in threads:
        thread.join(20.0)
    assert [isinstance(result, Failed) for result in results] == [ends == "cut"] * 2
    assert (disk.injector.hanging, disk.injector.occurred["sync on a dead disk"]) == (0, 2)
    disk.close()


def test_acks_take_the_compiled_way_there_and_none_is_answered_ok_after_the_cut(tmp_path: Path) -> None:
    disk = PlainDisk(tmp_path, Random(1))
    with Store(tmp_path, Config(flush_interval=1000.0), disk=disk) as store:
        assert store._driver.paths
        assert store._driver.writes is disk
        store.publish("q", 10)
        first, second = (delivery.receipt for delivery in store.pop("q", 2))
        store.flush()
        assert store.ack(first) is Reply.OK
        disk.cut()
        assert store.ack(second) is Reply.FAILED
        store.close(timeout=0.2)


def test_a_name_that_is_taken_holds_the_old_file_or_the_new_until_the_directory_is_synced(tmp_path: Path) -> None:
    seen = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        taking = (Create("new"), Write("new", 0, b"new"), Sync("new"), Rename("new", "log-1"))
        seen.add(lost(disk_with(tmp_path / str(seed), *taking, *taking, seed=seed)))
        synced = disk_with(tmp_path / str(seed), *taking, SyncDir(), seed=seed)
        assert lost(synced) == b"new"
    assert seen == {b"safe", b"new"}
