"""What steps need: the settings without which they never happen.

>>> from .config import Config
>>> RETURNING.met(Config()), RETURNING.met(Config(deliveries=2))
(False, True)
"""

from __future__ import annotations

from . import rules
from .config import Config, InPlace, SyncError
from .facts import Need

PROCESS_CRASHES = Need("no process crash in the budget", lambda config: config.process_crashes)
POWER_LOSSES = Need("no power loss in the budget", lambda config: config.power_losses)
RESTARTS = Need("no restart in the budget", lambda config: config.restarts)
STOPS = Need(
    "no crash in the budget",
    lambda config: config.process_crashes + config.power_losses + config.restarts,
    when_reached=True,
)
RESETS = Need("no reset in the budget", lambda config: config.resets)

WRITE_FAILURES = Need("no write failure in the budget", lambda config: config.write_failures)
SYNC_FAILURES = Need("no sync failure in the budget", lambda config: config.sync_failures)
SYNC_TIMEOUTS = Need("no sync timeout in the budget", lambda config: config.sync_timeouts)
FAILING_SYNCS = Need(
    "no sync failure or timeout in the budget",
    lambda config: config.sync_failures + config.sync_timeouts,
    when_reached=True,
)
TOLD_AT_ONCE = Need(
    "no sync that loses bytes and says so",
    lambda config: config.sync_error is not SyncError.LATE and config.sync_failures,
)
TOLD_LATE = Need(
    "no sync that loses bytes and returns success",
    lambda config: config.sync_error is SyncError.LATE and config.sync_failures,
)

MANY_DELIVERIES = Need("one delivery only", lambda config: config.deliveries > 1, when_reached=True)
RETURNING = Need("one delivery only", lambda config: config.deliveries > 1 or config.dead_letters, when_reached=True)
RENEWALS = Need("no renewal in the budget", lambda config: config.renewals)
RELEASES = Need("no release in the budget", lambda config: config.releases)
CHANGES = Need(
    "no renewal in the budget",
    lambda config: config.renewals or (RETURNING.met(config) and config.releases),
    when_reached=True,
)
OLD_RECEIPTS = Need(
    "one delivery only",
    lambda config: config.deliveries > 1 or (RETURNING.met(config) and config.careless),
    when_reached=True,
)
CARELESS = Need("no careless consumers", lambda config: config.careless)
DEAD_LETTERS = Need("no dead letters", lambda config: config.dead_letters)

MERGING = Need("no merge buffer", lambda config: config.merge_buffer)
COMPACTION = Need("no compaction", lambda config: config.compaction)
OFFSETS = Need("the offset is not moved", lambda config: not config.uncommitted)


def _lost_and_synced_again(config: Config) -> bool:
    """Tell whether the protocol may have a sync cover bytes that an earlier one has lost."""
    cautions = (rules.REWRITE_AFTER_FAILURE, rules.SUSPECT_WRITTEN_DURING_SYNC, rules.REWRITE_AFTER_RECOVERY)
    told = config.sync_error is SyncError.EACH and config.sync_failures
    in_vain = config.in_place is InPlace.LOST and not config.keeps(rules.REWRITE_TO_NEW_BLOCKS)
    return bool(told and (in_vain or not all(map(config.keeps, cautions))))


LOST_AND_SYNCED_AGAIN = Need("what a sync has lost is written again", _lost_and_synced_again, when_reached=True)


def _refused(config: Config) -> bool:
    """Tell whether a limit can be met: by more messages than it, by failures that stay counted, or by failing syncs."""
    scarce = config.limit < config.messages or not config.keeps(rules.FAILURE_CLEARS_INFLIGHT)
    return bool((config.limit and scarce) or (config.refuse_after and FAILING_SYNCS.met(config)))


REFUSING = Need("nothing is ever refused", _refused, when_reached=True)
