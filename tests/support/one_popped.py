"""An oracle that has seen one delivery, and acks of it.

>>> seen = one_popped()
>>> ack(seen)
>>> seen.unsettled("q")
[]
"""

from ackmodel import Level
from ackmodel.observe.events import Reply
from ackmodel.observe.oracle import Delivered, Oracle


def one_popped() -> Oracle:
    """Return an oracle that has seen one message of two popped, with receipt r1, hidden until 30."""
    seen = Oracle(Level.PAGE_CACHE)
    seen.published("q", 2)
    seen.pop_asked(1, "q", deadline=30.0)
    seen.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
    return seen


def ack(oracle: Oracle, op: int = 2, receipt: str = "r1", reply: Reply = Reply.OK) -> None:
    """Have it see an ack."""
    oracle.ack_asked(op, [receipt], at=1.0)
    oracle.ack_answered(op, [reply], at=1.0)
