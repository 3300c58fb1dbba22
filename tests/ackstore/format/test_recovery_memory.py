"""Recovery takes the memory of one segment, and of what it finds outstanding, however long the log is."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pytest

from ackstore import Config, Core, recover
from ackstore.format.payloads import encode_ack, encode_checkpoint, queue_prefix
from ackstore.format.records import ACK, CHECKPOINT, Header, encode_record
from ackstore.runtime.files import FileReader

SEGMENT = 256 << 10
"""Bytes of each, about."""
BATCH = 64
PREFIX = queue_prefix("q/default/0")


def write_log(path: Path, segments: int) -> int:
    """A log of this many segments, all proved but for the last record: every message of it was handed out and settled.
    Returns how many records it has."""
    lsn = offset = 0
    for number in range(1, segments + 1):
        data = Header(number, 1, 0, 0, 0, lsn + 1, lsn).encode()
        while len(data) < SEGMENT:
            messages = [(each, 1) for each in range(offset, offset + BATCH)]
            for kind, payload in (
                (CHECKPOINT, encode_checkpoint(PREFIX, 9.0, 1, messages)),
                (ACK, encode_ack(PREFIX, [(*each, 1) for each in messages])),
            ):
                lsn += 1
                data += encode_record(kind, payload, lsn, lsn - 1)
            offset += BATCH
        (path / f"log-{number:08d}.seg").write_bytes(data)
    return lsn


def peak_of(path: Path, segments: int) -> int:
    """Bytes at once, at most, while a store with this many segments is opened."""
    path.mkdir()
    records = write_log(path, segments)
    tracemalloc.start()
    try:
        core = Core(Config(), recover(Config(), FileReader(path)), now=0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert core.recovery.records == records
        assert [len(queue.entries) for queue in core.queues.values()] == [BATCH]  # the one ack that is not proved


def test_it_does_not_grow_with_the_log(tmp_path: Path) -> None:
    short, long = peak_of(tmp_path / "short", 4), peak_of(tmp_path / "long", 16)
    assert short < 2 * SEGMENT
    assert long < short + 12 * 4096  # what is known of each segment, but not its bytes


class Jealous(FileReader):
    """Notes how many bytes of its files others hold at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.given: list[bytes] = []
        self.most = self.reads = 0

    def read(self, name: str) -> bytes:
        # Two hold what nobody else does: the list, and the call.
        held = sum(len(self.given[at]) for at in range(len(self.given)) if sys.getrefcount(self.given[at]) > 2)
        data = super().read(name)
        self.given = [data]
        self.reads += 1
        self.most = max(self.most, held + len(data))
        return data


@pytest.mark.parametrize("logs", [1, 2])
def test_no_more_than_one_segment_is_held_at_a_time(tmp_path: Path, logs: int) -> None:
    write_log(tmp_path, 6)
    if logs == 2:
        for file in sorted(tmp_path.glob("log-*")):
            file.rename(tmp_path / file.name.replace("log-", "log-1of2-"))
    reader = Jealous(tmp_path)
    config = Config(logs=logs)
    recovered = recover(config, reader, 1)
    Core(config.share(1), recovered, now=0.0)
    assert reader.reads == 12  # each is read twice
    assert reader.most < SEGMENT + 4096
