"""What a small store keeps of its queues, and what it answers: no I/O, no clock.

>>> books = Books(ends={"q": 3})
>>> (delivery,) = decide(books, Request(1, "pop", "q", count=1, until=30.0, at=0.0)).deliveries
>>> decide(books, Request(2, "ack", receipts=(delivery.receipt,), at=1.0)).reply, books.floors
(<Reply.OK: 'OK'>, {'q': 1})
"""

import re
from typing import Any

from attrs import Factory, asdict, define, frozen

from ackcheck.sim.target import Ended
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Delivered

RECEIPT = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)@(.+)", re.ASCII)
GIVEN_BACK = 0.0


@frozen
class Request:
    """What a client asks for, at a time. `count` is the offset of a reset."""

    op: int
    kind: str
    queue: str = ""
    receipts: tuple[str, ...] = ()
    count: int = 0
    until: float = 0.0
    at: float = 0.0


@define
class Book:
    """One queue: all below `floor` is settled, and what `settled` names; `held` has of the rest that was handed out the
    number of the delivery, its deadline, and the open in which it was made. `generation` counts the resets."""

    floor: int = 0
    next: int = 0
    generation: int = 0
    held: dict[int, tuple[int, float, int]] = Factory(dict)
    settled: set[int] = Factory(set)

    def settle(self, offset: int) -> None:
        del self.held[offset]
        self.settled.add(offset)
        while self.floor in self.settled:
            self.settled.remove(self.floor)
            self.floor += 1


@define
class Books:
    """All queues, and how many messages each has, which nobody stores here. `opened` numbers the open of the store, so
    that no delivery goes by the name of one that a power loss has taken."""

    queues: dict[str, Book] = Factory(dict)
    ends: dict[str, int] = Factory(dict)
    opened: int = 0

    @property
    def floors(self) -> dict[str, int]:
        return {name: book.floor for name, book in self.queues.items()}

    def as_json(self) -> dict[str, Any]:
        return {name: asdict(book) | {"settled": sorted(book.settled)} for name, book in self.queues.items()}

    @classmethod
    def parse(cls, found: dict[str, Any]) -> "Books":
        return cls({name: parse_book(book) for name, book in found.items()})


def parse_book(found: dict[str, Any]) -> Book:
    held = {int(offset): (attempt, until, opened) for offset, (attempt, until, opened) in found["held"].items()}
    return Book(found["floor"], found["next"], found["generation"], held, set(found["settled"]))


def decide(books: Books, request: Request) -> Ended:
    """Do what is asked for in the books, and return the answer to it."""
    match request.kind:
        case "pop":
            return Ended(request.op, Reply.OK, tuple(_handed_out(books, request)))
        case "ack":
            replies = tuple(_settled(books, receipt, request.at) for receipt in request.receipts)
            return Ended(request.op, replies[0] if len(replies) == 1 else Reply.OK, (), replies)
        case "renew" | "release":
            until = request.until if request.kind == "renew" else GIVEN_BACK
            return Ended(request.op, _moved(books, request.receipts[0], request.at, until))
        case "reset":
            before = books.queues.get(request.queue, Book())
            books.queues[request.queue] = Book(request.count, request.count, before.generation + 1)
    return Ended(request.op, Reply.OK)


def _handed_out(books: Books, request: Request) -> list[Delivered]:
    book = books.queues.setdefault(request.queue, Book())
    offsets = [offset for offset, held in sorted(book.held.items()) if held[1] <= request.at][: request.count]
    new = range(book.next, min(books.ends.get(request.queue, 0), book.next + request.count - len(offsets)))
    book.next += len(new)
    found = []
    for offset in [*offsets, *new]:
        attempt = book.held.get(offset, (0, 0.0, 0))[0] + 1
        book.held[offset] = (attempt, request.until, books.opened)
        receipt = f"{book.generation}.{books.opened}.{attempt}.{offset}@{request.queue}"
        found.append(Delivered(receipt, offset, request.until, attempt))
    return found


def _settled(books: Books, receipt: str, now: float) -> Reply:
    book, offset, reply = _judged(books, receipt, now)
    if reply is Reply.OK:
        book.settle(offset)
    return reply


def _moved(books: Books, receipt: str, now: float, until: float) -> Reply:
    book, offset, reply = _judged(books, receipt, now)
    if reply is Reply.OK:
        attempt, _, opened = book.held[offset]
        book.held[offset] = (attempt, until, opened)
    return reply


def _judged(books: Books, receipt: str, now: float) -> tuple[Book, int, Reply]:
    """Return the message that a receipt is for, and what becomes of it: OK if it is the newest delivery's, in time."""
    found = RECEIPT.fullmatch(receipt)
    book = books.queues.get(found[5]) if found else None
    if found is None or book is None:
        return Book(), 0, Reply.INVALID
    generation, opened, attempt, offset = (int(found[each]) for each in (1, 2, 3, 4))
    if generation != book.generation:
        return book, offset, Reply.EXPIRED if generation < book.generation else Reply.INVALID
    if offset < book.floor or offset in book.settled:
        return book, offset, Reply.SETTLED
    given, until, by = book.held.get(offset, (0, 0.0, 0))
    return book, offset, Reply.OK if (attempt, opened) == (given, by) and now < until else Reply.EXPIRED
