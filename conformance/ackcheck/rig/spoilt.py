"""Damage to a directory that nobody has open: a bit is flipped, a sector is zeros, a file is gone, or is an old one.

Only what a store could see is done. A directory that is as it once was, after an earlier close or when it was empty,
says nothing of that; and a file that is replaced as a whole is as old as a crash before that would have left it.

>>> now, older = {"log": b"record more", "seal": b"11"}, {"log": b"record", "seal": b"6"}
>>> damage(now, older, {"seal"}, "stale", Random(1))
Damage(kind='stale', file='log', data=b'record')
>>> damage({"log": b"record more"}, {"log": b"record"}, (), "stale", Random(1)) is None     # as it once was
True
>>> damage({"log": b"record"}, {"log": b"record"}, (), "lost", Random(1)) is None           # and empty
True
>>> once = {state_of({"a": b"1"})}      # so it was at the first close, before there was a second file
>>> damage({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"}, {"a"}, "lost", Random(1), once) is None
True
>>> damage({"log": b"record"}, {}, (), "sector", Random(1)).data
b'\\x00\\x00\\x00\\x00\\x00\\x00'
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias, get_args

from attrs import Factory, evolve, frozen

Kind = Literal["bit", "sector", "lost", "stale"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

State: TypeAlias = frozenset[tuple[str, bytes]]
"""What tells one directory from another: the names of its files, each with a digest of what it holds."""

SECTOR: Final = 512

MOST: Final = 64 << 20
"""Bytes of a directory that are read; of a larger one nothing is damaged."""

IN_WORDS: Final[Mapping[Kind, str]] = {
    "bit": "one bit is flipped",
    "sector": "a sector is zeros",
    "lost": "the file is gone",
    "stale": "the file is as it was at an earlier close",
}


@frozen
class Damage:
    """What a file is made to hold; None: it is gone."""

    kind: Kind
    file: str
    data: bytes | None

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.file} is damaged: {IN_WORDS[self.kind]}"

    def do(self, directory: Path) -> None:
        """Damage the file in this directory."""
        path = directory / self.file
        path.unlink()
        if self.data is not None:
            path.write_bytes(self.data)


@frozen
class Contents:
    """The files of a directory as they were at a moment, and what tells each from one that replaces it."""

    files: Mapping[str, bytes] = Factory(dict)
    numbers: Mapping[str, int] = Factory(dict)
    earlier: frozenset[State] = frozenset()
    """What the directory was like before."""

    def after(self, older: Contents) -> Contents:
        """Return this as what comes after what was there at the close before."""
        return evolve(self, earlier=older.earlier | {state_of(older.files)})

    def replaced_in(self, later: Contents) -> frozenset[str]:
        """Return the files of which there is another of the same name later."""
        return frozenset(name for name, number in later.numbers.items() if self.numbers.get(name, number) != number)


def state_of(files: Mapping[str, bytes]) -> State:
    """Return what tells these files from others."""
    return frozenset((name, hashlib.sha256(data).digest()) for name, data in files.items())


def contents(directory: Path, kept: contextlib.ExitStack) -> Contents | None:
    """Read the files of a directory, no link followed; None where they are too large.

    They are `kept` open, so that no other gets the number of one that is removed.
    """
    files, numbers, size = {}, {}, 0
    for folder, _, names in os.walk(directory):
        for path in (Path(folder, name) for name in names):
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                continue
            size += found.st_size
            if size > MOST:
                return None
            name = str(path.relative_to(directory))
            files[name], numbers[name] = kept.enter_context(path.open("rb")).read(), found.st_ino
    return Contents(files, numbers)


def damage(
    now: Mapping[str, bytes],
    older: Mapping[str, bytes],
    replaced: Collection[str],
    kind: Kind,
    random: Random,
    earlier: Collection[State] = (),
) -> Damage | None:
    """Choose what is to be damaged like that; None where there is nothing that a store could see.

    `older` are the files at the close before, `replaced` those that were replaced as a whole since: only one that was
    there then, and was not, is lost, or turns up as it was. `earlier` is what the directory was like before that.
    """
    stays = now.keys() & older.keys() - set(replaced)
    names = sorted(name for name, data in now.items() if data and (kind in ("bit", "sector") or name in stays))
    random.shuffle(names)
    for name in names:
        at = random.randrange(8 * len(now[name]))
        done = Damage(kind, name, spoilt(now[name], older.get(name), kind, at))
        after = {other: held for other, held in now.items() if other != name}
        if done.data is not None:
            after[name] = done.data
        if done.data != now[name] and could_be_seen(after, {state_of(older), *earlier}):
            return done
    return None


def could_be_seen(after: Mapping[str, bytes], earlier: Collection[State]) -> bool:
    """Tell whether a store could see that a file was damaged: the directory is neither empty nor as it was before."""
    return any(after.values()) and state_of(after) not in earlier


def spoilt(data: bytes, older: bytes | None, kind: Kind, at: int, sector: int = SECTOR) -> bytes | None:
    """Return what a file holds that is damaged like that; None: it is gone. `at` says where: a bit, or a byte of the
    sector, however large it is.

    >>> spoilt(b"abc", None, "bit", at=8), spoilt(b"abcdef", None, "sector", at=3, sector=2)
    (b'acc', b'ab\\x00\\x00ef')
    """
    match kind:
        case "lost":
            return None
        case "stale":
            return data if older is None else older
        case "bit":
            place = (at // 8) % len(data)
            return data[:place] + bytes([data[place] ^ 1 << at % 8]) + data[place + 1 :]
    begin = (at % len(data)) // sector * sector
    zeros = bytes(len(data[begin : begin + sector]))
    return data[:begin] + zeros + data[begin + len(zeros) :]
