"""Threads that wait for an answer, and what they get where the core gives none.

>>> from ackstore.words.requests import Flush
>>> waiting = Waiting()
>>> waiter = waiting.add(7, Flush())
>>> waiting.tell(Answer(7, Reply.OK)), waiting.drop(7), waiter.wait(1.0), waiter.answer.reply
(None, False, True, <Reply.OK: 'OK'>)
>>> unsubmitted(Flush(), Reply.BUSY), unsubmitted(AckMany(["one", "other"]), Reply.UNKNOWN).value
(Answer(op=0, reply=<Reply.BUSY: 'BUSY'>, value=None), (<Reply.UNKNOWN: 'UNKNOWN'>, <Reply.UNKNOWN: 'UNKNOWN'>))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ackstore.core.effects import Answer
from ackstore.runtime.threads import within
from ackstore.words.replies import Reply
from ackstore.words.requests import AckMany, Pop, Request

MAY_BE_DURABLE = frozenset({Reply.OK, Reply.SETTLED, Reply.UNKNOWN})
"""Answers after which an ack may still become FLUSHED."""


def unsubmitted(request: Request, reply: Reply) -> Answer:
    """Return the answer to a request that the core has not answered: `reply`, for every item."""
    if isinstance(request, AckMany):
        return Answer(0, reply, (reply,) * len(request.receipts))
    return Answer(0, reply, () if isinstance(request, Pop) else None)


def wait_until(so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so that nobody tells of, or for that long."""
    until = time.monotonic() + seconds
    while not so() and time.monotonic() < until:
        time.sleep(0.01)


class Waiter:
    """What a thread waits on whose operation has no answer yet. It is told once, by whoever takes it from the table of
    those that wait."""

    __slots__ = ("_told", "answer", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.answer: Answer | None = None
        self._told = threading.Lock()
        self._told.acquire()

    def tell(self, answer: Answer) -> None:
        """Take note of the answer."""
        self.answer = answer
        self._told.release()

    def wait(self, seconds: float) -> bool:
        """Wait that long; return whether it has one now."""
        return self._told.acquire(timeout=within(seconds))


class Waiting:
    """The threads that wait, by operation. Whoever takes a waiter out of the table tells it: no lock is needed."""

    def __init__(self) -> None:
        self.by_op: dict[int, Waiter] = {}

    def add(self, op: int, request: Request) -> Waiter:
        """Add a thread that is about to wait."""
        waiter = self.by_op[op] = Waiter(request)
        return waiter

    def drop(self, op: int) -> bool:
        """Drop a thread that waits no longer; return whether nobody has told it, or is about to."""
        return self.by_op.pop(op, None) is not None

    def tell(self, answer: Answer) -> None:
        """Give an answer to the thread that waits for it, if one does."""
        waiter = self.by_op.pop(answer.op, None)
        if waiter is not None:
            waiter.tell(answer)

    def tell_all(self, reply: Reply) -> None:
        """Tell all: nobody gets another answer any more."""
        for op in list(self.by_op):
            waiter = self.by_op.pop(op, None)
            if waiter is not None:
                waiter.tell(unsubmitted(waiter.request, reply))
