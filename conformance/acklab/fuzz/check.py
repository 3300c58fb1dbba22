"""What recovery may do with a directory, whatever is in it; `Misread` when it does something else.

- It raises only what `ackstore.words.errors` names.
- It reads, and writes nothing; and a store that is opened on it writes only new files, by the names that a store gives.
- It skips nothing in silence: the history has no hole, what it holds is what the files hold, it reaches as far as any
  of them says that it was synced, and what is left out behind its end is counted.

What the files hold is found by a reader of its own (`stated_by`): it shares the format, and no code, with the store.

>>> from acklab.fuzz.mutate import seeds
>>> check(seeds()[0])
'recovered'
>>> check({"log-00000001.seg": b"nonsense"})
'recovered'
>>> check({"offsets": b"nonsense"})
'OffsetsDamaged'
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from zlib import crc32

from attrs import Factory, define

from acklab.fuzz.mutate import Files
from ackstore import Config, Core, LogError, recover
from ackstore.core.effects import DONE, Answer, Create, Durable, Rename, Reserve, Result, Sync, SyncDir, Unlink, Write
from ackstore.core.engine import Engine
from ackstore.core.sharded import Sharded
from ackstore.format.recovery import Recovered

OURS = re.compile(r"log(-\dof2)?-\d{8,}\.seg|offsets(-\dof2)?\.tmp", re.ASCII)
"""Files that a store may create."""

SEGMENT = re.compile(r"log(-\dof2)?-\d{8,}\.seg", re.ASCII)

OFFSETS = re.compile(r"offsets(-\dof2)?", re.ASCII)

ROUNDS = 60
"""Ticks of a tenth of a second that a store is given to come to rest."""

NOW = 2_000.0


class Misread(AssertionError):
    """Recovery did what it may not do."""


@define
class Stated:
    """What files say, to a reader that believes every checksum that is right."""

    records: dict[int, set[bytes]] = Factory(dict)
    """By LSN, the bytes of every whole record, in files whose header is whole."""
    synced: int = 0
    """The most that any of them says was synced."""


@define
class ReadOnly:
    """A directory that can be read, and counts nothing else."""

    files: Mapping[str, bytes]

    def names(self) -> list[str]:
        """Return every name."""
        return list(self.files)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return self.files[name]


def logs_of(files: Files) -> int:
    """Return of how many logs the directory is: two, if the name of any file says so."""
    return 2 if any("of2" in name for name in files) else 1


def files_of(files: Mapping[str, bytes], log: int, logs: int) -> Files:
    """Return the files of one of several logs."""
    part = f"-{log}of{logs}" if logs > 1 else ""
    segment = re.compile(rf"log{part}-\d{{8,}}\.seg", re.ASCII)
    return {name: data for name, data in files.items() if segment.fullmatch(name) or name == f"offsets{part}"}


def check(files: Files, recovery: Callable[[Config, ReadOnly, int], Recovered] = recover) -> str:
    """Recover a directory, open a store on it, and return how that went: "recovered", or the name of the error.

    Raises `Misread` when it went in a way that it may not go.
    """
    before = dict(files)
    logs = logs_of(files)
    config = Config(segment_bytes=300, compact_above=3600, offset_interval=0.05, logs=logs)
    recovered: list[Recovered] = []
    try:
        for log in range(1, logs + 1):
            recovered.append(recovery(config, ReadOnly(files), log))
            _check_history(recovered[-1], files_of(files, log, logs))
        store = _opened(config, recovered)
    except LogError as error:
        outcome = type(error).__name__
    except Misread:
        raise
    except Exception as error:  # whatever it is: it has no name
        raise Misread(f"recovery raised {type(error).__name__}: {error}") from error
    else:
        _check_opened(store, dict(files), recovered)
        outcome = "recovered"
    if files != before:
        raise Misread("recovery changed the directory")
    return outcome


def _opened(config: Config, recovered: list[Recovered]) -> Engine:
    """Return a store on what was recovered of each log."""
    if config.logs == 1:
        return Core(config, recovered[0], NOW)
    return Sharded(config, [Core(config.share(log), of, NOW) for log, of in enumerate(recovered, 1)], NOW)


def _check_history(recovered: Recovered, files: Files) -> None:
    stated = stated_by(files)
    lsns = []
    for lsn, _kind, _payload, whole in recovered.records():
        if whole not in stated.records.get(lsn, ()):
            raise Misread(f"the history has a record {lsn} that no file holds")
        lsns.append(lsn)
    if lsns and lsns != list(range(lsns[0], recovered.last + 1)):
        missing = sorted(set(range(lsns[0], recovered.last + 1)) - set(lsns))
        raise Misread(f"the history skips {missing or lsns}, and ends with {recovered.last}")
    if recovered.last < stated.synced:
        raise Misread(f"records up to {stated.synced} had been synced, and the history ends with {recovered.last}")
    beyond = [lsn for lsn in stated.records if lsn > recovered.last]
    fresh = _written_by_the_last(files)
    if any(lsn in fresh for lsn in beyond) and not recovered.cut_records:
        raise Misread(f"whole records {sorted(beyond)} lie beyond {recovered.last}, and nothing is said to be cut off")


def _written_by_the_last(files: Files) -> set[int]:
    """Return the LSNs in the segments of the newest epoch, which no later one has cut off."""
    epochs = {name: header[1] for name, data in files.items() if (header := header_of(name, data))}
    newest = max(epochs.values(), default=0)
    only = {name: files[name] for name, epoch in epochs.items() if epoch == newest}
    return set(stated_by(only).records)


def _check_opened(store: Engine, files: Files, recovered: list[Recovered]) -> None:
    """Let the store run on a disk that works, and look at what it writes; then recover it once more."""
    now = NOW
    old = {name for name in files if SEGMENT.fullmatch(name)}
    for _ in range(ROUNDS):
        store.tick(now)
        _perform(store, files, old, now)
        now += 0.1
    if store.stats().unflushed_records:
        raise Misread(f"{store.stats().unflushed_records} records are unflushed on a disk that works")
    for log, before in enumerate(recovered, 1):
        try:
            again = recover(Config(logs=len(recovered)), ReadOnly(files), log)
        except LogError as error:
            raise Misread(f"opened again, it is refused: {type(error).__name__}: {error}") from error
        if again.last < before.last:
            raise Misread(f"opened again, the history ends with {again.last}, and not with {before.last}")


def _perform(store: Engine, files: Files, old: set[str], now: float) -> None:
    """Do what the store asks for; `old` are the segments that it found."""
    pending = list(store.take_effects())
    while pending:
        for io, effect in pending:
            result: Result = DONE
            match effect:
                case Create(file):
                    if not OURS.fullmatch(file) or file in old:
                        raise Misread(f"creates {file!r}, which is there, or is no name for a file of a store")
                    files[file] = b""
                case Write(file, at, data):
                    if file in old or file not in files:
                        raise Misread(f"writes to {file!r}, which it did not create")
                    files[file] = files[file][:at].ljust(at, b"\0") + data
                case Rename(source, target):
                    if not OURS.fullmatch(source) or source != f"{target}.tmp":
                        raise Misread(f"renames {source!r} to {target!r}")
                    files[target] = files.pop(source)
                case Unlink(file):
                    if not OURS.fullmatch(file):
                        raise Misread(f"removes {file!r}")
                    del files[file]
                case Reserve(file):
                    files[file] = b""
                case Sync() | SyncDir():
                    pass
                case Answer() | Durable():
                    continue
            store.complete(io, result, now)
        pending = list(store.take_effects())


# --- a reader of its own --------------------------------------------------------------------------------------------


SIZES = {1: 72, 2: 136}
"""How long a header is, by version."""


def header_of(name: str, data: bytes) -> tuple[int, ...] | None:
    """Return number, epoch, parent, keeps, base, first and synced of a segment, and whatever steps it has; None where
    its header is not whole, or is of a version for steps and has none."""
    if not SEGMENT.fullmatch(name) or len(data) < 12 or data[:8] != b"ACKSTORE":
        return None
    size = SIZES.get(struct.unpack_from("<I", data, 8)[0], len(data) + 1)
    if len(data) < size or struct.unpack_from("<I", data, size - 4)[0] != crc32(data[: size - 4]):
        return None
    fields = struct.unpack_from(f"<{size // 8 - 2}Q", data, 12)
    return fields if size == SIZES[1] or any(fields[7:]) else None


def stated_by(files: Mapping[str, bytes]) -> Stated:
    """Read every file; of several records that cannot all be there, the first and what follows it counts."""
    stated = Stated()
    for name, data in files.items():
        if SEGMENT.fullmatch(name):
            _read_segment(name, data, stated)
        elif OFFSETS.fullmatch(name):
            _read_offsets(data, stated)
    return stated


def _read_offsets(data: bytes, stated: Stated) -> None:
    begins = len(data) >= 28 and data[:12] == b"ACKOFFST\x01\0\0\0"
    if begins and struct.unpack("<I", data[-4:])[0] == crc32(data[:-4]):
        stated.synced = max(stated.synced, struct.unpack_from("<Q", data, 12)[0])


def _read_segment(name: str, data: bytes, stated: Stated) -> None:
    header = header_of(name, data)
    if header is not None:
        stated.synced = max(stated.synced, header[6])
    least = header[5] if header else 0
    at = 8 * (len(header) + 2) if header else 0
    while (at := data.find(b"\xacREC", at)) >= 0 and at + 32 <= len(data):
        crc, _kind, length, lsn, synced = struct.unpack_from("<IB3xIQQ", data, at + 4)
        end = at + 32 + length
        if end <= len(data) and lsn >= least and crc == crc32(data[at + 8 : end]):
            stated.synced = max(stated.synced, synced)
            if header is not None:
                stated.records.setdefault(lsn, set()).add(data[at:end])
            least, at = lsn + 1, end
        else:
            at += 1
