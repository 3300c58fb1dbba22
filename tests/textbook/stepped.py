"""Two right stores for the simulation that share no code with the reference: what it finds in them, it finds falsely.

Each is a program that does one thing at a time: it yields what is to be done on the disk, and goes on with what came of
it (`Stepped` drives it). `Snapshots` replaces one file by the whole state, and answers when that is on the disk;
`Journal` appends to a log, answers once that is written, and syncs later. What clients are answered, `books.py`
decides.

>>> from ackcheck.sim.simulation import Simulation, replay
>>> run = Simulation(Snapshots, (Level.DISK,))
>>> replay(run, [("pop", {"count": 2}), ("finish_all", {}), ("crash", {"fate": 0}), ("survey", {})]).broken
"""

import json
import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

from attrs import define, field, frozen
from tests.textbook.books import Books, Request, decide

from ackcheck.sim.target import Directory, Ended, Io, Look, Outcome, Told
from ackmodel import Level
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting

LEVELS = {"Snapshots": Level.DISK, "Journal": Level.PAGE_CACHE}

FLUSH_AFTER = 0.1
PAUSE = 0.2
"""Seconds before what failed is tried again."""

PATIENCE = 60.0
"""Seconds after which a close is answered, whatever the disk does."""

NEVER = float("inf")


class Damaged(Exception):
    """A file is not what was written to it; the message names it."""


@frozen
class Sleep:
    """Nothing is to be done before this time, or the next request."""

    until: float
    deaf: bool = False
    """A request is no reason to wake up."""


Program: TypeAlias = Generator[Io | Sleep, Outcome, None]


@define(eq=False)
class Stepped:
    """A stepped target that is a program: `serve` is told what came of each I/O."""

    books: Books = field(factory=Books, init=False)
    waiting: list[Request] = field(factory=list, init=False)
    now: float = field(default=0.0, init=False)
    proved: bool = field(default=False, init=False)
    """What was read from the files is on the disk."""
    _told: list[Told] = field(factory=list, init=False)
    _program: Program = field(init=False)
    _waits: Io | Sleep | None = field(default=None, init=False)
    _ios: int = field(default=0, init=False)
    _close_by: float = field(default=NEVER, init=False)
    _under_way: list[Request] = field(factory=list, init=False)

    # --- what a store is made of ------------------------------------------------------------------------------------

    def read(self, directory: Directory) -> None:
        """Take up what the files hold; raise `Damaged`."""
        raise NotImplementedError

    def serve(self) -> Program:
        """Answer requests, for ever."""
        raise NotImplementedError

    @property
    def floors(self) -> dict[str, int]:
        """The offset of each queue, on the disk."""
        raise NotImplementedError

    @property
    def unflushed(self) -> int:
        raise NotImplementedError

    def flushed(self, receipt: str) -> bool:
        raise NotImplementedError

    def io(self, action: Any, file: str = "", **more: Any) -> Io:
        self._ios += 1
        return Io(self._ios, action, file, **more)

    def next_requests(self, most: int) -> list[Request]:
        self._under_way, self.waiting = self.waiting[:most], self.waiting[most:]
        return self._under_way

    def answer(self, told: Ended) -> None:
        self._under_way = [request for request in self._under_way if request.op != told.op]
        self._told.append(told)

    def rest(self) -> Iterator[Sleep]:
        yield Sleep(self.now + PAUSE, deaf=True)

    # --- what the simulation calls ----------------------------------------------------------------------------------

    def open(self, directory: Directory, now: float) -> None:
        self.now = now
        self.read(directory)
        self._program = self.serve()
        self._waits = next(self._program)
        self._go_on()

    def publish(self, queue: str, end: int, now: float) -> None:
        self.books.ends[queue] = end

    def pop(self, op: int, queue: str, count: int, invisible: float, now: float) -> None:
        self._ask(Request(op, "pop", queue, count=count, until=now + invisible, at=now))

    def ack(self, op: int, receipts: Sequence[str], now: float) -> None:
        self._ask(Request(op, "ack", receipts=tuple(receipts), at=now))

    def renew(self, op: int, receipt: str, invisible: float, now: float) -> None:
        self._ask(Request(op, "renew", receipts=(receipt,), until=now + invisible, at=now))

    def release(self, op: int, receipt: str, now: float) -> None:
        self._ask(Request(op, "release", receipts=(receipt,), at=now))

    def reset(self, op: int, queue: str, offset: int, now: float) -> None:
        self._ask(Request(op, "reset", queue, count=offset, at=now))

    def flush(self, op: int, now: float) -> None:
        self._ask(Request(op, "flush", at=now))

    def close(self, op: int, now: float) -> None:
        self._close_by = now + PATIENCE
        self._ask(Request(op, "close", at=now))

    def take(self) -> list[Told]:
        told, self._told = self._told, []
        return told

    def finish(self, io: int, outcome: Outcome, now: float) -> None:
        self.now = now
        if isinstance(self._waits, Io) and self._waits.id == io:
            self._send(outcome)

    def tick(self, now: float) -> None:
        self.now = now
        if isinstance(self._waits, Sleep) and now >= self._waits.until:
            self._send(Outcome())
        if now >= self._close_by:
            self._give_up()

    def next_tick(self) -> float | None:
        until = self._waits.until if isinstance(self._waits, Sleep) else NEVER
        soonest = min(until, self._close_by)
        return None if soonest == NEVER else soonest

    def look(self, receipts: Sequence[str]) -> Look:
        known = {queue: Sighting(floor, floor) for queue, floor in self.floors.items()} if self.proved else None
        return Look(
            offsets=known,
            unflushed=self.unflushed,
            outstanding={"requests": float(len(self.waiting) + len(self._under_way))},
            flushed={receipt: self.flushed(receipt) for receipt in receipts},
        )

    # --- within -----------------------------------------------------------------------------------------------------

    def _ask(self, request: Request) -> None:
        self.now = request.at
        self.waiting.append(request)
        if isinstance(self._waits, Sleep) and not self._waits.deaf:
            self._send(Outcome())

    def _send(self, outcome: Outcome) -> None:
        self._waits = self._program.send(outcome)
        self._go_on()

    def _go_on(self) -> None:
        if isinstance(self._waits, Io):
            self._told.append(self._waits)

    def _give_up(self) -> None:
        """Answer everything, as the store is to be closed and the disk does not answer."""
        for request in [*self._under_way, *self.waiting]:
            self._told.append(Ended(request.op, Reply.UNKNOWN, (), (Reply.UNKNOWN,) * len(request.receipts)))
        self._under_way, self.waiting, self._close_by = [], [], NEVER
        self._waits = None


def sealed(content: object) -> bytes:
    """Return it as a line that can be told from any other."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s" % (zlib.crc32(text), text)


def unsealed(line: bytes) -> Any:
    """Return what a line says; None where it is not one that was written."""
    head, _, text = line.partition(b" ")
    return json.loads(text) if head == b"%08x" % zlib.crc32(text) else None


@define(eq=False)
class Snapshots(Stepped):
    """The whole state in one file, which is replaced when it changes: new file, sync, rename, sync of the directory.

    What was read after a crash may not be on the disk: it is stored once more before anything is answered.
    """

    def read(self, directory: Directory) -> None:
        if "state" in directory.names():
            found = unsealed(directory.read("state"))
            if found is None:
                raise Damaged("state is damaged: restore it from a copy")
            self.books = Books.parse(found)

    def serve(self) -> Program:
        yield from self._store(self.books)
        self.proved = True
        while True:
            while not self.waiting:
                yield Sleep(NEVER)
            batch = self.next_requests(len(self.waiting))
            after = deepcopy(self.books)
            answers = [decide(after, request) for request in batch]
            if after != self.books:
                yield from self._store(after)
                after.ends = self.books.ends
            self.books = after
            for each in answers:
                self.answer(each)

    def _store(self, books: Books) -> Program:
        while True:
            steps = (
                self.io("create", "state.new"),
                self.io("write", "state.new", data=sealed(books.as_json())),
                self.io("sync", "state.new"),
                self.io("rename", "state.new", target="state"),
                self.io("sync_directory"),
            )
            for step in steps:
                outcome = yield step
                if not outcome.ok:
                    break
            else:
                return
            yield from self.rest()

    @property
    def floors(self) -> dict[str, int]:
        return self.books.floors

    @property
    def unflushed(self) -> int:
        return int(not self.proved)

    def flushed(self, receipt: str) -> bool:
        return True


LOG = re.compile(r"log\.(\d+)", re.ASCII)

CLOSED = "x" * 80
"""What the last lines of a closed log hold: more than damage takes at once, so that one is left to tell of it."""


@define(eq=False)
class Journal(Stepped):
    """A log of what each queue came to be. A line is written before it is answered, and synced soon after.

    A log that a write or a sync has failed is not trusted any more: everything is written once more, to a new one. Each
    line says how many before it were on the disk, so that damage can be told from what a power loss took.
    """

    number: int = field(default=0, init=False)
    lines: int = field(default=0, init=False)
    size: int = field(default=0, init=False)
    synced: int = field(default=0, init=False)
    entered: bool = field(default=False, init=False)
    """The directory is known to have this log, and the file `current` says so."""
    sync_at: float = field(default=NEVER, init=False)
    _safe: dict[str, int] = field(factory=dict, init=False)
    _old: list[str] = field(factory=list, init=False)
    _unsafe: set[str] = field(factory=set, init=False)
    """The receipts of acks that are written, and not yet on the disk."""

    @property
    def file(self) -> str:
        return f"log.{self.number}"

    def read(self, directory: Directory) -> None:
        names = directory.names()
        numbers = sorted(int(found[1]) for name in names if (found := LOG.fullmatch(name)))
        least = 0
        if "current" in names:
            least = unsealed(directory.read("current"))
            if least is None:
                raise Damaged("current is damaged: restore it from a copy")
        if least and least not in numbers:  # one before it may be there still, where its removal failed
            raise Damaged(f"log.{least} is missing: restore it from a copy")
        for number in reversed(numbers):
            if self._read_log(directory.read(f"log.{number}"), number):
                break
            if number <= least:
                raise Damaged(f"log.{number} is damaged: restore it from a copy")
        self.number = max([least, *numbers])
        self._old = [f"log.{number}" for number in numbers]

    def _read_log(self, data: bytes, number: int) -> bool:
        """Take up a log, if its beginning is whole."""
        seen = [line for chunk in data.split(b"\n") if chunk and (line := unsealed(chunk)) is not None]
        whole = 0
        for line in seen:
            if line["number"] == whole:
                whole += 1
                self.books.queues.update(Books.parse(line["queues"]).queues)
        if any(line["synced"] > whole for line in seen):
            raise Damaged(f"log.{number} is damaged: restore it from a copy")
        return whole > 0

    def serve(self) -> Program:
        yield from self._begin()
        yield from self._sync()
        self.books.opened = self.number
        self.proved = True
        while True:
            if self.waiting:
                yield from self._do(self.next_requests(1)[0])
            elif self.unflushed and self.now >= self.sync_at:
                yield from self._sync()
            else:
                yield Sleep(self.sync_at if self.unflushed else NEVER)

    def _do(self, request: Request) -> Program:
        if request.kind in ("flush", "close"):
            yield from self._sync()
            if request.kind == "close":
                yield from self._end()
            self.answer(Ended(request.op, Reply.OK))
            return
        after = deepcopy(self.books)
        answer = decide(after, request)
        changed = {name: book for name, book in after.queues.items() if self.books.queues.get(name) != book}
        if changed and not (yield from self._append(Books(changed))):
            yield from self._begin()
            yield from self._sync()  # until then a power loss brings back the log that may hold the line
            answer = Ended(request.op, Reply.FAILED, (), (Reply.FAILED,) * len(request.receipts))
        elif changed:
            self.books.queues = after.queues
            if request.kind == "ack":  # what was settled before is where it was
                replies = answer.replies or (answer.reply,)
                self._unsafe.update(
                    name for name, said in zip(request.receipts, replies, strict=True) if said is Reply.OK
                )
            if request.kind == "reset":
                yield from self._sync()
        self.answer(answer)

    def _append(self, books: Books) -> Generator[Io | Sleep, Outcome, bool]:
        """Write a line; tell whether it is there."""
        content = {"number": self.lines, "synced": self.synced, "queues": books.as_json()}
        line = b"\n" + sealed(content) + b"\n"
        outcome = yield self.io("write", self.file, at=self.size, data=line)
        if outcome.ok:
            self.size += len(line)
            self.lines += 1
            self.sync_at = min(self.sync_at, self.now + FLUSH_AFTER)
        return outcome.ok

    def _begin(self) -> Program:
        """Begin a new log with everything there is."""
        while True:
            if self.number:
                self._old.append(self.file)
            self.number += 1
            self.lines = self.size = self.synced = 0
            self.entered = False
            outcome = yield self.io("create", self.file)
            if outcome.ok and (yield from self._append(self.books)):
                return
            yield from self.rest()

    def _sync(self) -> Program:
        """Have everything that is written on the disk."""
        while self.unflushed:
            covers, floors = self.lines, self.books.floors
            outcome = yield self.io("sync", self.file)
            if outcome.ok and not self.entered:
                outcome = yield self.io("sync_directory")
            if not outcome.ok:
                yield from self.rest()
                yield from self._begin()
                continue
            self.synced, self._safe, self.sync_at = covers, floors, NEVER
            self._unsafe.clear()
            if not self.entered:
                self.entered = yield from self._retire()

    def _retire(self) -> Generator[Io | Sleep, Outcome, bool]:
        """Say which log counts from now on, and remove those before it; tell whether it is said."""
        for step in (
            self.io("create", "current.new"),
            self.io("write", "current.new", data=sealed(self.number)),
            self.io("sync", "current.new"),
            self.io("rename", "current.new", target="current"),
            self.io("sync_directory"),
        ):
            outcome = yield step
            if not outcome.ok:
                return False
        old, self._old = self._old, []
        for name in old:
            yield self.io("unlink", name)
        return True

    def _end(self) -> Program:
        """Have the last lines tell that all before them is on the disk."""
        while not self.entered:
            yield from self.rest()
            self.entered = yield from self._retire()
        line = b"\n" + sealed({"number": -1, "synced": self.lines, "queues": {}, "closed": CLOSED}) + b"\n"
        for _ in range(2):
            outcome = yield self.io("write", self.file, at=self.size, data=line)
            self.size += len(line) if outcome.ok else 0
        yield self.io("sync", self.file)

    @property
    def floors(self) -> dict[str, int]:
        return self._safe

    @property
    def unflushed(self) -> int:
        return self.lines - self.synced

    def flushed(self, receipt: str) -> bool:
        return receipt not in self._unsafe
