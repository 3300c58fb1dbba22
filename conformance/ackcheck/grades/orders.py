"""Orders of calls that no burst comes to by chance, and crowds: a case, or a round, brings them about in turn.

- The queues are popped *before the first publish*: they are empty, and what is published then comes all the same.
- *Hundreds of calls* are in flight when the fault comes: a store that has room for a few dozen, or gives each a number
  of a byte, is wrong only then.
- Acks, changes and a pop of a queue are under way *beside its reset*: each takes effect before it, or after.
- SIGKILL, open, *barrier*, power loss: what the kernel kept over the kill the barrier has to bring to the disk, though
  the process that wrote it is gone.
- After a power loss the queues are published with *less than before*, and then as they were: whoever has the messages
  may find only some of them at first.

How often each has come about is counted (`ackcheck.grades.reached`), and what never did is said.
"""

from __future__ import annotations

from typing import Final

from ackcheck.grades.draining import BATCH
from ackcheck.grades.reached import BESIDE_A_RESET, CROWD, FIRST_POPS, LESS, REOPENED
from ackcheck.grades.session import Session
from ackcheck.grades.workload import QUEUES, SHORT, Call
from ackcheck.rig.apart import Apart
from ackmodel.observe.events import ProcessCrashed, Reply

MANY: Final = (BATCH, 4)
"""Messages of each queue that a crowd acks, in two pops."""

HUNDREDS: Final = 200
"""Calls in flight from which on a crowd counts."""

HELD: Final = 1.5
"""Seconds that what is in hand then is hidden: an ack that is lost shows once they have passed."""

LET_RUN: Final = 0.05
"""Seconds, at most, from the last call of a crowd to the fault; mostly much less."""

BESIDE: Final = 5
"""Deliveries in hand when a queue is reset."""

CHANGES: Final = ("renew", "release")
"""What is asked of two of them, and the others are acked."""

A_FEW: Final = 2
"""Messages popped of each queue before all that was published is published again."""


def could_reach(session: Session, *, loses_power: bool) -> set[str]:
    """Return which of these orders a target can be brought to, by what it offers and promises."""
    able = {CROWD}
    if not isinstance(session.child, Apart):  # whose adapter makes a queue, or mends it, when something is published
        able.add(FIRST_POPS)
        able |= {LESS} if loses_power and session.promises.publish == "republished" else set()
    if "reset" in session.traffic.work.offers and session.traffic.lenient.exact:
        able.add(BESIDE_A_RESET)
    if loses_power and session.promises.barrier == "yes":
        able.add(REOPENED)
    return able


def pop_before_the_first_publish(session: Session) -> None:
    """Pop queues of which nothing was published ever. One that cannot be popped then is not judged by it."""
    if isinstance(session.child, Apart):
        return
    before, session.traffic.forgiving = session.traffic.forgiving, True
    for queue in QUEUES:
        session.pop(queue, A_FEW, SHORT)
    session.traffic.forgiving = before
    if session.traffic.refused is None:
        session.traffic.reached.came_to(FIRST_POPS)


def crowd(session: Session) -> bool:
    """Have hundreds of calls under way at once: acks, each of one delivery, and a pop of each queue at the end."""
    session.publish(sum(MANY))
    receipts = [receipt for queue in QUEUES for count in MANY for receipt in session.pop(queue, count, HELD)]
    session.child.stop()
    for receipt in receipts:
        session.traffic.ask(Call("ack", "ack", receipts=(receipt,)))
    for queue in QUEUES:
        session.traffic.ask(session.traffic.work.pop(queue, A_FEW, SHORT))
    if session.child.in_flight >= HUNDREDS:
        session.traffic.reached.came_to(CROWD)
    session.child.go_on()
    _let_run(session)
    return True


def calls_beside_a_reset(session: Session) -> bool:
    """Reset a queue with calls of it under way; return whether one could be reset."""
    traffic, work = session.traffic, session.traffic.work
    traffic.settle()
    queue = session.random.choice(QUEUES)
    if BESIDE_A_RESET not in could_reach(session, loses_power=False) or not work.may_reset(queue):
        return False
    session.publish(BESIDE)
    receipts = session.pop(queue, BESIDE, HELD)
    calls = [Call("ack", "ack", receipts=(receipt,)) for receipt in receipts[:3]]
    calls += [Call(op, op, receipts=(one,), invisible=HELD) for op, one in zip(CHANGES, receipts[3:], strict=False)]
    calls = [call for call in calls if call.op == "ack" or call.op in work.offers]
    session.random.shuffle(calls)
    before = session.random.randint(0, len(calls))
    session.child.stop()
    for call in calls[:before]:
        traffic.ask(call)
    traffic.ask(work.reset(queue))
    for call in calls[before:]:
        traffic.ask(call)
    if "leave" not in work.offers:  # else it would not be known whether its consumer has what it gets
        traffic.ask(work.pop(queue, A_FEW, SHORT))
    session.child.go_on()
    if receipts:
        traffic.reached.came_to(BESIDE_A_RESET)
    _let_run(session)
    return True


def _let_run(session: Session) -> None:
    """Let the target have a moment with what it was asked, and take in its answers meanwhile."""
    until = session.now + LET_RUN * session.traffic.random.random() ** 3
    while session.child.in_flight and (left := until - session.now) > 0:
        session.traffic.take(session.child.poll(left))


def kill_open_and_flush(session: Session) -> None:
    """Have the next power loss find what another process wrote, and a barrier since."""
    session.kill()
    session.open(ProcessCrashed())
    if session.flush() is Reply.OK:
        session.traffic.reached.came_to(REOPENED)


def publish_less(session: Session) -> None:
    """Say of each queue that it holds less than before, and at least what was handed out; pop a few."""
    if LESS not in could_reach(session, loses_power=True):
        return
    fewer = False
    for queue in QUEUES:
        seen = 1 + max((offset for name, offset in session.traffic.where.values() if name == queue), default=-1)
        end = session.random.randint(min(seen, session.published), session.published)
        session.note("client", f"publish {queue}: it holds [0..{end - 1}], as far as is known")
        session.child.call("publish", queue=queue, end=end)
        fewer = fewer or end < session.published
    for queue in QUEUES:
        session.pop(queue, A_FEW, SHORT)
    if fewer:
        session.traffic.reached.came_to(LESS)


BURSTS: Final = (crowd, calls_beside_a_reset)
"""What a burst is in turn, where the target can be brought to it."""
