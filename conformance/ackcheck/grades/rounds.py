"""What a store is doing when the fault comes: kinds of rounds, in turn, so that every profile has some of each.

- *burst*: many calls under way, at a point chosen by seed. It finds the wrong order of things that overlap. In turn it
  may be a crowd, or calls beside a reset (`ackcheck.grades.orders`).
- *single*: an otherwise idle store answers one call at a time; the fault comes right after an OK, with one call under
  way. It finds an answer that is given a moment before what it says is true.
- *last*: the same with nothing under way: the next call may save what the last one has left to chance.
- *long*: deliveries of some seconds are held, the store is idle meanwhile, and the fault comes shortly before they end.
  It finds deadlines that begin anew at a restart, and what is only written when more comes.
- *close*: the store is closed with work under way, and the fault comes after the close has been answered.

Each begins with an ack of a delivery that was given back, where the store can take one back: it settles nothing. And
with a consumer that leaves, where the store knows its consumers.

And before a restart in order (`RESTARTS`), what may be left for the close to save:

- *unflushed*: a few acks were answered, one at a time, with no barrier since.
- *close*: as above.
- *settled*: everything was acked and flushed, and the store has come to rest.

>>> [kind_of(number, PROCESS) for number in range(4)]
['single', 'burst', 'long', 'burst']
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from ackcheck.grades.session import Session
from ackcheck.grades.workload import CONSUMERS, LONG, MIXED, QUEUES, Call
from ackcheck.rig.killpoint import choose_kill
from ackmodel.observe.events import Reply

Kind = Literal["burst", "single", "last", "long", "close", "unflushed"]

PROCESS: tuple[Kind, ...] = ("single", "burst", "long", "burst", "single", "burst")
POWER: tuple[Kind, ...] = ("last", "close", "long", "single", "burst", "last", "burst")
"""The kinds in turn."""

RESTARTS: tuple[Kind, ...] = ("unflushed", "close", "unflushed")
"""What comes before the restarts in order that end a case of the process grade, before all is settled."""

UNFLUSHED = 7
"""Most messages that are acked without a barrier before a restart: a store may save a few at a time."""

REQUESTS = 80
"""Most answers that are waited for before a fault in a burst."""

LONGEST = 0.05
"""Seconds that a burst lasts at most, where it ends after a delay."""

OPENING = 0.3
"""Seconds, at most, after which a store that is opening is killed: about what an interpreter takes to start."""

FAILING = 0.3
"""Seconds that calls are made on a disk whose syncs fail."""

HELD = 0.3
"""Seconds for which calls are made once a flush is held."""

MANY = 100
"""Messages in each queue for that: enough records that some of them need a block of their own."""

LONG_SEGMENT = 1 << 20
"""Bytes of a log's file that no case fills: a store that goes on in the file whose sync has failed is seen through only
if it does not begin the next one meanwhile, whose sync would really be one."""

IN_HAND = 4
"""Messages of a single round: some acked and flushed, one acked, one whose ack is under way, one that is left."""

ACKING = 2.0
"""Seconds that they are hidden."""

BEYOND = (2.0, 4.0)
"""Seconds, from and to, that messages are hidden in a long round beyond the patience that a store is given: deadlines
that begin anew at a restart end too late then."""

IDLE = (0.0, 0.0, 0.0, 0.03, 0.3, 1.2)
"""Seconds for which a store is idle before the fault of a *last* round, one of them by seed: what writes or syncs a
moment later, or now and then, has done it by then, or not."""

BEFORE_THE_END = (0.3, 1.2)
"""Seconds, from and to, before their end at which the fault of a long round comes."""


SOME = 4
"""Renewals for which a round waits until the deadlines that they moved have passed."""

OF_EACH = 3
"""Messages that a consumer has in hand when one of them leaves."""


Way: TypeAlias = Callable[[Session], bool]
"""What a burst may be instead; returns whether the target could be brought to it."""


def kind_of(number: int, kinds: tuple[Kind, ...]) -> Kind:
    """Return the kind of a round, by its number in the campaign."""
    return kinds[number % len(kinds)]


def turn_of(session: Session, ways: int) -> int:
    """Return whose turn it is in this round of this case, of so many ways to do something."""
    return (session.turn + (session.round or 0) // 2) % ways


def work(session: Session, kind: Kind, bursts: Sequence[Way] = ()) -> Reply | None:
    """Have the store do what a round of this kind does until its fault; return how a close was answered, if it was.

    Two bursts of three are one of `bursts`, in turn; the third is as it comes.
    """
    session.ran[f"round: {kind}"] += 1
    session.until_back()  # else there is next to nothing to hand out
    ack_what_was_given_back(session)
    let_a_consumer_leave(session)
    if kind in ("single", "last"):
        answer_one_by_one(session, leave_one=kind == "single")
        time.sleep(session.random.choice(IDLE) if kind == "last" else 0.0)
    elif kind == "long":
        hold_for_long(session)
    elif kind == "unflushed":
        leave_unflushed(session)
    else:
        plain = not bursts or kind == "close" or (session.round or 0) // 2 % 3 == 0
        if plain or not bursts[turn_of(session, len(bursts))](session):
            session.run(choose_kill(session.random, requests=REQUESTS, longest=LONGEST))
        if kind == "close":
            return session.close(busy=True)
    return None


def ack_what_was_given_back(session: Session) -> None:
    """Have a delivery given back, if the target can, and its receipt acked, which is over by then."""
    if "release" in session.traffic.work.offers:
        for receipt in session.pop(session.random.choice(QUEUES), 1, LONG):
            session.ask(Call("release", "release", receipts=(receipt,)))
            session.ask(Call("ack", "ack again", receipts=(receipt,)))


def let_a_consumer_leave(session: Session) -> None:
    """Have one of two consumers leave, an ack of its own just under way, and come again, if the target knows them."""
    if "leave" not in session.traffic.work.offers:
        return
    one, other = session.random.sample(CONSUMERS, 2)
    receipts = session.pop(MIXED, OF_EACH, LONG, one)
    session.pop(MIXED, OF_EACH, LONG, other)
    for receipt in receipts[:1]:
        session.ask(Call("ack", "ack", receipts=(receipt,)))
    for receipt in receipts[1:2]:
        session.traffic.ask(Call("ack", "ack", receipts=(receipt,)))
    session.traffic.ask(session.traffic.work.leave(one))
    session.traffic.ask(session.traffic.work.pop(MIXED, OF_EACH, LONG, one))
    session.traffic.settle()


def reset(session: Session) -> None:
    """Reset one of the queues, if the target can, and wait for the answer."""
    if "reset" in session.traffic.work.offers:
        session.traffic.settle()
        session.ask(session.traffic.work.reset(session.random.choice(QUEUES)))


def lengthen(session: Session) -> None:
    """Renew some of what was just handed out, if the target can, and see what comes when the old time is over."""
    if "renew" in session.traffic.work.offers:
        for call in filter(None, (session.traffic.work.lengthen() for _ in range(SOME))):
            session.traffic.ask(call)
        session.survey()


def answer_one_by_one(session: Session, *, leave_one: bool) -> None:
    """Have acks answered one at a time, some of them flushed, and perhaps leave one under way.

    Where what is answered is promised to be safe only later, they are spread over that time and a little more: so
    those that are lost show how long it really is.
    """
    began, longest = session.now, session.traffic.waiting.longest
    pause = longest / IN_HAND
    receipts = session.pop(session.random.choice(QUEUES), 2 * IN_HAND if pause else IN_HAND, ACKING + 6 * pause)
    left = receipts[2:3] if leave_one else []
    for receipt in receipts[:1]:
        session.ask(Call("ack", "ack", receipts=(receipt,)))
        session.flush()
        time.sleep(pause)
    for receipt in receipts[1:2] + (receipts[3:] if pause else []):
        session.ask(Call("ack", "ack", receipts=(receipt,)))
        time.sleep(pause * session.random.random())
    time.sleep(max(0.0, began + longest - session.now))
    for receipt in left:
        session.traffic.ask(Call("ack", "ack", receipts=(receipt,)))


def leave_unflushed(session: Session) -> None:
    """Have some acks answered, one at a time, and ask for no barrier after them."""
    if session.random.random() < 0.5:  # else it may have been long ago
        session.flush()
    for receipt in session.pop(session.random.choice(QUEUES), session.random.randint(1, UNFLUSHED), ACKING):
        session.ask(Call("ack", "ack", receipts=(receipt,)))


def hold_for_long(session: Session) -> None:
    """Pop some, have that flushed, and wait until their time is nearly over."""
    began, held = session.now, session.patience + session.random.uniform(*BEYOND)
    before = session.random.uniform(*BEFORE_THE_END)
    for queue in QUEUES:
        receipts = session.pop(queue, IN_HAND, held)
        for receipt in receipts[:1]:
            session.ask(Call("ack", "ack", receipts=(receipt,)))
    reply = session.flush()
    session.ran["flushed before it was idle"] += reply is Reply.OK
    time.sleep(max(session.traffic.waiting.longest, began + held - before - session.now))
