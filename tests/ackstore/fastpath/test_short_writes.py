"""Writes that the system itself cuts short: no file may be longer than this many bytes (RLIMIT_FSIZE).

In a process of its own, as the limit is that of a process, and what is over it is a signal.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ackstore
from ackstore.format.records import scan
from ways import WAYS

SCRIPT = """
import resource, signal, sys
from pathlib import Path
import ackstore
from ways import going

folder, way, one, more = sys.argv[1], sys.argv[2], sys.argv[3] == "one", int(sys.argv[4])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
config = ackstore.Config(flush_interval=1000.0, offset_interval=1000.0)
with going(way), ackstore.Store(folder, config) as store:
    store.publish("q", 3)
    receipts = [delivery.receipt for delivery in store.pop("q", 3)]
    store.flush()
    [log] = Path(folder).glob("log-*.seg")
    size = log.stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def acked():
        return [reply.name for reply in ([store.ack(receipts[0])] if one else store.ack_many(receipts))]

    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more, hard))
    print(*acked())
    stats = store.stats()
    print(log.stat().st_size - size, stats.write_failures, stats.unflushed_records, stats.unflushed_bytes)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(*acked())
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", ["one", "many"])
@pytest.mark.parametrize("more", [0, 1, 20, 60])
def test_an_ack_whose_write_is_cut_short_is_failed(tmp_path: Path, way: str, count: str, more: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), way, count, str(more)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    acks = 1 if count == "one" else 3
    failed, seen, again = done.stdout.splitlines()
    assert failed.split() == ["FAILED"] * acks
    assert seen.split() == [str(more), "1", "0", "0"]
    assert again.split() == ["OK"] * acks
    segments = sorted(tmp_path.glob("log-*.seg"))
    assert len(segments) == (2 if more else 1)  # nothing is written behind a part of a record
    assert (scan("log", segments[0].read_bytes()).damaged_at is not None) == bool(more)
    with ackstore.Store(tmp_path) as store:
        store.publish("q", 3)
        assert len(store.pop("q", 3)) == 0  # all are in hand or settled
        assert [store.stats().queues[queue].floor for queue in store.stats().queues] == [acks]
