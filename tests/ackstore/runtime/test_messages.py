"""What is said where the system refuses something: which file, why, and what to do, to the letter.

A text that lost one of the three would still be an error of the right kind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ackstore.format.recovery import MOST_SEGMENTS
from ackstore.runtime import files, pwrite, snapshots
from ackstore.runtime.descriptors import opened
from ackstore.runtime.directory_lock import DirectoryLock, files_in
from ackstore.runtime.files import FileReader, RealDisk, prepare, sync_directory
from ackstore.words.errors import (
    DirectoryInUse,
    DirectoryIsAFile,
    DirectoryNameInvalid,
    DirectoryNotEmpty,
    DirectoryNotWritable,
    FileIsALink,
    LogUnreadable,
    NumbersExhausted,
    StoreError,
    shown,
)

NOT_OURS = "give this user the right to read and write the directory and all files in it (`chown -R`, `chmod -R u+rwX`)"
A_LINK = (
    "is a link, or no regular file, and the store touches nothing outside of its directory: nothing was changed. Put a "
    "copy of the file there instead, or take it away if this store did not make it"
)


def refusing(number: int) -> Callable[..., NoReturn]:
    """Refuse whatever is asked."""

    def refuses(*_given: Any, **_named: Any) -> NoReturn:
        raise OSError(number, os.strerror(number), "that file")

    return refuses


def said(kind: type[StoreError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as found:
        call()
    assert type(found.value) is kind
    return str(found.value)


def reads_a_directory(path: Path) -> None:
    (path / "a").mkdir()
    FileReader(path).read("a")


def copies(path: Path) -> None:
    (path / "log-00000001.seg").touch()
    snapshots.open_all(path, [])


CASES: dict[str, tuple[Any, str, int, type[StoreError], Callable[[Path], object], str]] = {
    "names": (
        os, "listdir", errno.EIO, LogUnreadable, lambda path: FileReader(path).names(),
        "the names of the files in {path} cannot be read (Input/output error): nothing was changed. See to the disk",
    ),
    "a file of another user": (
        files, "opened", errno.EACCES, LogUnreadable, lambda path: FileReader(path).read("offsets"),
        "{path}/offsets cannot be read (Permission denied): nothing was changed. Give this user the right to (it may "
        "belong to another: see `ls -l`, and `chown`)",
    ),
    "a file": (
        files, "opened", errno.EIO, LogUnreadable, lambda path: FileReader(path).read("offsets"),
        "{path}/offsets cannot be read (Input/output error): nothing was changed. See to the disk and the file's "
        "permissions, or restore the directory from a copy",
    ),
    "a directory for a file": (
        files, "FILE_MODE", 0, LogUnreadable, reads_a_directory,
        "{path}/a cannot be read (Is a directory): nothing was changed. See to the disk and the file's permissions, or "
        "restore the directory from a copy",
    ),
    "a link": (
        files, "opened", errno.ELOOP, FileIsALink, lambda path: FileReader(path).open("offsets"),
        "{path}/offsets " + A_LINK,
    ),
    "the directory, to write": (
        files, "opened", errno.EMFILE, DirectoryNotWritable, RealDisk,
        "{path} cannot be opened (Too many open files): nothing was changed. See to the limit on open files, and to "
        "the disk",
    ),
    "a directory that cannot be reached": (
        Path, "exists", errno.EACCES, DirectoryNotWritable, prepare,
        "{path} cannot be reached (Permission denied): give this user the right to enter the directories above it "
        "(`chmod +x`), or give another path",
    ),
    "a name that is too long": (
        Path, "exists", errno.ENAMETOOLONG, DirectoryNameInvalid, prepare,
        "{shown} can name no directory (File name too long): give another path",
    ),
    "a directory that cannot be made": (
        Path, "mkdir", errno.EROFS, DirectoryNotWritable, lambda path: prepare(path / "new"),
        "{path}/new cannot be made a directory (Read-only file system): make it yourself, or give a path that this "
        "user can write",
    ),
    "a directory in a file": (
        Path, "mkdir", errno.ENOTDIR, DirectoryIsAFile, lambda path: prepare(path / "new"),
        "{path}/new cannot be a directory: that file is a file. Give another path",
    ),
    "the lock": (
        os, "open", errno.EACCES, DirectoryNotWritable, DirectoryLock,
        "{path}/lock cannot be written (Permission denied): " + NOT_OURS + ", or give another path. Nothing was "
        "changed",
    ),
    "the lock, a link": (os, "open", errno.ELOOP, FileIsALink, DirectoryLock, "{path}/lock " + A_LINK),
    "the lock, where there are none": (
        fcntl, "flock", errno.ENOLCK, DirectoryNotWritable, DirectoryLock,
        "{path}/lock cannot be locked (No locks available): " + NOT_OURS + ", or give another path. Nothing was "
        "changed",
    ),
    "the files, to lock them": (
        os, "scandir", errno.EACCES, DirectoryNotWritable, DirectoryLock,
        "{path} cannot be read (Permission denied): " + NOT_OURS + ", or give another path. Nothing was changed",
    ),
    "the files, to copy them": (
        FileReader, "open", errno.EMFILE, LogUnreadable, copies,
        "the files of {path} cannot be opened (Too many open files): nothing was copied. See to the limit on open "
        "files, and to the disk",
    ),
    "a place for a copy": (
        Path, "is_symlink", errno.EACCES, DirectoryNotWritable, lambda path: snapshots.write([], path, 0.0),
        "{shown} cannot be looked at (Permission denied): give another path",
    ),
    "a copy": (
        Path, "mkdir", errno.ENOSPC, DirectoryNotWritable, lambda path: snapshots.write([], path / "copy", 0.0),
        "{copy} cannot be written (No space left on device): nothing is there. Make room, or give another path",
    ),
    "a copy to where something has come meanwhile": (
        Path, "rename", errno.ENOTEMPTY, DirectoryNotEmpty, lambda path: snapshots.write([], path / "copy", 0.0),
        "{path}/copy is there already: a snapshot goes to a new directory, or to an empty one. Give another path",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_said_to_the_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, attribute, number, kind, call, text = CASES[name]
    if number:
        monkeypatch.setattr(owner, attribute, refusing(number))
    assert said(kind, lambda: call(tmp_path)) == text.format(
        path=tmp_path, shown=shown(str(tmp_path)), copy=shown(str(tmp_path / "copy"))
    )
    monkeypatch.undo()
    assert [each for each in os.listdir(tmp_path) if each.endswith(".partial") or each == "copy"] == []


def test_who_has_the_directory(tmp_path: Path) -> None:
    text = "{} is in use by process {}: close that store first, or give another path"
    lock = DirectoryLock(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert said(DirectoryInUse, lambda: DirectoryLock(tmp_path)) == text.format(tmp_path, os.getpid())
    (tmp_path / "lock").write_text("")
    assert said(DirectoryInUse, lambda: DirectoryLock(tmp_path)) == text.format(tmp_path, "unknown")
    lock.release()
    lock.release()
    DirectoryLock(tmp_path).release()


def test_who_has_it_need_not_be_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disk without room for a process's number keeps nobody out."""
    monkeypatch.setattr(os, "pwrite", refusing(errno.ENOSPC))
    lock = DirectoryLock(tmp_path)
    assert (tmp_path / "lock").read_text() == ""
    lock.release()


def test_a_copy_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert said(DirectoryNotEmpty, lambda: snapshots.write([], tmp_path, 0.0)) == (
        f"{tmp_path} is there already: a snapshot goes to a new directory, or to an empty one. Give another path"
    )


def another_name(path: Path) -> None:
    path.touch()
    os.link(path, path.with_name("other"))


@pytest.mark.parametrize("made", [os.mkfifo, another_name])
def test_what_stands_in_the_way_of_a_lock(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "lock")
    assert said(FileIsALink, lambda: DirectoryLock(tmp_path)) == f"{tmp_path}/lock {A_LINK}"


def test_what_can_be_no_name(tmp_path: Path) -> None:
    assert said(DirectoryNameInvalid, lambda: prepare(Path("a\0b"))) == (
        "'a\\x00b' can name no directory (a null character): give another path"
    )
    (tmp_path / "file").touch()
    assert said(DirectoryIsAFile, lambda: prepare(tmp_path / "file")) == (
        f"{tmp_path}/file is a file: give the path of a directory, or of a new one"
    )


def test_the_files_of_a_store_are_told_from_others(tmp_path: Path) -> None:
    own = {"log-00000001.seg", "log-1of2-00000001.seg", "offsets", "offsets.tmp", "lock"}
    for name in (*own, "mine", "log", "reserve"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "log-00000002.seg").symlink_to(tmp_path / "mine")
    found = files_in(tmp_path)
    assert set(found) == {*own, "log-00000002.seg"}
    assert found["offsets"].st_size == len("offsets")
    assert found["log-00000002.seg"].st_size == len(str(tmp_path / "mine"))  # the link's, not that of what it leads to


def test_only_a_directory_is_synced_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "file")
    with pytest.raises(DirectoryNotWritable, match="Not a directory"):
        RealDisk(tmp_path / "file")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    sync_directory(tmp_path)
    assert synced == [str(tmp_path)]
    prepare(tmp_path / "a" / "b")
    assert synced[1:] == [str(tmp_path), str(tmp_path / "a")]  # each new one is in one that is synced then


@pytest.mark.parametrize("drawn", [0, snapshots.FAR - 1])
def test_a_copy_goes_on_behind_all_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: int) -> None:
    """Of each log by itself, and by no more than is said."""
    asked: list[int] = []

    def draw(below: int) -> int:
        asked.append(below)
        return drawn

    monkeypatch.setattr(secrets, "randbelow", draw)
    names = ["log-1of2-00000007.seg", "log-1of2-00000003.seg", "log-2of2-00000004.seg", "offsets-1of2"]
    found = []
    for name in names:
        (tmp_path / name).touch()
        found.append(snapshots.Opened(name, opened(tmp_path / name, os.O_RDONLY), 0))
    snapshots.write(found, tmp_path / "copy", 5.0)
    new = {f"log-1of2-{8 + drawn:08d}.seg", f"log-2of2-{5 + drawn:08d}.seg"}
    assert {each.name for each in (tmp_path / "copy").iterdir()} == {*names, *new}
    assert asked == [snapshots.FAR] * 2
    assert {(tmp_path / "copy" / name).stat().st_mtime for name in names} == {5.0}
    snapshots.close(found)
    assert all(each.descriptor.closed for each in found)


@pytest.mark.parametrize(("beyond", "copied"), [(0, True), (1, False)])
def test_the_last_number_that_a_copy_may_have(tmp_path: Path, beyond: int, copied: bool) -> None:
    last = MOST_SEGMENTS - snapshots.FAR - 1 + beyond
    (tmp_path / "file").touch()
    found = [snapshots.Opened(f"log-{last:08d}.seg", opened(tmp_path / "file", os.O_RDONLY), 0)]
    if copied:
        return snapshots.write(found, tmp_path / "copy", 0.0)
    assert said(NumbersExhausted, lambda: snapshots.write(found, tmp_path / "copy", 0.0)) == (
        f"segment {last} is there, and a copy would go on beyond what numbers an open: nothing was copied. Close the "
        "store, and copy its directory"
    )
    return None


def test_a_copy_of_what_is_shorter_by_then_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    found = [snapshots.Opened("log-00000001.seg", opened(tmp_path / "file", os.O_RDONLY), 5)]
    assert said(LogUnreadable, lambda: snapshots.write(found, tmp_path / "copy", 0.0)) == (
        "log-00000001.seg cannot be read from byte 3 on (it is shorter than it was): nothing was copied. See to the "
        "disk"
    )
    found = [snapshots.Opened("log-00000001.seg", opened(tmp_path / "file", os.O_RDONLY), 2)]
    snapshots.write(found, tmp_path / "copy", 0.0)
    assert (tmp_path / "copy" / "log-00000001.seg").read_bytes() == b"ab"  # what has come since is not in it


@pytest.mark.parametrize(
    ("system", "machine", "known"),
    [
        ("Linux", "x86_64", True),
        ("Linux", "aarch64", True),
        ("Linux", "sparc64", False),
        ("Darwin", "x86_64", False),
        ("Windows", "aarch64", False),
    ],
)
def test_the_quick_write_is_for_systems_that_are_known(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, known: bool
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (pwrite.system_pwrite() is not None) is known
