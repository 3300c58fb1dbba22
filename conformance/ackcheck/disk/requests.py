"""What becomes of a request to the disk: done at once, refused, held for a time, or held until somebody lets it go.

`Requests` is the disk without the kernel: a request has a number, and its answer is given to whoever was told to take
it. Time is asked of a clock, so that a test has its own.

>>> answered = []
>>> disk = Requests(Blocks(1 << 20), lambda number, answer: answered.append((number, answer)), clock=lambda: 0.0)
>>> fault = disk.arm(Fault(on="flush", do="stall"))
>>> disk.write(1, 0, b"x" * 512); disk.flush(2)
>>> answered
[(1, 512)]
>>> disk.disarm(fault)
>>> answered[-1], disk.counts["stalled"], disk.hits(fault)
((2, None), 1, 1)
"""

from __future__ import annotations

import errno
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

from attrs import Factory, define, field

from ackcheck.disk.blocks import BLOCK, SECTOR, Blocks
from ackcheck.disk.errors import BadFault
from ackcheck.disk.faults import Armed, Do, Fault, On

Answer = int | bytes | None | OSError
"""Of a write how many bytes it took, of a read the bytes, of a flush nothing; or why it was refused."""

MOST_ARMED: Final = 256

MOST_HELD: Final = 120.0
"""Seconds for which a request is held that nobody lets go: whoever would let it go may be waiting for it."""

REFUSING: Final[dict[Do, int]] = {"eio": errno.EIO, "enospc": errno.ENOSPC, "tear": errno.EIO}


@define(eq=False)
class Job:
    """One request that met a fault, and what is to be done when its time has come."""

    number: int
    on: On
    offset: int
    size: int
    data: bytes
    mark: int
    """Of a flush: what it has to bring to the base, from when it began."""
    delay: float = 0.0
    held_by: set[int] = Factory(set)
    """The faults that hold it until it is let go."""
    held_since: float = 0.0
    outcome: Do | Literal["well"] = "well"
    sectors: int = 0


@define(eq=False)
class Requests:
    """A disk and the faults in force."""

    blocks: Blocks
    answer: Callable[[int, Answer], None]
    clock: Callable[[], float] = time.monotonic
    on_cut: Callable[[], None] = lambda: None
    """Is called at once when a fault has cut the power."""
    counts: Counter[str] = Factory(Counter)
    read_blocks: set[int] | None = None
    """Which blocks were read, where somebody wants to know."""
    powerless: bool = False
    armed: dict[int, Armed] = Factory(dict)
    _numbers: itertools.count[int] = Factory(lambda: itertools.count(1))
    _due: list[tuple[float, int, Job]] = Factory(list)
    _held: list[Job] = Factory(list)
    _without_power: list[Job] = Factory(list)
    _free_at: dict[int, float] = Factory(dict)
    _gone: dict[int, int] = field(init=False, factory=dict)

    # --- requests ----------------------------------------------------------------------------------------------------

    def write(self, number: int, offset: int, data: bytes | memoryview) -> None:
        """Take a write."""
        if self.armed or self.powerless:
            self._through_faults(Job(number, "write", offset, len(data), bytes(data), 0))
        else:
            self.blocks.write(offset, data)
            size = len(data)
            self.counts["writes"] += 1
            self.counts["bytes"] += size
            self.answer(number, size)

    def read(self, number: int, offset: int, size: int) -> None:
        """Answer a read."""
        if self.read_blocks is not None:
            self.read_blocks.update(range(offset // BLOCK, (offset + size - 1) // BLOCK + 1))
        if self.armed or self.powerless:
            self._through_faults(Job(number, "read", offset, size, b"", 0))
        else:
            self.counts["reads"] += 1
            self.answer(number, self.blocks.read(offset, size))

    def flush(self, number: int) -> None:
        """Bring what was written until now to where it is certain."""
        if self.armed or self.powerless:
            self._through_faults(Job(number, "flush", 0, 0, b"", self.blocks.mark()))
        else:
            self.counts["flushes"] += 1
            self.blocks.flushed(self.blocks.mark())
            self.answer(number, None)

    def _through_faults(self, job: Job) -> None:
        if self.powerless:
            self._without_power.append(job)
            return
        for armed in self.armed.values():
            if not armed.meets(job.on, job.offset, job.size, job.data):
                continue
            fault = armed.fault
            if fault.do == "cut":
                self._cut_at(job)
                return
            if fault.do == "stall" and not fault.seconds:
                job.held_by.add(armed.number)
            elif fault.do in ("stall", "slow"):
                job.delay += self._delay_of(armed, job)
            elif fault.do == "rot":
                self._rot(fault, job)
            elif job.outcome == "well":
                job.outcome, job.sectors = fault.do, fault.sectors
            self.counts["stalled"] += fault.do == "stall"
        if job.held_by:
            job.held_since = self.clock()
            self._held.append(job)
        else:
            self._after_delay(job)

    def _cut_at(self, job: Job) -> None:
        self.powerless = True
        self.counts["cut"] += 1
        self.blocks.cut()
        self._without_power.append(job)
        self.on_cut()

    def _delay_of(self, armed: Armed, job: Job) -> float:
        """Return how long it takes, where the requests before it are still on their way."""
        fault, now = armed.fault, self.clock()
        if fault.do == "stall":
            return fault.seconds
        began = max(now, self._free_at.get(armed.number, now))
        self._free_at[armed.number] = began + fault.seconds + job.size / fault.rate
        return self._free_at[armed.number] - now

    def _rot(self, fault: Fault, job: Job) -> None:
        at = fault.bit % (8 * job.size)
        self.blocks.rot(job.offset + at // 8, at % 8)
        self.counts["rotten"] += 1

    def _after_delay(self, job: Job) -> None:
        if job.delay > 0:
            heapq.heappush(self._due, (self.clock() + job.delay, next(self._numbers), job))
        else:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        if job.outcome in REFUSING:
            if job.outcome == "tear":
                self.counts["torn"] += 1
                if stored := job.data[: job.sectors * SECTOR]:
                    self.blocks.write(job.offset, stored)
            self.counts["refused"] += 1
            self.answer(job.number, OSError(REFUSING[job.outcome], "refused"))
        elif job.on == "write":
            if job.outcome == "drop":
                self.counts["dropped"] += 1
            else:
                self.blocks.write(job.offset, job.data)
            self.counts["writes"] += 1
            self.counts["bytes"] += job.size
            self.answer(job.number, job.size)
        elif job.on == "read":
            self.counts["reads"] += 1
            self.answer(job.number, self.blocks.read(job.offset, job.size))
        else:
            if job.outcome == "lie":
                self.counts["lied"] += 1
            else:
                self.blocks.flushed(job.mark)
            self.counts["flushes"] += 1
            self.answer(job.number, None)

    # --- faults ------------------------------------------------------------------------------------------------------

    def arm(self, fault: Fault) -> int:
        """Put a fault in force; return its number."""
        if len(self.armed) >= MOST_ARMED:
            raise BadFault(f"{MOST_ARMED} faults are in force already; take one back first")
        number = next(self._numbers)
        self.armed[number] = Armed(number, fault)
        return number

    def disarm(self, number: int | None = None) -> None:
        """Take a fault back, or all of them, and let go what it holds."""
        numbers = list(self.armed) if number is None else [number]
        for one in numbers:
            if one not in self.armed:
                raise BadFault(f"no fault {one} is in force")
            self._gone[one] = self.armed.pop(one).hits
        self.let_go(None if number is None else number)

    def let_go(self, number: int | None = None) -> int:
        """Let go what a fault holds, or everything that is held; return how many requests that were."""
        freed = []
        for job in list(self._held):
            job.held_by = set() if number is None else job.held_by - {number}
            if not job.held_by:
                self._held.remove(job)
                freed.append(job)
        for job in freed:
            self._after_delay(job)
        return len(freed)

    def hits(self, number: int) -> int:
        """Return how often a fault was met, in force or taken back."""
        if number in self.armed:
            return self.armed[number].hits
        if number in self._gone:
            return self._gone[number]
        raise BadFault(f"there was no fault {number}")

    def go_on(self) -> None:
        """Bring the power back as far as answers go: faults are over, and whatever waited is done."""
        self.powerless = False
        self.disarm()
        for job in self._without_power[:]:
            self._finish(job)
        self._without_power.clear()
        for _, _, job in sorted(self._due):
            self._finish(job)
        self._due.clear()

    # --- time --------------------------------------------------------------------------------------------------------

    def wait(self) -> float | None:
        """Return for how many seconds nothing becomes due; None: for ever."""
        return max(0.0, self._due[0][0] - self.clock()) if self._due else None

    def tick(self) -> None:
        """Do what has become due, unless there is no power."""
        while self._due and not self.powerless and self._due[0][0] <= self.clock():
            self._finish(heapq.heappop(self._due)[2])
        if self._held and self._held[0].held_since + MOST_HELD <= self.clock():
            self.counts["overdue"] += self.let_go()

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._due) + len(self._held) + len(self._without_power)
