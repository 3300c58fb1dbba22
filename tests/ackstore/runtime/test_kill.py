"""SIGKILL a process at work, on real files: what it answered OK stays settled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ackstore import Config, Reply, Store

CHILD = """
import os, sys, threading
from ackstore import Config, Reply, Store

directory, mode = sys.argv[1:]
store = Store(directory, Config(mode=mode, segment_bytes=3000, flush_interval=0.002, offset_interval=0.005))
store.publish("q", 1_000_000)

def work():
    while True:
        for delivery in store.pop("q", 3, 600.0):
            asked = f"ask {delivery.offset}\\n"
            os.write(1, asked.encode())
            if store.ack(delivery.receipt) is Reply.OK:
                os.write(1, f"ok {delivery.offset} {delivery.receipt}\\n".encode())

for _ in range(2):
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_was_answered_ok_survives_a_process_crash(tmp_path: Path, mode: Any) -> None:
    pick = random.Random(mode)
    ok: dict[int, str] = {}
    asked: set[int] = set()
    committed = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), mode],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(pick.randint(40, 150))]
            time.sleep(pick.uniform(0.0, 0.001))
            child.kill()
            lines += child.stdout.read().splitlines(keepends=True)
        for line in lines:
            word, *rest = line.decode().split()
            if word == "ok" and line.endswith(b"\n") and len(rest) == 2:
                ok[int(rest[0])] = rest[1]
            elif word == "ask" and line.endswith(b"\n"):
                asked.add(int(rest[0]))
        with Store(tmp_path, Config()) as store:
            (queue,) = store.stats().queues.values()
            assert queue.committed >= committed
            assert set(store.ack_many([ok[each] for each in sorted(ok)[-1000:]])) <= {Reply.SETTLED}
            committed = queue.committed
    assert len(ok) > 50
    with Store(tmp_path, clock=lambda: time.time() + 3600.0) as store:
        back: set[int] = set()
        while deliveries := store.pop("q", 1000, 1e6):
            back |= {delivery.offset for delivery in deliveries}
            assert store.ack_many([each.receipt for each in deliveries]) == [Reply.OK] * len(deliveries)
        assert not back & ok.keys()
        (queue,) = store.stats().queues.values()
        assert set(range(queue.next_new)) - asked <= back
        assert store.flush() is Reply.OK
        (queue,) = store.stats().queues.values()
        assert queue.committed == queue.next_new
