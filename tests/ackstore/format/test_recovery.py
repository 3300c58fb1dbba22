"""What recovery makes of segments: whole, torn, holed, garbled, of later versions, or missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackstore import (
    Config,
    Core,
    FutureFormat,
    LogDamaged,
    OffsetsAheadOfLog,
    Reply,
    recover,
)
from ackstore.core.states import State, encode_state
from ackstore.format.offsetfile import encode_offsets
from ackstore.format.payloads import (
    decode_ack,
    decode_checkpoint,
    encode_ack,
    encode_checkpoint,
    encode_one_ack,
    encode_reset,
    queue_prefix,
)
from ackstore.format.records import ACK, CHECKPOINT, HEADER_BYTES, RESET, STATE, Header, encode_record, scan
from ackstore.words.identity import QueueId, Receipt
from segments import Reader, segment


def found(*segments: bytes) -> list[str]:
    """The history that these segments hold, by the texts that `segment` gave the records."""
    files = {f"log-{number:08d}.seg": data for number, data in enumerate(segments, 1)}
    recovered = recover(Config(), Reader(files))
    return [payload.decode() for _lsn, _kind, payload, _data in recovered.records()]


def without(data: bytes, lsn: int, number: int = 1) -> bytes:
    """The segment with zeros for one record, as a page that power loss ate."""
    record = data.index(f"{number}:{lsn}".encode())
    return data[: record - 32] + bytes(32) + data[record:]


U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
NAMES = st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable() and "/" not in s)
QUEUES = st.builds(QueueId, NAMES, NAMES, st.integers(0, 2**31 - 1))


class TestFormat:
    @given(QUEUES, st.lists(st.tuples(U64, U32, U64)))
    def test_acks_round_trip(self, queue: QueueId, items: list[tuple[int, int, int]]) -> None:
        payload = encode_ack(queue_prefix(queue.token), items)
        assert decode_ack(payload) == (queue.token, items)

    @given(QUEUES, st.tuples(U64, U32, U64))
    def test_one_ack_is_an_ack_of_one(self, queue: QueueId, item: tuple[int, int, int]) -> None:
        prefix = queue_prefix(queue.token)
        assert encode_one_ack(prefix, *item) == encode_ack(prefix, [item])

    @given(QUEUES, st.floats(allow_nan=False), U64, st.lists(st.tuples(U64, U32)))
    def test_checkpoints_round_trip(
        self, queue: QueueId, deadline: float, epoch: int, items: list[tuple[int, int]]
    ) -> None:
        payload = encode_checkpoint(queue_prefix(queue.token), deadline, epoch, items)
        assert decode_checkpoint(payload) == (queue.token, deadline, epoch, items)

    @given(st.lists(st.binary(max_size=40), max_size=8), U32)
    def test_scan_finds_what_was_written(self, payloads: list[bytes], first: int) -> None:
        header = Header(1, 1, 0, first, first, first + 1, first)
        data = header.encode()
        for lsn, payload in enumerate(payloads, first + 1):
            data += encode_record(ACK, payload, lsn, first)
        result = scan("x", data)
        assert (result.header, result.damaged_at) == (header, None)
        assert [(run.first, run.last) for run in result.runs] == (
            [(first + 1, first + len(payloads))] if payloads else []
        )

    @given(st.binary(max_size=200))
    def test_scan_of_anything_never_fails(self, data: bytes) -> None:
        result = scan("x", data)
        assert result.header is None
        assert result.damaged_at == 0

    def test_a_record_of_an_unknown_kind(self) -> None:
        data = segment(1, []) + encode_record(9, b"", 1, 0)
        with pytest.raises(FutureFormat, match="kind 9"):
            Core(Config(), recover(Config(), Reader({"log-00000001.seg": data})), 0.0)


class TestHistory:
    def test_segments_follow_each_other(self) -> None:
        assert found(segment(1, [1, 2]), segment(2, [3])) == ["1:1", "1:2", "2:3"]

    def test_the_newest_copy_counts(self) -> None:
        assert found(segment(1, [1, 2, 3]), segment(2, [2, 3, 4])) == ["1:1", "2:2", "2:3", "2:4"]

    def test_a_torn_rewrite_is_completed_from_the_old_copy(self) -> None:
        """A process crash in the middle of writing again must not lose what was CACHED."""
        torn = segment(2, [2, 3])[:-1]
        assert found(segment(1, [1, 2, 3]), torn) == ["1:1", "2:2", "1:3"]
        assert found(segment(1, [1, 2, 3]), torn[:HEADER_BYTES]) == ["1:1", "1:2", "1:3"]
        assert found(segment(1, [1, 2, 3]), torn[: HEADER_BYTES - 1]) == ["1:1", "1:2", "1:3"]

    def test_a_rewrite_fills_a_hole(self) -> None:
        holed = without(segment(1, [1, 2, 3]), 2)
        assert found(holed, segment(2, [2])) == ["1:1", "2:2", "1:3"]

    def test_ends_at_a_hole_in_the_unproved_tail(self) -> None:
        holed = without(segment(1, [1, 2, 3]), 2)
        assert found(holed) == ["1:1"]
        assert found(holed, segment(2, [4, 5])) == ["1:1"]

    def test_what_a_later_epoch_had_cut_off_stays_cut_off(self) -> None:
        """LSNs behind a hole are given again: the old records must not come back in their place."""
        old = without(segment(1, [1, 2, 3, 4]), 2)
        new = segment(2, [2], epoch=2, parent=1, keeps=1)
        assert found(old, new) == ["1:1", "2:2"]

    def test_every_segment_of_an_epoch_says_what_it_keeps(self) -> None:
        """The first segment of an epoch may be lost to power loss, and a later one not."""
        old = without(segment(1, [1, 2, 3, 4]), 2)
        later = segment(3, [2], epoch=2, parent=1, keeps=1)
        assert found(old, b"", later) == ["1:1", "3:2"]

    def test_what_a_lost_epoch_had_cut_off_cannot_come_back(self) -> None:
        """Epoch 2 cut the old segment off at 4, gave 5 to 7 again, and synced none of it. Epoch 3
        had begun to write those again when power loss ate all of epoch 2 and a page of epoch 3."""
        old = without(segment(1, [1, 2, 3, 4, 5, 6, 7]), 5)
        second = segment(2, [3, 4, 5, 6, 7], epoch=2, parent=1, keeps=4, base=2)
        third = segment(3, [3, 4, 5, 6, 7], epoch=3, parent=2, keeps=7, base=2)
        assert found(old, second, third)[2:] == ["3:3", "3:4", "3:5", "3:6", "3:7"]
        holed = without(third, 6, number=3)
        assert found(old, second, holed)[2:] == ["3:3", "3:4", "3:5", "2:6", "3:7"]
        files = {"log-00000001.seg": old, "log-00000003.seg": holed}
        assert recover(Config(), Reader(files)).last == 5

    def test_files_of_other_names_are_left_alone(self) -> None:
        files = {"log-1.seg": b"x", "log-00000001.seg.bak": b"y", "lock": b"1\n", "notes": b""}
        assert recover(Config(), Reader(files)).last == 0

    def test_numbers_go_on_past_the_newest_file_whatever_it_holds(self) -> None:
        files = {"log-00000007.seg": b"", "log-100000000.seg": b"torn"}
        assert recover(Config(), Reader(files)).next_number == 100000001

    def test_what_is_cut_is_counted_once(self, drive: Any) -> None:
        holed = without(segment(1, [1, 2, 3, 4]), 2)
        size = len(encode_record(ACK, b"1:1", 1, 0))
        first = recover(Config(), Reader({"log-00000001.seg": holed}))
        assert (first.cut_records, first.cut_bytes) == (2, 3 * size)
        later = {"log-00000001.seg": holed, "log-00000002.seg": segment(2, [], epoch=2, parent=1, keeps=1)}
        second = recover(Config(), Reader(later))
        assert (second.cut_records, second.cut_bytes) == (0, 0)

    def test_a_file_without_header_is_cut_whole(self) -> None:
        data = segment(1, [1, 2])
        headless = bytes(HEADER_BYTES) + data[HEADER_BYTES:]
        got = recover(Config(), Reader({"log-00000001.seg": headless}))
        assert (got.last, got.cut_records, got.cut_bytes) == (0, 2, len(data))


SIZE = len(encode_record(ACK, b"1:1", 1, 0))


@pytest.mark.parametrize(
    ("segments", "last", "records", "size"),
    [
        pytest.param([without(segment(1, [1, 2, 3, 4, 5, 6]), 3)], 2, 3, 4, id="behind a hole"),
        pytest.param([without(segment(1, [1, 2, 3]), 2), segment(2, [4, 5])], 1, 3, 4, id="in a later segment too"),
        pytest.param([without(segment(1, [1, 2]), 2), segment(2, [3])], 1, 1, 2, id="one record"),
        pytest.param(
            [without(segment(1, [1, 2, 3, 4, 5]), 4), without(segment(2, [3, 4, 5]), 4, number=2)],
            3,
            2,
            4,
            id="both copies",
        ),
        pytest.param([without(segment(1, [1, 2, 3]), 3), segment(2, [3])], 3, 0, 0, id="the old copy of the last"),
        pytest.param(
            [
                segment(1, [1]),
                without(segment(2, [2, 3], epoch=2, parent=1, keeps=1), 2, number=2),
                segment(3, [4], epoch=2, parent=1, keeps=1),
            ],
            1,
            2,
            3,
            id="in two segments of an epoch",
        ),
        pytest.param(
            [segment(1, [1, 2, 3, 4, 5]), segment(2, [], epoch=3, parent=2, keeps=5, base=2)],
            2,
            3,
            3,
            id="what an epoch that is lost had written anew",
        ),
        pytest.param(
            [without(segment(1, [1, 2]), 2), segment(2, [], epoch=3, parent=2, keeps=2, base=1)],
            1,
            0,
            1,
            id="a hole where the next epoch begins",
        ),
        pytest.param(
            [without(segment(1, [1, 2, 3, 4, 5]), 4), segment(2, [4], epoch=2, parent=1, keeps=3)],
            4,
            0,
            0,
            id="behind where the next epoch has gone on",
        ),
    ],
)
def test_what_is_cut_is_counted(segments: list[bytes], last: int, records: int, size: int) -> None:
    got = recover(Config(), Reader({f"log-{number:08d}.seg": data for number, data in enumerate(segments, 1)}))
    assert (got.last, got.cut_records, got.cut_bytes) == (last, records, size * SIZE)


def with_state(data: bytes, lsn: int, start: int, *more: int, synced: int = 0) -> bytes:
    """The segment, with a STATE behind it that says where the log begins, and then more records."""
    payload = encode_state(queue_prefix("q/default/0"), State(floor=0, generation=0, forgotten=0, start=start), [])
    data += encode_record(STATE, payload, lsn, synced)
    return data + b"".join(encode_record(ACK, f"1:{each}".encode(), each, synced) for each in more)


@pytest.mark.parametrize(
    ("segments", "flushed", "lsns"),
    [
        pytest.param(
            [with_state(segment(1, [1, 2]), 3, 2)], 0, [1, 2, 3], id="not proved, and the log has a beginning"
        ),
        pytest.param([with_state(segment(1, [1, 2]), 3, 2, 4, synced=3)], 3, [2, 3, 4], id="proved"),
        pytest.param(
            [with_state(segment(1, [1, 2]), 3, 2, 4, synced=3)],
            2,
            [1, 2, 3, 4],
            id="proved, but the offset file is older, and all is still there",
        ),
        pytest.param(
            [with_state(segment(1, [2]), 3, 2, 4, synced=3)],
            2,
            [2, 3, 4],
            id="proved, the offset file is older, and the first record is gone",
        ),
        pytest.param([with_state(segment(1, [2]), 3, 2)], 0, [2, 3], id="not proved, and the first record is gone"),
        pytest.param(
            [with_state(with_state(segment(1, [3, 4]), 5, 3, 6, synced=5), 7, 6, synced=5)],
            5,
            [3, 4, 5, 6, 7],
            id="the latest that is proved",
        ),
        pytest.param(
            [
                with_state(segment(1, [1, 2]), 3, 2),
                segment(2, [3], epoch=2, parent=1, keeps=2) + encode_record(ACK, b"2:4", 4, 3),
            ],
            3,
            [1, 2, 3, 4],
            id="a later epoch has cut it off",
        ),
    ],
)
def test_the_log_begins_where_a_state_says_that_counts(segments: list[bytes], flushed: int, lsns: list[int]) -> None:
    files = {f"log-{number:08d}.seg": data for number, data in enumerate(segments, 1)}
    got = recover(Config(), Reader(files | {"offsets": encode_offsets({}, flushed)}))
    assert [lsn for lsn, *_ in got.records()] == lsns


def test_every_segment_is_listed_with_the_last_record_of_the_history_in_it() -> None:
    first, second, third = without(segment(1, [1, 2, 3]), 3), segment(2, [], epoch=2, parent=1, keeps=2), b"torn"
    files = {f"log-{number:08d}.seg": data for number, data in enumerate((first, second, third), 1)}
    got = recover(Config(), Reader(files))
    assert got.segments == tuple(
        (number, last, len(files[name]), name)
        for (number, last), name in zip([(1, 2), (2, 0), (3, 0)], files, strict=True)
    )
    assert (got.next_number, got.parent, got.count) == (4, 2, 2)


def test_without_any_segment_there_is_nothing() -> None:
    got = recover(Config(), Reader({}))
    assert (got.next_number, got.parent, got.proved, got.last, got.segments, got.count) == (1, 0, 0, 0, (), 0)


class TestReplay:
    """B41: whatever order and number of records the log holds, recovery takes it."""

    PREFIX = queue_prefix("q/default/0")

    def opened(self, drive: Any, *payloads: tuple[int, bytes]) -> Any:
        data = segment(1, [])
        for lsn, (kind, payload) in enumerate(payloads, 1):
            data += encode_record(kind, payload, lsn, len(payloads) if lsn == len(payloads) else 0)
        return drive({"log-00000001.seg": data})

    def checkpoint(self, *items: tuple[int, int], deadline: float = 50.0) -> tuple[int, bytes]:
        return CHECKPOINT, encode_checkpoint(self.PREFIX, deadline, 1, items)

    def ack(self, *items: tuple[int, int, int]) -> tuple[int, bytes]:
        return ACK, encode_ack(self.PREFIX, items)

    def test_an_ack_without_a_checkpoint(self, drive: Any) -> None:
        store = self.opened(drive, self.ack((2, 1, 1)), self.ack((0, 1, 1)))
        assert store.committed() == 1
        store.settle()
        assert [each.offset for each in store.pop(9)] == [1]

    def test_an_offset_file_from_before_a_reset_that_is_retired(self, drive: Any) -> None:
        """The RESET is below where the log begins, and only the generation of the STATE tells of it."""
        state = encode_state(self.PREFIX, State(floor=0, generation=1, forgotten=0, start=3), [])
        records = [self.ack((0, 1, 1)), (RESET, encode_reset(self.PREFIX, 0, 1)), (STATE, state)]
        data = segment(1, [])
        for lsn, (kind, payload) in enumerate([*records, self.checkpoint((0, 1))], 1):
            data += encode_record(kind, payload, lsn, 4 if lsn == 4 else 0)
        files = {"log-00000001.seg": data, "offsets": encode_offsets({"q/default/0": 3}, flushed=1)}
        assert drive(files).committed() == 0
        files["offsets"] = encode_offsets({"q/default/0": 3}, flushed=3)
        with pytest.raises(OffsetsAheadOfLog, match="at offset 3, but"):
            drive(files)

    def test_a_checkpoint_behind_the_ack(self, drive: Any) -> None:
        store = self.opened(
            drive,
            self.ack((1, 1, 1)),
            self.checkpoint((0, 1), (1, 1)),
            self.ack((0, 1, 1)),
            self.checkpoint((0, 2), (1, 2)),
        )
        assert store.committed() == 2
        assert store.settle().pop(9) == []

    def test_the_same_ack_twice(self, drive: Any) -> None:
        ack = self.ack((0, 1, 1))
        store = self.opened(drive, self.checkpoint((0, 1)), ack, ack, ack)
        assert store.committed() == 1
        assert store.rest().stats.unflushed_records == 0

    def test_the_latest_delivery_counts(self, drive: Any) -> None:
        store = self.opened(drive, self.checkpoint((0, 1)), self.checkpoint((0, 2), deadline=2000.0))
        first, second = (Receipt(QueueId("q"), 0, attempt, 1).text() for attempt in (1, 2))
        assert store.settle().reply(store.ack(first)) is Reply.EXPIRED
        op = store.ack(second)
        assert store.settle().reply(op) is Reply.OK


class TestDamage:
    def test_it_is_said_up_to_where_the_log_had_been_synced(self) -> None:
        data = without(segment(1, [1, 2, 3]), 2) + encode_record(ACK, b"1:4", 4, synced=3)
        with pytest.raises(LogDamaged) as caught:
            found(data)
        at = HEADER_BYTES + SIZE
        assert str(caught.value) == (
            f"record 2 is missing or changed at log-00000001.seg, byte {at}, but records up to 3 had been synced. "
            "Nothing was changed. Restore the directory from a copy, or move it away to begin with an empty store"
        )

    def test_offsets_ahead_of_where_the_log_ends(self) -> None:
        first = segment(1, [1, 2])
        files = {"log-00000001.seg": first, "log-00000002.seg": segment(2, [4]), "offsets": encode_offsets({}, 3)}
        with pytest.raises(OffsetsAheadOfLog) as caught:
            recover(Config(), Reader(files))
        assert str(caught.value).startswith(
            "offsets derives from records up to 3, but the log ends with record 2, at log-00000001.seg, "
            f"byte {len(first)} (its end). Nothing was changed."
        )

    def test_offsets_without_any_log(self) -> None:
        with pytest.raises(OffsetsAheadOfLog, match=r"ends with record 0, at no segment\. Nothing"):
            recover(Config(), Reader({"offsets": encode_offsets({}, 3)}))

    def test_below_what_a_later_record_proves(self) -> None:
        data = segment(1, [1, 2, 3]) + encode_record(ACK, b"1:4", 4, synced=3)
        at = data.index(b"1:2") - 32
        with pytest.raises(LogDamaged, match=rf"record 2 .*log-00000001.seg, byte {at}"):
            found(without(data, 2))

    def test_below_what_a_later_header_proves(self) -> None:
        with pytest.raises(LogDamaged, match="record 3"):
            found(segment(1, [1, 2, 3])[:-1], segment(2, [4], synced=3))

    def test_a_missing_segment(self) -> None:
        files = {"log-00000002.seg": segment(2, [3], synced=2)}
        with pytest.raises(LogDamaged, match="earlier segment is missing"):
            recover(Config(), Reader(files))

    def test_a_missing_end(self) -> None:
        files = {
            "log-00000001.seg": segment(1, [1, 2]),
            "log-00000003.seg": segment(3, [5], synced=4),
        }
        with pytest.raises(LogDamaged, match=r"log-00000001.seg, byte \d+ \(its end\)"):
            recover(Config(), Reader(files))

    def test_a_lost_header_that_matters(self) -> None:
        headless = bytes(HEADER_BYTES) + segment(1, [1, 2])[HEADER_BYTES:]
        with pytest.raises(LogDamaged, match=r"log-00000001.seg, byte 0"):
            found(headless, segment(2, [3], synced=2))

    def test_of_a_future_version(self) -> None:
        data = segment(1, [1])
        with pytest.raises(FutureFormat, match=r"log-00000001\.seg has format version 7"):
            found(data[:8] + b"\x07" + data[9:])
