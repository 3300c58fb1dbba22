"""One bug of the zoo: a broken variant of the reference store, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import frozen

from acklab.zoo.seen import SEEN
from ackmodel import Clause, CommitPolicy, Level
from ackstore.core.core import Core


class UnknownBug(ValueError):
    """A bug was named that the zoo does not have; the message offers the nearest names."""


LOST_ACK = (
    Clause.SURVIVES_PROCESS_CRASH,
    Clause.SURVIVES_POWER_LOSS,
    Clause.RECOVERED_IS_CACHED,
    Clause.FLUSH_IS_REAL,
    Clause.FLUSH_REWRITES,
    Clause.REPLY_NEVER_FALSE,
    Clause.CLOSE_DRAINS,
    Clause.NO_RETURN,
)
"""The clauses one of which falls when an ack that was answered OK is not stored: which, the faults around it decide."""


LOST_DELIVERY = (
    Clause.SURVIVES_PROCESS_CRASH,
    Clause.SURVIVES_POWER_LOSS,
    Clause.FLUSH_IS_REAL,
    Clause.FLUSH_REWRITES,
    Clause.CLOSE_DRAINS,
)
"""The clauses one of which falls when a delivery, or what is known of it, is gone after a stop."""


FALSE_FLUSH = (
    Clause.FLUSH_IS_REAL,
    Clause.SURVIVES_PROCESS_CRASH,
    Clause.FLUSH_REWRITES,
    Clause.REPLY_NEVER_FALSE,
    Clause.SURVIVES_POWER_LOSS,
    Clause.RECEIPT_IS_EXACT,
    Clause.DEADLINE_IS_EXACT,
    Clause.COMMIT_IS_MONOTONE,
    Clause.NO_LIMBO,
    Clause.RETIRE_IS_SAFE,
)
"""The clauses one of which falls when records are held for flushed that are not: which, the faults around it decide.

Any kind of record may be the one that is lost: `receipt-is-exact` is one of them because the epoch in the receipts
rests on the first flush of a store, `deadline-is-exact` because of renewals and releases, `commit-is-monotone` because
of resets, `no-limbo` because of dead letters. And `retire-is-safe`, because of compaction: a message of which nothing
is left is not copied, and the file that its record was written to is removed before anybody asks for it.
"""


STUCK = (
    Clause.COMMIT_PROGRESSES,
    Clause.FLUSH_DEGRADES,
    Clause.QUIESCENCE_IS_ZERO,
    Clause.CLOSE_DRAINS,
    Clause.REPLY_EXACTLY_ONCE,
    Clause.REPLY_NEVER_FALSE,
    Clause.UNKNOWN_HAS_A_CAUSE,
)
"""The clauses one of which falls when something waits for ever for what does not come: `unknown-has-a-cause`, because a
close that waits for it ends UNKNOWN at its time-out, with a disk that works.
"""


LIMBO = (Clause.NO_LIMBO, Clause.COMMIT_PROGRESSES, Clause.COMMIT_IS_SAFE, Clause.DEADLINE_IS_EXACT)
"""The clauses one of which falls when a message is in nobody's hands."""


@frozen
class Bug:
    """One real bug, rebuilt in the reference store.

    `name` is its name in the catalogue, `core` the broken store, `breaks` the clauses any of which may be the first to
    fall, `source` the projects that shipped it. `level`, `commit` and `logs` are the settings under which it shows.
    Which of `breaks` it was seen to break first, in a pinned run, `seen` tells.
    """

    name: str
    core: type[Core]
    breaks: tuple[Clause, ...]
    source: str
    level: Level = Level.PAGE_CACHE
    commit: CommitPolicy = CommitPolicy.ACK
    logs: int = 1

    @property
    def mechanism(self) -> str:
        """What the broken store does, in a sentence: the docstring of its core."""
        return " ".join((self.core.__doc__ or "").split())

    @property
    def seen(self) -> tuple[Clause, ...]:
        """The clauses that it was seen to break first, each in a run of `acklab.zoo.seen`."""
        return tuple(dict.fromkeys(seen.clause for seen in SEEN if seen.bug == self.name))

    @property
    def may_break(self) -> tuple[Clause, ...]:
        """The clauses that it may break first as well, as the faults around it decide."""
        return tuple(clause for clause in self.breaks if clause not in self.seen)


def zoo_of(bugs: Iterable[Bug]) -> Mapping[str, Bug]:
    """Return the bugs by name."""
    return MappingProxyType({bug.name: bug for bug in bugs})
