"""The disk with faults: what a played power loss takes, and what it must leave."""

from __future__ import annotations

import errno
from pathlib import Path
from random import Random

import pytest

from acklab.soak.disk import FaultyDisk
from acklab.soak.injection import NO_FAULTS, Faults
from acklab.soak.truth import Truth
from ackstore.core.effects import DONE, Create, Failed, Rename, Sync, SyncDir, Unlink, Write


def disk_with(path: Path, *effects: object, seed: int = 1) -> FaultyDisk:
    disk = FaultyDisk(path, Random(seed))
    for effect in (Create("log-1"), SyncDir(), Write("log-1", 0, b"safe"), Sync("log-1"), *effects):
        assert disk.perform(effect) == DONE  # type: ignore[arg-type]
    return disk


def lost(disk: FaultyDisk) -> bytes:
    disk.cut()
    disk.close()
    disk.lose_power()
    return (disk.path / "log-1").read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_what_a_sync_covered_stays_and_of_the_rest_any_first_part(tmp_path: Path, seed: int) -> None:
    left = lost(disk_with(tmp_path, Write("log-1", 4, b"12345"), seed=seed))
    assert left[:4] == b"safe"
    assert b"safe12345".startswith(left)


def test_some_of_the_rest_goes_and_some_stays(tmp_path: Path) -> None:
    sizes = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        sizes.add(len(lost(disk_with(tmp_path / str(seed), Write("log-1", 4, b"12345"), seed=seed))))
    assert min(sizes) == 4
    assert max(sizes) > 4


def test_what_a_failed_sync_covered_is_gone_though_a_later_one_succeeds(tmp_path: Path) -> None:
    disk = disk_with(tmp_path, Write("log-1", 4, b"gone"))
    disk.injector.faults = Faults("syncs fail", sync_fails=1.0)
    assert disk.perform(Sync("log-1")) == Failed(errno.EIO)
    disk.injector.faults = NO_FAULTS
    disk.perform(Write("log-1", 8, b"more"))
    assert disk.perform(Sync("log-1")) == DONE
    assert lost(disk) == b"safe\0\0\0\0more"


def test_what_is_written_again_is_not_lost(tmp_path: Path) -> None:
    disk = disk_with(tmp_path, Write("log-1", 4, b"gone"))
    disk.injector.faults = Faults("syncs fail", sync_fails=1.0)
    disk.perform(Sync("log-1"))
    disk.injector.faults = NO_FAULTS
    disk.perform(Write("log-1", 4, b"back"))
    disk.perform(Sync("log-1"))
    assert lost(disk) == b"safeback"


def test_a_file_whose_name_no_sync_covered_may_go(tmp_path: Path) -> None:
    there = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        disk = disk_with(tmp_path / str(seed), Create("log-2"), seed=seed)
        lost(disk)
        there.add((disk.path / "log-2").exists())
    assert there == {True, False}


def test_a_file_that_was_renamed_or_removed_is_followed(tmp_path: Path) -> None:
    disk = disk_with(tmp_path, Create("tmp"), Write("tmp", 0, b"x"), Sync("tmp"), Rename("tmp", "offsets"), SyncDir())
    disk.perform(Create("log-2"))
    disk.perform(Unlink("log-2"))
    lost(disk)
    assert (tmp_path / "offsets").read_bytes() == b"x"
    assert not (tmp_path / "tmp").exists()


def test_no_room_writes_a_part_and_says_how_much(tmp_path: Path) -> None:
    disk = disk_with(tmp_path)
    disk.injector.faults = Faults("full", no_room=1.0)
    results = [disk.perform(Write("log-1", 4, b"12345")) for _ in range(20)]
    assert all(isinstance(result, Failed) and result.errno == errno.ENOSPC for result in results)
    assert {result.written for result in results if isinstance(result, Failed)} > {0}
    assert disk.perform(Create("log-2")) == Failed(errno.ENOSPC)
    assert disk.perform(Unlink("log-1")) == DONE
    assert disk.injector.occurred["no room"] == 21
    disk.close()


def test_a_hanging_sync_returns_when_the_disk_is_cut(tmp_path: Path) -> None:
    disk = disk_with(tmp_path)
    disk.injector.faults = Faults("hangs", sync_hangs=1.0)
    disk.cut()
    assert disk.perform(Sync("log-1")) == Failed(errno.EIO)
    assert disk.perform(Write("log-1", 4, b"late")) == Failed(errno.EIO)
    disk.close()
    assert (tmp_path / "log-1").read_bytes() == b"safe"


def test_bytes_written_over_are_not_safe_any_more() -> None:
    truth = Truth(end=8, synced=8, lost=[(2, 4), (5, 7)])
    truth.written(3, 2)
    assert (truth.end, truth.synced, truth.lost) == (5, 3, [(2, 3)])
    truth.sync_failed()
    assert (truth.synced, truth.lost) == (5, [(2, 3), (3, 5)])
    truth.sync_failed()
    assert truth.lost == [(2, 3), (3, 5)]


def test_a_name_that_is_taken_holds_the_old_file_or_the_new_until_the_directory_is_synced(tmp_path: Path) -> None:
    seen = set()
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        taking = (Create("new"), Write("new", 0, b"new"), Sync("new"), Rename("new", "log-1"))
        seen.add(lost(disk_with(tmp_path / str(seed), *taking, *taking, seed=seed)))
        synced = disk_with(tmp_path / str(seed), *taking, SyncDir(), seed=seed)
        assert lost(synced) == b"new"
    assert seen == {b"safe", b"new"}


def test_a_sync_of_the_directory_says_nothing_of_what_is_renamed_meanwhile() -> None:
    truth = Truth(end=4, synced=4, named=True)
    began = truth.renames
    truth.renamed(b"old")
    truth.name_synced(began)
    assert not truth.named
    truth.name_synced(truth.renames)
    assert truth.named
