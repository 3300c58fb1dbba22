"""For each clause that the zoo breaks, the shortest run that shows it; the unbroken store passes the same run."""

from typing import Any

import pytest

from acklab.reference.simulated import ReferenceSetup
from acklab.zoo import bug_named
from ackmodel import Clause

Script = list[tuple[str, dict[str, Any]]]

POP: Script = [("finish_all", {}), ("pop", {"count": 1}), ("finish_writes", {})]
POP_BOTH: Script = [("pop", {"count": 1}), ("pop", {"count": 1, "queue": 1}), ("flush", {}), ("finish_all", {})]
FAILED_SYNC: Script = [("finish_writes", {}), ("fail_sync", {})]
EVERYTHING: Script = [("settle_everything", {})]
POWER_LOSS: Script = [("lose_power", {"fate": 0}), ("survey", {})]
CRASH: Script = [("crash", {"fate": 0})]
COMPACTION: Script = [
    *[("renew", {"which": 0}), ("finish_all", {})] * 20,
    *[("wait", {"seconds": 5.0}), ("finish_all", {})] * 3,
]
FULL_DISK: Script = [("ack", {"which": 0}), ("fail_write", {})]

SHORTEST: list[tuple[str, Clause, Script]] = [
    ("deferred-fsync-acks-before-durable", Clause.REPLY_AFTER_STAGE, EVERYTHING),
    ("ack-success-despite-put-failure", Clause.REPLY_AFTER_STAGE, [*POP, *FULL_DISK]),
    ("ack-state-mutated-before-persist", Clause.NO_LIMBO, [*POP, *FULL_DISK, ("survey", {})]),
    (
        "ack-state-mutated-before-persist",
        Clause.RECEIPT_IS_EXACT,
        [*POP, *FULL_DISK, ("ack", {"which": 0})],
    ),
    (
        "ack-credited-to-wrong-owner",
        Clause.SURVIVES_PROCESS_CRASH,
        [("survey", {}), *EVERYTHING, *CRASH, ("survey", {})],
    ),
    ("old-segment-not-fsynced-on-rotation", Clause.SURVIVES_POWER_LOSS, [*POP_BOTH, *EVERYTHING, *POWER_LOSS]),
    ("flush-clock-updated-without-flush", Clause.FLUSH_WHEN_IDLE, [*POP, ("crowd", {"count": 4}), ("survey", {})]),
    ("offset-file-replaced-non-atomically", Clause.COMMIT_IS_MONOTONE, [*EVERYTHING, ("lose_power", {"fate": 0})]),
    ("shared-index-list-cleared-before-callback", Clause.COMMIT_PROGRESSES, EVERYTHING),
    ("visibility-ignored-on-one-code-path", Clause.DEADLINE_IS_EXACT, [*POP, *CRASH, ("pop", {"count": 1}), *POP]),
    (
        "late-ack-ignored-forever",
        Clause.RECEIPT_IS_EXACT,
        [
            ("pop", {"count": 1, "invisible": 5.0}),
            ("pop", {"count": 1}),
            ("finish_all", {}),
            ("wait", {"seconds": 6.0}),
            ("ack_many", {"which": 0, "count": 2}),
            ("finish_writes", {}),
        ],
    ),
    (
        "async-commit-captures-mutable-offsets",
        Clause.SUBMITTED_IS_WRITTEN,
        [
            ("pop", {"count": 2}),
            ("finish_all", {}),
            ("pop", {"count": 1}),
            ("ack", {"which": 0}),
            ("ack", {"which": 1}),
            ("finish_all", {}),
        ],
    ),
    ("unbounded-buffer-when-store-unwritable", Clause.MEMORY_IS_BOUNDED, [("crowd", {"count": 10})]),
    (
        "ack-persist-fallback-missing-then-counter-leak",
        Clause.QUIESCENCE_IS_ZERO,
        [*POP, *FULL_DISK, *EVERYTHING],
    ),
    ("worker-aborted-on-shutdown", Clause.CLOSE_DRAINS, [("pop", {"count": 1}), ("restart", {})]),
    (
        "premature-offset-commit-before-record-flush",
        Clause.SURVIVES_POWER_LOSS,
        [*POP, ("wait", {"seconds": 0.15}), ("fail_sync", {}), ("finish_all", {}), *POWER_LOSS],
    ),
    (
        "flushed-watermark-advances-on-fsync-error",
        Clause.SURVIVES_POWER_LOSS,
        [*FAILED_SYNC, *EVERYTHING, *POWER_LOSS],
    ),
    (
        "retry-fsync-after-eio-reports-success",
        Clause.SURVIVES_POWER_LOSS,
        [*FAILED_SYNC, ("pop", {"count": 1}), ("restart", {}), *POWER_LOSS],
    ),
    (
        "newest-mark-of-several-logs-counts",
        Clause.SURVIVES_POWER_LOSS,
        [
            *POP_BOTH,
            ("ack", {"which": 0}),
            ("ack", {"which": 1}),
            ("finish_writes", {}),
            ("flush", {}),
            ("finish", {"which": 0}),
            *POWER_LOSS,
        ],
    ),
    (
        "newest-mark-of-several-logs-counts",
        Clause.RETIRE_IS_SAFE,
        [
            ("pop", {"count": 1, "queue": 1}),
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 1}),
            ("finish_writes", {}),
            ("flush", {}),
            ("lose_power", {"fate": 0}),
            ("finish_all", {}),
            *COMPACTION,
            *CRASH,
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 1}),
            ("finish_writes", {}),
        ],
    ),
    (
        "nack-half-applied",
        Clause.REPLY_NEVER_FALSE,
        [
            *POP,
            ("release", {"which": 0}),
            ("finish_writes", {}),
            ("ack", {"which": 0}),
            ("wait", {"seconds": 120.0}),
            ("finish_all", {}),
        ],
    ),
    (
        "nack-half-applied",
        Clause.COMMIT_IS_SAFE,
        [
            *POP,
            ("release", {"which": 0}),
            ("finish_writes", {}),
            ("ack", {"which": 0}),
            ("crash", {"fate": 1}),
            ("finish_all", {}),
            ("wait", {"seconds": 0.15}),
            ("finish_all", {}),
        ],
    ),
    (
        "stale-async-offset-read-by-next-pop",
        Clause.COMMIT_IS_SAFE,
        [
            ("pop", {"count": 4}),
            ("pop", {"count": 3}),
            ("finish_writes", {}),
            *CRASH,
            ("reset", {"queue": 0, "offset": 1}),
            ("finish_all", {}),
            ("lose_power", {"fate": 0}),
            ("restart", {}),
            ("survey", {}),
        ],
    ),
    (
        "ack-state-mutated-before-persist",
        Clause.SURVIVES_POWER_LOSS,
        [
            *POP,
            ("ack", {"which": 0}),
            ("lose_power", {"fate": 1}),
            ("ack", {"which": 0}),
            ("finish_writes", {}),
            ("lose_power", {"fate": 0}),
            *FULL_DISK,
            ("ack", {"which": 0}),
            *CRASH,
            ("survey", {}),
        ],
    ),
    ("several-logs-share-one-mark-file", Clause.SURVIVES_POWER_LOSS, [*EVERYTHING, *POWER_LOSS]),
    (
        "flush-timeout-treated-as-stored",
        Clause.RECEIPT_IS_EXACT,
        [("pop", {"count": 1}), ("finish_writes", {}), ("wait", {"seconds": 3.0}), *POWER_LOSS],
    ),
]


@pytest.mark.parametrize(("name", "clause", "script"), SHORTEST, ids=lambda value: value if str(value) == value else "")
def test_the_shortest_run_breaks_the_clause_and_only_in_the_broken_store(
    name: str, clause: Clause, script: Script
) -> None:
    bug = bug_named(name)
    broken = ReferenceSetup(level=bug.level, commit=bug.commit, core=bug.core, bug=name, logs=bug.logs).breaks(script)
    assert broken is not None, "the bug was not caught"
    assert broken.broken is not None
    assert broken.broken.clause is clause, broken.broken.why
    assert clause in bug.breaks
    unbroken = ReferenceSetup(level=bug.level, commit=bug.commit, logs=bug.logs).breaks(script)
    assert unbroken is None
