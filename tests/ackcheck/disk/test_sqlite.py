"""SQLite on the disk: what it has committed is on every image of a cut, unless it was told not to sync."""

import sqlite3
import time
from pathlib import Path

import pytest

from ackcheck.disk import Disk, Folder
from ackcheck.disk.available import missing

pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("disk_grade")]


def committed(directory: Path) -> int:
    """How many rows there are, all of them in order; -1 where the database does not hold together."""
    connection = sqlite3.connect(directory / "db")
    try:
        (sound,) = connection.execute("pragma integrity_check").fetchone()
        rows = [row for (row,) in connection.execute("select n from acks order by n")]
    except sqlite3.DatabaseError:
        return -1
    finally:
        connection.close()
    return len(rows) if sound == "ok" and rows == list(range(len(rows))) else -1


def fewest(
    folder: Path, filesystem: str, synchronous: str, *, most: int, journal: str = "wal"
) -> tuple[int, int, float]:
    """Commit 30 rows, cut the power; the fewest rows of an image, how many images were judged, how many a second."""
    if reason := missing(filesystem):
        pytest.skip(reason)
    with Disk(folder, filesystem) as disk:
        connection = sqlite3.connect(disk.directory / "db", isolation_level=None)
        connection.execute(f"pragma journal_mode={journal}")
        connection.execute(f"pragma synchronous={synchronous}")
        connection.execute("create table acks (n integer)")
        for row in range(30):
            connection.execute("insert into acks values (?)", (row,))

        class Victim:
            def stop_listening(self) -> None:
                pass

            def kill(self) -> None:
                connection.close()

        _, cut = disk.cut(Victim())
        fold, rows = Folder(), []
        began = time.monotonic()
        for image in cut.plan(seed=1, most=most).images:
            if not fold.folds(image):
                with cut.shown(image) as directory:
                    rows.append(committed(directory))
                fold.judged(image, cut.read)
        return min(rows), len(rows), len(rows) / (time.monotonic() - began)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs"])
def test_what_was_committed_is_on_every_image(filesystem: str, tmp_path: Path) -> None:
    rows, images, _ = fewest(tmp_path, filesystem, "full", most=12)
    assert (rows, images >= 1) == (30, True)


def test_what_was_not_synced_is_lost_on_some(tmp_path: Path) -> None:
    assert fewest(tmp_path, "ext4", "off", most=12)[0] < 30


@pytest.mark.parametrize(("synchronous", "kept"), [("full", 29), ("extra", 30)])
def test_unlinked_journal_that_is_not_synced_takes_the_last_row_away(
    synchronous: str, kept: int, tmp_path: Path
) -> None:
    """With `journal_mode=delete` the unlink commits, and only `synchronous=extra` syncs it."""
    assert fewest(tmp_path, "ext4", synchronous, most=64, journal="delete")[0] == kept
