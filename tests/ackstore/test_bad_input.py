"""Wrong calls, and directories that cannot hold a store: a named error that says how to mend it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ackstore
from ackstore import Config, Reply, Store


def popped(store: Store, count: int = 1) -> list[str]:
    store.publish("q", 1000)
    return [delivery.receipt for delivery in store.pop("q", count, 60.0)]


class TestDirectories:
    def test_new_ones_are_made(self, tmp_path: Path) -> None:
        Store(tmp_path / "a" / "b").close()
        assert (tmp_path / "a" / "b").is_dir()

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"mine")
        with pytest.raises(ackstore.DirectoryIsAFile, match="is a file: give"):
            Store(tmp_path / "file")
        with pytest.raises(ackstore.DirectoryIsAFile, match="another path"):
            Store(tmp_path / "file" / "below")
        assert (tmp_path / "file").read_bytes() == b"mine"

    def test_not_writable(self) -> None:
        with pytest.raises(ackstore.DirectoryNotWritable, match="make it yourself"):
            Store("/proc/ackstore")
        with pytest.raises(ackstore.DirectoryNotWritable, match="cannot be written"):
            Store("/proc/self")

    def test_in_use_by_this_process(self, tmp_path: Path) -> None:
        with Store(tmp_path), pytest.raises(ackstore.DirectoryInUse, match=f"process {os.getpid()}"):
            Store(tmp_path)
        Store(tmp_path).close()

    def test_in_use_by_another_process(self, tmp_path: Path) -> None:
        code = f"import ackstore, sys; ackstore.open({str(tmp_path)!r}); print('open', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            with pytest.raises(ackstore.DirectoryInUse, match=f"process {child.pid}"):
                Store(tmp_path)
            child.kill()
        Store(tmp_path).close()

    def test_a_damaged_log_is_left_as_it_is(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            (receipt,) = popped(store)
            store.ack(receipt)
        (segment,) = tmp_path.glob("log-*.seg")
        damaged = bytearray(segment.read_bytes())
        damaged[90] ^= 1
        segment.write_bytes(damaged)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        for _ in range(2):
            with pytest.raises(ackstore.LogDamaged, match=segment.name):
                Store(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_directory_in_a_file_s_place(self, tmp_path: Path) -> None:
        (tmp_path / "log-00000001.seg").mkdir()
        with pytest.raises(ackstore.LogUnreadable, match=r"log-00000001\.seg cannot be read"):
            Store(tmp_path)


class TestCalls:
    @pytest.mark.parametrize("count", [0, -1, 4097, 2**70, 1.0, True, "1", None])
    def test_counts(self, tmp_path: Path, count: Any) -> None:
        with Store(tmp_path) as store:
            store.publish("q", 3)
            with pytest.raises(ackstore.CountOutOfRange, match="ask for 1 to 4096"):
                store.pop("q", count)
            assert len(store.pop("q", 3)) == 3

    @pytest.mark.parametrize("end", [-1, 2**63, 1.5, "x", True])
    def test_ends(self, tmp_path: Path, end: Any) -> None:
        with Store(tmp_path) as store, pytest.raises(ackstore.CountOutOfRange, match="give an integer"):
            store.publish("q", end)

    @pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e12, "1", None, True])
    def test_durations(self, tmp_path: Path, seconds: Any) -> None:
        with Store(tmp_path) as store:
            store.publish("q", 3)
            with pytest.raises(ackstore.DurationOutOfRange, match="give a number"):
                store.pop("q", 1, seconds)

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), "1", True])
    def test_timeouts(self, tmp_path: Path, timeout: Any) -> None:
        with Store(tmp_path) as store, pytest.raises(ackstore.DurationOutOfRange):
            store.flush(timeout)

    @pytest.mark.parametrize(
        "queue",
        ["", "a/b/c/d", "a/b/x", "a/b/-1", "a/b/01", "a//1", "a\n", "x" * 300, 7, None, "a/b/99999999999"],
    )
    def test_queue_names(self, tmp_path: Path, queue: Any) -> None:
        with Store(tmp_path) as store, pytest.raises(ackstore.QueueNameInvalid):
            store.publish(queue, 1)

    def test_unknown_queues(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store, pytest.raises(ackstore.QueueUnknown, match=r"publish\("):
            store.pop("nobody/knows/1")

    def test_too_many_receipts(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store, pytest.raises(ackstore.CountOutOfRange, match="up to 4096"):
            store.ack_many(["x"] * 4097)

    def test_names_of_all_kinds(self, tmp_path: Path) -> None:
        queue = ackstore.QueueId("Grüße @ 100%", "группа", 300)
        with Store(tmp_path) as store:
            store.publish(queue, 1)
            (delivery,) = store.pop(queue)
            assert delivery.receipt.isascii()
            assert store.ack(delivery.receipt, queue=queue) is Reply.OK
        with Store(tmp_path) as store:
            assert store.ack(delivery.receipt, queue=str(queue)) is Reply.SETTLED

    def test_a_closed_store(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        popped(store)
        assert store.close() is Reply.OK
        assert store.close() is Reply.OK
        for call in (lambda: store.pop("q"), lambda: store.ack("x"), store.flush):
            with pytest.raises(ackstore.StoreClosed, match="open it again"):
                call()
        assert store.stats().operations == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            {"mode": "fast"},
            {"commit": 1},
            {"flush_interval": 0},
            {"flush_interval": True},
            {"retry_limit": float("inf")},
            {"retry_jitter": 2},
            {"segment_bytes": 0},
            {"segment_bytes": (1 << 30) + 1},
            {"max_callbacks": 0},
            {"max_queues": 0},
            {"max_batch": 1.5},
        ],
    )
    def test_settings(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ackstore.ConfigInvalid, match=next(iter(wrong))):
            Config(**wrong)
