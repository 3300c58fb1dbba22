"""The real disk: descriptors, short writes, errors."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ackstore import Config, ConfigInvalid, Store
from ackstore.core.effects import DONE, Create, Failed, Rename, Reserve, Result, Sync, SyncDir, Unlink, Write
from ackstore.runtime import files, pwrite
from ackstore.runtime.descriptors import opened
from ackstore.runtime.files import DROPPED_AT_ONCE, FileReader, RealDisk


def popped(store: Store, count: int = 1) -> list[str]:
    store.publish("q", 1000)
    return [delivery.receipt for delivery in store.pop("q", count, 60.0)]


class TestDisk:
    def test_descriptors_do_not_pile_up(self, tmp_path: Path) -> None:
        with Store(tmp_path, Config(segment_bytes=500, flush_interval=0.01, offset_interval=0.01)) as store:
            popped(store)
            store.flush()
            before = len(os.listdir("/proc/self/fd"))
            for receipt in popped(store, 300):
                store.ack(receipt)
                store.flush()
            assert len(list(tmp_path.glob("log-*.seg"))) > 30
            assert len(os.listdir("/proc/self/fd")) <= before + 2

    def test_syncs_only_through_the_descriptor_that_wrote(self, tmp_path: Path) -> None:
        disk = RealDisk(tmp_path)
        (tmp_path / "a").write_bytes(b"x")
        assert disk.perform(Sync("a")) == Failed(errno.EBADF)
        disk.close()

    def test_a_sync_of_what_is_closed_and_synced_has_nothing_left_to_do(self, tmp_path: Path) -> None:
        disk = RealDisk(tmp_path)
        for effect in (Create("log-1.seg"), Write("log-1.seg", 0, b"x"), Create("log-2.seg")):
            disk.perform(effect)
        assert disk.perform(Sync("log-1.seg")) is DONE
        assert disk.perform(Sync("log-1.seg")) is DONE  # of a later cycle, which began while the first one waited
        disk.perform(Unlink("log-1.seg"))
        assert disk.perform(Sync("log-1.seg")) == Failed(errno.EBADF)
        disk.close()

    def test_nor_does_one_that_failed_count_later(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk = RealDisk(tmp_path)
        for effect in (Create("log-1.seg"), Write("log-1.seg", 0, b"x"), Create("log-2.seg")):
            disk.perform(effect)
        monkeypatch.setattr(disk, "fsync", lambda fd: os.fsync(1 << 20))
        assert disk.perform(Sync("log-1.seg")) == Failed(errno.EBADF)
        monkeypatch.undo()
        assert disk.perform(Sync("log-1.seg")) == Failed(errno.EBADF)
        disk.close()

    def test_room_is_kept_in_no_file_but_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "victim").write_text("somebody's own")
        (tmp_path / "one").symlink_to(tmp_path / "victim")
        os.link(tmp_path / "victim", tmp_path / "two")
        disk = RealDisk(tmp_path)
        for name in ("one", "two"):
            assert disk.perform(Reserve(name, 8192)) is DONE
            assert (tmp_path / name).stat(follow_symlinks=False).st_size == 8192
        assert (tmp_path / "victim").read_text() == "somebody's own"
        assert isinstance(disk.perform(Reserve("three", 1 << 60)), Failed)
        assert not (tmp_path / "three").exists()
        disk.close()

    def test_each_failure_is_a_result(self, tmp_path: Path) -> None:
        disk = RealDisk(tmp_path)
        (tmp_path / "directory").mkdir()
        assert disk.perform(Create("directory")) == Failed(errno.EISDIR)
        assert disk.perform(Rename("none", "a")) == Failed(errno.ENOENT)
        assert disk.perform(Unlink("none")) == Failed(errno.ENOENT)
        assert disk.perform(SyncDir()) is DONE
        disk.close()

    def test_a_short_write_goes_on_and_then_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk = RealDisk(tmp_path)
        disk.perform(Create("a"))
        real = os.pwrite
        results: list[Any] = [2, 3, OSError(errno.ENOSPC, "full")]

        def pwrite(fd: int, data: bytes, at: int) -> int:
            result = results.pop(0)
            if isinstance(result, OSError):
                raise result
            return real(fd, data[:result], at)

        monkeypatch.setattr(os, "pwrite", pwrite)
        monkeypatch.setattr(files, "SHORT", 0)  # the first attempt, too, by `os.pwrite`
        assert disk.perform(Write("a", 0, b"0123456789")) == Failed(errno.ENOSPC, 5)
        results[:] = [4, 0]
        assert disk.perform(Write("a", 0, b"0123456789")) == Failed(errno.EIO, 4)
        results[:] = [4, 6]
        assert disk.perform(Write("a", 0, b"0123456789")) is DONE
        monkeypatch.undo()
        assert FileReader(tmp_path).read("a") == b"0123456789"
        disk.close()

    @pytest.mark.parametrize("first", [-1, 0, 4])
    def test_what_a_short_write_leaves_over_the_long_way_writes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        disk = RealDisk(tmp_path)
        disk.perform(Create("a"))

        def short(fd: int, data: bytes, size: int, at: int) -> int:
            return os.pwrite(fd, data[:first], at) if first > 0 else first

        monkeypatch.setattr(files, "short_pwrite", short)
        assert disk.perform(Write("a", 0, b"0123456789")) is DONE
        assert FileReader(tmp_path).read("a") == b"0123456789"
        disk.close()

    def test_a_short_write_that_fails_says_why(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a").write_bytes(b"")
        disk = RealDisk(tmp_path)
        disk.files["a"] = files.OpenFile(opened(tmp_path / "a", os.O_RDONLY))
        assert disk.perform(Write("a", 0, b"0123456789")) == Failed(errno.EBADF)
        disk.close()

    def test_a_write_lets_go_of_the_interpreter_while_a_sync_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = RealDisk(tmp_path)
        disk.perform(Create("a"))
        running, go_on = threading.Event(), threading.Event()
        short: list[int] = []

        def fsync(_fd: int) -> None:
            running.set()
            assert go_on.wait(10.0)

        def note(fd: int, data: bytes, size: int, at: int) -> int:
            short.append(at)
            return os.pwrite(fd, data, at)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(files, "short_pwrite", note)
        syncing = threading.Thread(target=disk.perform, args=(Sync("a"),))
        syncing.start()
        assert running.wait(10.0)
        assert disk.perform(Write("a", 0, b"ab")) is DONE
        go_on.set()
        syncing.join()
        assert disk.perform(Write("a", 2, b"cd")) is DONE
        assert short == [2]
        monkeypatch.undo()
        assert FileReader(tmp_path).read("a") == b"abcd"
        disk.close()

    def test_a_file_removed_under_a_running_sync_is_closed_after_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = RealDisk(tmp_path)
        disk.perform(Create("log-a"))
        disk.perform(Write("log-a", 0, b"x"))
        began, go_on = threading.Event(), threading.Event()
        real = os.fsync

        def fsync(fd: int) -> None:
            began.set()
            go_on.wait(5.0)
            real(fd)  # fails if the descriptor was closed meanwhile

        monkeypatch.setattr(os, "fsync", fsync)
        results: list[Result] = []
        thread = threading.Thread(target=lambda: results.append(disk.perform(Sync("log-a"))))
        thread.start()
        began.wait(5.0)
        disk.perform(Unlink("log-a"))
        go_on.set()
        thread.join(5.0)
        assert results == [DONE]
        disk.close()


def cached_pages(path: Path) -> int:
    """How many pages of a file the page cache holds."""
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None, use_errno=True).mincore(ctypes.byref(start), ctypes.c_size_t(size), pages)
        del start
    assert not failed, os.strerror(ctypes.get_errno())
    return sum(page & 1 for page in pages)


def leaves_at_all(path: Path) -> bool:
    """Whether the page cache lets go of a file that is synced, when somebody else than the store says so."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return cached_pages(path) == 0


class TestPageCache:
    @pytest.mark.parametrize("drop", [True, False])
    def test_it_really_leaves(self, tmp_path: Path, drop: bool) -> None:
        """Asked of the kernel itself."""
        disk = RealDisk(tmp_path, drop_flushed=drop)
        disk.perform(Create("a"))
        disk.perform(Write("a", 0, bytes(DROPPED_AT_ONCE)))
        pages = DROPPED_AT_ONCE // mmap.PAGESIZE
        if cached_pages(tmp_path / "a") < pages:
            pytest.skip("this file system keeps nothing in the page cache that mincore could see")
        assert disk.perform(Sync("a")) is DONE
        left = cached_pages(tmp_path / "a")
        disk.close()
        if drop and left == pages and not leaves_at_all(tmp_path / "a"):
            pytest.skip("the page cache is all there is of this file system (as of a tmpfs): nothing can leave it")
        assert left == (0 if drop else pages)

    def test_what_is_flushed_is_let_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[tuple[int, int, int]] = []
        monkeypatch.setattr("ackstore.runtime.files.DROPPED_AT_ONCE", 1)
        monkeypatch.setattr(os, "posix_fadvise", lambda _fd, at, size, advice: told.append((at, size, advice)))
        disk = RealDisk(tmp_path, drop_flushed=True)
        disk.perform(Create("a"))
        disk.perform(Write("a", 0, b"0123456789"))
        assert told == []
        real = os.fsync

        def fsync(fd: int) -> None:
            assert disk.perform(Write("a", 10, b"meanwhile")) is DONE
            real(fd)

        monkeypatch.setattr(os, "fsync", fsync)
        assert disk.perform(Sync("a")) is DONE
        assert told == [(0, 10, os.POSIX_FADV_DONTNEED)]
        disk.close()

    def test_it_is_told_seldom_and_of_the_rest_when_the_file_is_done(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "posix_fadvise", lambda _fd, at, size, _advice: told.append((at, size)))
        monkeypatch.setattr("ackstore.runtime.files.DROPPED_AT_ONCE", 10)
        disk = RealDisk(tmp_path, drop_flushed=True)
        first, second = "log-00000001.seg", "log-00000002.seg"
        disk.perform(Create(first))
        for at, expected in ((0, 0), (5, 1), (10, 1), (15, 2)):
            disk.perform(Write(first, at, b"01234"))
            assert disk.perform(Sync(first)) is DONE
            assert len(told) == expected
        disk.perform(Write(first, 20, b"0"))
        disk.perform(Create(second))
        assert disk.perform(Sync(first)) is DONE
        assert told == [(0, 10), (0, 20), (0, 21)]
        disk.close()

    def test_nothing_is_let_go_by_a_sync_that_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(_fd: int) -> None:
            raise OSError(errno.EIO, "lost")

        monkeypatch.setattr(os, "posix_fadvise", None)
        disk = RealDisk(tmp_path, drop_flushed=True)
        disk.perform(Create("a"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            assert disk.perform(Sync("a")) == Failed(errno.EIO)
        disk.close()

    @pytest.mark.parametrize("drop", [True, False])
    def test_it_is_a_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop: bool) -> None:
        told: list[int] = []
        monkeypatch.setattr("ackstore.runtime.files.DROPPED_AT_ONCE", 1)
        monkeypatch.setattr(os, "posix_fadvise", lambda *_args: told.append(1))
        with Store(tmp_path, Config(drop_flushed=drop)) as store:
            popped(store)
            store.flush()
        assert bool(told) is drop
        with pytest.raises(ConfigInvalid, match="True or False"):
            Config(drop_flushed=cast("bool", 1))


class TestShortWrites:
    def test_it_writes_what_the_other_writes(self, tmp_path: Path) -> None:
        with (tmp_path / "a").open("w+b", buffering=0) as file:
            for write in (pwrite.short_pwrite, pwrite.releasing_pwrite):
                assert write(file.fileno(), b"\x00abc", 4, 4097) == 4
                assert os.pread(file.fileno(), 9, 4096) == b"\x00\x00abc"
                file.truncate(0)

    def test_far_and_long_writes_are_not_for_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        disk = RealDisk(tmp_path)
        disk.perform(Create("a"))
        monkeypatch.setattr(files, "short_pwrite", None)
        assert disk.perform(Write("a", (1 << 32) + 1, b"x")) is DONE
        assert (tmp_path / "a").stat().st_size == (1 << 32) + 2
        assert disk.perform(Write("a", 0, b"x" * 4097)) is DONE
        disk.close()

    def test_an_error_is_minus_one(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        with (tmp_path / "a").open("rb") as file:
            for write in (pwrite.short_pwrite, pwrite.releasing_pwrite):
                assert write(file.fileno(), b"x", 1, 0) == -1

    @pytest.mark.parametrize(
        ("module", "name", "value"),
        [(platform, "machine", lambda: "sparc"), (ctypes, "PyDLL", lambda _name: object())],
    )
    def test_elsewhere_there_is_none(
        self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: Callable[..., Any]
    ) -> None:
        monkeypatch.setattr(module, name, value)
        assert pwrite.system_pwrite() is None
