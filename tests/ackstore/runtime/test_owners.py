"""A directory, or files in it, that this user may not read or write, or that belong to another: named, with the mend,
and nothing is changed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store
from ackstore.inspection import inspect
from ackstore.runtime.reserve import reserve
from children import as_another_user, said_in_child

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files belong to another user")


@pytest.fixture
def directory() -> Iterator[Path]:
    """Of a closed store, with a parent that everybody may enter."""
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    with Store(parent / "store", Config(segment_bytes=200)) as store:
        store.publish("q", 9)
        assert set(store.ack_many([each.receipt for each in store.pop("q", 5)])) == {Reply.OK}
    yield parent / "store"
    parent.chmod(0o755)
    if (parent / "store").exists():
        (parent / "store").chmod(0o755)
    shutil.rmtree(parent)


def opens(directory: Path) -> Callable[[], str]:
    """Open a store, as another user where this one may do all, and settle something."""

    def call() -> str:
        as_another_user()
        with Store(directory) as store:
            store.publish("q", 9)
            return f"{store.ack(store.pop('q')[0].receipt).name}, {store.flush().name}, {store.close().name}"

    return call


def found_in(directory: Path) -> dict[str, Any]:
    """All that there is to see, but for what the lock says."""
    mode = directory.stat().st_mode
    directory.chmod(0o700)
    found = {
        each.name: (each.name == "lock" or each.read_bytes(), each.stat().st_mode, each.stat().st_uid)
        for each in directory.iterdir()
        if os.geteuid() == 0 or each.stat().st_mode & stat.S_IRUSR
    }
    directory.chmod(stat.S_IMODE(mode))
    return found


def let(directory: Path, mode: int, **modes: int) -> None:
    """Set the modes of the directory, and of files by the beginnings of their names; of the others all may be done."""
    for each in directory.iterdir():
        each.chmod(next((bits for name, bits in modes.items() if each.name.startswith(name)), 0o666))
    directory.chmod(mode)


CLOSED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a directory that cannot be entered": (
        lambda path: let(path, 0),
        "DirectoryNotWritable",
        "store/lock cannot be written (Permission denied): give this user the right",
    ),
    "a directory that cannot be reached": (
        lambda path: path.parent.chmod(0),
        "DirectoryNotWritable",
        "store cannot be reached (Permission denied): give this user the right to enter",
    ),
    "a directory that cannot be read": (
        lambda path: let(path, 0o333),
        "DirectoryNotWritable",
        "store cannot be read (Permission denied): give this user the right",
    ),
    "a lock": (
        lambda path: let(path, 0o777, lock=0),
        "DirectoryNotWritable",
        "store/lock cannot be written (Permission denied): give this user the right",
    ),
    "a segment": (
        lambda path: let(path, 0o777, log=0),
        "LogUnreadable",
        "log-00000001.seg cannot be read (Permission denied): nothing was changed. Give this user the right",
    ),
    "the offset file": (
        lambda path: let(path, 0o777, offsets=0),
        "LogUnreadable",
        "store/offsets cannot be read (Permission denied): nothing was changed. Give this user the right",
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_may_not_be_read_or_written_is_named(directory: Path, name: str) -> None:
    before = found_in(directory)
    close, error, text = CLOSED[name]
    close(directory)
    said = said_in_child(opens(directory))
    directory.parent.chmod(0o755)
    assert said.startswith(f"{error}: "), said
    assert text in said
    modes = {file: each[0] for file, each in found_in(directory).items() if file in before}
    assert modes.items() <= {file: each[0] for file, each in before.items()}.items()


def test_a_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    directory.chmod(0o555)
    said = said_in_child(opens(directory / "deeper" / "store"))
    assert said.startswith("DirectoryNotWritable: ")
    assert "cannot be made a directory (Permission denied): make it yourself" in said
    assert not (directory / "deeper").exists()


def test_a_directory_that_may_only_be_read_is_refused_and_can_be_inspected(directory: Path) -> None:
    let(directory, 0o555, lock=0o444, log=0o444, offsets=0o444)
    before = found_in(directory)

    def looks() -> object:
        as_another_user()
        return inspect(directory).problem

    assert said_in_child(opens(directory)).startswith("DirectoryNotWritable: ")
    assert said_in_child(looks) == "returned None"
    assert found_in(directory) == before


def test_what_may_be_read_in_a_directory_that_may_be_written_is_gone_on_from(directory: Path) -> None:
    let(directory, 0o777, log=0o444, offsets=0o444)
    (directory / "offsets.tmp").write_bytes(b"")
    (directory / "offsets.tmp").chmod(0)
    assert said_in_child(opens(directory)) == "returned 'OK, OK, OK'"


def test_room_is_kept_though_another_has_kept_it_before(directory: Path) -> None:
    (directory / "reserve").write_bytes(b"0" * 4096)
    (directory / "reserve").chmod(0)
    directory.chmod(0o777)

    def keeps() -> int:
        as_another_user()
        return reserve(os.open(directory, os.O_RDONLY), "reserve", 10_000)

    assert said_in_child(keeps) == "returned 10000"


def test_a_lock_of_another_user_does_not_say_when_this_was_and_the_store_goes_on(directory: Path) -> None:
    """Only the owner of a file may say when it was written: here that is the clock, which is ahead."""
    let(directory, 0o777)
    ahead = directory.stat().st_mtime + 3600.0
    os.utime(directory / "offsets", (ahead, ahead))
    assert said_in_child(opens(directory)) == "returned 'OK, OK, OK'"


@only_root
def test_where_only_owners_may_replace_their_files_those_of_another_are_refused(directory: Path) -> None:
    """As in /tmp: the offsets could never be written, and no segment removed."""
    let(directory, 0o1777)
    (directory / "lock").unlink()
    before = found_in(directory)
    said = said_in_child(opens(directory))
    assert said.startswith("DirectoryNotWritable: ")
    assert "belongs to another user" in said
    assert {name: found for name, found in found_in(directory).items() if name != "lock"} == before
