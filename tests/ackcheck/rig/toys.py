"""Tiny targets, one right and the others each wrong in one way; started by `file.py:name`."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ackcheck.target import Delivery


class Appender:
    """Right: an ack is a line that is written and synced before OK. Receipts are r00000 ..."""

    def open(self, directory: Path) -> None:
        path = directory / "log"
        created = not path.exists()
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
        data = path.read_bytes()
        self._acked = {found.decode().strip() for found in re.findall(rb"r\d{5}\n", data)}
        os.ftruncate(self._file, data.rfind(b"\n") + 1)  # a torn line must not join the next one
        os.fsync(self._file)
        if created:
            self._sync_directory(directory)

    def _sync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def publish(self, queue: str, end: int) -> None:
        self._end = end

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        receipts = [f"r{offset:05}" for offset in range(self._end)]
        return [
            Delivery(receipt=receipt, offset=int(receipt[1:]), attempt=1, deadline=invisible)
            for receipt in receipts
            if receipt not in self._acked
        ][:count]

    def ack(self, receipt: str) -> str:
        os.write(self._file, receipt.encode() + b"\n")
        os.fsync(self._file)
        return "OK"

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        return [self.ack(receipt) for receipt in receipts]

    def flush(self) -> str:
        os.fsync(self._file)
        return "OK"

    def stats(self) -> dict[str, object]:
        return {"acked": sorted(self._acked)}

    def close(self) -> str:
        os.close(self._file)
        return "OK"


class Forgetful(Appender):
    """Says OK without a sync: survives a kill, not a power loss."""

    def ack(self, receipt: str) -> str:
        os.write(self._file, receipt.encode() + b"\n")
        return "OK"


class InMemory(Appender):
    """Says OK with nothing written: does not even survive a kill."""

    def ack(self, receipt: str) -> str:
        self._acked.add(receipt)
        return "OK"


class NeverSyncsTheName(Appender):
    """Syncs no file, and no directory either: a power loss may leave no log at all."""

    def open(self, directory: Path) -> None:
        self._file = os.open(directory / "log", os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)

    ack = Forgetful.ack


class RetriesTheSync(Appender):
    """Calls fsync again after an error and believes the second answer: fsyncgate."""

    def ack(self, receipt: str) -> str:
        os.write(self._file, receipt.encode() + b"\n")
        try:
            os.fsync(self._file)
        except OSError:
            os.fsync(self._file)
        return "OK"


class Hanging(Appender):
    def ack(self, receipt: str) -> str:
        time.sleep(60)
        return "OK"


class Dying(Appender):
    def ack(self, receipt: str) -> str:
        print("panic: out of cheese", file=sys.stderr, flush=True)
        os._exit(7)


class Raising(Appender):
    def ack(self, receipt: str) -> str:
        raise LookupError(f"no receipt {receipt}")

    def flush(self) -> str:
        return object()  # type: ignore[return-value]  # what JSON cannot carry


class Printing(Appender):
    def ack(self, receipt: str) -> str:
        print("acking", receipt, flush=True)
        return super().ack(receipt)


class Breeding(Appender):
    """Starts a process of its own, as a shell script around a broker would."""

    def stats(self) -> dict[str, object]:
        return {"child": subprocess.Popen(["sleep", "60"]).pid}


class Meeting(Appender):
    """Three acks wait for each other: they finish only when three run at once."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(3)
        self._finished: list[str] = []

    def ack(self, receipt: str) -> str:
        self._barrier.wait(5)
        time.sleep(0.05)
        self._finished.append(receipt)
        return "OK"

    def close(self) -> str:
        return f"{len(self._finished)} acks finished before close"
