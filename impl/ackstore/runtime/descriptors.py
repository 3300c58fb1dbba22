"""Open files, by their numbers, that nobody forgets to close.

A signal handler may raise between the system giving a number and anybody noting it: then a bare number is lost, and its
file stays open for as long as the process lives. A `Descriptor` is made without a step of Python in between, in which a
handler could run, and closes itself when nobody has it any more.

>>> import tempfile
>>> directory = opened(tempfile.mkdtemp(), os.O_RDONLY | os.O_DIRECTORY)
>>> file = opened("a", os.O_RDWR | os.O_CREAT, 0o600, within=directory)
>>> os.write(file, b"abc"), os.pread(file, 9, 0)
(3, b'abc')
>>> file.close(); file.close()              # once is enough
>>> del directory                           # closes it, too
"""

from __future__ import annotations

import os
from functools import partial
from typing import Self


class Descriptor(int):
    """The number of an open file. It has no `__init__`: that would be a step of Python."""

    closed = False
    _close = staticmethod(os.close)  # by a name that is there for as long as this, also while the process ends

    def close(self) -> None:
        """Close the file, once."""
        if not self.closed:
            self.closed = True
            self._close(self)

    __del__ = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def opened(path: str | os.PathLike[str], flags: int, mode: int = 0, within: int | None = None) -> Descriptor:
    """Open a file, without its being inherited; `within` a directory, if one is given."""
    (found,) = map(Descriptor, map(partial(os.open, dir_fd=within), (path,), (flags | os.O_CLOEXEC,), (mode,)))
    return found
