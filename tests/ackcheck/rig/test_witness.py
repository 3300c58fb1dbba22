"""What is seen from outside: which files changed, what the disk has not got, and what it refused."""

import os
from pathlib import Path

import pytest

from ackcheck.rig import FullBackingRig, PowerRig
from ackcheck.rig.witness import changes, holders, look, unwritten

on_machine = pytest.mark.usefixtures("machine_grade")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "link").symlink_to(tmp_path / "outside")
    before = look(tmp_path / "dir")
    (tmp_path / "outside").write_text("grows")
    assert changes(before, look(tmp_path / "dir")) == 0
    assert unwritten(tmp_path / "dir") in (0, None)


def test_made_changed_and_removed_files_are_counted(tmp_path: Path) -> None:
    for name in ("stays", "grows", "goes"):
        (tmp_path / name).write_text(name)
    before = look(tmp_path)
    (tmp_path / "grows").write_text("grows more")
    (tmp_path / "goes").unlink()
    (tmp_path / "comes").write_text("comes")
    assert changes(before, look(tmp_path)) == 3


def test_who_only_reads_is_no_writer(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("log")
    me = f"process {os.getpid()} "
    with (tmp_path / "log").open():
        assert any(me in one for one in holders(tmp_path))
        assert not any(me in one for one in holders(tmp_path, writing=True))
    with (tmp_path / "log").open("a"):
        assert any(me in one for one in holders(tmp_path, writing=True))


def test_who_holds_a_neighbour_of_like_name_holds_nothing_here(tmp_path: Path) -> None:
    for name in ("store", "store-2"):
        (tmp_path / name).mkdir()
    with (tmp_path / "store-2" / "log").open("w"):
        assert holders(tmp_path / "store") == []
        assert holders(tmp_path / "store-2") != []


@on_machine
@pytest.mark.machine
def test_what_a_power_loss_took_is_counted(tmp_path: Path) -> None:
    with PowerRig(tmp_path) as rig:
        with (rig.path / "log").open("wb") as log:
            log.write(bytes(10_000))
            os.fsync(log.fileno())
        rig.power_loss()
        assert rig.lost == 0
        with (rig.path / "log").open("r+b") as log:
            log.write(b"an overwrite, which no length shows")
        rig.power_loss()
        assert rig.lost > 0
        (rig.path / "new").write_bytes(bytes(5000))
        rig.power_loss()
        assert rig.lost >= 5000


@on_machine
@pytest.mark.machine
@pytest.mark.parametrize("journal", ["spared", "starved"])
def test_what_the_disk_refused_is_counted_from_outside(tmp_path: Path, journal: str) -> None:
    with FullBackingRig(tmp_path, journal=journal) as rig:  # type: ignore[arg-type]
        with (rig.path / "log").open("wb", buffering=0) as log:
            log.write(b"before")
            os.fsync(log.fileno())
            rig.fill()
            assert rig.refused() == 0
            log.write(bytes(20_000))
            assert rig.refused() == 0  # written, but not synced
        with (rig.path / "new").open("wb", buffering=0) as new:
            new.write(bytes(20_000))
            with pytest.raises(OSError, match=r"No space left|Input/output"):
                os.fsync(new.fileno())
        (rig.path / "new").unlink()  # what comes and goes counts too
        assert rig.refused() > 0
        rig.remount()
