"""Small stores that are wrong only after an order of calls which seldom comes by chance; `ordered.py:Name`.

>>> store = Groups()
>>> store.room is None, RoomForFew.room
(True, 8)
"""

import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackcheck.rig.serve import load_factory
from ackcheck.target import Delivery

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Extended, Secretive, Toy
else:
    TOYS = Path(__file__).with_name("toys.py")
    Extended, Secretive, Toy = (load_factory(f"{TOYS}:{name}") for name in ("Extended", "Secretive", "Toy"))


class Known(Toy):
    """Right: knows that a queue of which nothing was published is empty."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        return super().pop(queue, count, invisible) if queue in self.ends else []


class EmptyForEver(Known):
    """Takes a queue for as long as it was when it was first heard of."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        self.ends.setdefault(queue, 0)
        return super().pop(queue, count, invisible)

    def publish(self, queue: str, end: int) -> None:
        if not self.ends.get(queue, 1):
            return
        super().publish(queue, end)


class TakesTheFirst(Known):
    """Believes what it is first told of a queue, after each start."""

    def open(self, directory: Path) -> None:
        self.again = (directory / "log").exists()
        super().open(directory)

    def publish(self, queue: str, end: int) -> None:
        if not self.again or queue not in self.ends:
            super().publish(queue, end)


SLICE = 0.1
PATIENCE = 50
"""Slices."""


class Groups(Toy):
    """Right: acks wait for a thread that writes all of them at once."""

    room: int | None = None
    least = 0
    """How many are waited for, for a while, before the first group of a process is written."""

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.waiting: list[tuple[tuple[str, int], threading.Event]] = []
        threading.Thread(target=self.write_groups, daemon=True).start()

    def settle(self, key: tuple[str, int]) -> None:
        self.waiting.append((key, threading.Event()))

    def ack(self, receipt: str) -> str:
        with self.lock:
            reply = super().ack(receipt)
            written = self.waiting[-1][1] if reply == "OK" else None
        if written is not None:
            written.wait()
        return reply

    def write_groups(self) -> None:
        before, slices = 0, PATIENCE if self.least else 0
        while True:
            time.sleep(SLICE)
            with self.lock:
                if len(self.waiting) != before:  # more are coming
                    before = len(self.waiting)
                    continue
                if slices and 0 < before < self.least:  # on a busy machine they come one by one
                    slices -= 1
                    continue
                if before:
                    slices = 0
                group, self.waiting, before = self.waiting, [], 0
                kept = group[: self.room]
                self.write(*({"kind": "ack", "queue": key[0], "offset": key[1]} for key, _ in kept))
                self.acked.update(key for key, _ in group)
            for _, written in group:
                written.set()


class RoomForFew(Groups):
    """Has room for so many acks at once, and answers all."""

    room, least = 8, 9


class SettlesAfterTheReset(Extended):
    """Takes up an ack, and settles it a moment later, whatever came in between."""

    def ack(self, receipt: str) -> str:
        with self.lock:
            key = self.where.get(receipt)
            reply = self.standing(receipt, key)
        if reply == "OK" and key is not None:
            time.sleep(0.2)
            with self.lock:
                self.settle(key)
        return reply

    def standing(self, receipt: str, key: tuple[str, int] | None) -> str:
        if key is None:
            return "INVALID"
        if key in self.acked:
            return "SETTLED"
        return "OK" if self.newest[key] == receipt and self.hidden[key] > time.time() else "EXPIRED"


class SyncsItsOwn(Secretive):
    """A barrier syncs what this process has written, and believes that what it has read is on the disk."""

    def sync(self, directory: Path) -> None:
        self.dirty = False

    def write(self, *records: dict[str, Any]) -> None:
        os.write(self.file, b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self.dirty = True

    def flush(self) -> str:
        with self.lock:
            if self.dirty:
                os.fsync(self.file)
            self.dirty = False
        return "OK"


class KeepsAll(Toy):
    """Says that it takes up little room, and keeps all that was ever written."""

    def stats(self) -> dict[str, object]:
        return {**super().stats(), "space": 4_000}


class KeepsAllAndIsSlow(KeepsAll):
    """Takes longer to come to an ack than what is popped to be acked is hidden for at first."""

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        time.sleep(0.6)
        return [self.ack(receipt) for receipt in receipts]


class Roomy(Toy):
    """Says that it takes up as much room as it does."""

    def stats(self) -> dict[str, object]:
        return {**super().stats(), "space": 1 << 30}
