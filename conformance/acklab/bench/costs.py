"""What is not a rate: the time to read a log back, and the memory of a message in flight.

>>> import tempfile
>>> from pathlib import Path
>>> bytes_per_inflight(Path(tempfile.mkdtemp()), 2000) > 50
True
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from pathlib import Path

from acklab.bench.stores import QUEUE, receipts_of, unflushed
from ackstore import Config, Store


def recovery_seconds_per_million(directory: Path, records: int) -> float:
    """Return the seconds to open a store whose log has `records` records of one ack each, per million of them. One
    message is left open, so that none of the records may be dropped before they are read."""
    config = unflushed(Config(max_outstanding=records + 2))
    with Store(directory, config) as store:
        _open, *receipts = receipts_of(store, records + 1)
        for receipt in receipts:
            store.ack(receipt)
    before = time.perf_counter()
    store = Store(directory, config)
    seconds = time.perf_counter() - before
    found = store.stats().recovery.records
    store.close()
    return seconds * 1e6 / max(found, 1)


def bytes_per_inflight(directory: Path, messages: int) -> float:
    """Bytes of memory that the store keeps for a message that is handed out and not acked, its checkpoint FLUSHED."""
    with Store(directory, Config(max_outstanding=messages)) as store:
        store.publish(QUEUE, messages)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            while store.pop(QUEUE, min(1024, messages), 3600.0):
                pass
            store.flush()
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / messages
        finally:
            tracemalloc.stop()
