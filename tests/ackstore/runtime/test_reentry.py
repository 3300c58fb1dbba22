"""A call of the store in the midst of another, on the same thread: as of a signal handler, or of a finalizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store, StoreStalled
from ways import WAYS, going

QUIET = Config(flush_interval=1000.0, offset_interval=1000.0)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_let_in(tmp_path: Path, way: str) -> None:
    """Whoever looks at the clock has the lock, on every way."""
    answered: list[Any] = []
    meanwhile: list[Callable[[], Any]] = []

    def clock() -> float:
        while meanwhile:
            answered.append(meanwhile.pop(0)())
        return 1000.0

    with going(way), Store(tmp_path, QUIET, clock=clock) as store:
        store.publish("q", 3)
        first, second, third = (delivery.receipt for delivery in store.pop("q", 3))
        store.flush()
        meanwhile += [lambda: store.ack(first), lambda: store.ack_many([first, second]), store.flush]
        assert store.ack(first) is Reply.OK
        assert answered == [Reply.BUSY, [Reply.BUSY] * 2, Reply.BUSY]
        meanwhile.append(lambda: store.ack(third))
        assert store.ack_many([second, third]) == [Reply.OK] * 2
        assert answered[3:] == [Reply.BUSY]
        with pytest.raises(StoreStalled):
            store._driver.lock.run(1.0, store.publish, "other", 1)
        assert store.ack(first) in (Reply.OK, Reply.SETTLED)
        assert store.stats().healthy
