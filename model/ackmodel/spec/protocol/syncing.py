"""Syncs: what one covers, and what the store believes when it has ended, well or not.

How it ends is not the store's to say: that stands in `environment.syncs`, which asks here for the belief.

>>> from ... import Truth
>>> believe_sync_ok(Config(), Record(Stage.FLUSHING, Truth.DISK)).stage
<Stage.FLUSHED: 'flushed'>
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve

from .. import rules
from ..config import Config
from ..facts import By, Kind, step
from ..stages import Record, Stage
from ..state import Message, Mode, Shared, Syncing
from ..steps import Broadcast, in_log, of_log, replaced


@step(by=By.STORE, kind=Kind.WORK, fair=True, needs=(), each_log=True)
def begin_sync(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Begin a sync: it covers what is CACHED now (clause flush-when-idle)."""
    if not shared.up:
        return
    for log, syncing in enumerate(shared.syncing):
        if syncing is Syncing.IDLE:
            yield Broadcast(
                of_log("begin_sync", log),
                evolve(shared, syncing=replaced(shared.syncing, log, Syncing.RUNNING)),
                outcomes=in_log(config, log, lambda message: (message.with_records(covered),)),
                some=something_to_sync(config, log, probes=probes(config, shared)),
            )


def probes(config: Config, shared: Shared) -> bool:
    """Return whether a sync is tried with nothing to cover: who refuses everything would have nothing for ever."""
    refusing = config.refuse_after and shared.failures >= config.refuse_after
    return bool(refusing and config.keeps(rules.PROBE_WHILE_REFUSING))


def something_to_sync(config: Config, log: int, *, probes: bool) -> Callable[[Message], bool]:
    """Return whether a message has a record for a sync of a log to cover; a probe needs none."""
    while_idle = config.keeps(rules.FLUSH_WHEN_IDLE)

    def has(message: Message) -> bool:
        if probes:
            return True
        stages = [record.stage for record in message.records]
        arriving = while_idle or Stage.PENDING in stages
        return Stage.CACHED in stages and arriving and message.index % config.logs == log

    return has


def covered(record: Record) -> Record:
    """Return a record after a sync began."""
    return evolve(record, stage=Stage.FLUSHING) if record.stage is Stage.CACHED else record


def believe_sync_ok(config: Config, record: Record) -> Record:
    """Return what a successful sync makes of the belief in a record (clause flush-is-real)."""
    moved = [Stage.FLUSHING]
    if not config.keeps(rules.SYNC_COVERS_WHAT_IT_FOUND):
        moved.append(Stage.CACHED)
    return evolve(record, stage=Stage.FLUSHED) if record.stage in moved else record


def believe_sync_failed(config: Config, record: Record) -> Record:
    """Return what a failed sync makes of the belief in a record (clauses flush-is-real, flush-rewrites)."""
    if record.stage is Stage.FLUSHING:
        kept = config.keeps(rules.FAILED_SYNC_IS_NOT_FLUSHED)
        return evolve(record, stage=Stage.SUSPECT if kept else Stage.FLUSHED)
    if record.stage is Stage.CACHED and config.keeps(rules.SUSPECT_WRITTEN_DURING_SYNC):
        return evolve(record, stage=Stage.SUSPECT)
    return record


def believe_sync_timed_out(config: Config, record: Record) -> Record:
    """Return what a timed-out sync makes of the belief in a record (clause reply-never-false).

    It may have touched whatever is not flushed, also what was written while it ran, and may still end.
    """
    if record.stage is Stage.FLUSHING and not config.keeps(rules.TIMEOUT_IS_UNKNOWN):
        return evolve(record, stage=Stage.FLUSHED)
    return evolve(record, stage=Stage.SUSPECT) if record.unflushed else record


def believe_late_result(config: Config, record: Record) -> Record:
    """Return what the late success of a sync that was given up makes of the belief (clause reply-exactly-once)."""
    if record.stage is Stage.SUSPECT and not config.keeps(rules.LATE_RESULT_IS_IGNORED):
        return evolve(record, stage=Stage.FLUSHED)
    return record


def after_sync_ok(config: Config, shared: Shared, log: int) -> Shared:
    """Return the shared part after a successful sync: the store answers as configured again (clause flush-degrades)."""
    mode = Mode.ASYNC if config.keeps(rules.RETURN_WHEN_HEALTHY) else shared.mode
    return evolve(shared, syncing=replaced(shared.syncing, log, Syncing.IDLE), failures=0, mode=mode)


def after_sync_lost(config: Config, shared: Shared, log: int) -> Shared:
    """Return the shared part after a failed or timed-out sync (clause flush-degrades)."""
    failures = min(shared.failures + 1, max(config.degrade_after, config.refuse_after))
    degraded = failures >= config.degrade_after and config.keeps(rules.DEGRADE_AFTER_FAILURES)
    mode = Mode.SYNC if degraded else shared.mode
    return evolve(shared, syncing=replaced(shared.syncing, log, Syncing.IDLE), failures=failures, mode=mode)
