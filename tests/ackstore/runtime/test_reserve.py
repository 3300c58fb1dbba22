"""The file that keeps room: how large it gets on a disk of any size, each figure by hand."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ackstore.runtime.reserve import reserve

BLOCK = 4096


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    found = os.open(tmp_path, os.O_RDONLY)
    yield found
    os.close(found)


def free(monkeypatch: pytest.MonkeyPatch, blocks: int, *, limited: bool = True) -> None:
    """Have a file system say that so many blocks are free for this user, and some more for root."""
    about = SimpleNamespace(f_blocks=limited * 10**6, f_bavail=blocks, f_bfree=blocks + 9, f_frsize=BLOCK, f_bsize=1)
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: about)


def allowing(monkeypatch: pytest.MonkeyPatch, most: int, number: int = errno.EDQUOT) -> list[tuple[int, int]]:
    """Have the system give no file more than `most` bytes; returns what it is asked for: from where on, and how many
    bytes."""
    asked: list[tuple[int, int]] = []

    def fallocate(fd: int, at: int, size: int) -> None:
        asked.append((at, size))
        if at + size > most:
            os.ftruncate(fd, most)  # some give what there is
            raise OSError(number, "no more")
        os.ftruncate(fd, at + size)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    return asked


def size_of(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


@pytest.mark.parametrize(
    ("had", "blocks", "asked", "got", "left"),
    [
        (0, 10, 20480, 20480, 20480),
        (0, 10, 20481, 20480, None),  # no more than half, and no file where none can be had
        (0, 0, 1, 0, None),
        (8192, 4, 12288, 12288, 12288),  # what it has itself would be free without it
        (8192, 4, 12289, 12288, 8192),
        (8193, 4, 12289, 12288, 8193),  # in whole bytes
        (8192, 1, 8192, 8192, 8192),  # more than half already: it stays
        (8192, 1, 8193, 8192, 8192),
        (8192, 1, 4000, 4000, 4000),  # and gets smaller whenever it may
        (8192, 1, 0, 0, None),
    ],
)
def test_it_takes_up_half_of_what_is_free_at_most(
    tmp_path: Path,
    directory: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    had: int,
    blocks: int,
    asked: int,
    got: int,
    left: int | None,
) -> None:
    if had:
        (tmp_path / "reserve").write_bytes(bytes(had))
    free(monkeypatch, blocks)
    assert reserve(directory, "reserve", asked) == got
    assert size_of(tmp_path / "reserve") == left
    assert os.listdir(tmp_path) == ["reserve"] * (left is not None)


def test_a_file_system_without_a_limit_gives_all(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 0, limited=False)
    assert reserve(directory, "reserve", 20000) == 20000
    assert size_of(tmp_path / "reserve") == 20000


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC])
@pytest.mark.parametrize(
    ("had", "most", "tries", "got"),
    [
        (0, 10000, [32768, 16384, 8192], 8192),
        (0, 32767, [32768, 16384], 16384),
        (0, 100, [32768, 16384, 8192], 0),  # less than a block is not tried
        (9000, 10000, [32768, 16384], 9000),  # nor less than what it has
        (9000, 16384, [32768, 16384], 16384),
    ],
)
def test_a_quota_is_found_by_trying_and_the_file_left_as_it_was(
    tmp_path: Path,
    directory: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: int,
    had: int,
    most: int,
    tries: list[int],
    got: int,
) -> None:
    if had:
        (tmp_path / "reserve").write_bytes(b"1" * had)
    asked = allowing(monkeypatch, most, number)
    free(monkeypatch, 100)
    assert reserve(directory, "reserve", 32768) == got
    assert asked == [(had, each - had) for each in tries]
    assert size_of(tmp_path / "reserve") == (had or None)
    if had:
        assert (tmp_path / "reserve").read_bytes() == b"1" * had


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
@pytest.mark.parametrize("had", [0, 100])
def test_where_none_can_be_asked_for_it_is_written_in_bytes_that_no_disk_makes_smaller(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch, number: int, had: int
) -> None:
    (tmp_path / "reserve").write_bytes(b"1" * had)
    allowing(monkeypatch, had, number)
    assert reserve(directory, "reserve", 150_000) == 150_000
    found = (tmp_path / "reserve").read_bytes()
    assert (len(found), found[:had]) == (150_000, b"1" * had)
    assert len(zlib.compress(found[had:])) > 149_000
    assert b"\0" * 16 not in found


def fails(*_given: object) -> None:
    raise OSError(errno.EIO, "worn out")


@pytest.mark.parametrize("call", ["posix_fallocate", "fstatvfs"])
def test_what_is_wrong_otherwise_is_said(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(os, call, fails)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="worn out"):
        reserve(directory, "reserve", 10_000)
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("made", "number"), [(os.mkdir, errno.EISDIR), (None, errno.EBADF)])
def test_nothing_takes_the_place_of_what_is_no_file(
    tmp_path: Path, directory: int, made: Callable[[Path], None] | None, number: int
) -> None:
    if made:
        made(tmp_path / "reserve")
    with pytest.raises(OSError) as found:  # noqa: PT011 - the number says which
        reserve(directory if made else 1 << 20, "reserve", 10_000)
    assert found.value.errno == number


def test_the_file_is_for_the_user_alone_and_in_place_of_what_else_has_the_name(tmp_path: Path, directory: int) -> None:
    os.mkfifo(tmp_path / "reserve")
    assert reserve(directory, "reserve", 10_000) == 10_000
    about = (tmp_path / "reserve").stat()
    assert (about.st_mode, about.st_size) == (0o100600, 10_000)
