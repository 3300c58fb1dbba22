"""The consumer offset: when it passes a message, and how its file is replaced.

>>> from ackmodel import Config, Record, Stage, Truth
>>> shared, (message,) = Config().initial()
>>> may_commit(Config(), message)
False
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import rules
from ..config import CommitPolicy, Config
from ..stages import Stage
from ..state import Message, Shared
from ..steps import Broadcast, Step


def commit(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    """The consumer offset passes the message (clauses commit-is-safe, commit-progresses)."""
    offset = shared.offset.volatile
    in_order = message.index == offset
    if not config.keeps(rules.COMMIT_IN_ORDER):
        in_order = message.index >= offset
    if shared.up and in_order and may_commit(config, message):
        passed = evolve(shared.offset, volatile=message.index + 1)
        yield Step("commit", evolve(shared, offset=passed), message)


def may_commit(config: Config, message: Message) -> bool:
    """Return whether the records about a message let the offset pass it (clause commit-is-safe)."""
    enough = [message.ack]
    if config.commit is CommitPolicy.CHECKPOINT:
        enough += [message.checkpoint, message.earlier]
    if config.keeps(rules.COMMIT_AFTER_FLUSH):
        return any(record.stage is Stage.FLUSHED for record in enough)
    return any(record.stored for record in enough)


def write_offset(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The offset file is replaced: written beside, synced, renamed (clause derived-never-ahead)."""
    offset = shared.offset
    if shared.up and offset.volatile != offset.cached:
        yield Broadcast("write_offset", evolve(shared, offset=evolve(offset, cached=offset.volatile)))


def sync_directory(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """The directory is synced: the renamed offset file is what a power loss leaves."""
    offset = shared.offset
    if shared.up and offset.cached != offset.disk:
        yield Broadcast("sync_directory", evolve(shared, offset=evolve(offset, disk=offset.cached)))
