"""The whole protocol, two features at a time: with every rule on no clause falls, and nothing stands still for ever."""

from itertools import combinations
from typing import Any

import pytest

from ackexplore import Options, explore
from ackexplore.graph.progress import check_progress
from ackexplore.table.engine import explore_table
from ackmodel import Clause, Config

FEATURES: dict[str, dict[str, Any]] = {
    "two messages": {"messages": 2, "level": "disk"},
    "two logs": {"messages": 2, "logs": 2, "level": "disk"},
    "two deliveries": {"deliveries": 2},
    "process crash": {"process_crashes": 1},
    "power loss": {"power_losses": 1},
    "failed sync": {"sync_failures": 1},
    "late sync": {"sync_timeouts": 1},
    "failed write": {"write_failures": 1},
    "renewal": {"renewals": 1},
    "release": {"releases": 1, "deliveries": 2},
    "clean restart": {"restarts": 1},
    "reset": {"resets": 1},
    "refusing": {"refuse_after": 1, "sync_failures": 1},
    "limit": {"limit": 1},
    "level disk": {"level": "disk"},
    "level memory": {"level": "memory"},
    "merge buffer": {"level": "memory", "merge_buffer": True},
    "policy ack": {"commit": "ack"},
    "error to each": {"sync_error": "each", "sync_failures": 1},
    "error late": {"sync_error": "late", "confirm_syncs": True, "sync_failures": 1},
    "page reverted": {"failed_page": "reverted", "sync_failures": 1, "level": "disk"},
    "dead letters": {"dead_letters": True},
    "compaction": {"compaction": True},
    "careless": {"careless": True},
}
JUDGED_TO_THE_END = 700

PAIRS = [
    (f"{one} + {other}", Config(**first | second))
    for (one, first), (other, second) in combinations(FEATURES.items(), 2)
    if all(second.get(name, value) == value for name, value in first.items())
]


@pytest.mark.no_cover
@pytest.mark.parametrize("config", [config for _, config in PAIRS], ids=[name for name, _ in PAIRS])
def test_two_features_together_break_nothing(config: Config) -> None:
    result = explore(config, Options(engine="auto"))
    assert result.violations == {}
    assert result.complete
    if result.states <= JUDGED_TO_THE_END:
        assert [finding.name for finding in check_progress(result) if finding.lasso] == []


# Three at a time where two make each other interesting; states pinned, from both engines.
TOGETHER = [
    (Config(level="memory", merge_buffer=True, restarts=1, resets=1, compaction=True, deliveries=2), 4_644),
    (Config(deliveries=2, renewals=1, releases=1, careless=True), 1_013),
    (Config(dead_letters=True, write_failures=1, power_losses=1, compaction=True), 994),
    (Config(messages=2, logs=2, level="disk", limit=1, refuse_after=1, sync_failures=1), 3_598),
    (Config(sync_error="late", confirm_syncs=True, sync_failures=2, sync_timeouts=1, power_losses=1), 12_970),
    (Config(messages=2, level="disk", commit="ack", restarts=1, compaction=True), 4_465),
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("config", "states"), TOGETHER)
def test_more_features_together_in_both_engines(config: Config, states: int) -> None:
    graph, table = explore(config, Options(max_states=60_000)), explore_table(config)
    assert graph.violations == {}
    assert graph.states == states
    for name in ("states", "edges", "depth", "complete", "violations", "hits", "reached"):
        assert getattr(table, name) == getattr(graph, name), name


# --- how a file system fails ----------------------------------------------------------------------------------------


def test_an_error_that_is_told_late_breaks_even_a_correct_store() -> None:
    """No rule of a store helps while a sync that lost bytes returns success (`data=journal` in ext4)."""
    result = explore(Config(sync_error="late", sync_failures=1), Options(stop_at=Clause.FLUSH_IS_REAL))
    assert result.counterexample is not None
    assert result.counterexample.actions == ("pop(0)", "write_checkpoint(0)", "begin_sync", "sync_lies")
    at_disk = explore(Config(sync_error="late", sync_failures=1, power_losses=1, level="disk"))
    assert len(at_disk.counterexamples[Clause.SURVIVES_POWER_LOSS]) == 11


@pytest.mark.parametrize("level", ["page-cache", "disk"])
def test_a_sync_that_is_confirmed_by_another_one_mends_it(level: str) -> None:
    late = {"sync_error": "late", "sync_failures": 2, "process_crashes": 1, "power_losses": 1}
    assert explore(Config(level=level, confirm_syncs=True, **late)).holds  # type: ignore[arg-type]


def test_a_page_that_reverts_takes_what_the_page_cache_was_trusted_with() -> None:
    """Where a failed sync throws the bytes away (Btrfs), not even a process crash is survived at PAGE_CACHE."""
    reverting = Config(failed_page="reverted", sync_failures=1, process_crashes=1)
    result = explore(reverting, Options(stop_at=Clause.SURVIVES_PROCESS_CRASH))
    assert result.counterexample is not None
    assert result.counterexample.actions[3:] == ("begin_sync", "sync_fails", "process_crash", "recover")
    assert explore(Config(failed_page="reverted", sync_failures=1, process_crashes=1, level="disk")).holds
    assert explore(Config(failed_page="reverted", sync_failures=1, power_losses=1)).holds


def test_an_error_that_is_told_to_each_turns_a_lie_into_a_standstill() -> None:
    """A store that does not write again lies where the error is told once; told each time, it never gets on."""
    lying = explore(Config(sync_failures=1, rules={"rewrite-after-failure": False}))
    assert Clause.FLUSH_REWRITES in lying.violations
    standing = explore(Config(sync_failures=1, sync_error="each", rules={"rewrite-after-failure": False}))
    assert standing.holds
    broken = {finding.clause: finding for finding in check_progress(standing) if finding.lasso}
    assert {Clause.FLUSH_WHEN_IDLE, Clause.FLUSH_DEGRADES} <= set(broken)
    for_ever = broken[Clause.FLUSH_WHEN_IDLE].cycle
    assert for_ever is not None
    assert {"begin_sync", "sync_fails_again"} <= set(for_ever.actions)
