"""The fast path of an ack: it does what the long way does, byte for byte, and hands over where it may not."""

import contextlib
import errno
import time
from pathlib import Path
from typing import cast

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import ackstore
from ackstore.core.core import Core
from ackstore.core.effects import Effect, Failed, Result, Write
from ackstore.core.merge import Kept
from ackstore.fastpath.engines import EnginePath
from ackstore.fields.plain.classes import EntryFields, RecordFields
from ackstore.fields.plain.settling import MERGED
from ackstore.runtime.files import RealDisk
from ackstore.words.identity import parse_receipt, parse_receipts, receipt_text
from ackstore.words.replies import Reply
from disks import HangingDisk
from locked import locked_elsewhere
from ways import WAYS, going


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
    st.tuples(
        st.sampled_from(["ack", "again", "nonsense", "flush", "many", "twice", "mixed", "odd", "none"]),
        st.integers(0, 19),
    ),
    max_size=40,
)


def run(folder: Path, way: str, steps: list[tuple[str, int]]) -> tuple[list[object], dict[str, bytes], object]:
    """Take the steps; return the replies, the files of the log and what the store counts."""
    now = [1000.0]
    replies: list[object] = []
    with going(way), ackstore.Store(folder, QUIET, clock=lambda: now[0]) as store:
        store.publish("q", 20)
        receipts = [delivery.receipt for delivery in store.pop("q", 20)]
        store.publish("r", 4)
        others = [delivery.receipt for delivery in store.pop("r", 4)]
        store.flush()
        for name, which in steps:
            now[0] += 0.25
            if name == "flush":
                replies.append(store.flush())
            elif name == "many":
                replies.append(store.ack_many(receipts[which : which + 5]))
            elif name == "twice":
                replies.append(store.ack_many([receipts[which], receipts[0], receipts[which]]))
            elif name == "mixed":
                replies.append(store.ack_many([receipts[which], others[which % 4]]))
            elif name == "odd":
                replies.append(store.ack_many([receipts[which], "nonsense"]))
            elif name == "none":
                replies.append(store.ack_many([]))
            else:
                replies.append(store.ack("nonsense" if name == "nonsense" else receipts[which]))
        stats = store.stats()
        files = {file.name: file.read_bytes() for file in sorted(folder.glob("log-*.seg"))}
        return replies, files, (stats.written, stats.unflushed_records, stats.unflushed_bytes, stats.replies)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_all_ways_write_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    compiled, plain, long = (run(tmp_path_factory.mktemp(way), way, steps) for way in WAYS)
    assert compiled == long
    assert plain == long


MERGING = evolve(QUIET, merge=True, merge_messages=20, max_batch=8)
"""A buffer that is full now and then."""

MERGES = st.lists(
    st.tuples(
        st.sampled_from(["pop", "pop", "ack", "ack", "many", "many", "twice", "mixed", "nonsense", "renew", "flush"]),
        st.integers(0, 39),
    ),
    max_size=40,
)


def merge(folder: Path, way: str, steps: list[tuple[str, int]]) -> list[object]:
    """Take the steps with a merge buffer; return the replies, and all that is in memory and in the log at the end, and
    what is in the log when everything is handed over."""
    now = [1000.0]
    found: list[object] = []
    with going(way), ackstore.Store(folder, MERGING, clock=lambda: now[0]) as store:
        opened(store)
        receipts = ["nonsense"]
        for queue in ("q", "r"):
            store.publish(queue, 50)
            receipts += [delivery.receipt for delivery in store.pop(queue, 4)]
        for name, which in steps:
            now[0] += 0.25
            at = which % len(receipts)
            if name == "flush":
                found.append(store.flush())
            elif name == "pop":
                popped = store.pop("qr"[which % 2], 1 + which % 5)
                found.append(popped)
                receipts += [delivery.receipt for delivery in popped]
            elif name == "renew":
                found.append(store.renew(receipts[at], 40.0))
            elif name == "ack":
                found.append(store.ack(receipts[at]))
            elif name == "nonsense":
                found.append(store.ack(receipts[at] + "7"))
            elif name == "many":
                found.append(store.ack_many(receipts[at : at + 4]))
            elif name == "twice":
                found.append(store.ack_many([receipts[at], receipts[-1], receipts[at]]))
            else:
                found.append(store.ack_many([receipts[at], receipts[1], receipts[-1]]))
        found += [in_memory(store), log_of(folder), store.flush(), in_memory(store), log_of(folder)]
    return found


def opened(store: ackstore.Store) -> None:
    """Wait until the first segment has been synced: before, nothing is held."""
    until = time.monotonic() + 30.0
    while not store.stats().syncs and time.monotonic() < until:
        time.sleep(0.001)


def log_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("log-*.seg"))}


def in_memory(store: ackstore.Store) -> object:
    """Every message, every share of the merge buffer, and what the store counts."""
    core = store._driver.core
    assert isinstance(core, Core)
    with locked_elsewhere(store):
        messages = [
            [getattr(entry, name) for name in EntryFields.__slots__ if name != "ack"] + [ack_of(entry.ack)]
            for queue in core.queues.values()
            for entry in queue.entries.values()
        ]
        shares = [
            (token, share.late, share.flying, share.told, share.rest, [offsets(kept) for kept in share.kept])
            for token, share in core.merge.shares.items()
        ]
        buffer = core.merge.count, core.merge.merges, core.merge.next_at, [*core.merge.round]
        stats = core.stats()
        floors = [(queue.floor, queue.committed) for queue in core.queues.values()]
        counts = stats.written, stats.flushed, stats.unflushed_records, stats.unflushed_bytes, stats.replies
        return messages, shares, buffer, floors, counts


def offsets(kept: Kept) -> tuple[float, list[int]]:
    return kept.until, [entry.offset for entry in kept.entries]


def ack_of(record: RecordFields | None) -> object:
    """What an ack on its way is."""
    if record is None:
        return None
    merged = (record.payload, record.claims, record.entries) if record.kind == MERGED else len(record.entries)
    return record.kind, record.queue.token, record.lsn, record.data, record.waiters, record.durables, merged


@settings(max_examples=60, deadline=None)
@given(steps=MERGES)
def test_all_ways_into_the_merge_buffer_are_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    compiled, plain, long = (merge(tmp_path_factory.mktemp(way), way, steps) for way in WAYS)
    assert compiled == long
    assert plain == long


@pytest.mark.parametrize("way", WAYS[:2])
def test_the_fast_path_into_the_merge_buffer_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    with going(way), ackstore.Store(tmp_path, MERGING) as store:
        opened(store)
        store.publish("q", 9)
        receipts = [delivery.receipt for delivery in store.pop("q", 6)]
        monkeypatch.setattr(Core, "submit", None)
        assert store.ack(receipts[0]) is Reply.OK
        assert store.ack_many(receipts[1:4]) == [Reply.OK] * 3
        monkeypatch.undo()
        assert store.stats().merged == 4
        store.flush()
        monkeypatch.setattr(Core, "submit", None)
        assert store.ack(receipts[4]) is Reply.OK  # to the log, which has its checkpoint now
        monkeypatch.undo()
        assert (store.stats().merged, store.stats().unflushed_records) == (4, 1)


@pytest.mark.parametrize("way", WAYS[:2])
def test_the_fast_path_merges_all_of_a_batch_or_nothing(tmp_path: Path, way: str) -> None:
    with going(way), ackstore.Store(tmp_path, MERGING) as store:
        opened(store)
        store.publish("q", 9)
        first, second = (delivery.receipt for delivery in store.pop("q", 2))
        store.flush()
        third, fourth = (delivery.receipt for delivery in store.pop("q", 2))
        core = store._driver.core
        assert isinstance(core, Core)
        path = EnginePath(core)
        for batch in ((first, third), (third, first)):
            assert path.ack_many(batch, 1000.0, store._driver.writes) is None
        core.flusher.mode = "sync"
        assert path.ack(third, 1000.0, store._driver.writes) is None
        assert path.ack_many((third, fourth), 1000.0, store._driver.writes) is None
        core.flusher.mode = "async"
        assert store.stats().merged == 0
        assert store.ack_many([second, third]) == [Reply.OK] * 2  # the long way takes each as it is
        assert (store.stats().merged, store.stats().unflushed_records) == (1, 1)
        assert store.ack_many([first, fourth]) == [Reply.OK] * 2


def test_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ackstore.Store(tmp_path, QUIET) as store:
        store.publish("q", 2)
        first, second = store.pop("q", 2)
        store.flush()
        monkeypatch.setattr(Core, "submit", None)
        assert store.ack(first.receipt) is Reply.OK
        monkeypatch.undo()
        assert store.ack(second.receipt, timeout=5.0) is Reply.OK  # the long way


def test_it_is_taken_by_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ackstore.Store(tmp_path, ackstore.Config(max_batch=3)) as store:
        store.publish("q", 9)
        receipts = [delivery.receipt for delivery in store.pop("q", 3) + store.pop("q", 2)]
        store.flush()
        monkeypatch.setattr(Core, "submit", None)
        assert store.ack_many(iter(receipts[:3])) == [Reply.OK] * 3
        monkeypatch.undo()
        assert store.ack_many(receipts[3:], timeout=5.0) == [Reply.OK] * 2  # the long way
        with pytest.raises(ackstore.CountOutOfRange):
            store.ack_many(receipts[:4])


@pytest.mark.parametrize("way", WAYS)
def test_what_stands_beside_the_digits_is_none(tmp_path: Path, way: str) -> None:
    with going(way), ackstore.Store(tmp_path) as store:
        store.publish("q", 1)
        [only] = store.pop("q", 1)
        store.flush()
        assert [store.ack("0" + char + only.receipt[2:]) for char in "/:@AFG`g"] == [Reply.INVALID] * 8
        assert store.ack(only.receipt) is Reply.OK


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_over_the_limit_is_refused(tmp_path: Path, way: str) -> None:
    with going(way), ackstore.Store(tmp_path, ackstore.Config(max_batch=2)) as store:
        store.publish("q", 3)
        receipts = [delivery.receipt for delivery in store.pop("q", 2) + store.pop("q", 1)]
        store.flush()
        with pytest.raises(ackstore.CountOutOfRange):
            store.ack_many(receipts)
        assert store.ack_many(receipts[:2]) == [Reply.OK] * 2


def test_a_batch_is_judged_as_each_of_it_would_be(tmp_path: Path) -> None:
    """Each reason for which the long way is needed, one by one: not current, late, acked before, no receipt."""
    now = [1000.0]
    with ackstore.Store(tmp_path, QUIET, clock=lambda: now[0]) as store:
        store.publish("q", 9)
        first, second = (delivery.receipt for delivery in store.pop("q", 2, 30.0))
        other = store.pop("q", 1, 60.0)[0].receipt
        store.flush()
        now[0] += 30.0
        assert store.ack_many([other, first]) == [Reply.OK, Reply.EXPIRED]
        again = store.pop("q", 1, 30.0)[0].receipt
        assert store.ack_many([first, again]) == [Reply.EXPIRED, Reply.OK]
        assert store.ack_many([again, other]) == [Reply.SETTLED, Reply.SETTLED]
        assert store.ack_many([second, first[:-1] + "r"]) == [Reply.EXPIRED, Reply.INVALID]


RECEIPTS = st.builds(
    receipt_text,
    st.sampled_from(["q/default/0", "r/default/0", "q/default/10"]),
    st.integers(0, 3) | st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
)
TEXTS = RECEIPTS | RECEIPTS.map(str.upper) | st.text("0a@q/\n", max_size=60) | RECEIPTS.map(lambda text: text[2:])


@given(texts=st.lists(TEXTS, max_size=5) | st.lists(RECEIPTS, max_size=5))
def test_receipts_read_at_once_are_those_read_one_by_one(texts: list[str]) -> None:
    parsed = parse_receipts(texts)
    each = [parse_receipt(text) for text in texts]
    if parsed is None:
        assert not texts or None in each or len({one[0] for one in each if one}) > 1
    else:
        token, fields = parsed
        assert each == [(token, *fields[at : at + 3]) for at in range(0, len(fields), 3)]


@pytest.mark.parametrize("shift", [1, 2])
def test_receipts_that_only_add_up_are_not_read_at_once(shift: int) -> None:
    whole = receipt_text("q/default/0", 1, 1, 1)
    assert parse_receipts([whole, whole[shift:], "0" * shift + whole]) is None
    assert parse_receipts([whole, whole[shift:] + "0" * shift]) is None
    assert parse_receipts([whole, 7]) is None


@pytest.mark.parametrize("fits", [0, 5, 60])
def test_a_batch_whose_write_fails_is_answered_failed(tmp_path: Path, fits: int) -> None:
    disk = FullDisk(tmp_path)
    with ackstore.Store(tmp_path, QUIET, disk=disk) as store:
        store.publish("q", 3)
        receipts = [delivery.receipt for delivery in store.pop("q", 3)]
        store.flush()
        disk.full, disk.fits = True, fits
        assert store.ack_many(receipts) == [Reply.FAILED] * 3
        disk.full = False
        stats = store.stats()
        assert (stats.unflushed_records, stats.unflushed_bytes, stats.write_failures) == (0, 0, 1)
        assert stats.replies[Reply.FAILED] == 3
        assert store.ack_many(receipts) == [Reply.OK] * 3


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


def on_a_disk_that_hangs(path: Path, way: str, config: ackstore.Config, size: int) -> list[object]:
    """The replies to acks, in batches of that size, while no sync returns."""
    disk = HangingDisk(path)
    with going(way), ackstore.Store(path, config, disk=disk) as store:
        store.publish("q", 90)
        popped = cast("list[ackstore.Delivery]", store.try_pop("q", 90, timeout=30.0).value)
        receipts = [delivery.receipt for delivery in popped]
        assert store.flush(timeout=30.0) is Reply.OK
        disk.go_on.clear()
        batches = [receipts[at : at + size] for at in range(0, 90, size)]
        replies: list[object] = [store.ack(batch[0]) if size == 1 else store.ack_many(batch) for batch in batches]
        disk.go_on.set()
    return replies


@pytest.mark.parametrize("limits", [evolve(QUIET, max_unflushed_records=12), evolve(QUIET, max_unflushed_bytes=1300)])
@pytest.mark.parametrize("size", [1, 3])
def test_both_ways_feel_the_limits_at_the_same_record(tmp_path: Path, limits: ackstore.Config, size: int) -> None:
    replies: list[list[object]] = []
    for patience in (0.01, 0.1, 1.0):  # a busy machine makes an answer late, and none of them three times
        config = evolve(limits, op_timeout=patience, segment_bytes=1 << 20)
        with contextlib.suppress(ackstore.StoreStalled):
            replies = [on_a_disk_that_hangs(tmp_path / f"{way}-{patience}", way, config, size) for way in WAYS]
        if replies and replies[0] == replies[1] == replies[2]:
            break
    assert replies[0] == replies[1] == replies[2]
    assert replies[0][0] == (Reply.OK if size == 1 else [Reply.OK] * size)
    assert replies[0][-1] == (Reply.BUSY if size == 1 else [Reply.BUSY] * size)


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


@pytest.mark.parametrize("many", [False, True])
def test_nothing_is_written_behind_a_part_of_a_record(tmp_path: Path, many: bool) -> None:
    """Whichever way an ack takes, compiled or not."""
    with ackstore.Store(tmp_path, ackstore.Config(flush_interval=1000.0, offset_interval=1000.0)) as store:
        store.publish("q", 2)
        receipts = [delivery.receipt for delivery in store.pop("q", 2)]
        store.flush()
        core = store._driver.core
        assert isinstance(core, Core)
        torn = core.log.current
        assert torn is not None
        size, torn.torn = torn.size, True
        assert (store.ack_many(receipts) if many else [store.ack(receipts[0])]) == [Reply.OK] * (1 + many)
        assert torn.size == size
        assert core.log.current is not torn
