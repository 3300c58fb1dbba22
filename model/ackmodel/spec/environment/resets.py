"""The sync of a RESET goes wrong: it fails, or loses the RESET and returns success.

That it succeeds is a step of the protocol, `reset_offset`, as nothing else is waited for.

>>> shared, _ = Config(resets=1, sync_failures=1).initial()
>>> [cast.action for cast in reset_fails(Config(resets=1, sync_failures=1), shared)]
['reset_fails']
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config, SyncError
from ..facts import By, Kind, step
from ..protocol.committing import afresh, begun_anew
from ..remains import spend
from ..state import Message, Shared
from ..steps import Broadcast


@step(by=By.DISK, kind=Kind.SYNC_FAILED, fair=False, needs=(needs.RESETS, needs.TOLD_AT_ONCE))
def reset_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the sync of a RESET fail (EIO): nobody is answered, and it is written again, to count later or never."""
    if may_go_wrong(shared) and config.sync_error is not SyncError.LATE:
        yield _gone_wrong("reset_fails", config, shared, noticed=config.keeps(rules.FAILED_SYNC_IS_NOT_FLUSHED))


@step(by=By.DISK, kind=Kind.SYNC_LIED, fair=False, needs=(needs.RESETS, needs.TOLD_LATE))
def reset_lies(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the sync of a RESET lose it and return success; who syncs once more before it counts is told of it then."""
    if may_go_wrong(shared) and config.sync_error is SyncError.LATE and not any(shared.owed):
        noticed = config.confirm_syncs and config.keeps(rules.RESET_IS_CONFIRMED)
        yield _gone_wrong("reset_lies", config, shared, noticed=noticed)


def may_go_wrong(shared: Shared) -> bool:
    """Return whether a reset may be under way, and its sync lose it."""
    return bool(shared.up and shared.budget.resets and shared.budget.sync_failures)


def _gone_wrong(action: str, config: Config, shared: Shared, *, noticed: bool) -> Broadcast:
    """Return the step in which a RESET is lost.

    A store that has `noticed` is as before: until it has written the RESET again the queue is BUSY, so that nothing
    shows that it is degraded. One that has not believes in what a power loss will undo.
    """
    if noticed:
        return Broadcast(action, spend(shared, "sync_failures"), _as_before)
    believed = begun_anew(shared, evolve(shared.offset, volatile=0, cached=0))
    owed = (config.sync_error is SyncError.LATE, *shared.owed[1:])
    return Broadcast(action, spend(spend(evolve(believed, owed=owed), "resets"), "sync_failures"), afresh)


def _as_before(message: Message) -> tuple[Message, ...]:
    """Return the message unchanged; a reset begins while nothing is in flight."""
    return () if message.in_flight else (message,)
