"""Directories to recover: real ones, and what a string of bytes makes of them.

The bytes choose a real directory and then changes to it: of any byte, of where a file ends, of whole records and files,
and of single fields, with the checksum made right again, so that what lies behind the checksum is reached too.

>>> directory_from(b"") == seeds()[0]
True
>>> directory_from(bytes(range(1, 40))) == directory_from(bytes(range(1, 40)))
True
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping
from random import Random
from zlib import crc32

from attrs import define, evolve

from ackcheck.sim.devices import QUEUES, SHORT
from ackcheck.sim.simulation import Simulation
from acklab.reference.stepped import STEPPED, Reference
from ackmodel import Level
from ackstore.format.records import LEAD_BYTES, MARK, RECORD_BYTES, size_of_header
from ackstore.words.config import Config

Files = dict[str, bytes]

PLAIN = 6
"""Real directories to begin with, of stores with one log and nothing else."""

KEEPING = evolve(STEPPED, compact_above=None)
MERGING = evolve(KEEPING, merge=True, merge_stay=0.3, merge_messages=5)

SPECIAL: tuple[tuple[Level, Config], ...] = (
    (Level.PAGE_CACHE, evolve(KEEPING, max_attempts=2)),
    (Level.MEMORY, MERGING),
    (Level.PAGE_CACHE, evolve(STEPPED, compact_above=1)),
    (Level.PAGE_CACHE, evolve(KEEPING, logs=2)),
    (Level.MEMORY, evolve(MERGING, logs=2, max_attempts=2, compact_above=2)),
)
"""And of others: with dead letters, a merge buffer, compaction, two logs, and most of that at once."""

SEEDS = PLAIN + len(SPECIAL)

LIVES = 40
"""Steps that each of them has behind it."""

CHURN = 48
"""Renewals after which a log has something to compact."""

MOST_CHANGES = 6

U32, U64 = struct.Struct("<I"), struct.Struct("<Q")

RECORD_FIELDS = ((8, 1), (12, 4), (16, 8), (24, 8))
"""Kind, length, LSN and synced: where each begins in a record, and its bytes."""


@functools.cache
def seeds() -> tuple[Files, ...]:
    """Return directories that the reference store has left, after some faults each."""
    plain = [_left_by(seed, Level.PAGE_CACHE, STEPPED) for seed in range(PLAIN)]
    return (*plain, *(_left_by(PLAIN + number, *special) for number, special in enumerate(SPECIAL)))


def _left_by(seed: int, level: Level, config: Config) -> Files:
    """Return what a short life leaves, that ends with a process crash."""
    random = Random(seed)
    run = Simulation(lambda: Reference(config), (level,))
    steps: dict[Callable[[], None], int] = {
        lambda: run.pop(count=2, queue=random.randint(0, 1)): 6,
        lambda: run.ack(which=random.randrange(8)): 8,
        lambda: run.ack_many(which=random.randrange(8), count=2): 3,
        lambda: run.renew(which=random.randrange(8)): 2,
        lambda: run.release(which=random.randrange(8)): 1,
        run.flush: 2,
        run.finish_writes: 8,
        run.finish_all: 8,
        lambda: run.wait(seconds=0.2): 4,
        lambda: run.fail_sync(which=0): 1,
        lambda: run.crash(fate=0): 1,
        lambda: run.reset(queue=0, offset=random.randrange(4)) if seed % 3 == 2 else None: 1,
    }
    if seed >= PLAIN:
        _grow_old(run, config)
    for _ in range(LIVES * (1 + 3 * (seed % 2))):
        [take] = random.choices(list(steps), list(steps.values()))
        take()
    run.finish_writes()
    return {name: run.disk.read(name) for name in run.disk.names()}


def _grow_old(run: Simulation, config: Config) -> None:
    """Let deadlines pass and renew, until there are dead letters and something to compact, where the store has them."""
    for queue in range(len(QUEUES)):
        run.publish(queue=queue, count=2)
        for _ in range(3):
            run.pop(count=2, queue=queue, invisible=SHORT)
            run.finish_all()
            run.wait(seconds=SHORT)
            run.finish_all()
        run.publish(queue=queue, count=1)
        run.pop(count=1, queue=queue)
        run.finish_all()
        for _ in range(CHURN if config.compact_above else 2):
            run.renew(which=-1)
            run.finish_all()
    for _ in range(12):
        run.wait(seconds=0.15)
        run.finish_all()


@define
class Choices:
    """Numbers from a string of bytes; zeros when it has ended."""

    data: bytes
    at: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.data)

    def number(self, size: int) -> int:
        """Return the next `size` bytes as a number."""
        chunk = self.data[self.at : self.at + size]
        self.at += size
        return int.from_bytes(chunk, "little")

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return self.number(2) % limit if limit > 0 else 0


def directory_from(data: bytes) -> Files:
    """Return the directory that these bytes stand for."""
    choices = Choices(data)
    files = dict(seeds()[choices.number(1) % SEEDS])
    for _ in range(MOST_CHANGES):
        if choices.ended or not files:
            break
        name = sorted(files)[choices.number(1) % len(files)]
        change = CHANGES[choices.number(1) % len(CHANGES)]
        change(files, name, choices)
    return files


def header_size(data: bytes) -> int:
    """Return how long the header of a segment is, as its version says."""
    return size_of_header(((1, 1),) if data[8:12] == U32.pack(2) else ())


def records_in(data: bytes) -> list[tuple[int, int]]:
    """Return where each record of a file begins and ends, as their lengths say."""
    found = []
    at = header_size(data)
    while data[at : at + len(MARK)] == MARK and at + RECORD_BYTES <= len(data):
        end = at + RECORD_BYTES + U32.unpack_from(data, at + 12)[0]
        if end > len(data):
            break
        found.append((at, end))
        at = end
    return found


def signed(record: bytes) -> bytes:
    """Return the record with the checksum that its bytes have."""
    return record[:4] + U32.pack(crc32(record[LEAD_BYTES:])) + record[LEAD_BYTES:]


def _near(old: int, size: int, choices: Choices) -> bytes:
    """Return another value of a field: near the old one, a limit, or anything."""
    limit = 1 << 8 * size
    how = choices.number(1) % 8
    value = (old + 1, old - 1, 0, limit - 1, old * 2, old + choices.number(1), old // 2, choices.number(size))[how]
    return (value % limit).to_bytes(size, "little")


# --- changes: each to one file of the directory ---------------------------------------------------------------------


def _put_bytes(files: Files, name: str, choices: Choices) -> None:
    data = files[name]
    at = choices.below(len(data) + 1)
    size = 1 + choices.number(1) % 8
    new = bytes(choices.number(1) for _ in range(size))
    files[name] = data[:at] + new + data[at + size :]


def _cut_off(files: Files, name: str, choices: Choices) -> None:
    files[name] = files[name][: choices.below(len(files[name]) + 1)]


def _eat_a_page(files: Files, name: str, choices: Choices) -> None:
    data = files[name]
    at, size = choices.below(len(data) + 1), 1 + choices.number(1)
    hole = bytes(min(size, len(data) - at))
    files[name] = data[:at] + hole + data[at + len(hole) :]


def _remove_file(files: Files, name: str, _choices: Choices) -> None:
    del files[name]


def _copy_file(files: Files, name: str, choices: Choices) -> None:
    other = sorted(files)[choices.number(1) % len(files)]
    files[other] = files[name]


def _new_file(files: Files, name: str, choices: Choices) -> None:
    number = choices.number(1) % 12
    other = sorted(files)[choices.number(1) % len(files)]
    part = "-1of2" if "1of2" in other else "-2of2" if "2of2" in other else ""
    names = (f"log{part}-{number:08d}.seg", f"offsets{part}", f"offsets{part}.tmp", f"log{part}-99999999.seg", "other")
    files[names[choices.number(1) % 5]] = files[name]


def _change_field(files: Files, name: str, choices: Choices) -> None:
    """Another kind, length, LSN or `synced` in one record, with its checksum made right."""
    data = files[name]
    if places := records_in(data):
        start, end = places[choices.number(1) % len(places)]
        at, size = RECORD_FIELDS[choices.number(1) % len(RECORD_FIELDS)]
        record = data[start:end]
        new = _near(int.from_bytes(record[at : at + size], "little"), size, choices)
        files[name] = data[:start] + signed(record[:at] + new + record[at + size :]) + data[end:]


def _change_payload(files: Files, name: str, choices: Choices) -> None:
    data = files[name]
    if places := records_in(data):
        start, end = places[choices.number(1) % len(places)]
        record = bytearray(data[start:end])
        for _ in range(1 + choices.number(1) % 4):
            if len(record) > RECORD_BYTES:
                record[RECORD_BYTES + choices.below(len(record) - RECORD_BYTES)] = choices.number(1)
        files[name] = data[:start] + signed(bytes(record)) + data[end:]


def _change_header(files: Files, name: str, choices: Choices) -> None:
    data = files[name]
    size = header_size(data)
    if len(data) >= size:
        fields = range(12, size - 4, 8)
        at = fields[choices.number(1) % len(fields)]
        new = _near(U64.unpack_from(data, at)[0], 8, choices)
        head = data[:at] + new + data[at + 8 : size - 4]
        files[name] = head + U32.pack(crc32(head)) + data[size:]


def _change_offsets(files: Files, _name: str, choices: Choices) -> None:
    name = sorted(files)[choices.number(1) % len(files)]
    if not name.startswith("offsets"):
        name = next((one for one in sorted(files) if one.startswith("offsets")), "offsets")
    data = files.get(name, b"")
    if len(data) > 28:
        at, size = ((12, 8), (20, 4), (len(data) - 12, 8))[choices.number(1) % 3]
        content = (
            data[:at] + _near(int.from_bytes(data[at : at + size], "little"), size, choices) + data[at + size : -4]
        )
        files[name] = content + U32.pack(crc32(content))


def _drop_record(files: Files, name: str, choices: Choices) -> None:
    data = files[name]
    if places := records_in(data):
        start, end = places[choices.number(1) % len(places)]
        files[name] = data[:start] + data[end:]


def _copy_record(files: Files, name: str, choices: Choices) -> None:
    """Return a record once more, at another place or in another file."""
    data = files[name]
    if places := records_in(data):
        start, end = places[choices.number(1) % len(places)]
        other = sorted(files)[choices.number(1) % len(files)]
        there = records_in(files[other])
        at = there[choices.number(1) % len(there)][0] if there else len(files[other])
        files[other] = files[other][:at] + data[start:end] + files[other][at:]


Change = Callable[[Files, str, Choices], None]

CHANGES: tuple[Change, ...] = (
    _put_bytes,
    _cut_off,
    _eat_a_page,
    _remove_file,
    _copy_file,
    _new_file,
    _change_field,
    _change_payload,
    _change_header,
    _change_offsets,
    _drop_record,
    _copy_record,
)


def described(files: Mapping[str, bytes]) -> str:
    """Return a directory in a few words."""
    return ", ".join(f"{name} ({len(data)} bytes)" for name, data in sorted(files.items()))
