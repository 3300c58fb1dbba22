"""Nothing outside of the directory is touched, whatever links lie in it."""

import os
from pathlib import Path

import pytest

from ackstore import Config, FileIsALink, Reply, Store

TEXT = "somebody's own"


def victim_of(tmp_path: Path) -> Path:
    victim = tmp_path / "victim"
    victim.write_text(TEXT)
    return victim


def live(directory: Path) -> None:
    """A life in which every kind of file is made."""
    with Store(directory, Config(segment_bytes=100, offset_interval=0.01)) as store:
        store.publish("q", 9)
        for delivery in store.pop("q", 9):
            assert store.ack(delivery.receipt) is Reply.OK
            assert store.flush() is Reply.OK


@pytest.mark.parametrize("name", ["log-00000001.seg", "log-00000002.seg", "offsets", "lock"])
@pytest.mark.parametrize("kind", ["symbolic", "dangling", "fifo"])
def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    victim = victim_of(tmp_path)
    directory = tmp_path / "store"
    directory.mkdir()
    if kind == "fifo":
        os.mkfifo(directory / name)
    else:
        (directory / name).symlink_to(victim if kind == "symbolic" else tmp_path / "nowhere")
    with pytest.raises(FileIsALink, match=name):
        Store(directory)
    assert victim.read_text() == TEXT
    assert {each.name for each in tmp_path.iterdir()} == {"store", "victim"}
    assert {each.name for each in directory.iterdir()} <= {name, "lock"}


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_the_replacement_of_the_offsets_is_made_anew(tmp_path: Path, kind: str) -> None:
    victim = victim_of(tmp_path)
    directory = tmp_path / "store"
    directory.mkdir()
    link = directory / "offsets.tmp"
    link.symlink_to(victim) if kind == "symbolic" else link.hardlink_to(victim)
    live(directory)
    assert victim.read_text() == TEXT
    assert (directory / "offsets").is_file()
    assert not (directory / "offsets").is_symlink()


def test_a_link_that_is_put_in_the_way_of_a_new_segment_only_loses_its_name(tmp_path: Path) -> None:
    victim = victim_of(tmp_path)
    directory = tmp_path / "store"
    with Store(directory, Config(segment_bytes=100)) as store:
        (directory / "log-00000002.seg").symlink_to(victim)
        store.publish("q", 9)
        for delivery in store.pop("q", 9):
            assert store.ack(delivery.receipt) is Reply.OK
    assert victim.read_text() == TEXT
    assert not (directory / "log-00000002.seg").is_symlink()


def test_a_lock_with_another_name_is_refused(tmp_path: Path) -> None:
    victim = victim_of(tmp_path)
    directory = tmp_path / "store"
    directory.mkdir()
    (directory / "lock").hardlink_to(victim)
    with pytest.raises(FileIsALink, match="lock"):
        Store(directory)
    assert victim.read_text() == TEXT


def test_segments_by_hard_links_are_read_and_left_as_they_are(tmp_path: Path) -> None:
    live(tmp_path / "store")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (tmp_path / "store").iterdir():
        if file.name != "lock":
            (copy / file.name).hardlink_to(file)
    before = {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()}
    live(copy)
    assert {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()} == before


def test_what_it_makes_is_for_its_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "store"
    live(directory)
    for each in (directory, directory.parent):
        assert each.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}
