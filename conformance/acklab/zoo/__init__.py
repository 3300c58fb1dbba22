"""The bug zoo: real bugs of real brokers, each as a small broken variant of the reference store.

The suite is worth what it catches. Each bug here was shipped by somebody; each must be caught by a clause that it is
known to break, or the suite is broken.

>>> bug_named("flush-timeout-treated-as-stored").source
'RocketMQ #4806'
"""

from acklab.zoo import (
    acking,
    buffering,
    committing,
    completing,
    delivering,
    failing,
    flushing,
    recovering,
    renewing,
    retiring,
    sharing,
    waiting,
)
from acklab.zoo.bug import Bug, UnknownBug, zoo_of
from ackmodel import nearest

BUGS = zoo_of(
    (
        *flushing.BUGS,
        *acking.BUGS,
        *delivering.BUGS,
        *committing.BUGS,
        *renewing.BUGS,
        *retiring.BUGS,
        *sharing.BUGS,
        *recovering.BUGS,
        *buffering.BUGS,
        *failing.BUGS,
        *waiting.BUGS,
        *completing.BUGS,
    )
)
"""Every bug by its name."""


def bug_named(name: str) -> Bug:
    """Return the bug of that name; `UnknownBug` offers the nearest names."""
    if name not in BUGS:
        raise UnknownBug(f"no bug {name!r} in the zoo; {nearest(name, BUGS, 'the bugs are')}")
    return BUGS[name]


__all__ = ["BUGS", "Bug", "UnknownBug", "bug_named"]
