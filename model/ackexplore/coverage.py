"""What happened in an exploration, and what never did: an action that is never taken was never checked.

>>> from ackmodel import Config
>>> "sync_fails" in ACTIONS, never_possible(Config())["sync_fails"]
(True, 'no sync failure in the budget')
>>> "pop" in never_possible(Config())
False
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import attrs

from ackexplore.values import wording
from ackmodel import Config, Message, Record, Shared, SyncError
from ackmodel.spec import environment, protocol

SPLIT = {"rewrite": ("rewrite_checkpoint", "rewrite_earlier", "rewrite_ack", "rewrite_renewal")}
"""The functions of the model that yield steps of several names; all others yield steps of their own name."""

ACTIONS: tuple[str, ...] = tuple(
    action
    for rule in (*protocol.LOCAL, *environment.LOCAL, *protocol.BROADCAST, *environment.BROADCAST)
    for action in SPLIT.get(rule.__name__, (rule.__name__,))
)
"""The name of every step there is, in the order of the model."""


def not_rewritten(config: Config) -> bool:
    """Whether the protocol lets a sync cover bytes that an earlier one has lost."""
    without = {"rewrite-after-failure", "suspect-written-during-sync", "rewrite-after-recovery"}
    return bool(without & config.without)


def never_possible(config: Config) -> dict[str, str]:
    """Return the actions that a configuration rules out, each with the reason."""
    crashes = config.process_crashes + config.power_losses
    writes, fails, late = config.write_failures, config.sync_failures, config.sync_timeouts
    returns = config.deliveries > 1 or config.dead_letters
    renews = config.renewals or (returns and config.releases)
    told_late, told_to_each = config.sync_error is SyncError.LATE, config.sync_error is SyncError.EACH
    reasons: list[tuple[str, object, str]] = [
        ("process_crash", config.process_crashes, "no process crash in the budget"),
        ("power_loss", config.power_losses, "no power loss in the budget"),
        ("recover", crashes + config.restarts, "no crash in the budget"),
        ("fail_checkpoint_write", writes, "no write failure in the budget"),
        ("fail_ack_write", writes, "no write failure in the budget"),
        ("sync_fails", fails, "no sync failure in the budget"),
        ("sync_times_out", late, "no sync timeout in the budget"),
        ("late_sync_ok", late, "no sync timeout in the budget"),
        ("late_sync_fails", late and fails, "no sync timeout and sync failure in the budget"),
        ("sync_lies", told_late and fails, "no sync that loses bytes and returns success"),
        ("sync_fails_again", told_to_each and fails and not_rewritten(config), "what a sync has lost is written again"),
        ("answer_unknown", fails + late, "no sync failure or timeout in the budget"),
        ("rewrite_earlier", config.deliveries > 1, "one delivery only"),
        ("expire", returns, "one delivery only"),
        ("late_ack", config.deliveries > 1 or (returns and config.careless), "one delivery only"),
        ("duplicate_ack", config.careless, "no careless consumers"),
        ("reuse_buffer", config.careless, "no careless consumers"),
        ("release", returns and config.releases, "no release in the budget"),
        ("close", config.restarts, "no restart in the budget"),
        ("reset_offset", config.resets, "no reset in the budget"),
        ("merge", config.merge_buffer, "no merge buffer"),
        ("hand_over", config.merge_buffer, "no merge buffer"),
        ("bury", config.dead_letters, "no dead letters"),
        ("buried", config.dead_letters, "no dead letters"),
        ("commit", not config.uncommitted, "the offset is not moved"),
        ("write_offset", not config.uncommitted, "the offset is not moved"),
        ("sync_directory", not config.uncommitted, "the offset is not moved"),
        ("retire", config.compaction, "no compaction"),
        (
            "refuse",
            0 < config.limit < config.messages or (config.refuse_after and fails + late),
            "nothing is ever refused",
        ),
        ("ask_renewal", config.renewals, "no renewal in the budget"),
        ("answer_renewal", config.renewals, "no renewal in the budget"),
        ("answer_release", returns and config.releases, "no release in the budget"),
        ("write_renewal", renews, "no renewal in the budget"),
        ("rewrite_renewal", renews, "no renewal in the budget"),
        ("fail_renewal_write", writes and renews, "no renewal and write failure in the budget"),
    ]
    return {action: why for action, possible, why in reasons if not possible}


def count_hits(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the transitions per action, with a zero for every action that never happened."""
    return {action: counts.get(action, 0) for action in (*ACTIONS, *sorted(set(counts) - set(ACTIONS)))}


def _features(value: Shared | Message) -> Iterable[str]:
    for attribute in attrs.fields(type(value)):
        item = getattr(value, attribute.name)
        for one in dict.fromkeys(item) if isinstance(item, tuple) else (item,):
            if isinstance(one, (Record, enum.Enum)):
                yield f"{attribute.name} is {wording(one)}"


def count_reached(
    shareds: Iterable[tuple[Shared, int]],
    messages: Iterable[tuple[Message, int]],
) -> dict[str, int]:
    """Return how often each value of each enumerated field was seen, given how often each whole value was.

    Phases, modes and the like that never occur are listed with a zero; of belief and truth together, only what occurs.
    """
    counts: Counter[str] = Counter()
    for kind in (Shared, Message):
        for attribute in attrs.fields(kind):
            default = attribute.default[0] if isinstance(attribute.default, tuple) else attribute.default
            if isinstance(default, enum.Enum) and default is not attrs.NOTHING:
                counts.update({f"{attribute.name} is {wording(choice)}": 0 for choice in type(default)})
    seen: Iterable[tuple[Shared | Message, int]] = chain(shareds, messages)
    for value, times in ((value, times) for value, times in seen if times):
        for feature in _features(value):
            counts[feature] += times
    return dict(counts)
