"""Stores that are right, and promise less than the strictest could; named `lenient.py:Name`."""

import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackcheck.rig.serve import load_factory
from ackcheck.target import Delivery

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Toy
else:
    Toy = load_factory(f"{Path(__file__).with_name('toys.py')}:Toy")


class TakesLateAcks(Toy):
    """An ack counts as long as nobody else has the message."""

    def ack(self, receipt: str) -> str:
        with self.lock:
            key = self.where.get(receipt)
            if key is None:
                return "INVALID"
            if key in self.acked:
                return "SETTLED"
            if self.newest[key] != receipt:
                return "EXPIRED"
            self.settle(key)
            return "OK"


class OneReceipt(TakesLateAcks):
    """A message has one receipt, for all of its deliveries."""

    def write(self, *records: dict[str, Any]) -> None:
        for record in records:
            if record["kind"] == "pop":
                record["receipt"] = f"{record['queue']}/{record['offset']}"
        super().write(*records)


class ForgetsReservations(Toy):
    """What was in hand is due at once when the process starts again."""

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.hidden = dict.fromkeys(self.hidden, 0.0)


class RoundsUp(Toy):
    """Deadlines are whole seconds, and the one after."""

    def replay(self, record: dict[str, Any]) -> None:
        if record["kind"] == "pop":
            record["deadline"] = math.ceil(record["deadline"]) + 1
        super().replay(record)


class IsLate(Toy):
    """A message is back five seconds after its deadline."""

    def ready(self, key: tuple[str, int]) -> bool:
        return key not in self.acked and self.hidden.get(key, -9.0) + 5.0 <= time.time()


class OneTime(Toy):
    """It can hide a message for one second, and no other time."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        if invisible != 1.0:
            raise ValueError("the consumer was made with one second")
        return super().pop(queue, count, invisible)


class HandsOutTwice(ForgetsReservations):
    """After a restart what was in hand comes again, and whoever has it may ack it."""

    def ack(self, receipt: str) -> str:
        with self.lock:
            key = self.where.get(receipt)
            if key is None:
                return "INVALID"
            if key in self.acked:
                return "SETTLED"
            self.settle(key)
            return "OK"


class LosesAcks(HandsOutTwice):
    """The same, but for acks that are in memory only: loss is loss, whatever is promised of duplicates."""

    def settle(self, key: tuple[str, int]) -> None:
        self.acked.add(key)


class NoBarrier(Toy):
    """It has no barrier, and says so."""

    def flush(self) -> str:
        return "UNKNOWN"


class NeverSyncs(NoBarrier):
    """And what it writes is left to the kernel."""

    def sync(self, directory: Path) -> None:
        pass

    def write(self, *records: dict[str, Any]) -> None:
        os.write(self.file, b"".join(json.dumps(record).encode() + b"\n" for record in records))


class SaysSo(NoBarrier):
    """States its promises itself."""

    promises = {"barrier": "none", "publish": "republished"}  # noqa: RUF012 - as a target would write it


class KeepsEnds(Toy):
    """What was published is in the log, as acks are."""

    promises: dict[str, str] = {}  # noqa: RUF012

    def publish(self, queue: str, end: int) -> None:
        with self.lock:
            if end > self.ends.get(queue, 0):
                self.write({"kind": "publish", "queue": queue, "end": end})
                super().publish(queue, end)

    def replay(self, record: dict[str, Any]) -> None:
        if record["kind"] == "publish":
            super().publish(record["queue"], record["end"])
        else:
            super().replay(record)


class ForgetsEnds(Toy):
    """What was published is in memory only."""

    promises: dict[str, str] = {}  # noqa: RUF012

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        return super().pop(queue, count, invisible) if queue in self.ends else []
