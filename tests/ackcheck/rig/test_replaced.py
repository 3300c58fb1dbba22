"""The kernel tells of each change of a file, in the directory and in the folders below it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ackcheck.rig import replaced
from ackcheck.rig.replaced import Changes

SOON = 5.0


def test_a_file_in_a_folder_that_was_there_is_seen(tmp_path: Path) -> None:
    """Redis keeps its log in `appendonlydir`."""
    below = tmp_path / "appendonlydir" / "old"
    below.mkdir(parents=True)
    with Changes(tmp_path) as changes:
        assert not changes.come(0.0)
        (below / "log").touch()
        assert changes.come(SOON)


def test_a_file_in_a_folder_that_is_made_later_is_seen(tmp_path: Path) -> None:
    with Changes(tmp_path) as changes:
        (tmp_path / "new").mkdir()
        assert changes.come(SOON)
        (tmp_path / "new" / "log").touch()
        assert changes.come(SOON)


@pytest.mark.parametrize("change", [Path.unlink, Path.read_bytes, lambda log: log.rename(log.with_name("old"))])
def test_a_file_that_is_removed_or_renamed_or_opened_is_seen(change: Callable[[Path], object], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with Changes(tmp_path) as changes:
        change(log)
        assert changes.come(SOON)


def test_who_looks_into_a_folder_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with Changes(tmp_path) as changes:
        assert list(tmp_path.rglob("*")) == [tmp_path / "below"]
        assert not changes.come(0.0)


def test_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere, watched = tmp_path / "elsewhere", tmp_path / "watched"
    elsewhere.mkdir()
    watched.mkdir()
    (watched / "link").symlink_to(elsewhere)
    with Changes(watched) as changes:
        (elsewhere / "log").touch()
        assert not changes.come(0.0)


def test_folders_are_watched_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaced, "MOST_FOLDERS", 1)
    (tmp_path / "below").mkdir()
    with Changes(tmp_path) as changes:
        (tmp_path / "below" / "log").touch()
        assert not changes.come(0.0)
        (tmp_path / "log").touch()
        assert changes.come(SOON)
