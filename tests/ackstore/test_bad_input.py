"""Wrong calls, and directories that cannot hold a store: a named error that says how to mend it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import ackstore
from ackstore import Config, QueueId, Reply, Store
from ackstore.words.config import _one_of, _whole
from ackstore.words.identity import MAX_NAME_BYTES, MAX_QUEUE, parse_receipt, parse_receipts, receipt_text


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
        code = (
            f"import ackstore, sys; s = ackstore.open({str(tmp_path)!r}); print('open', flush=True); sys.stdin.read()"
        )
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


NOT_A_NAME = "cannot name a topic or group: give printable text, not empty, without '/'"


class TestNames:
    @pytest.mark.parametrize("name", ["", "a/b", "a\n", "\x00", 7, None, b"a", ["a"]])
    def test_what_is_no_name(self, name: Any) -> None:
        for parts in ((name,), ("t", name)):
            with pytest.raises(ackstore.QueueNameInvalid) as caught:
                QueueId(*parts)
            assert str(caught.value) == f"{name!r} {NOT_A_NAME}"

    def test_one_that_is_too_long_is_not_repeated_whole(self) -> None:
        with pytest.raises(ackstore.QueueNameInvalid) as caught:
            QueueId("n" * (MAX_NAME_BYTES + 1))
        assert (
            str(caught.value) == f"a topic or group name takes at most {MAX_NAME_BYTES} bytes: shorten {'n' * 40!r}..."
        )

    def test_the_limit_is_in_bytes(self) -> None:
        QueueId("é" * (MAX_NAME_BYTES // 2))
        with pytest.raises(ackstore.QueueNameInvalid, match="at most 255 bytes"):
            QueueId("é" * (MAX_NAME_BYTES // 2 + 1))

    def test_the_largest_number(self) -> None:
        assert str(QueueId("t", "g", MAX_QUEUE)) == f"t/g/{MAX_QUEUE}"
        with pytest.raises(ackstore.QueueNameInvalid, match=f"from 0 to {MAX_QUEUE}"):
            QueueId("t", "g", MAX_QUEUE + 1)


class TestReceipts:
    """One has a single spelling: what differs in a letter is none."""

    WHOLE = receipt_text("q/default/0", 171, 1, 1)  # 171 has letters

    @pytest.mark.parametrize("text", [WHOLE.upper(), WHOLE[:41], WHOLE[:40], WHOLE[1:], "0" + WHOLE, "", "@", "@q", 7])
    def test_what_is_none(self, text: Any) -> None:
        assert parse_receipt(text) is None
        assert parse_receipts([text]) is None
        assert parse_receipts([self.WHOLE, text]) is None

    @pytest.mark.parametrize("mark", ["", "x", "@@"])
    def test_the_mark_between_is_one_at_sign(self, mark: str) -> None:
        head, _, token = self.WHOLE.partition("@")
        assert parse_receipts([head + mark + token, head + mark + token]) == (
            (f"@{token}", (171, 1, 1) * 2) if mark == "@@" else None
        )


class Named:
    """What an attribute's validator is told of it."""

    def __init__(self, name: str) -> None:
        self.name = name


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "mend"),
        [
            ({"mode": "fast"}, "mode is 'fast': choose one of 'async', 'sync'"),
            ({"commit": 1}, "commit is 1: choose one of 'ack', 'checkpoint'"),
            ({"flush_interval": 0}, "flush_interval is 0: give a positive number of seconds"),
            ({"retry_jitter": 1.01}, "retry_jitter is 1.01: give a number from 0 to 1"),
            ({"merge": 1}, "merge is 1: give True or False"),
            ({"logs": 17}, "logs is 17: give an integer from 1 to 16"),
            ({"max_batch": 0}, "max_batch is 0: give an integer of at least 1"),
            ({"compact_above": 0}, "compact_above is 0: give an integer of at least 1, or None for no limit"),
            ({"max_attempts": 1.5}, "max_attempts is 1.5: give an integer of at least 1, or None for no limit"),
            (
                {"merge": True, "mode": "sync"},
                "merge is True and mode is 'sync': what stays in memory is only for mode 'async'",
            ),
            (
                {"logs": 4, "merge_messages": 3},
                "merge_messages is 3 and logs is 4: give at least 1 for each log",
            ),
            (
                {"logs": 4, "max_unflushed_bytes": 7},
                "max_unflushed_bytes is 7 and logs is 4: give at least 2 for each log",
            ),
        ],
    )
    def test_what_is_said(self, wrong: dict[str, Any], mend: str) -> None:
        with pytest.raises(ackstore.ConfigInvalid) as caught:
            Config(**wrong)
        assert str(caught.value) == mend

    def test_the_limits_themselves_are_allowed(self) -> None:
        settings: dict[str, Any] = {"retry_jitter": 1, "logs": 16, "max_unflushed_records": 32, "compact_above": 1}
        assert attrs.asdict(Config(**settings)).items() >= settings.items()
        assert Config(retry_jitter=0).retry_jitter == 0

    def test_each_log_has_its_share(self) -> None:
        whole = Config(
            logs=4, max_unflushed_records=90, max_unflushed_bytes=99, merge_messages=11, compact_above=50, seed=7
        )
        shares = [whole.share(log) for log in (1, 2, 3, 4)]
        assert [share.seed for share in shares] == [7, 8, 9, 10]
        for share in shares:
            limits = share.max_unflushed_records, share.max_unflushed_bytes, share.merge_messages, share.compact_above
            assert (share.logs, *limits) == (1, 22, 24, 2, 12)
        assert Config(logs=4, compact_above=3).share(1).compact_above == 1
        assert Config(logs=4, compact_above=None).share(1).compact_above is None

    def test_what_checks_them_is_made_when_the_module_is_imported(self) -> None:
        """Made again here, so that what makes it is tested like the rest."""
        one, few = _one_of("a", "b"), _whole(2, 3)
        for each, good in ((one, "a"), (one, "b"), (few, 2), (few, 3)):
            each(None, Named("it"), good)  # type: ignore[arg-type]
        said = "it is 'c': choose one of 'a', 'b'", "it is 1: give an integer from 2 to 3"
        for each, bad, text in ((one, "c", said[0]), (few, 1, said[1])):
            with pytest.raises(ackstore.ConfigInvalid) as caught:
                each(None, Named("it"), bad)  # type: ignore[arg-type]
            assert str(caught.value) == text
        for wrong in (4, 2.0, True):
            with pytest.raises(ackstore.ConfigInvalid):
                few(None, Named("it"), wrong)  # type: ignore[arg-type]
        with pytest.raises(ackstore.ConfigInvalid, match=r"give an integer of at least 2$"):
            _whole(2)(None, Named("it"), 1)  # type: ignore[arg-type]

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
