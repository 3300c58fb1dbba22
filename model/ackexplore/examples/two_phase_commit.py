"""Two-phase commit, as Gray and Lamport wrote it down in "Consensus on Transaction Commit" (TwoPhase of TLA+ Examples).

A transaction manager asks resource managers to prepare. Once all have said that they are prepared it commits; it may
abort at any time before. A resource manager may abort by itself until it is prepared. What was sent stays in the
network for ever, and may be received again and again.

The transaction manager is the shared part: `Commit` is in the network once it has committed, `Abort` once it has
aborted. Each resource manager is a message, with what it has sent, and whether that was received. Consistency, "none
has aborted where another has committed", speaks of two of them; said of each: what it decided is what the transaction
manager did, unless it aborted before it was prepared, and then the transaction manager can never commit.

Counts are those that are published: TLC's of three resource managers among the TLA+ Examples (288 states, 1,146
generated with the first), Stateright's of three and five in its `examples/2pc.rs` (288 and 8,832).

>>> from ackexplore import explore
>>> result = explore(TwoPhaseCommit(resource_managers=3))
>>> result.states, result.edges + 1, result.depth, result.holds
(288, 1146, 10, True)
>>> hasty = explore(TwoPhaseCommit(resource_managers=2, waits_for_all=False))
>>> hasty.counterexample.actions, hasty.counterexample.broken
(('choose_to_abort(0)', 'decide_to_commit'), (<Agreed.ABORTED_IS_NOT_COMMITTED: 'aborted-is-not-committed'>,))
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from attrs import evolve, field, frozen
from attrs.validators import ge

from ackexplore.system import Broadcast, Step, System


class Decision(enum.Enum):
    """What the transaction manager has decided."""

    NONE = "none"
    COMMIT = "commit"
    ABORT = "abort"


class Doing(enum.Enum):
    """What a resource manager does."""

    WORKING = "working"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Agreed(enum.Enum):
    """What must be so for all to agree."""

    COMMITTED_IS_DECIDED = "committed-is-decided"
    ABORTED_IS_NOT_COMMITTED = "aborted-is-not-committed"


@frozen(cache_hash=True)
class Manager:
    """The transaction manager."""

    decision: Decision = Decision.NONE


@frozen(cache_hash=True)
class Resource:
    """A resource manager; `sent` and `received`: of its message that it is prepared."""

    doing: Doing = Doing.WORKING
    sent: bool = False
    received: bool = False


@frozen(kw_only=True)
class TwoPhaseCommit(System):
    """So many resource managers; `waits_for_all` off: the transaction manager commits without asking anybody."""

    resource_managers: int = field(default=3, validator=ge(1))
    waits_for_all: bool = True

    @property
    def messages(self) -> int:
        """A message a resource manager."""
        return self.resource_managers

    def initial(self) -> tuple[Manager, tuple[Resource, ...]]:
        """Return the state in which all work, and nothing is decided."""
        return Manager(), (Resource(),) * self.resource_managers

    def local_steps(self, shared: Manager, message: Resource) -> Iterator[Step]:
        """Yield what one resource manager may do, or the transaction manager about it."""
        if message.doing is Doing.WORKING:
            yield Step("prepare", shared, evolve(message, doing=Doing.PREPARED, sent=True))
            yield Step("choose_to_abort", shared, evolve(message, doing=Doing.ABORTED))
        if message.sent and shared.decision is Decision.NONE:
            yield Step("receive_prepared", shared, evolve(message, received=True))
        if shared.decision is Decision.COMMIT:
            yield Step("receive_commit", shared, evolve(message, doing=Doing.COMMITTED))
        if shared.decision is Decision.ABORT:
            yield Step("receive_abort", shared, evolve(message, doing=Doing.ABORTED))

    def broadcast_steps(self, shared: Manager) -> Iterator[Broadcast]:
        """Yield what the transaction manager may decide."""
        if shared.decision is Decision.NONE:
            commits = _if_received if self.waits_for_all else _as_it_is
            yield Broadcast("decide_to_commit", Manager(Decision.COMMIT), commits)
            yield Broadcast("decide_to_abort", Manager(Decision.ABORT))

    @property
    def clauses(self) -> tuple[Agreed, ...]:
        """Both."""
        return tuple(Agreed)

    def broken_in_state(self, shared: Manager, message: Resource) -> tuple[Agreed, ...]:
        """Return where a resource manager and the transaction manager do not agree."""
        if message.doing is Doing.COMMITTED and shared.decision is not Decision.COMMIT:
            return (Agreed.COMMITTED_IS_DECIDED,)
        if message.doing is Doing.ABORTED and shared.decision is Decision.COMMIT:
            return (Agreed.ABORTED_IS_NOT_COMMITTED,)
        return ()

    @property
    def apart(self) -> int:
        """All are alike: nothing looks at which is which."""
        return 1

    def resized(self, messages: int) -> TwoPhaseCommit:
        """Return the same with another number of resource managers."""
        return evolve(self, resource_managers=messages)


def _if_received(resource: Resource) -> tuple[Resource, ...]:
    return (resource,) if resource.received else ()


def _as_it_is(resource: Resource) -> tuple[Resource, ...]:
    return (resource,)
