"""The lines of a file, of the standard input or of what was packed with gzip, as they come.

>>> import io
>>> list(lines_of(io.BytesIO(b"one\\ntwo")))
[b'one', b'two']
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from ackcheck.trace.lines import LONGEST

BLOCK = 1 << 18
"""Bytes that are read at once, at most."""
GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """What gives the bytes that are there, and waits only for the first."""

    def read1(self, size: int = -1, /) -> bytes: ...


@contextmanager
def opened(file: Path) -> Iterator[Readable]:
    """Open a file or the standard input (-), and unpack it if it is packed."""
    with ExitStack() as stack:
        raw: Any = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
        buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)
        if buffered.peek(2)[:2] == GZIP:
            yield stack.enter_context(cast(Any, gzip.GzipFile(fileobj=buffered)))
        else:
            yield buffered


def lines_of(stream: Readable) -> Iterator[bytes]:
    """Yield line by line, without its end; of one that is too long only as much as shows that it is."""
    rest = b""
    while block := stream.read1(BLOCK):
        first, *others = block.split(b"\n")
        rest = (rest + first)[: LONGEST + 1]
        if others:
            yield rest
            yield from others[:-1]
            rest = others[-1]
    if rest:
        yield rest
