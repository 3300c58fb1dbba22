"""A small store that is right at level disk, and variants that are each wrong in one way; named `toys.py:Name`."""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from ackcheck.target import MAX_ATTEMPTS, Delivery


class Toy:
    """Right: one lock, and a log of JSON lines that is synced before every answer."""

    promises = {"publish": "republished"}  # noqa: RUF012 - as a target would write it

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.ends: dict[str, int] = {}
        self.hidden: dict[tuple[str, int], float] = {}
        self.newest: dict[tuple[str, int], str] = {}
        self.where: dict[str, tuple[str, int]] = {}
        self.attempts = Counter[tuple[str, int]]()
        self.acked: set[tuple[str, int]] = set()
        self.broken = False

    def open(self, directory: Path) -> None:
        for known in (self.hidden, self.newest, self.where, self.attempts, self.acked):
            known.clear()  # a server may be asked twice, by a client that was not answered
        path = directory / "log"
        self.file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
        whole, newline, _torn = path.read_bytes().partition(b"\0")[0].rpartition(b"\n")
        os.ftruncate(self.file, len(whole + newline))  # what a power loss took is half a line, or zeros
        for line in whole.splitlines():
            self.replay(json.loads(line))
        self.sync(directory)

    def sync(self, directory: Path) -> None:
        os.fsync(self.file)
        descriptor = os.open(directory, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def replay(self, record: dict[str, Any]) -> None:
        key = (record["queue"], record["offset"])
        if record["kind"] == "ack":
            self.acked.add(key)
        else:
            self.hidden[key], self.newest[key] = record["deadline"], record["receipt"]
            self.where[record["receipt"]] = key
            self.attempts[key] += 1

    def write(self, *records: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("a write or a sync has failed; open me again")
        left = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        try:
            while left:  # a full disk takes a part of it, and refuses the next
                left = left[os.write(self.file, left) :]
            os.fsync(self.file)
        except OSError:
            self.broken = True
            raise

    def publish(self, queue: str, end: int) -> None:
        with self.lock:
            self.ends[queue] = max(end, self.ends.get(queue, 0))

    def ready(self, key: tuple[str, int]) -> bool:
        return key not in self.acked and self.hidden.get(key, 0.0) <= time.time()

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        with self.lock:
            offsets = [offset for offset in range(self.ends[queue]) if self.ready((queue, offset))][:count]
            deadline = time.time() + invisible
            records: list[dict[str, Any]] = [
                {"kind": "pop", "queue": queue, "offset": offset, "deadline": deadline, "receipt": uuid4().hex}
                for offset in offsets
            ]
            self.write(*records)
            for record in records:
                self.replay(record)
        return [
            Delivery(
                receipt=record["receipt"],
                offset=record["offset"],
                attempt=self.attempts[queue, record["offset"]],
                deadline=deadline,
            )
            for record in records
        ]

    def ack(self, receipt: str) -> str:
        with self.lock:
            key = self.where.get(receipt)
            if key is None:
                return "INVALID"
            if key in self.acked:
                return "SETTLED"
            if self.newest[key] != receipt or self.hidden[key] <= time.time():
                return "EXPIRED"
            self.settle(key)
            return "OK"

    def settle(self, key: tuple[str, int]) -> None:
        self.write({"kind": "ack", "queue": key[0], "offset": key[1]})
        self.acked.add(key)

    def ack_many(self, receipts: Sequence[str]) -> list[str]:
        return [self.ack(receipt) for receipt in receipts]

    def flush(self) -> str:
        return "OK"

    def committed(self, queue: str) -> int:
        return next(offset for offset in range(self.ends[queue] + 1) if (queue, offset) not in self.acked)

    def outstanding(self) -> int:
        return 0

    def stats(self) -> dict[str, object]:
        with self.lock:
            offsets = {queue: self.committed(queue) for queue in self.ends}
        return {
            "queues": {queue: {"committed": offset, "persisted": offset} for queue, offset in offsets.items()},
            "outstanding": {"records": self.outstanding()},
        }

    def close(self) -> str:
        os.close(self.file)
        return "OK"


class Secretive(Toy):
    """Shows nothing of itself."""

    def stats(self) -> dict[str, object]:
        return {}


class WritesNothing(Secretive):
    """Acks are in memory only."""

    def settle(self, key: tuple[str, int]) -> None:
        self.acked.add(key)


class SavesAtClose(WritesNothing):
    """Right at level memory: acks are written at a barrier, and at the close."""

    def __init__(self) -> None:
        super().__init__()
        self.unsaved: list[tuple[str, int]] = []

    def settle(self, key: tuple[str, int]) -> None:
        super().settle(key)
        self.unsaved.append(key)

    def flush(self) -> str:
        with self.lock:
            self.write(*({"kind": "ack", "queue": queue, "offset": offset} for queue, offset in self.unsaved))
            self.unsaved.clear()
        return "OK"

    def close(self) -> str:
        self.flush()
        return super().close()


class NeverSyncs(Secretive):
    def sync(self, directory: Path) -> None:
        pass

    def write(self, *records: dict[str, Any]) -> None:
        os.write(self.file, b"".join(json.dumps(record).encode() + b"\n" for record in records))


class SyncsAgain(Secretive):
    """Calls fsync again after an error, and believes the second answer."""

    def write(self, *records: dict[str, Any]) -> None:
        os.write(self.file, b"".join(json.dumps(record).encode() + b"\n" for record in records))
        try:
            os.fsync(self.file)
        except OSError:
            os.fsync(self.file)

    def open(self, directory: Path) -> None:
        path = directory / "log"
        if path.exists():  # what a lost page left: zeros, and half a line before them and after
            lines = path.read_bytes().replace(b"\0", b"\n").splitlines()
            path.write_bytes(b"".join(line + b"\n" for line in lines if line[:1] == b"{" and line[-1:] == b"}"))
        super().open(directory)


class Panics(Toy):
    """Ends its process when a sync fails, as PostgreSQL does."""

    def write(self, *records: dict[str, Any]) -> None:
        try:
            super().write(*records)
        except OSError:
            os._exit(1)


class ReturnsEarly(Toy):
    def ready(self, key: tuple[str, int]) -> bool:
        return key not in self.acked and self.hidden.get(key, 0.0) <= time.time() + 20.0


class ReturnsLate(Toy):
    """Late, but within the time that a store is given."""

    def ready(self, key: tuple[str, int]) -> bool:
        return key not in self.acked and self.hidden.get(key, 0.0) <= time.time() - (0.4 if key in self.hidden else 0)


class LosesTheUnacked(Toy):
    """After a restart what was handed out is taken for settled."""

    def replay(self, record: dict[str, Any]) -> None:
        super().replay(record)
        if not self.ends:  # nothing published yet: this is recovery
            self.acked.add((record["queue"], record["offset"]))

    def committed(self, queue: str) -> int:
        return 0


class SettlesAnything(Toy):
    """Says OK to every receipt, whatever it did with it."""

    def ack(self, receipt: str) -> str:
        super().ack(receipt)
        return "OK"


class GoesBack(Toy):
    """The offset that is shown falls back to 0 after a while."""

    looks = 0

    def committed(self, queue: str) -> int:
        offset = super().committed(queue)
        self.looks += offset > 0
        return offset if self.looks < 4 else 0


class NeverRests(Toy):
    def outstanding(self) -> int:
        return 1


class OpensOnce(Toy):
    def open(self, directory: Path) -> None:
        if (directory / "log").exists():
            raise ValueError("I have been here before")
        super().open(directory)


class DiesAtTheSecondOpen(Toy):
    def open(self, directory: Path) -> None:
        if (directory / "log").exists():
            os._exit(3)
        super().open(directory)


class ForgetsAtClose(Secretive):
    def close(self) -> str:
        os.ftruncate(self.file, 0)
        return "OK"


class Hangs(Toy):
    def ack(self, receipt: str) -> str:
        time.sleep(60)
        return "OK"


class Raises(Toy):
    def ack(self, receipt: str) -> str:
        raise LookupError(f"no receipt {receipt}")


class Dies(Toy):
    def ack(self, receipt: str) -> str:
        print("panic: out of cheese", file=sys.stderr, flush=True)
        os._exit(7)


class SaysYes(Toy):
    def ack(self, receipt: str) -> str:
        return "yes"


class CannotStart(Toy):
    def open(self, directory: Path) -> None:
        raise PermissionError("not here")


class Slow(Toy):
    """A pop takes longer than its messages are hidden."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        given = super().pop(queue, count, invisible)
        time.sleep(0.3)
        return given


class Extended(Toy):
    """Right, with renewals, releases, resets and dead letters, all in the same log."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts: Counter[tuple[str, int]] = Counter()
        self.max_attempts = int(os.environ.get(MAX_ATTEMPTS) or 0) or None

    def replay(self, record: dict[str, Any]) -> None:
        if record["kind"] == "reset":
            self.begin_again(record["queue"], record["offset"])
            return
        key = (record["queue"], record["offset"])
        if record["kind"] == "move":
            self.hidden[key] = record["deadline"]
            return
        super().replay(record)

    def begin_again(self, queue: str, offset: int) -> None:
        self.where = {receipt: key for receipt, key in self.where.items() if key[0] != queue}
        self.hidden = {key: until for key, until in self.hidden.items() if key[0] != queue}
        self.attempts = Counter({key: count for key, count in self.attempts.items() if key[0] != queue})
        self.acked = {key for key in self.acked if key[0] != queue} | {(queue, below) for below in range(offset)}

    def exhausted(self, key: tuple[str, int]) -> bool:
        spent = self.max_attempts is not None and self.attempts[key] >= self.max_attempts
        return spent and key not in self.acked and self.hidden[key] <= time.time()

    def ready(self, key: tuple[str, int]) -> bool:
        return super().ready(key) and not self.exhausted(key)

    def move(self, receipt: str, deadline: float) -> str:
        with self.lock:
            key = self.where.get(receipt)
            if key is None:
                return "INVALID"
            if key in self.acked:
                return "SETTLED"
            if self.newest[key] != receipt or self.hidden[key] <= time.time():
                return "EXPIRED"
            record = {"kind": "move", "queue": key[0], "offset": key[1], "deadline": deadline}
            self.write(record)
            self.replay(record)
            return "OK"

    def renew(self, receipt: str, invisible: float) -> str:
        return self.move(receipt, time.time() + invisible)

    def release(self, receipt: str) -> str:
        return self.move(receipt, 0.0)

    def reset(self, queue: str, offset: int) -> str:
        with self.lock:
            record = {"kind": "reset", "queue": queue, "offset": offset}
            self.write(record)
            self.replay(record)
            return "OK"

    def dead(self, queue: str) -> list[int]:
        with self.lock:
            return [offset for offset in range(self.ends[queue]) if self.exhausted((queue, offset))]

    def committed(self, queue: str) -> int:
        keys = [(queue, offset) for offset in range(self.ends[queue])]
        return next((key[1] for key in keys if key not in self.acked and not self.exhausted(key)), len(keys))


class ResetsInMemory(Extended):
    def reset(self, queue: str, offset: int) -> str:
        with self.lock:
            self.begin_again(queue, offset)
            return "OK"


class RenewsNothing(Extended):
    """Says OK to a renewal, and hands the message out at the old deadline all the same."""

    def renew(self, receipt: str, invisible: float) -> str:
        with self.lock:
            held = self.newest.get(self.where.get(receipt, ("", -1))) == receipt
            return "OK" if held else super().renew(receipt, invisible)


class ForgetsAttempts(Extended):
    """Counts deliveries in memory only: nothing is a dead letter after a restart."""

    def open(self, directory: Path) -> None:
        super().open(directory)
        self.attempts.clear()


class ListsTheLiving(Extended):
    """What has been handed out as often as allowed is a dead letter at once, though somebody has it."""

    def exhausted(self, key: tuple[str, int]) -> bool:
        return self.max_attempts is not None and self.attempts[key] >= self.max_attempts and key not in self.acked


class RefusesForEver(Toy):
    """Once it was opened again it hands nothing out."""

    def open(self, directory: Path) -> None:
        self.again = (directory / "log").exists()
        super().open(directory)

    def pop(self, queue: str, count: int, invisible: float) -> Any:
        return "BUSY" if self.again else super().pop(queue, count, invisible)


class ChangesItsMind(Extended):
    """Says at every opening that it hands messages out for another number of times."""

    def open(self, directory: Path) -> None:
        self.max_attempts = 3 + (directory / "log").exists()
        super().open(directory)


class Drops(Secretive):
    """Acks wait until there are three of them, or somebody flushes; a close drops them."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[dict[str, Any]] = []

    def settle(self, key: tuple[str, int]) -> None:
        self.waiting.append({"kind": "ack", "queue": key[0], "offset": key[1]})
        self.acked.add(key)
        if len(self.waiting) > 3:
            self.flush()

    def flush(self) -> str:
        with self.lock:
            waiting, self.waiting = self.waiting, []
            self.write(*waiting)
            return "OK"
