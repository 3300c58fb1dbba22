"""What a store is doing when the fault comes: kinds of rounds, in turn, so that every profile has some of each.

- *burst*: many calls under way, at a point chosen by seed. It finds the wrong order of things that overlap.
- *single*: an otherwise idle store answers one call at a time; the fault comes right after an OK, with one call under
  way. It finds an answer that is given a moment before what it says is true.
- *last*: the same with nothing under way: the next call may save what the last one has left to chance.
- *long*: deliveries of some seconds are held, the store is idle meanwhile, and the fault comes shortly before they end.
  It finds deadlines that begin anew at a restart, and what is only written when more comes.
- *close*: the store is closed with work under way, and the fault comes after the close has been answered.

>>> [kind_of(number, PROCESS) for number in range(4)]
['single', 'burst', 'long', 'burst']
"""

from __future__ import annotations

import time
from typing import Literal

from ackcheck.grades.session import Session
from ackcheck.grades.workload import QUEUES, Call
from ackcheck.rig.killpoint import choose_kill
from ackmodel.observe.events import Reply

Kind = Literal["burst", "single", "last", "long", "close"]

PROCESS: tuple[Kind, ...] = ("single", "burst", "long", "burst", "single", "burst")
POWER: tuple[Kind, ...] = ("last", "close", "long", "single", "burst", "last", "burst")
"""The kinds in turn. A close is judged after power loss, and at the end of every case, by a clean restart."""

REQUESTS = 80
"""Most answers that are waited for before a fault in a burst."""

LONGEST = 0.05
"""Seconds that a burst lasts at most, where it ends after a delay."""

OPENING = 0.3
"""Seconds, at most, after which a store that is opening is killed: about what an interpreter takes to start."""

FAILING = 0.3
"""Seconds that calls are made on a disk whose syncs fail."""

MANY = 100
"""Messages in each queue for that: enough records that some of them need a block of their own."""

IN_HAND = 4
"""Messages of a single round: some acked and flushed, one acked, one whose ack is under way, one that is left."""

ACKING = 2.0
"""Seconds that they are hidden."""

HELD = 6.0
"""Seconds that messages are hidden in a long round. Deadlines that begin anew at a restart end more than the patience
that a store is given after those that do not."""

WINDOW_TIMES = 1.25
"""For how many times a promised loss window the store is left idle before what it answered must be safe."""

BEFORE_THE_END = 1.0
"""Seconds before that at which the fault comes."""


def kind_of(number: int, kinds: tuple[Kind, ...]) -> Kind:
    """Return the kind of a round, by its number in the campaign."""
    return kinds[number % len(kinds)]


def work(session: Session, kind: Kind) -> None:
    """Have the store do what a round of this kind does until its fault."""
    session.ran[f"round: {kind}"] += 1
    session.until_back()  # else there is next to nothing to hand out
    if kind in ("single", "last"):
        answer_one_by_one(session, leave_one=kind == "single")
    elif kind == "long":
        hold_for_long(session)
    else:
        session.run(choose_kill(session.random, requests=REQUESTS, longest=LONGEST))
        if kind == "close":
            session.close(busy=True)


def answer_one_by_one(session: Session, *, leave_one: bool) -> None:
    """Have acks answered one at a time, some of them flushed, and perhaps leave one under way."""
    receipts = session.pop(session.random.choice(QUEUES), IN_HAND, ACKING)
    flushed, answered, *rest = [receipts[:1], receipts[1:2], receipts[2:3]]
    for receipt in flushed:
        session.ask(Call("ack", "ack", receipts=(receipt,)))
        session.flush()
    for receipt in answered:
        session.ask(Call("ack", "ack", receipts=(receipt,)))
    for [receipt] in filter(None, rest if leave_one else ()):
        session.traffic.ask(Call("ack", "ack", receipts=(receipt,)))


def hold_for_long(session: Session) -> None:
    """Pop some, have that flushed, and wait until their time is nearly over."""
    began = session.now
    for queue in QUEUES:
        receipts = session.pop(queue, IN_HAND, HELD)
        for receipt in receipts[:1]:
            session.ask(Call("ack", "ack", receipts=(receipt,)))
    reply = session.flush()
    session.ran["flushed before it was idle"] += reply is Reply.OK
    window = session.promises.loss_window
    with session.made_durable_by_waiting(window):
        time.sleep(max(window * WINDOW_TIMES, began + HELD - BEFORE_THE_END - session.now))
