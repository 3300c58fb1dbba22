"""An adapter between ackcheck and your store: a Python class. Each place marked YOURS is to be filled in.

As it stands it is a small store of its own, on one log file, which keeps level DISK. Try it first:

    ackcheck run --faults process target.py:Store

The methods are called with their arguments by name, from 4 threads at once; the process is killed with SIGKILL at any
moment, and started again on the same directory.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4


class Store:
    """What the suite calls. A reply is OK, SETTLED, EXPIRED, FAILED, UNKNOWN, BUSY or INVALID."""

    def __init__(self) -> None:
        # The messages themselves live elsewhere, and are told again after every open. If yours keeps them, leave
        # `publish` out; if it notices what rots on its disk, `damage`.
        self.promises = {"publish": "republished", "damage": "unnoticed"}
        self.lock = threading.Lock()
        self.ends: dict[str, int] = {}
        self.hands: dict[tuple[str, int], dict] = {}  # the newest delivery of each message
        self.where: dict[str, tuple[str, int]] = {}  # receipt -> message
        self.acked: set[tuple[str, int]] = set()

    def open(self, directory: Path) -> None:
        # YOURS 1 of 7: open or recover your store in this directory.
        path = Path(directory) / "log"
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            try:
                record = json.loads(line.decode())
            except ValueError:
                break
            if line.endswith(b"\n"):
                self.know(record)
                whole += len(line)
        self.log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.ftruncate(self.log, whole)  # cut off what a crash left: half a line, or pages of zeros before whole lines
        os.fsync(self.log)
        folder = os.open(directory, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def publish(self, queue: str, end: int) -> None:
        # YOURS 2 of 7: the queue holds the messages 0 to end - 1. It is told again after every open.
        with self.lock:
            self.ends[queue] = max(end, self.ends.get(queue, 0))

    def pop(self, queue: str, count: int, invisible: float) -> list[dict]:
        # YOURS 3 of 7: hand out up to `count` messages, and hide each for `invisible` seconds.
        with self.lock:
            now, given = time.time(), []
            for offset in range(self.ends.get(queue, 0)):
                message = (queue, offset)
                before = self.hands.get(message, {"deadline": 0.0, "attempt": 0})
                if len(given) < count and message not in self.acked and before["deadline"] <= now:
                    given.append(
                        {
                            "receipt": uuid4().hex,  # names this delivery, and no other, for ever
                            "offset": offset,
                            "attempt": before["attempt"] + 1,
                            "deadline": now + invisible,
                        }
                    )
            self.save([{"queue": queue, **delivery} for delivery in given])
            return given

    def ack(self, receipt: str) -> str:
        # YOURS 4 of 7: settle the delivery that this receipt names.
        with self.lock:
            message = self.where.get(receipt)
            if message is None:
                return "INVALID"
            if message in self.acked:
                return "SETTLED"
            current = self.hands[message]
            if current["receipt"] != receipt or current["deadline"] <= time.time():
                return "EXPIRED"
            self.save([{"queue": message[0], "offset": message[1], "acked": True}])
            return "OK"

    def ack_many(self, receipts: list[str]) -> list[str]:
        return [self.ack(receipt) for receipt in receipts]

    def flush(self) -> str:
        # YOURS 5 of 7: OK once everything that was answered before survives power loss. Here it always does.
        return "OK"

    def stats(self) -> dict:
        # YOURS 6 of 7: {"queues": {queue: {"committed": offset, "persisted": offset}}}, if you have consumer offsets.
        return {}

    def close(self) -> str:
        # YOURS 7 of 7: finish what is under way. OK says that what was answered before survives power loss.
        # Calls of other threads may be under way: they come before it, or are refused.
        with self.lock:
            os.close(self.log)
            self.log = None
        return "OK"

    # --- the store as it stands: yours takes the place of all below ---------------------------------------------------

    def save(self, records: list[dict]) -> None:
        """Write, sync, and only then know: what is answered is on the disk.

        After an error nobody knows what the disk holds. The process ends; what is on the disk is read at the next open.
        """
        if not records:
            return
        if self.log is None:
            raise RuntimeError("the store is closed")
        try:
            left = b"".join(json.dumps(record).encode() + b"\n" for record in records)
            while left:
                left = left[os.write(self.log, left) :]
            os.fsync(self.log)
        except OSError as error:
            print(f"a write or a sync failed, so the process ends: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        for record in records:
            self.know(record)

    def know(self, record: dict) -> None:
        """Take in a record, just written or read again."""
        message = (record["queue"], record["offset"])
        if record.get("acked"):
            self.acked.add(message)
        else:
            self.hands[message] = record
            self.where[record["receipt"]] = message
