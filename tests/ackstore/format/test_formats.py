"""The bytes of the files: what is no header, record or offset file, and in which words that is said."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import pytest
from attrs import evolve

from ackstore import Config, FutureFormat, LogDamaged, LogsDiffer, OffsetsDamaged, recover
from ackstore.core.queues import Queue
from ackstore.core.replay import MOST_FREE, replay
from ackstore.core.states import State, encode_state
from ackstore.format.filenames import check_logs, log_in
from ackstore.format.offsetfile import decode_offsets, encode_offsets
from ackstore.format.payloads import encode_ack, encode_checkpoint, queue_prefix, stated_start
from ackstore.format.records import (
    ACK,
    CHECKPOINT,
    HEADER_BYTES,
    MARK,
    MOST_STEPS,
    Header,
    decode_header,
    encode_record,
    scan,
)
from ackstore.words.identity import QueueId

HEADER = Header(number=3, epoch=2, parent=1, keeps=7, base=5, first=8, synced=6)
PREFIX = queue_prefix("q/default/0")


def checked(data: bytes) -> bytes:
    """The bytes, with the checksum that makes them believed."""
    return data + struct.pack("<I", crc32(data))


def changed(data: bytes, at: int, new: bytes) -> bytes:
    """The same with other bytes, and a checksum that agrees with them."""
    return checked(data[:at] + new + data[at + len(new) : -4])


FROM_THE_FUTURE = (
    "file has format version 7, and this release reads up to {}: open the store with the release that wrote it, "
    "or a later one"
)


class TestHeaders:
    def test_a_whole_one(self) -> None:
        data = HEADER.encode()
        assert len(data) == HEADER_BYTES
        assert decode_header("file", data) == decode_header("file", data + b"more") == HEADER

    @pytest.mark.parametrize("count", range(MOST_STEPS + 1))
    def test_one_with_steps(self, count: int) -> None:
        header = evolve(HEADER, steps=tuple((epoch, 10 + epoch) for epoch in range(1, count + 1)))
        data = header.encode()
        assert len(data) == header.size
        assert decode_header("file", data + b"more") == header
        assert decode_header("file", data[:-1]) is None

    @pytest.mark.parametrize("size", [0, 4, 8, 11, 12, HEADER_BYTES - 1])
    def test_one_that_is_not_all_there(self, size: int) -> None:
        assert decode_header("file", HEADER.encode()[:size]) is None

    @pytest.mark.parametrize(("at", "new"), [(0, b"B"), (7, b"\0"), (8, b"\0")])
    def test_one_of_something_else(self, at: int, new: bytes) -> None:
        """Its checksum is right; the last has the version 0, which no release writes."""
        assert decode_header("file", changed(HEADER.encode(), at, new)) is None

    @pytest.mark.parametrize("at", [*range(12, HEADER_BYTES)])
    def test_one_that_is_changed(self, at: int) -> None:
        data = bytearray(HEADER.encode())
        data[at] ^= 1
        assert decode_header("file", bytes(data)) is None

    @pytest.mark.parametrize("size", [12, 13, HEADER_BYTES])
    def test_one_of_a_later_version(self, size: int) -> None:
        with pytest.raises(FutureFormat) as caught:
            decode_header("file", changed(HEADER.encode(), 8, b"\7")[:size])
        assert str(caught.value) == FROM_THE_FUTURE.format(2)


class TestOffsets:
    DATA = encode_offsets({"q/default/0": 3, "r/default/0": 9}, flushed=40)

    @pytest.mark.parametrize("size", [12, 13, len(DATA)])
    def test_of_a_later_version(self, size: int) -> None:
        with pytest.raises(FutureFormat) as caught:
            decode_offsets("file", changed(self.DATA, 8, b"\7")[:size])
        assert str(caught.value) == FROM_THE_FUTURE.format(1)

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (DATA[:-1], "checksum wrong"),
            (b"", "checksum wrong"),
            (changed(DATA, 0, b"B"), "it does not begin as an offset file"),
            (changed(DATA, 8, b"\0"), "it does not begin as an offset file"),
            (changed(DATA, 20, b"\3"), "3 queues do not fit in it"),
            (changed(DATA, 26, b"\xff"), "2 queues do not fit in it"),
            (changed(DATA, 20, b"\1"), "it is more than 1 queues"),
        ],
    )
    def test_what_is_wrong_is_said(self, data: bytes, why: str) -> None:
        with pytest.raises(OffsetsDamaged) as caught:
            decode_offsets("file", data)
        assert str(caught.value) == (
            f"file is not what was written ({len(data)} bytes, {why}): restore it from a copy, or move it away and "
            "open the store again, which rebuilds it from the log"
        )


class TestScan:
    """A log of acks numbered from 8 on, and what is between them."""

    RECORDS = tuple(encode_record(ACK, encode_ack(PREFIX, [(n, 1, 1)]), n, n - 1) for n in range(8, 13))

    def test_the_first_damage_is_named_and_every_run_is_found(self) -> None:
        a, b, c, d, e = self.RECORDS
        found = scan("file", HEADER.encode() + a + bytes(len(b)) + c + d[:-1] + e)
        size = len(a)
        assert found.damaged_at == HEADER_BYTES + size
        runs = [(8, 8, HEADER_BYTES), (10, 10, HEADER_BYTES + 2 * size), (12, 12, HEADER_BYTES + 4 * size - 1)]
        assert [(run.first, run.last, run.at) for run in found.runs] == runs
        assert found.synced == 11

    def test_a_record_from_before_the_first_does_not_belong_there(self) -> None:
        old = encode_record(ACK, encode_ack(PREFIX, [(1, 1, 1)]), HEADER.first - 1, 0)
        found = scan("file", HEADER.encode() + old + self.RECORDS[0])
        assert found.damaged_at == HEADER_BYTES
        assert [(run.first, run.at) for run in found.runs] == [(8, HEADER_BYTES + len(old))]

    def test_a_header_states_what_was_synced_too(self) -> None:
        found = scan("file", HEADER.encode())
        assert (found.synced, found.runs, found.damaged_at, found.starts) == (6, (), None, ())

    def test_a_record_right_behind_what_looks_like_the_beginning_of_one(self) -> None:
        for before in (b"x", MARK, MARK[:1], MARK + b"x"):
            found = scan("file", HEADER.encode() + before + self.RECORDS[0])
            assert found.damaged_at == HEADER_BYTES
            assert [(run.first, run.at) for run in found.runs] == [(8, HEADER_BYTES + len(before))]

    def test_an_end_that_is_no_record(self) -> None:
        whole = HEADER.encode() + self.RECORDS[0]
        for left in (b"x", self.RECORDS[1][:10], self.RECORDS[1][:-1]):
            found = scan("file", whole + left)
            assert found.damaged_at == len(whole)
            assert [(run.first, run.last) for run in found.runs] == [(8, 8)]

    def test_without_a_header_any_number_is_the_first(self) -> None:
        record = encode_record(ACK, b"", 0, 0)
        found = scan("file", record + encode_record(ACK, b"", 1, 1))
        assert [(run.first, run.last, run.at) for run in found.runs] == [(0, 1, 0)]
        assert (found.synced, found.damaged_at) == (1, 0)


class TestStarts:
    STATE = encode_state(PREFIX, State(floor=5, generation=0, forgotten=0, start=77), [])

    def test_where_a_state_says_that_the_log_begins(self) -> None:
        for before in (b"", b"other"):
            data = before + self.STATE + b"more"
            assert stated_start(data, len(before), len(before) + len(self.STATE)) == 77

    @pytest.mark.parametrize("size", [*range(len(STATE))])
    def test_one_that_is_too_short_says_nothing_whatever_follows(self, size: int) -> None:
        assert stated_start(self.STATE + bytes([255]) * 40, 0, size) == 0
        assert stated_start(b"x" * 9 + self.STATE[:size], 9, 9 + size) == 0


class TestNames:
    @pytest.mark.parametrize(("name", "log"), [("log-2of4-00000017.seg", "log-2of4"), ("offsets-2of4", "")])
    def test_of_which_log_a_file_is(self, name: str, log: str) -> None:
        assert log_in(name) == log

    def test_files_of_several_stores(self) -> None:
        with pytest.raises(LogsDiffer) as caught:
            check_logs(["log-00000001.seg", "offsets-2of4", "log-3of3-00000001.seg"], 3)
        assert str(caught.value) == (
            "the directory holds files of stores with 1 log and with 3 logs and with 4 logs: leave those of one store, "
            "and move the others away. Nothing was changed"
        )


class TestReplay:
    """Records whose checksum is right, and which no store of this release has written."""

    def replayed(self, *records: tuple[int, bytes]) -> Any:
        data = Header(1, 1, 0, 0, 0, 1, 0).encode()
        for lsn, (kind, payload) in enumerate(records, 1):
            data += encode_record(kind, payload, lsn, 0)
        recovered = recover(Config(), Directory(data))
        return replay(recovered, lambda queue: Queue(queue, commits_checkpoints=False))

    def test_a_kind_that_is_not_known(self) -> None:
        with pytest.raises(FutureFormat) as caught:
            self.replayed((ACK, encode_ack(PREFIX, [])), (9, PREFIX))
        assert str(caught.value) == (
            "record 2 is of kind 9, which this release does not know: open the store with the release that wrote it, "
            "or a later one"
        )

    @pytest.mark.parametrize("payload", [PREFIX + b"x", b"", b"\xff\xff", queue_prefix("no queue")])
    def test_one_that_reads_like_nothing(self, payload: bytes) -> None:
        with pytest.raises(LogDamaged) as caught:
            self.replayed((ACK, payload))
        said = str(caught.value)
        assert said.startswith(f"record 1 is whole, but no record of kind {ACK} reads like that (")
        assert said.endswith(
            "): it was not written by this store. Nothing was changed. Restore the directory from a copy"
        )

    @pytest.mark.parametrize("free", [MOST_FREE + 1, 2**63])
    def test_a_number_that_is_not_to_be_believed(self, free: int) -> None:
        with pytest.raises(LogDamaged) as caught:
            self.replayed((CHECKPOINT, encode_checkpoint(PREFIX, 9.0, 1, [(free, 1)])))
        assert str(caught.value) == (
            f"the records of queue q/default/0 leave out {free} messages below {free + 1}, more than any store does: "
            "they were not written by this store. Nothing was changed. Restore the directory from a copy"
        )

    def test_nobody_s_messages_below_those_in_hand_are_free(self) -> None:
        queues, rewrites = self.replayed((CHECKPOINT, encode_checkpoint(PREFIX, 9.0, 1, [(3, 1), (1, 1)])))
        [queue] = queues.values()
        assert (queue.id, queue.free, queue.next_new, [*queue.entries]) == (QueueId("q"), [0, 2], 4, [3, 1])
        assert [record.lsn for record in rewrites] == [1]


class Directory:
    """One segment."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def names(self) -> list[str]:
        return ["log-00000001.seg"]

    def read(self, _name: str) -> bytes:
        return self.data
