"""Every call of a stepped target once, on a disk that works: what is wrong with its answers is told together.

>>> class Short:
...     def take(self): return []
>>> for line in rehearsed(Short)[-2:]:
...     print(line)
no method publish(queue, end, now)
no method tick(now)
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection
from typing import Any, get_args

from attrs import Factory, define

from ackcheck.rig.shape import lacks
from ackcheck.sim.target import Action, BecameDurable, Ended, Extended, Io, Look, Outcome, SteppedTarget
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Delivered

QUEUE, HIDDEN = "rehearsal/0", 30.0
MOST = 1_000
"""Steps within which an operation has to end, on a disk that works."""

PATIENCE = 60.0
"""Seconds of the target's own timers within which it has to."""


def rehearsed(make: Callable[[], Any]) -> list[str]:
    """Return what is wrong with a target: its methods and their arguments, or else its answers."""
    target = make()
    if wrong := lacks(target, SteppedTarget, Extended):
        return wrong
    run = Rehearsal(target)
    if hasattr(target, "write_now"):
        target.write_now = run.write_now
    return _play(run)


@define
class Rehearsal:
    """A target, the files that it has written, and what was wrong so far."""

    target: Any
    files: dict[str, bytes] = Factory(dict)
    wrong: list[str] = Factory(list)
    now: float = 1_000.0
    ended: dict[int, Ended] = Factory(dict)
    _ops: dict[int, str] = Factory(dict)
    _seen: set[int] = Factory(set)

    def names(self) -> list[str]:
        """Return the names of the files."""
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return self.files[name]

    def call(self, name: str, *arguments: Any) -> Any:
        """Make one call; what it raises is wrong."""
        try:
            return getattr(self.target, name)(*arguments)
        except Exception as error:  # whatever it is, it is the target's
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            self._say(f"{name} raised {told}: no call of the rehearsal is one to fail")
            return None

    def do(self, name: str, *arguments: Any) -> Ended | None:
        """Begin an operation, do all the I/O that the target wants, and return how the operation ended."""
        op = len(self._ops) + 1
        self._ops[op] = name
        self.call(name, op, *arguments, self.now)
        self.settle(op)
        if op not in self.ended:
            self._say(f"{name} (operation {op}) has not ended, though all I/O that was wanted is done: hand out Ended")
        return self.ended.get(op)

    def settle(self, op: int | None = None) -> None:
        """Do what the target wants done, until there is nothing, or the operation has ended."""
        until = self.now + PATIENCE
        for _ in range(MOST):
            told = self.call("take")
            if not isinstance(told, list):
                self._say(f"take returned {told!r}: return a list of Io, Ended and BecameDurable")
                return
            for each in told:
                self._met(each)
            if told:
                continue
            due = self.call("next_tick")
            if due is not None and not isinstance(due, int | float):
                self._say(f"next_tick returned {due!r}: return the time of the next tick, or None")
            if op is None or op in self.ended or not isinstance(due, int | float) or due > until:
                return
            self.now = max(self.now, float(due))
            self.call("tick", self.now)

    def _met(self, told: Any) -> None:
        match told:
            case Io():
                self._do(told)
            case Ended():
                self._end(told)
            case BecameDurable():
                if told.op not in self._ops:
                    self._say(f"BecameDurable names operation {told.op!r}, which was never begun")
            case _:
                self._say(f"take handed out {told!r}: hand out Io, Ended and BecameDurable")

    def _do(self, io: Io) -> None:
        if io.id in self._seen:
            self._say(f"the id {io.id} of {io.describe()} was given before: each I/O has one of its own")
        self._seen.add(io.id)
        self._check_one_of("the action of an Io", io.action, get_args(Action))
        known = io.action in ("create", "sync_directory") or io.file in self.files
        if not known:
            self._say(f"{io.describe()}: there is no such file; create it first")
        if known:
            self._apply(io)
        self.call("finish", io.id, Outcome(), self.now)

    def write_now(self, io: Io) -> Outcome:
        """Do a write at once, for a target that writes in the thread of its client."""
        self._apply(io)
        return Outcome()

    def _apply(self, io: Io) -> None:
        match io.action:
            case "create":
                self.files[io.file] = b""
            case "write":
                before = self.files.get(io.file, b"").ljust(io.at, b"\0")
                self.files[io.file] = before[: io.at] + io.data + before[io.at + len(io.data) :]
            case "rename":
                self.files[io.target] = self.files.pop(io.file)
            case "unlink":
                del self.files[io.file]

    def _end(self, ended: Ended) -> None:
        if ended.op not in self._ops or ended.op in self.ended:
            why = "has ended before" if ended.op in self.ended else "was never begun"
            self._say(f"Ended names operation {ended.op!r}, which {why}")
            return
        self.ended[ended.op] = ended
        for reply in (ended.reply, *ended.replies):
            self._check_one_of(f"the reply to {self._ops[ended.op]}", reply, tuple(Reply))
        given: tuple[Any, ...] = ended.deliveries
        for each in given:
            if not isinstance(each, Delivered) or not isinstance(each.receipt, str):
                self._say(f"pop gave {each!r}: give Delivered(receipt, offset, deadline), the receipt as a str")

    def _check_one_of(self, what: str, value: object, known: Collection[Any]) -> None:
        if value not in known:
            self._say(f"{what} is {value!r}: it must be one of {', '.join(map(str, known))}")

    def look(self) -> None:
        """Have it show itself."""
        look = self.call("look", [])
        if not isinstance(look, Look):
            self._say(f"look returned {look!r}: return a Look; what cannot be seen is None in it")
        elif any(not isinstance(one, Sighting) for one in (look.offsets or {}).values()):
            self._say("the offsets of a Look are Sighting(committed, persisted), by queue")

    def _say(self, told: str) -> None:
        if told not in self.wrong:
            self.wrong.append(told)


def _play(run: Rehearsal) -> list[str]:
    """Make every call once."""
    run.call("open", run, run.now)
    if run.wrong:
        return run.wrong  # nothing can be asked of what is not open
    run.settle()
    run.call("publish", QUEUE, 4, run.now)
    popped = run.do("pop", QUEUE, 4, HIDDEN)
    given: tuple[Any, ...] = popped.deliveries if popped else ()
    receipts = [each.receipt for each in given if isinstance(each, Delivered)]
    if popped and not receipts:
        run.wrong.append("pop gave nothing, though 4 messages were published: give up to `count` deliveries")
    run.look()
    run.do("ack", receipts[:1] or ["a receipt of nobody's"])
    both = run.do("ack", [*receipts[1:2], "a receipt of nobody's"])
    if both and receipts[1:] and len(both.replies) != 2:
        run.wrong.append(
            f"ack of 2 receipts ended with {len(both.replies)} replies: give one a receipt, in their order"
        )
    if hasattr(run.target, "renew") and receipts:
        run.do("renew", receipts[-1], HIDDEN)
    if hasattr(run.target, "release") and receipts:
        run.do("release", receipts[-1])
    if hasattr(run.target, "pop_as"):
        run.do("pop_as", "rehearsal", QUEUE, 1, HIDDEN)
    if hasattr(run.target, "leave"):
        run.do("leave", "rehearsal")
    run.do("flush")
    if hasattr(run.target, "reset"):
        run.do("reset", QUEUE, 0)
    run.do("close")
    return run.wrong
