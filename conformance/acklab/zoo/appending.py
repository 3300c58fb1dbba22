"""What several bugs do to the records that a batch, or an ack, appends to the log: another function takes them first.

>>> from types import SimpleNamespace
>>> written = []
>>> log = SimpleNamespace(append=written.append)
>>> with appending(log, lambda record, append: append(record * 2)):
...     log.append("ab")
>>> log.append("c"); written
['abab', 'c']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Append = Callable[[Any], None]


@contextmanager
def appending(log: Any, instead: Callable[[Any, Append], None]) -> Iterator[None]:
    """Have `instead` take what is appended meanwhile, with the log's own way to append."""
    append = log.append
    log.append = lambda record: instead(record, append)
    try:
        yield
    finally:
        log.append = append
