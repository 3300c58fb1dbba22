"""The ways an ack may go: the fast path, as it is compiled or in Python, and the long way through the core.

>>> with going("long"):
...     acks.ack(None, "a receipt", 0.0, None) is None
True
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ackstore import store
from ackstore.fastpath import acks, calls, path
from ackstore.fastpath.fields import RecordFields
from ackstore.fastpath.plain import acks as plain_acks
from ackstore.fastpath.plain import calls as plain_calls

WAYS = ("compiled", "plain", "long")
"""Where nothing is compiled the first two are one."""


def declines(*_: Any) -> None:
    """As the fast path answers where there is more to do."""


@contextmanager
def going(way: str) -> Iterator[None]:
    """Have every ack go one way meanwhile, in every store."""
    takes_acks, takes_calls = {
        "compiled": (acks, calls),
        "plain": (plain_acks, plain_calls),
        "long": (SimpleNamespace(ack=declines, ack_many=declines),) * 2,
    }[way]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "acks", takes_acks)
        patch.setattr(store, "calls", takes_calls)
        patch.setattr(plain_acks, "RecordFields", RecordFields)  # what a store has beside compiled classes
        yield
