"""What an epoch kept of those before it stays history, though power loss eats all that the epoch wrote.

An open that never gets to sync leaves nothing on the disk but, perhaps, a header of the next open. What it had found
lies on the disk all the same, and may have been told to be durable: so each header says what those before it kept.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackstore.core.effects import Create, SyncDir, Write
from ackstore.format.records import ACK, HEADER_BYTES, MOST_STEPS, Header, Step, decode_header, encode_record, scan
from ackstore.format.recovery import _steps, recover
from ackstore.words.config import Config
from ackstore.words.replies import Stage

U64 = st.integers(0, 2**64 - 1)
FIELDS = ("number", "epoch", "parent", "keeps", "base", "first", "synced")
STEPS = st.lists(st.tuples(st.integers(1, 2**64 - 1), U64), max_size=MOST_STEPS).map(tuple)


class Names:
    """Files, as recovery reads them."""

    def __init__(self, files: dict[int, bytes]) -> None:
        self.files = {f"log-{number:08d}.seg": data for number, data in files.items()}

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name]


def segment(header: Header, *lsns: int) -> bytes:
    """A segment whose records say which file they are in."""
    return header.encode() + b"".join(encode_record(ACK, b"%d" % header.number, lsn, 0) for lsn in lsns)


def header(number: int, parent: int, *, keeps: int, base: int = 0, steps: Any = ()) -> Header:
    return Header(number, number, parent, keeps, base, base + 1, 0, steps)


FIRST = segment(header(1, 0, keeps=0), 1, 2, 3)


class TestHeaders:
    @given(st.fixed_dictionaries(dict.fromkeys(FIELDS, U64)), STEPS)
    def test_they_are_read_as_they_were_written(self, fields: dict[str, int], steps: Any) -> None:
        one = Header(**fields, steps=steps)
        data = one.encode()
        assert decode_header("x", data + b"more") == one
        assert (len(data), data[8]) == ((HEADER_BYTES, 1) if not steps else (HEADER_BYTES + 16 * MOST_STEPS, 2))
        assert decode_header("x", data[:-1]) is None
        assert scan("x", data + encode_record(ACK, b"", one.first, 0)).damaged_at is None

    def test_one_for_steps_that_has_none_is_torn(self) -> None:
        data = header(1, 0, keeps=1, steps=((1, 1),)).encode()
        empty = data[: HEADER_BYTES - 4] + bytes(16 * MOST_STEPS)
        assert decode_header("x", empty + crc32(empty).to_bytes(4, "little")) is None

    def test_which_limit_holds_for_whom(self) -> None:
        one = header(9, 8, keeps=100, base=10, steps=((3, 20), (5, 30)))
        assert [one.limit_of(epoch, parent_is_there=True) for epoch in (1, 5, 8)] == [100] * 3
        assert [one.limit_of(epoch, parent_is_there=False) for epoch in (1, 2, 3, 4, 5, 7)] == [10, 10, 20, 20, 30, 30]
        assert one.limit_of(8, parent_is_there=False) == 10, "this open has not seen it"


class TestHistory:
    def test_it_is_there_without_the_epoch_that_kept_it(self) -> None:
        third = header(3, 2, keeps=3, steps=((1, 3),)).encode()
        assert recover(Config(), Names({1: FIRST, 2: b"", 3: third})).last == 3
        assert recover(Config(), Names({1: FIRST, 3: third})).last == 3

    def test_without_a_step_only_what_is_proved_is(self) -> None:
        third = header(3, 2, keeps=3, base=1).encode()
        assert recover(Config(), Names({1: FIRST, 3: third})).last == 1

    def test_what_a_lost_epoch_had_cut_off_stays_so(self) -> None:
        second = segment(header(2, 1, keeps=2), 1, 2, 3, 4)
        seen = recover(Config(), Names({1: FIRST, 2: second}))
        assert (seen.last, seen.parent, seen.steps) == (4, 2, ((1, 2),))
        third = header(3, 2, keeps=seen.last, steps=seen.steps).encode()
        assert recover(Config(), Names({1: FIRST, 3: third})).last == 2

    def test_several_lost_epochs(self) -> None:
        files = {1: FIRST, 2: segment(header(2, 1, keeps=2), 3), 3: segment(header(3, 2, keeps=3, steps=((1, 2),)), 4)}
        seen = recover(Config(), Names(files))
        assert (seen.last, seen.steps) == (4, ((1, 2), (2, 3)))
        fourth = header(4, 3, keeps=seen.last, steps=seen.steps).encode()
        assert recover(Config(), Names({1: FIRST, 4: fourth})).last == 2
        assert recover(Config(), Names({1: FIRST, 2: files[2], 4: fourth})).last == 3
        assert recover(Config(), Names({**files, 4: fourth})).last == 4

    def test_there_are_no_steps_once_all_is_proved(self) -> None:
        second = header(2, 1, keeps=3).encode() + encode_record(ACK, b"", 4, 3)
        assert recover(Config(), Names({1: FIRST, 2: second})).steps == ()

    def test_more_steps_than_there_is_room_for(self) -> None:
        """The first one holds for those that have none of their own: less than they kept, and nothing wrong."""
        files = {1: segment(header(1, 0, keeps=0), 1)}
        for number in range(2, MOST_STEPS + 5):
            steps = recover(Config(), Names(files)).steps
            files[number] = segment(header(number, number - 1, keeps=number - 1, steps=steps), number)
        seen = recover(Config(), Names(files))
        assert seen.last == MOST_STEPS + 4
        assert len(seen.steps) == MOST_STEPS
        assert seen.steps[0] == (1, 1)
        assert seen.steps[1:] == tuple((epoch, epoch) for epoch in range(5, MOST_STEPS + 4))


@pytest.mark.parametrize("lost", [1, 2])
def test_what_was_durable_is_there_after_opens_that_were_lost(drive: Any, lost: int) -> None:
    store = drive().settle()
    store.publish(1)
    (delivery,) = store.pop(1)
    store.ack(delivery.receipt)
    store.flush()
    store.settle()
    assert store.durable
    store = store.power_loss()
    for _ in range(lost):
        store.finish(Create)
        store.finish(Write)
        store = store.process_crash()
    store.finish(Create)
    store.finish(Write)
    store.finish(SyncDir)
    left = dict(store.files.cached)
    names = sorted(name for name in left if name.startswith("log-"))
    _first, *gone, newest = names
    assert len(gone) == lost
    left |= dict.fromkeys(gone, b"") | {newest: left[newest][: store.core.log.header_bytes]}
    again = drive({name: data for name, data in left.items() if name in names})
    assert again.core.stage(delivery.receipt) is Stage.SUSPECT
    again.settle()
    assert again.core.stage(delivery.receipt) is Stage.FLUSHED


@pytest.mark.parametrize(
    ("limits", "steps"),
    [
        ({1: 5, 2: 5, 3: 9}, [(1, 5)]),
        ({1: 2, 2: 5, 3: 9}, [(2, 5)]),
        ({1: 4, 2: 3, 3: 6, 4: 9}, [(1, 4), (3, 6)]),
        ({1: 8, 2: 9}, [(1, 7)]),
        ({1: 3}, []),
    ],
)
def test_there_is_a_step_only_where_more_is_history(limits: dict[int, int], steps: list[Step]) -> None:
    """Of records up to 7, of which 2 are proved; the last epoch is the parent, which says it itself."""
    assert _steps(limits, 2, 7) == tuple(steps)
