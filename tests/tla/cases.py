"""The configurations in which the model and its twin in TLA+ are set beside each other.

>>> len(SMALL) >= 12, len(FEW_RULES) >= 10
(True, True)
>>> next(at_random(seed=1)) == next(at_random(seed=1))
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from ackmodel import RULES, Config

SMALL: Mapping[str, Config] = {
    "no fault": Config(),
    "policy ack": Config(commit="ack", deliveries=2, power_losses=1),
    "two messages": Config(messages=2),
    "two logs": Config(messages=2, logs=2),
    "crash and loss": Config(process_crashes=1, power_losses=1),
    "crash, loss and failures, at disk": Config(
        level="disk", process_crashes=1, power_losses=1, sync_failures=1, write_failures=1
    ),
    "failed sync, told to each": Config(sync_failures=2, sync_error="each", power_losses=1),
    "failed sync, told late": Config(sync_failures=1, sync_error="late"),
    "failed sync, told late, confirmed": Config(sync_failures=1, sync_error="late", confirm_syncs=True),
    "failed sync, page reverted": Config(sync_failures=1, process_crashes=1, failed_page="reverted"),
    "failed sync, written again in place": Config(
        sync_failures=1, sync_error="each", in_place="lost", rules={"rewrite-to-new-blocks": False}
    ),
    "sync given up": Config(sync_timeouts=1, sync_failures=1),
    "renewed and given back": Config(deliveries=2, renewals=1, releases=1, careless=True),
    "dead letters": Config(dead_letters=True, write_failures=1, power_losses=1, compaction=True),
    "reset, failed sync": Config(resets=1, sync_failures=1, power_losses=1),
    "reset, told late": Config(resets=1, sync_failures=2, sync_error="late", confirm_syncs=True),
    "merge buffer": Config(level="memory", merge_buffer=True, restarts=1, resets=1, compaction=True, deliveries=2),
    "busy": Config(messages=2, limit=1, refuse_after=1, sync_failures=1, level="disk"),
    "uncommitted": Config(messages=2, uncommitted=True),
}
"""To some thousand states each; together they use every setting."""

FEW_RULES = (
    "answer-after-write",
    "failed-write-is-not-stored",
    "timeout-is-unknown",
    "rewrite-after-failure",
    "rewrite-to-new-blocks",
    "suspect-written-during-sync",
    "recovery-keeps-offset",
    "commit-in-order",
    "release-ends-delivery",
    "duplicate-changes-nothing",
    "close-hands-over",
    "retire-after-commit",
    "reset-is-recorded",
    "reset-is-confirmed",
)

STALLING = tuple(name for name, rule in RULES.items() if rule.stalls)
"""Without these a fair run never comes to what some clause asks for."""

LARGE: Mapping[str, Config] = {
    "two messages, crash, failed sync": Config(messages=2, process_crashes=1, sync_failures=1),
    "two messages, loss, policy ack": Config(messages=2, power_losses=1, commit="ack", deliveries=2),
    "two messages, failed sync, at disk": Config(messages=2, level="disk", sync_failures=1, power_losses=1),
    "two messages in memory, restart": Config(messages=2, level="memory", merge_buffer=True, restarts=1),
    "two logs, each fails": Config(messages=2, logs=2, sync_failures=1, sync_error="each", level="disk"),
    "three messages": Config(messages=3),
    "every fault, two deliveries": Config(
        deliveries=2, process_crashes=1, power_losses=1, sync_failures=1, sync_timeouts=1, write_failures=1
    ),
    "every fault, told late": Config(
        sync_error="late", confirm_syncs=True, sync_failures=2, sync_timeouts=1, power_losses=1, process_crashes=1
    ),
    "every fault, policy ack, at disk": Config(
        commit="ack",
        level="disk",
        deliveries=2,
        process_crashes=1,
        power_losses=1,
        sync_failures=2,
        sync_timeouts=1,
        restarts=1,
    ),
    "every setting of a consumer": Config(
        deliveries=3, renewals=2, releases=1, careless=True, dead_letters=True, process_crashes=1, limit=2
    ),
}


def without(rule: str) -> Config:
    """Return the configuration that shows what a rule is for, with the rule switched off."""
    return Config().dropping(RULES[rule])


def at_random(seed: int) -> Iterator[Config]:
    """Yield configurations without end: any settings together, and up to two rules switched off."""
    random = Random(seed)
    while True:
        yield _one(random)


def _one(random: Random) -> Config:
    messages = random.choice((1, 1, 1, 2))
    level = random.choice(("memory", "page-cache", "page-cache", "disk"))
    settings: dict[str, Any] = {
        "messages": messages,
        "logs": random.randint(1, messages),
        "deliveries": random.choice((1, 1, 2)),
        "degrade_after": random.choice((1, 1, 2)),
        "refuse_after": random.choice((0, 0, 2)),
        "limit": random.choice((0, 0, 1, 2)),
        "level": level,
        "commit": random.choice(("ack", "checkpoint")),
        "sync_error": random.choice(("once", "each", "late")),
        "failed_page": random.choice(("kept", "reverted")),
        "in_place": random.choice(("kept", "lost")),
        "merge_buffer": level == "memory" and random.random() < 0.5,
        "rules": dict.fromkeys(random.sample(sorted(RULES), random.choice((0, 0, 1, 2))), False),
    }
    for budget in ("process_crashes", "power_losses", "sync_failures", "sync_timeouts", "write_failures"):
        settings[budget] = random.choice((0, 0, 1, 2))
    for budget in ("renewals", "releases", "restarts", "resets"):
        settings[budget] = random.choice((0, 0, 0, 1))
    for switch in ("confirm_syncs", "dead_letters", "careless"):
        settings[switch] = random.random() < 0.2
    alone = not settings["merge_buffer"] and random.random() < 0.2
    settings["uncommitted"] = alone
    settings["compaction"] = not alone and random.random() < 0.3
    return Config(**settings)
