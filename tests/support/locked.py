"""A store that another thread is in, as if in a write that takes long.

>>> import tempfile
>>> from ackstore import Store
>>> with Store(tempfile.mkdtemp()) as store, locked_elsewhere(store):
...     store.flush(timeout=0.01)
<Reply.BUSY: 'BUSY'>
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ackstore import Store


@contextmanager
def locked_elsewhere(store: Store) -> Iterator[None]:
    """Have another thread keep the store's lock."""
    lock = store._driver.lock
    taken, done = threading.Event(), threading.Event()

    def keep() -> None:
        try:
            assert lock.take(60.0)
            taken.set()
            done.wait()
        finally:
            lock.leave()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        assert taken.wait(60.0)
        yield
    finally:
        done.set()
        thread.join()
