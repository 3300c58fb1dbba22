"""A program: mount a small file system where nobody else sees it, and work on it until the log has been many times its
size. Prints what came of it, as JSON. Run under `unshare --mount`, so that the mount goes with the process, however it
ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ackstore import Config, Delivery, Reply, Store

KINDS = {"tmpfs": 1 << 20, "ext4": 2 << 20}
"""The file systems, and how large each is."""
CONFIG = Config(segment_bytes=16_000, compact_above=None, flush_interval=0.02, offset_interval=0.02)
"""Nothing is removed before room is short."""
TIMES = 5
PATIENCE = 60.0
"""Seconds without an ack after which the store is held up for ever."""


def mount(kind: str, at: Path) -> int:
    size = KINDS[kind]
    mounted = at / "mounted"
    mounted.mkdir()
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mounted], check=True)
    else:
        image = at / "image"
        with image.open("wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    return size


def size_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir() if file.name != "reserve")


def fill(store: Store, size: int) -> dict[str, Any]:
    """Pop and settle, until so much was written; what was answered."""
    settled = was_short = 0
    store.publish("orders", 10**7)
    last = time.monotonic()
    while settled * 80 < TIMES * size and time.monotonic() < last + PATIENCE:
        found = store.try_pop("orders", 20, 1000.0)
        if found.reply is Reply.BUSY:
            was_short += 1
            time.sleep(0.005)
        for delivery in found.value or ():
            assert isinstance(delivery, Delivery)
            while store.ack(delivery.receipt) not in (Reply.OK, Reply.SETTLED) and time.monotonic() < last + PATIENCE:
                time.sleep(0.002)
            settled += 1
            last = time.monotonic() if time.monotonic() < last + PATIENCE else last
    return {"enough": settled * 80 >= TIMES * size, "settled": settled, "busy": was_short}


def main(kind: str, at: Path) -> None:
    size = mount(kind, at)
    directory = at / "mounted" / "store"
    with Store(directory, CONFIG) as store:
        found = fill(store, size)
        found["failed writes"] = store.stats().write_failures
        until = time.monotonic() + PATIENCE
        while (store.stats().short or store.stats().offsets_dirty) and time.monotonic() < until:
            time.sleep(0.02)
        found["short"] = store.stats().short
        found["closed"] = store.close(PATIENCE).value
    found["left"] = size_of(directory)
    with Store(directory, CONFIG) as store:
        found["read back"] = store.stats().recovery.records
        store.publish("orders", found["settled"])
        found["returned"] = len(store.pop("orders", 100, 1.0))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
