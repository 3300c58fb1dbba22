"""One bit that flips, anywhere in the files of a store that was closed: refused by name, or it changes nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ackstore import Config, LogError, Store
from ackstore.core.core import Core
from ackstore.format.recovery import recover


class Files:
    """Recovery's view of these files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def names(self) -> list[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        return self.files[name]


def closed_store(path: Path, config: Config) -> dict[str, bytes]:
    """The files of a store with a record of every kind that was closed, and opened and closed again."""
    now = [1000.0]
    for life in range(2):
        with Store(path, config, clock=lambda: now[0]) as store:
            for queue in ("a/g/0", "b/g/1"):
                store.publish(queue, 9)
                receipts = [each.receipt for each in store.pop(queue, 4, 30.0)]
                store.ack(receipts[0])
                store.ack_many(receipts[1:3])
                store.renew(receipts[3], 60.0)
                store.flush()
            now[0] += 100.0
            store.pop("a/g/0", 1, 30.0)
            if life:
                store.reset("b/g/1", 2)
            store.flush()
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != "lock"}


def state_of(files: Mapping[str, bytes], config: Config) -> object:
    """All that a client could tell of a store with these files."""
    core = Core(config, recover(config, Files(files)), now=2000.0)
    return core.recovery, [
        (
            token,
            (queue.end, queue.next_new, queue.floor, queue.committed, queue.generation, queue.forgotten),
            dict(queue.dead),
            [(each.offset, each.attempt, each.epoch, each.deadline, each.settled) for each in queue.entries.values()],
        )
        for token, queue in sorted(core.queues.items())
    ]


@pytest.mark.parametrize("merge", [False, True])
def test_a_flipped_bit_is_refused_by_name_or_changes_nothing(tmp_path: Path, merge: bool) -> None:
    config = Config(segment_bytes=400, max_attempts=2, merge=merge)
    files = closed_store(tmp_path, config)
    whole = state_of(files, config)
    refused = 0
    for name, data in files.items():
        for at in range(len(data)):
            for bit in (at % 8, (at + 5) % 8):
                flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
                try:
                    found = state_of({**files, name: flipped}, config)
                except LogError:
                    refused += 1
                else:
                    assert found == whole, f"bit {bit} of byte {at} of {name}"
    assert refused > 1000
