"""A survey: with nothing under way every deadline passes, and every queue is popped until it is empty.

What must come back comes, what was promised to stay away does, and what had all its attempts is a dead letter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from attrs import define, frozen

from acklab.soak.clients import HOUR, QUEUES, Floor, Held, deliveries_in
from ackmodel import Clause
from ackmodel.observe import monitors
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import Reply
from ackstore import QueueId

Got = TypeVar("Got")

AGAIN = 0.05
"""Seconds after which a store that is not ready is asked again."""


def answered(what: str, call: Callable[[], Got], patience: float) -> Got:
    """Make a call of a store, and return what it returns, or raise what it raises; `Broken` if that takes longer than
    that many seconds.

    >>> answered("a sum", lambda: 1 + 1, patience=60.0)
    2
    """
    found: list[Got] = []
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            found.append(call())
        except BaseException as error:
            # The thread's top: it is raised again where the call was made.
            raised.append(error)

    thread = threading.Thread(target=ask, name=f"soak-{what}", daemon=True)
    thread.start()
    thread.join(patience)
    if raised:
        raise raised[0]
    if not found:
        raise Broken(Clause.REPLY_EXACTLY_ONCE, f"{what} has had no answer for {patience:.0f} s")
    return found[0]


@frozen
class Letters:
    """The dead letters of a queue, as far as they are listed; `complete`: none was forgotten, and none is to come.

    >>> Letters(frozenset({3}), complete=True).has(4), Letters(frozenset({3}), complete=False).has(4)
    (False, None)
    """

    offsets: frozenset[int]
    complete: bool

    def has(self, offset: int) -> bool | None:
        """Whether a message is among them; None where that cannot be known."""
        return offset in self.offsets or (False if self.complete else None)


@define(eq=False)
class Survey:
    """One survey. A store that is not ready, on a busy machine, is waited for: `patience` seconds for each queue."""

    floor: Floor
    patience: float
    dead: int = 0
    """Dead letters seen."""

    def run(self) -> None:
        """Survey every queue, and leave what came for whoever has room."""
        floor = self.floor
        floor.found.clear()
        floor.clock.jump(2 * HOUR)
        for name in QUEUES:
            self._decide(name)
            floor.found.extend(self._queue(name).values())

    def _decide(self, name: str) -> None:
        """Reset a queue where nobody knows what became of a reset, so that it is known."""
        floor, judge, reply = self.floor, self.floor.judge, Reply.OK
        until = time.monotonic() + self.patience
        while (offset := judge.undecided(name)) is not None and time.monotonic() < until:
            op = next(floor.ops)
            judge.reset_asked(name, op, offset)
            reset = partial(floor.store.reset, name, offset, timeout=self.patience)
            reply = Reply(answered("reset", reset, 2 * self.patience).value)
            judge.reset_answered(name, op, offset, reply)
            if reply is not Reply.OK:
                time.sleep(AGAIN)
        judge.check(Clause.FLUSH_DEGRADES, monitors.flush_degrades(None if reply is Reply.OK else reply.value))

    def _queue(self, name: str) -> dict[int, Held]:
        judge = self.floor.judge
        came: dict[int, Held] = {}
        until = time.monotonic() + self.patience
        while True:
            at = self._pop_all(name, came, until)
            letters = self._letters(name)
            known = letters.complete and not judge.misses(name, came, at, letters)
            if known or time.monotonic() >= until:
                judge.drained(name, came, at, letters)
                self.dead += len(letters.offsets)
                return came
            time.sleep(AGAIN)

    def _pop_all(self, name: str, came: dict[int, Held], until: float) -> float:
        """Pop a queue until it is empty; return when the last pop was asked for."""
        floor = self.floor
        while True:
            at = floor.clock()
            answer = answered("pop", lambda: floor.store.try_pop(name, 64, HOUR), 2 * self.patience)
            reply = answer.reply.value
            if reply != "OK" and time.monotonic() < until:
                if reply == "UNKNOWN":
                    floor.judge.pop_unknown(name, at + HOUR)
                    floor.clock.jump(2 * HOUR)
                time.sleep(AGAIN)
                continue
            floor.judge.check(Clause.FLUSH_DEGRADES, monitors.flush_degrades(None if reply == "OK" else reply))
            seen = deliveries_in(answer)
            if not seen:
                return at
            floor.judge.popped(name, seen, floor.clock())
            came.update((one.offset, Held(name, one.offset, one.receipt)) for one in seen)

    def _letters(self, name: str) -> Letters:
        """Read them. What had its attempts is listed only once that is flushed: an ack that a power loss took, and a
        dead letter that is on its way, look the same until then."""
        store, queue = self.floor.store, QueueId.parse(name)
        flushed = not store.stats(count=False).unflushed_records
        listed = frozenset(letter.offset for letter in store.dead(queue))
        none_forgotten = store.stats(count=False).queues[queue].dead == len(listed)
        return Letters(listed, complete=flushed and none_forgotten)
