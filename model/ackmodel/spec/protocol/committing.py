"""The consumer offset: when it passes a message, and how its file is replaced.

>>> from ... import Record, Truth
>>> shared, (message,) = Config().initial()
>>> may_commit(Config(), message)
False
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import CommitPolicy, Config
from ..facts import By, Kind, step
from ..remains import spend
from ..stages import ABSENT, Stage
from ..state import Message, Mode, Offset, Phase, Shared
from ..steps import Broadcast, Step


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.OFFSETS,))
def commit(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Move the consumer offset past the message (clauses commit-is-safe, commit-progresses)."""
    offset = shared.offset.volatile
    in_order = message.index == offset
    if not config.keeps(rules.COMMIT_IN_ORDER):
        in_order = message.index >= offset
    if not config.keeps(rules.COMMIT_WITHOUT_TRAFFIC):
        in_order = in_order and message.in_flight
    in_order = in_order and not config.uncommitted
    if shared.up and in_order and may_commit(config, message):
        passed = evolve(shared.offset, volatile=message.index + 1)
        yield Step("commit", evolve(shared, offset=passed), message)


def may_commit(config: Config, message: Message) -> bool:
    """Return whether the records about a message let the offset pass it (clause commit-is-safe)."""
    if message.unrecorded:
        return True
    enough = [message.ack]
    if config.commit is CommitPolicy.CHECKPOINT:
        enough += [message.checkpoint, message.earlier, message.renewal]
    if config.keeps(rules.COMMIT_AFTER_FLUSH):
        return any(record.stage is Stage.FLUSHED for record in enough)
    return any(record.stored for record in enough)


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.OFFSETS,))
def write_offset(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Replace the offset file, where it differs: written beside, synced, renamed (clause derived-never-ahead)."""
    offset = shared.offset
    if shared.up and offset.volatile != offset.cached:
        yield Broadcast("write_offset", evolve(shared, offset=evolve(offset, cached=offset.volatile)))


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(needs.OFFSETS,))
def sync_directory(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Sync the directory: the renamed offset file is what a power loss leaves."""
    offset = shared.offset
    if shared.up and offset.cached != offset.disk:
        yield Broadcast("sync_directory", evolve(shared, offset=evolve(offset, disk=offset.cached)))


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(needs.RESETS,))
def reset_offset(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Set the offset to 0 by hand, while nothing is in flight: a RESET is synced, all is to be handed out afresh."""
    if not shared.up or not shared.budget.resets:
        return
    kept = evolve(shared.offset, volatile=0)
    after = begun_anew(shared, Offset() if config.keeps(rules.RESET_IS_RECORDED) else kept)
    yield Broadcast("reset_offset", spend(after, "resets"), afresh)


def begun_anew(shared: Shared, offset: Offset) -> Shared:
    """Return the shared part after a RESET whose sync returned success, with this offset: the store is healthy, and was
    told of every error that was owed."""
    return evolve(shared, offset=offset, failures=0, mode=Mode.ASYNC, owed=(False,) * len(shared.owed))


def afresh(message: Message) -> tuple[Message, ...]:
    """Return the message as if it had never been handed out: what was recorded before a RESET is void."""
    return () if message.in_flight else (Message(index=message.index),)


@step(by=By.STORE, kind=Kind.WORK, fair=False, needs=(needs.COMPACTION,))
def retire(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """Discard the records of a settled message, once none of them is unflushed (clause retire-is-safe)."""
    if not shared.up or not config.compaction or message.phase is not Phase.SETTLED:
        return
    settled = message.ack.stage is Stage.FLUSHED and not any(record.unflushed for record in message.records)
    if settled and (message.passed_by(shared.offset.disk) or not config.keeps(rules.RETIRE_AFTER_COMMIT)):
        yield Step(
            "retire",
            shared,
            evolve(message, checkpoint=ABSENT, earlier=ABSENT, ack=ABSENT, renewal=ABSENT, unrecorded=True),
        )
