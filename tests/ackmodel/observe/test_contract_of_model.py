"""The two halves of the specification against each other: what the model does, the contract allows.

Seeded random walks of the model are told to the contract as an observer would see them. With every rule on no walk
breaks it, whatever the configuration; with a rule off that can be seen from outside, some walk does, and with a clause
that fits.
"""

from collections import Counter
from enum import Enum
from random import Random
from typing import Any

import pytest
from attrs import evolve, fields

from ackexplore.coverage import ACTIONS
from ackmodel import Clause, Config, ContractBroken, Level, rule_named
from model_walks import Tally, Walk, any_config, walks

FAULTS: dict[str, Any] = {
    "process_crashes": 2,
    "power_losses": 2,
    "sync_failures": 2,
    "sync_timeouts": 1,
    "write_failures": 1,
}


@pytest.mark.parametrize("commit", ["ack", "checkpoint"])
@pytest.mark.parametrize("level", [Level.PAGE_CACHE, Level.DISK])
def test_the_contract_allows_whatever_a_correct_store_does(level: Level, commit: str) -> None:
    config = Config(messages=2, deliveries=3, level=level, commit=commit, degrade_after=2, **FAULTS)
    assert list(walks(config, 20)) == []


CONFIGS = 300
BY_SOME_RULE_ONLY = {"sync_fails_again"}
"""What no store does that writes again what a sync has lost."""

TOLD = {
    *("Popped", "PopUnanswered", "Absent", "DeadLettered", "Secured barrier", "Discarded", "WriteFailed"),
    *("AckAsked", "RenewAsked", "ReleaseAsked", "ResetAsked", "ResetAnswered OK"),
    *(f"AckAnswered {reply}" for reply in ("OK", "SETTLED", "EXPIRED", "FAILED", "UNKNOWN", "BUSY")),
    *(f"ChangeAnswered {reply}" for reply in ("OK", "FAILED", "UNKNOWN", "BUSY")),
    *(f"SyncEnded {outcome}" for outcome in ("ok", "failed", "timed out")),
    *("MadeDurable callback", "MadeDurable barrier", "ProcessCrashed", "PowerLost", "Restarted"),
}
"""Every kind of event that a store without a bug gives an observer cause to tell of."""


def settings_of(config: Config) -> set[tuple[str, object]]:
    """Every setting of a configuration, with its value: of a number only whether it is the least."""
    values = {item.name: (item.default, getattr(config, item.name)) for item in fields(Config)}
    return {
        (name, value if isinstance(value, bool | Enum) else value == least)
        for name, (least, value) in values.items()
        if name != "without"
    }


@pytest.mark.no_cover
def test_whatever_the_configuration_the_contract_allows_what_a_correct_store_does() -> None:
    tally = Tally()
    settings: Counter[tuple[str, object]] = Counter()
    for number in range(CONFIGS):
        random = Random(f"any/{number}")
        config = any_config(random)
        settings.update(settings_of(config))
        try:
            Walk(config, random, tally).go()
        except ContractBroken as broken:
            pytest.fail(f"walk {number} of {config}: {broken}, after {broken.history}, then {broken.event}")
    assert set(ACTIONS) - set(tally.ran) == BY_SOME_RULE_ONLY
    assert set(tally.told) == TOLD
    kinds = {(item.name, value) for item in fields(Config) if item.name != "without" for value in _values(item.default)}
    assert set(settings) == kinds


def _values(default: object) -> list[object]:
    """The values that a setting can have, of a number only whether it is the least."""
    return list(type(default)) if isinstance(default, Enum) else [True, False]


FORGOTTEN = Clause.DEADLINE_IS_EXACT  # a pop answered before its checkpoint is kept is forgotten, and comes early
PASSED = Clause.NO_LIMBO  # the offset passes what is not on the disk: after a power loss nobody has it
LOST = Clause.SURVIVES_POWER_LOSS  # no fault of a sync was seen, only that the promise did not hold

OBSERVABLE: dict[str, set[Clause]] = {
    "answer-after-write": {FORGOTTEN},
    "answer-after-flush": {FORGOTTEN, LOST},
    "failed-write-is-not-ok": set(),
    "failed-write-is-not-stored": {PASSED},
    "timeout-is-unknown": {PASSED},
    "failed-sync-is-not-flushed": {PASSED},
    "sync-covers-what-it-found": {LOST},
    "rewrite-after-failure": {PASSED},
    "rewrite-after-recovery": {PASSED},
    "recovered-is-cached": {PASSED},
    "recovery-reads-acks": set(),
    "recovery-redelivers": set(),
    "callback-after-flush": set(),
    "commit-after-flush": {PASSED},
    "commit-in-order": {PASSED},
    "settled-is-final": set(),
    "receipt-names-delivery": set(),
}
"""Rules that can be seen from outside, and what may fall without them beside `Rule.breaks`, which names the cause."""


@pytest.mark.no_cover
@pytest.mark.parametrize("name", OBSERVABLE)
def test_without_a_rule_that_can_be_seen_some_walk_breaks_the_contract(name: str) -> None:
    rule = rule_named(name)
    broken = next(walks(evolve(Config().dropping(rule), power_losses=1), 500), None)
    assert broken is not None, "no walk shows it"
    assert broken in {*rule.breaks, *OBSERVABLE[name]}
