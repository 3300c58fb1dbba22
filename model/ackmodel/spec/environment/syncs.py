"""How a sync ends, and what is then on the disk: it succeeds, fails, or takes so long that the store gives it up.

How failures show is a profile of the file system: `Config.sync_error` says which sync reports that bytes were lost,
`Config.failed_page` what can be read in their place.

>>> config = Config(sync_failures=1)
>>> shared, _ = config.initial()
>>> list(sync_fails(config, shared))
[]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve

from .. import needs
from ..config import Config, SyncError
from ..facts import By, Kind, step
from ..protocol import syncing
from ..remains import each_choice, spend
from ..stages import Record, Stage, Truth
from ..state import Message, Shared, Syncing
from ..steps import Broadcast, in_log, of_log, replaced


def running(shared: Shared) -> list[int]:
    """Return the logs whose sync is running."""
    return [log for log, state in enumerate(shared.syncing) if state is not Syncing.IDLE] if shared.up else []


def covers_lost(record: Record) -> bool:
    """Return whether the running sync covers bytes that an earlier one has lost."""
    return record.stage is Stage.FLUSHING and record.truth in (Truth.PHANTOM, Truth.NOWHERE)


def counts(config: Config, shared: Shared, log: int) -> bool:
    """Return whether the success of the running sync of a log counts, or has to be confirmed by another one."""
    return not config.confirm_syncs or shared.syncing[log] is Syncing.CONFIRMING


def after_success(config: Config, shared: Shared, log: int) -> Shared:
    """Return the shared part after a sync has returned success."""
    if counts(config, shared, log):
        return syncing.after_sync_ok(config, shared, log)
    return evolve(shared, syncing=replaced(shared.syncing, log, Syncing.CONFIRMING))


def believing(config: Config, shared: Shared, log: int) -> Callable[[Record], Record]:
    """Return what a success makes of the belief in a record."""
    if counts(config, shared, log):
        return lambda record: syncing.believe_sync_ok(config, record)
    return lambda record: record


@step(by=By.DISK, kind=Kind.SYNC_SUCCEEDED, fair=True, needs=(), each_log=True)
def sync_ok(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the running sync succeed: what it covered and was dirty is on the disk."""
    for log in running(shared):
        if not shared.owed[log]:
            outcomes = in_log(config, log, succeeding(config, believing(config, shared, log)))
            yield Broadcast(of_log("sync_ok", log), after_success(config, shared, log), outcomes)


def succeeding(config: Config, believe: Callable[[Record], Record]) -> Callable[[Message], tuple[Message, ...]]:
    """Return what becomes of a message in a sync that succeeds; nothing where the error is told to each sync."""

    def outcome(record: Record) -> Record:
        reached = record.stage is Stage.FLUSHING and record.truth is Truth.DIRTY
        return believe(evolve(record, truth=Truth.DISK) if reached else record)

    def outcomes(message: Message) -> tuple[Message, ...]:
        if config.sync_error is SyncError.EACH and any(map(covers_lost, message.records)):
            return ()
        return (message.with_records(outcome),)

    return outcomes


@step(by=By.DISK, kind=Kind.SYNC_LIED, fair=False, needs=(needs.TOLD_LATE,), each_log=True)
def sync_lies(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the running sync lose bytes and return success: the error is owed to the next one (`SyncError.LATE`)."""
    if config.sync_error is not SyncError.LATE or not shared.budget.sync_failures:
        return

    def covers_dirty(record: Record) -> bool:
        return record.stage is Stage.FLUSHING and record.truth is Truth.DIRTY

    for log in running(shared):
        if not shared.owed[log]:
            after = evolve(after_success(config, shared, log), owed=replaced(shared.owed, log, True))
            yield Broadcast(
                of_log("sync_lies", log),
                spend(after, "sync_failures"),
                in_log(config, log, lying(config, believing(config, shared, log))),
                some=has_record_of_log(config, log, covers_dirty),
            )


def lying(config: Config, believe: Callable[[Record], Record]) -> Callable[[Message], tuple[Message, ...]]:
    """Return what becomes of a message in a sync that loses what it covered and returns success."""

    def outcome(record: Record) -> Record:
        lost = record.stage is Stage.FLUSHING and record.truth is Truth.DIRTY
        return believe(evolve(record, truth=config.lost) if lost else record)

    return lambda message: (message.with_records(outcome),)


def has_record_of_log(config: Config, log: int, wanted: Callable[[Record], bool]) -> Callable[[Message], bool]:
    """Return whether a message is in a log and has a record of some kind."""
    return lambda message: message.index % config.logs == log and any(map(wanted, message.records))


@step(by=By.DISK, kind=Kind.SYNC_FAILED, fair=False, needs=(needs.SYNC_FAILURES,), each_log=True, told=SyncError.LATE)
def sync_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the running sync fail (EIO): what it covered is lost, and what was written meanwhile may be.

    An error that is owed is of bytes lost before: what this sync covered is on the disk, but the store cannot know.
    """

    def loses(record: Record) -> tuple[Record, ...]:
        truths = [record.truth]
        if record.truth is Truth.DIRTY and record.stage is Stage.FLUSHING:
            truths = [config.lost]
        elif record.truth is Truth.DIRTY and record.stage is Stage.CACHED:
            truths = [Truth.DIRTY, config.lost]
        return tuple(syncing.believe_sync_failed(config, evolve(record, truth=truth)) for truth in truths)

    def reports(record: Record) -> Record:
        reached = record.truth is Truth.DIRTY and record.stage is Stage.FLUSHING
        told = evolve(record, truth=Truth.DISK) if reached else record
        return syncing.believe_sync_failed(config, told)

    for log in running(shared):
        after = syncing.after_sync_lost(config, shared, log)
        if shared.owed[log]:
            told = evolve(after, owed=replaced(shared.owed, log, False))
            outcomes = in_log(config, log, lambda message: (message.with_records(reports),))
            yield Broadcast(of_log("sync_fails", log), told, outcomes)
        elif shared.budget.sync_failures and config.sync_error is not SyncError.LATE:
            outcomes = in_log(config, log, lambda message: each_choice(message, loses))
            yield Broadcast(of_log("sync_fails", log), spend(after, "sync_failures"), outcomes)


@step(
    by=By.DISK,
    kind=Kind.SYNC_FAILED,
    fair=False,
    needs=(needs.LOST_AND_SYNCED_AGAIN,),
    each_log=True,
    told=SyncError.EACH,
)
def sync_fails_again(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the running sync cover bytes that an earlier one lost, be told so (`SyncError.EACH`), and write nothing."""
    if config.sync_error is not SyncError.EACH:
        return

    def outcome(record: Record) -> Record:
        return syncing.believe_sync_failed(config, record)

    for log in running(shared):
        yield Broadcast(
            of_log("sync_fails_again", log),
            syncing.after_sync_lost(config, shared, log),
            in_log(config, log, lambda message: (message.with_records(outcome),)),
            some=has_record_of_log(config, log, covers_lost),
        )


@step(by=By.DISK, kind=Kind.SYNC_FAILED, fair=False, needs=(needs.SYNC_TIMEOUTS,), each_log=True)
def sync_times_out(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let the running sync take too long: its outcome is unknown, and it may still end in the kernel."""

    def outcome(record: Record) -> Record:
        return syncing.believe_sync_timed_out(config, record)

    for log in running(shared):
        if shared.budget.sync_timeouts:
            after = evolve(syncing.after_sync_lost(config, shared, log), late=replaced(shared.late, log, True))
            outcomes = in_log(config, log, lambda message: (message.with_records(outcome),))
            yield Broadcast(of_log("sync_times_out", log), spend(after, "sync_timeouts"), outcomes)


@step(by=By.DISK, kind=Kind.LATE_SUCCESS, fair=False, needs=(needs.SYNC_TIMEOUTS,), each_log=True)
def late_sync_ok(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let a sync that was given up succeed at last: what was not yet written again is on the disk."""

    def outcome(record: Record) -> Record:
        reached = record.stage is Stage.SUSPECT and record.truth is Truth.DIRTY
        truth = Truth.DISK if reached else record.truth
        return syncing.believe_late_result(config, evolve(record, truth=truth))

    for log, late in enumerate(shared.late):
        if shared.up and late:
            after = evolve(shared, late=replaced(shared.late, log, False))
            outcomes = in_log(config, log, lambda message: (message.with_records(outcome),))
            yield Broadcast(of_log("late_sync_ok", log), after, outcomes)


@step(by=By.DISK, kind=Kind.LATE_FAILURE, fair=False, needs=(needs.SYNC_TIMEOUTS, needs.SYNC_FAILURES), each_log=True)
def late_sync_fails(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Let a sync that was given up fail at last, at the cost of a failure: what was not yet written again is lost."""

    def outcome(record: Record) -> Record:
        lost = record.stage is Stage.SUSPECT and record.truth is Truth.DIRTY
        return evolve(record, truth=config.lost) if lost else record

    for log, late in enumerate(shared.late):
        if shared.up and late and shared.budget.sync_failures:
            after = spend(evolve(shared, late=replaced(shared.late, log, False)), "sync_failures")
            outcomes = in_log(config, log, lambda message: (message.with_records(outcome),))
            yield Broadcast(of_log("late_sync_fails", log), after, outcomes)
