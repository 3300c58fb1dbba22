"""More toys, whose faults lie in their files, or that only seem to have one: `files.py:Mirrored`."""

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackcheck.rig.serve import load_factory
from ackcheck.target import Delivery

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Toy
else:
    Toy = load_factory(f"{Path(__file__).with_name('toys.py')}:Toy")


class Mirrored(Toy):
    """Right: keeps two logs, and answers once one of them is synced; after a sync that failed it writes no more."""

    LOGS = ("log", "mirror")

    def open(self, directory: Path) -> None:
        found = [(directory / name).read_bytes() for name in self.LOGS if (directory / name).exists()]
        longest = max((log.partition(b"\0")[0].rpartition(b"\n")[0] for log in found), key=len, default=b"")
        for name in self.LOGS:
            with (directory / "new").open("wb") as new:
                new.write(longest + b"\n" * bool(longest))
                new.flush()
                os.fsync(new.fileno())
            (directory / "new").rename(directory / name)
        self.mirror = os.open(directory / "mirror", os.O_RDWR | os.O_APPEND)
        super().open(directory)

    def write(self, *records: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("a sync has failed; open me again")
        logs, lines = (self.file, self.mirror), b"".join(json.dumps(record).encode() + b"\n" for record in records)
        self.broken = True  # where a disk is full one of them may have a part of it
        for log in logs:
            left = lines
            while left:
                left = left[os.write(log, left) :]
        self.broken, failed = False, []
        for log in logs:
            try:
                os.fsync(log)
            except OSError as error:
                failed.append(error)
        self.broken = bool(failed)
        if len(failed) == len(logs):
            raise failed[0]


class GoesOnBehindAPart(Toy):
    """Believes that a write is whole or was refused: a full disk takes a part of it, and the next lies behind that."""

    def write(self, *records: dict[str, Any]) -> None:
        os.write(self.file, b"".join(json.dumps(record).encode() + b"\n" for record in records))
        os.fsync(self.file)


class RaisesAtTheSecondOpen(Toy):
    """Opens whatever it finds, and cannot use it."""

    def open(self, directory: Path) -> None:
        self.found = (directory / "log").exists()
        super().open(directory)

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        if self.found:
            raise OSError("the log is malformed")
        return super().pop(queue, count, invisible)


class EndsAtTheSecondOpen(RaisesAtTheSecondOpen):
    """Opens whatever it finds, and ends when it reads it, as a program does whose assertion fails."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        if self.found:
            os._exit(2)
        return super().pop(queue, count, invisible)


class EndsWhenItIsTold(RaisesAtTheSecondOpen):
    """Opens whatever it finds, and ends when it is told what was published."""

    def publish(self, queue: str, end: int) -> None:
        if self.found:
            os._exit(3)
        super().publish(queue, end)


class EndsAsItShowsWhatItHas(RaisesAtTheSecondOpen):
    """Opens whatever it finds, gives some of it, and ends."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        given = Toy.pop(self, queue, count, invisible)
        if self.found and not given:
            os._exit(4)
        return given


class EndsOnceItHasShownWhatItHas(RaisesAtTheSecondOpen):
    """Opens whatever it finds, gives all of it, and ends at the next ack."""

    pop = Toy.pop

    def ack(self, receipt: str) -> str:
        if self.found:
            os._exit(5)
        return super().ack(receipt)


class IsKilledAtTheSecondOpen(RaisesAtTheSecondOpen):
    """Is killed at its first pop by somebody else, as by a machine that has no memory left."""

    def pop(self, queue: str, count: int, invisible: float) -> list[Delivery]:
        if self.found:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().pop(queue, count, invisible)
