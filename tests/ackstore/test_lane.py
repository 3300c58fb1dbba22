"""The short way of an ack: it does what the long way does, byte for byte, and hands over where it may not."""

import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ackstore
from ackstore.core import Core
from ackstore.effects import Effect, Failed, Result, Write
from ackstore.files import RealDisk
from ackstore.replies import Reply


class LongWay(Core):
    """The same store; as a variant, it is never taken the short way."""


class FullDisk(RealDisk):
    """A disk that has no room while `full`; of each write `fits` bytes still reach the file."""

    full = False
    fits = 0

    def perform(self, effect: Effect) -> Result:
        if self.full and isinstance(effect, Write):
            part = effect.data[: self.fits]
            super().perform(Write(effect.file, effect.at, part))
            return Failed(errno.ENOSPC, written=len(part))
        return super().perform(effect)


QUIET = ackstore.Config(flush_interval=1000.0, offset_interval=1000.0, segment_bytes=700)
"""Syncs only where a barrier asks for one, and changes segments often."""

STEPS = st.lists(
    st.tuples(st.sampled_from(["ack", "again", "nonsense", "flush", "many"]), st.integers(0, 19)), max_size=40
)


def run(folder: Path, core: type[Core], steps: list[tuple[str, int]]) -> tuple[list[object], dict[str, bytes], object]:
    """Take the steps; return the replies, the files of the log and what the store counts."""
    now = [1000.0]
    replies: list[object] = []
    with ackstore.Store(folder, QUIET, core_class=core, clock=lambda: now[0]) as store:
        store.publish("q", 20)
        receipts = [delivery.receipt for delivery in store.pop("q", 20)]
        store.flush()
        for name, which in steps:
            now[0] += 0.25
            if name == "flush":
                replies.append(store.flush())
            elif name == "many":
                replies.append(store.ack_many(receipts[which : which + 2]))
            else:
                replies.append(store.ack("nonsense" if name == "nonsense" else receipts[which]))
        stats = store.stats()
        files = {file.name: file.read_bytes() for file in sorted(folder.glob("log-*.seg"))}
        return replies, files, (stats.written, stats.unflushed_records, stats.unflushed_bytes, stats.replies)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_both_ways_write_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    short = run(tmp_path_factory.mktemp("short"), Core, steps)
    long = run(tmp_path_factory.mktemp("long"), LongWay, steps)
    assert short == long


def test_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ackstore.Store(tmp_path, QUIET) as store:
        store.publish("q", 2)
        first, second = store.pop("q", 2)
        store.flush()
        monkeypatch.setattr(Core, "submit", None)
        assert store.ack(first.receipt) is Reply.OK
        monkeypatch.undo()
        assert store.ack(second.receipt, timeout=5.0) is Reply.OK  # the long way


@pytest.mark.parametrize("fits", [0, 5, 60])
def test_a_write_that_fails_is_answered_failed_and_nothing_is_settled(tmp_path: Path, fits: int) -> None:
    disk = FullDisk(tmp_path)
    with ackstore.Store(tmp_path, QUIET, disk=disk) as store:
        store.publish("q", 2)
        first, second = store.pop("q", 2)
        store.flush()
        disk.full, disk.fits = True, fits
        assert store.ack(first.receipt) is Reply.FAILED
        disk.full = False
        stats = store.stats()
        assert (stats.unflushed_records, stats.unflushed_bytes, stats.write_failures) == (0, 0, 1)
        assert [store.ack(second.receipt), store.ack(first.receipt)] == [Reply.OK, Reply.OK]
        assert store.flush() is Reply.OK
    with ackstore.Store(tmp_path, QUIET) as store:
        store.publish("q", 2)
        assert store.pop("q", 2) == []


def test_a_closed_store_refuses_as_ever(tmp_path: Path) -> None:
    store = ackstore.Store(tmp_path)
    store.close()
    with pytest.raises(ackstore.StoreClosed):
        store.ack("whatever")


def test_in_sync_mode_it_waits_for_the_disk(tmp_path: Path) -> None:
    with ackstore.Store(tmp_path, ackstore.Config(mode="sync")) as store:
        store.publish("q", 1)
        [only] = store.pop("q", 1)
        assert store.ack(only.receipt) is Reply.OK
        assert store.stats().unflushed_records == 0
