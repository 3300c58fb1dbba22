"""What the files of a store are called, and what their names say of it.

A store with one log has plain names. With several logs, each file says which log it belongs to, and of how many: so
that a directory opened with another number is recognised by any one of its files.

>>> PLAIN.segment(1), PLAIN.offsets, PLAIN.offsets_tmp
('log-00000001.seg', 'offsets', 'offsets.tmp')
>>> second = FileNames(2, 4)
>>> second.segment(1), second.offsets, second.offsets_tmp
('log-2of4-00000001.seg', 'offsets-2of4', 'offsets-2of4.tmp')
>>> second.number_of("log-2of4-00000017.seg"), second.number_of("log-3of4-00000017.seg")
(17, None)
>>> check_logs(["lock", "log-2of4-00000001.seg"], 1)
Traceback (most recent call last):
    ...
ackstore.words.errors.LogsDiffer: the directory holds a store with 4 logs, not 1: open it with Config(logs=4). \
Nothing was changed
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from ackstore.words.errors import LogsDiffer

_SEGMENT = re.compile(r"log-(?:(\d+)of(\d+)-)?(\d{8,})\.seg", re.ASCII)
_OFFSETS = re.compile(r"offsets(?:-(\d+)of(\d+))?", re.ASCII)


@frozen
class FileNames:
    """The names of the files of log `log`, numbered from 1, of `logs`."""

    log: int = 1
    logs: int = 1

    @property
    def part(self) -> str:
        """Which log of how many, as in the names; empty for the only one."""
        return f"-{self.log}of{self.logs}" if self.logs > 1 else ""

    def segment(self, number: int) -> str:
        """Return the file that holds segment `number`."""
        return f"log{self.part}-{number:08d}.seg"

    @property
    def offsets(self) -> str:
        """The offset file."""
        return f"offsets{self.part}"

    @property
    def offsets_tmp(self) -> str:
        """Its replacement on the way."""
        return f"offsets{self.part}.tmp"

    @property
    def reserve(self) -> str:
        """The file that keeps room on the disk."""
        return f"reserve{self.part}"

    def number_of(self, name: str) -> int | None:
        """Return which segment of this log a file holds; None if it is none of them."""
        match = _SEGMENT.fullmatch(name)
        return int(match[3]) if match and _part(match) == (self.log, self.logs) else None


PLAIN = FileNames()


def names_of(name: str) -> FileNames | None:
    """Return how the files of the log are called of which this is a segment or the offset file; None for any other.

    >>> names_of("offsets-2of4"), names_of("log-00000017.seg"), names_of("reserve")
    (FileNames(log=2, logs=4), FileNames(log=1, logs=1), None)
    """
    match = _SEGMENT.fullmatch(name) or _OFFSETS.fullmatch(name)
    return FileNames(*_part(match)) if match else None


def log_in(name: str) -> str:
    """Return the log that a file of a store is a segment of, in the words of its name; empty if it is none.

    >>> log_in("log-2of4-00000017.seg"), log_in("log-00000017.seg"), log_in("offsets.tmp")
    ('log-2of4', 'log', '')
    """
    return name.rpartition("-")[0] if name.startswith("log") else ""


def check_logs(names: Iterable[str], logs: int) -> None:
    """Raise `LogsDiffer` if these files are not those of a store with this many logs, or of none yet."""
    matches = [_SEGMENT.fullmatch(name) or _OFFSETS.fullmatch(name) for name in names]
    found = sorted({_part(match)[1] for match in matches if match} - {logs})
    if len(found) == 1 and not any(match and _part(match)[1] == logs for match in matches):
        raise LogsDiffer(
            f"the directory holds a store with {_count(found[0])}, not {logs}: open it with Config(logs={found[0]}). "
            "Nothing was changed"
        )
    if found:
        all_counts = sorted({_part(match)[1] for match in matches if match})
        raise LogsDiffer(
            f"the directory holds files of stores with {' and with '.join(map(_count, all_counts))}: leave those of "
            "one store, and move the others away. Nothing was changed"
        )


def _count(logs: int) -> str:
    return "1 log" if logs == 1 else f"{logs} logs"


def _part(match: re.Match[str]) -> tuple[int, int]:
    """Return which log of how many a name says."""
    return (int(match[1]), int(match[2])) if match[1] else (1, 1)
