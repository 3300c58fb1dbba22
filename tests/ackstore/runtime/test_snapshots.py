"""Copies of a store: while it is open by `Store.snapshot`, and of its directory when it is closed."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from ackstore import (
    Config,
    Delivery,
    DirectoryError,
    DirectoryNotEmpty,
    DirectoryNotWritable,
    LogUnreadable,
    NumbersExhausted,
    Reply,
    Store,
    StoreClosed,
)
from ackstore.runtime import files, snapshots
from ackstore.runtime.files import FileReader

SMALL = Config(segment_bytes=2000, compact_above=8000, flush_interval=0.01, offset_interval=0.01)


def popped(store: Store, queue: str, count: int) -> list[Delivery]:
    store.publish(queue, 10**6)
    return store.pop(queue, count, 600.0)


@pytest.mark.parametrize("logs", [1, 2])
def test_it_holds_what_was_answered_before_while_clients_and_compaction_go_on(tmp_path: Path, logs: int) -> None:
    config = Config(**{**{name: getattr(SMALL, name) for name in ("segment_bytes", "flush_interval")}, "logs": logs})
    done, stop = [], threading.Event()
    with Store(tmp_path / "store", config) as store:

        def work(queue: str) -> None:
            while not stop.is_set():
                for delivery in popped(store, queue, 10):
                    if store.ack(delivery.receipt) is Reply.OK:
                        done.append(delivery.receipt)

        threads = [threading.Thread(target=work, args=(queue,)) for queue in ("a", "b")]
        for thread in threads:
            thread.start()
        while len(done) < 200:
            stop.wait(0.001)
        before = list(done)
        assert store.snapshot(tmp_path / "copy") is Reply.OK
        stop.set()
        for thread in threads:
            thread.join()
        assert store.stats().healthy
    with Store(tmp_path / "copy", config) as copy:
        assert {copy.ack(receipt) for receipt in before} == {Reply.SETTLED}
        assert copy.stats().recovery.cut_records == 0
    assert not list(tmp_path.glob("*.partial"))


def test_neither_takes_the_others_receipts_for_its_own(tmp_path: Path) -> None:
    with Store(tmp_path / "store", SMALL) as store:
        (both,) = popped(store, "q", 1)
        store.snapshot(tmp_path / "copy")
        with Store(tmp_path / "copy", SMALL) as copy:
            ours, theirs = popped(store, "q", 1)[0], popped(copy, "q", 1)[0]
            assert ours.offset == theirs.offset
            assert ours.receipt != theirs.receipt
            assert copy.ack(ours.receipt) not in (Reply.OK, Reply.SETTLED)
            assert store.ack(theirs.receipt) not in (Reply.OK, Reply.SETTLED)
            assert (store.ack(both.receipt), copy.ack(both.receipt)) == (Reply.OK, Reply.OK)  # in hand in both


def test_a_store_goes_on_from_a_copy_of_a_copy(tmp_path: Path) -> None:
    settled: list[str] = []
    for number in range(4):
        with Store(tmp_path / str(number), SMALL) as store:
            assert {store.ack(receipt) for receipt in settled} <= {Reply.SETTLED}
            settled += [delivery.receipt for delivery in popped(store, "q", 5)]
            assert set(store.ack_many(settled)) <= {Reply.OK, Reply.SETTLED}
            assert store.snapshot(tmp_path / str(number + 1)) is Reply.OK


def test_what_a_crash_left_of_an_earlier_one_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "copy.partial").mkdir()
    (tmp_path / "copy.partial" / "log-00000009.seg").write_bytes(b"half")
    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        assert store.snapshot(tmp_path / "copy") is Reply.OK
    Store(tmp_path / "copy").close()


def test_where_something_is_already_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    with Store(tmp_path / "store") as store:
        descriptors = len(os.listdir("/proc/self/fd"))
        for name in ("full", "file", "link", "store"):
            with pytest.raises(DirectoryNotEmpty, match="another path"):
                store.snapshot(tmp_path / name)
        assert store.snapshot(tmp_path / "empty") is Reply.OK
        assert len(os.listdir("/proc/self/fd")) == descriptors
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["mine"]
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(StoreClosed):
        store.snapshot(tmp_path / "later")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_others_keep_beside_it_is_left_alone(tmp_path: Path, kind: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis").write_text("mine")
    partial = tmp_path / "copy.partial"
    own.rename(partial) if kind == "folder" else partial.symlink_to(own)
    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        assert store.snapshot(tmp_path / "copy") is Reply.OK
    assert [file.name for file in partial.iterdir()] == ["thesis"]
    assert not (tmp_path / "copy").is_symlink()


def test_of_two_at_a_time_to_one_place_one_is_whole_and_the_other_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is made from beginning to end while the first is about to copy its first file."""
    copy, second = snapshots._copy, []

    def beside(file: snapshots.Opened, to: Path, now: float) -> None:
        monkeypatch.undo()
        second.append(store.snapshot(tmp_path / "copy"))
        copy(file, to, now)

    with Store(tmp_path / "store") as store:
        (delivery,) = popped(store, "q", 1)
        store.ack(delivery.receipt)
        monkeypatch.setattr(snapshots, "_copy", beside)
        with pytest.raises(DirectoryNotEmpty, match="is there already"):
            store.snapshot(tmp_path / "copy")
    assert second == [Reply.OK]
    with Store(tmp_path / "copy") as again:
        assert again.ack(delivery.receipt) is Reply.SETTLED
    assert {each.name for each in tmp_path.iterdir()} == {"store", "copy"}


def test_one_that_could_not_be_made_durable_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = files.sync_directory

    def fails(directory: Path) -> None:
        if directory == tmp_path:
            raise OSError(5, "Input/output error")
        sync(directory)

    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        monkeypatch.setattr(snapshots, "sync_directory", fails)
        with pytest.raises(DirectoryNotWritable, match="nothing is there"):
            store.snapshot(tmp_path / "copy")
    assert {each.name for each in tmp_path.iterdir()} == {"store"}


def test_one_that_is_taken_back_goes_at_once_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in the midst of removing it must not leave a part under its name."""
    removed: list[str] = []

    def fails(_directory: Path) -> None:
        if (tmp_path / "copy").exists():
            raise OSError(5, "Input/output error")

    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        monkeypatch.setattr(snapshots, "sync_directory", fails)
        monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(Path(path).name))
        with pytest.raises(DirectoryNotWritable):
            store.snapshot(tmp_path / "copy")
    (left,) = (each.name for each in tmp_path.iterdir() if each.name != "store")
    assert removed == [left]
    assert left.endswith(".partial")


def test_one_that_is_closed_before_its_files_are_opened_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another store may have the directory by then, and write to it."""
    store = Store(tmp_path / "store")
    popped(store, "q", 1)
    flush = store.flush

    def flushes(timeout: float | None = None) -> Reply:
        reply = flush(timeout)
        assert store.close() is Reply.OK
        return reply

    monkeypatch.setattr(store, "flush", flushes)
    with pytest.raises(StoreClosed):
        store.snapshot(tmp_path / "copy")
    assert {each.name for each in tmp_path.iterdir()} == {"store"}


def test_the_offset_file_is_in_it_though_it_is_replaced_while_the_names_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system need not list a file that is renamed meanwhile."""
    with Store(tmp_path / "store", SMALL) as store:
        (delivery,) = popped(store, "q", 1)
        store.ack(delivery.receipt)
        store.close()
    names = FileReader.names
    with Store(tmp_path / "store", SMALL) as store:
        monkeypatch.setattr(FileReader, "names", lambda reader: [each for each in names(reader) if each != "offsets"])
        assert store.snapshot(tmp_path / "copy") is Reply.OK
        monkeypatch.undo()
        assert (tmp_path / "store" / "offsets").exists()
    assert (tmp_path / "copy" / "offsets").exists()


@pytest.mark.parametrize("found", [b"", OSError(5, "Input/output error")], ids=["shorter", "unreadable"])
def test_what_cannot_be_read_is_named_and_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    def reads(_fd: int, _size: int, _at: int) -> bytes:
        if isinstance(found, OSError):
            raise found
        return bytes(found)

    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        store.flush()
        monkeypatch.setattr(os, "pread", reads)
        with pytest.raises(LogUnreadable, match="seg cannot be read from byte 0 on"):
            store.snapshot(tmp_path / "copy")
        monkeypatch.undo()
    assert {each.name for each in tmp_path.iterdir()} == {"store"}


def test_a_copy_that_could_not_be_opened_is_not_made(tmp_path: Path) -> None:
    """Its numbers would be beyond those that an open can have."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / f"log-{2**40 - 2**20}.seg").touch()
    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        with pytest.raises(NumbersExhausted, match="Close the store, and copy its directory"):
            store.snapshot(tmp_path / "copy")
    assert {each.name for each in tmp_path.iterdir()} == {"store"}


@pytest.mark.parametrize("target", ["/", "", "a\0b", "x" * 300, "/dev/null/x", 5, None])
def test_a_place_that_is_none_is_refused_and_no_file_stays_open(tmp_path: Path, target: Any) -> None:
    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        store.flush()
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(DirectoryError if isinstance(target, str) else TypeError):
            store.snapshot(target)
        assert set(os.listdir("/proc/self/fd")) == before


def test_a_disk_without_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with Store(tmp_path / "store") as store:
        popped(store, "q", 1)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(DirectoryNotWritable, match="Make room"):
            store.snapshot(tmp_path / "copy")
        monkeypatch.undo()
        assert store.stats().healthy
    assert not list(tmp_path.glob("copy*"))


def test_the_directory_of_a_closed_store_can_be_copied_and_moved(tmp_path: Path) -> None:
    with Store(tmp_path / "store", SMALL) as store:
        found = popped(store, "q", 40)
        assert set(store.ack_many([delivery.receipt for delivery in found[:30]])) == {Reply.OK}
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    (tmp_path / "store").rename(tmp_path / "moved")
    for name in ("copy", "moved"):
        with Store(tmp_path / name, SMALL) as store:
            assert store.stats().recovery.rewritten == 0  # all of it is proved
            assert set(store.ack_many([delivery.receipt for delivery in found[:30]])) == {Reply.SETTLED}
            assert set(store.ack_many([delivery.receipt for delivery in found[30:]])) == {Reply.OK}


def test_two_plain_copies_take_each_others_receipts_as_the_specification_says(tmp_path: Path) -> None:
    with Store(tmp_path / "store", SMALL) as store:
        popped(store, "q", 1)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    with Store(tmp_path / "store", SMALL) as store, Store(tmp_path / "copy", SMALL) as copy:
        ours, theirs = popped(store, "q", 1), popped(copy, "q", 1)
        assert ours[0].receipt == theirs[0].receipt
        assert copy.ack(ours[0].receipt) is Reply.OK
    text = " ".join((Path(__file__).parents[3] / "specs" / "store.md").read_text().split())
    assert "two stores that are opened from plain copies of one directory take each other's receipts" in text
