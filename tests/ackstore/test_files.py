"""The real disk: descriptors, short writes, errors."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Store
from ackstore.effects import DONE, Create, Failed, Rename, Result, Sync, SyncDir, Unlink, Write
from ackstore.files import FileReader, RealDisk


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
        assert disk.perform(Write("a", 0, b"0123456789")) == Failed(errno.ENOSPC, 5)
        results[:] = [4, 0]
        assert disk.perform(Write("a", 0, b"0123456789")) == Failed(errno.EIO, 4)
        results[:] = [4, 6]
        assert disk.perform(Write("a", 0, b"0123456789")) is DONE
        monkeypatch.undo()
        assert FileReader(tmp_path).read("a") == b"0123456789"
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
