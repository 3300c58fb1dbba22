"""What each bug was *seen* to break first: for each a run of the simulation, pinned, and as short as it was found.

A bug may break other clauses as well, as the faults around it decide (`Bug.may_break`); only what stands here proves
that the suite sees it. Every clause has an exhibit: a running store, not only the model, that breaks this very one.

>>> sorted({seen.clause for seen in SEEN}) == sorted(Clause)
True
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen

from ackmodel import Clause

Script = list[tuple[str, dict[str, Any]]]


@frozen
class Seen:
    """A run in which the store `bug` breaks `clause` first. `max_attempts` is a setting that it needs, if any, and
    `fastpath` another."""

    bug: str
    clause: Clause
    script: Script
    max_attempts: int | None = None
    fastpath: bool = False


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
ACKED: Script = [
    *POP[:2],
    ("finish_all", {}),
    ("flush", {}),
    ("finish_all", {}),
    ("ack", {"which": 0}),
    ("finish_writes", {}),
]
NEVER_TOLD: Script = [("finish_writes", {}), ("finish_all", {}), ("idle", {"seconds": 9.0})]
FAILED_BARRIER: Script = [("flush", {}), ("fail_sync", {})]


PINNED = Path(__file__).with_name("pinned.json")
"""The runs that a hunt pinned (`acklab.zoo.pin`)."""


def read_pinned(file: Path = PINNED) -> list[dict[str, Any]]:
    """Return what is pinned: `bug`, `clause`, the settings `max_attempts` and `fastpath`, and the `script`."""
    pinned: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return pinned


BY_HAND = (
    Seen("deferred-fsync-acks-before-durable", Clause.REPLY_AFTER_STAGE, EVERYTHING),
    Seen("ack-success-despite-put-failure", Clause.REPLY_AFTER_STAGE, [*POP, *FULL_DISK]),
    Seen("ack-state-mutated-before-persist", Clause.REPLY_NEVER_FALSE, [*POP, *FULL_DISK, ("survey", {})]),
    Seen(
        "ack-state-mutated-before-persist",
        Clause.RECEIPT_IS_EXACT,
        [*POP, *FULL_DISK, ("ack", {"which": 0})],
    ),
    Seen(
        "ack-credited-to-wrong-owner",
        Clause.SURVIVES_PROCESS_CRASH,
        [("survey", {}), *EVERYTHING, *CRASH, ("survey", {})],
    ),
    Seen("old-segment-not-fsynced-on-rotation", Clause.SURVIVES_POWER_LOSS, [*POP_BOTH, *EVERYTHING, *POWER_LOSS]),
    Seen("flush-clock-updated-without-flush", Clause.FLUSH_WHEN_IDLE, [*POP, ("crowd", {"count": 4}), ("survey", {})]),
    Seen("offset-file-replaced-non-atomically", Clause.COMMIT_IS_MONOTONE, [*EVERYTHING, ("lose_power", {"fate": 0})]),
    Seen("shared-index-list-cleared-before-callback", Clause.COMMIT_PROGRESSES, EVERYTHING),
    Seen("visibility-ignored-on-one-code-path", Clause.DEADLINE_IS_EXACT, [*POP, *CRASH, ("pop", {"count": 1}), *POP]),
    Seen(
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
    Seen(
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
    Seen("unbounded-buffer-when-store-unwritable", Clause.MEMORY_IS_BOUNDED, [("crowd", {"count": 10})]),
    Seen(
        "ack-persist-fallback-missing-then-counter-leak",
        Clause.QUIESCENCE_IS_ZERO,
        [*POP, *FULL_DISK, *EVERYTHING],
    ),
    Seen("worker-aborted-on-shutdown", Clause.CLOSE_DRAINS, [("pop", {"count": 1}), ("restart", {})]),
    Seen(
        "premature-offset-commit-before-record-flush",
        Clause.SURVIVES_POWER_LOSS,
        [*POP, ("wait", {"seconds": 0.15}), ("fail_sync", {}), ("finish_all", {}), *POWER_LOSS],
    ),
    Seen(
        "flushed-watermark-advances-on-fsync-error",
        Clause.SURVIVES_POWER_LOSS,
        [*FAILED_SYNC, *EVERYTHING, *POWER_LOSS],
    ),
    Seen(
        "retry-fsync-after-eio-reports-success",
        Clause.SURVIVES_POWER_LOSS,
        [*FAILED_SYNC, ("pop", {"count": 1}), ("restart", {}), *POWER_LOSS],
    ),
    Seen(
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
    Seen(
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
    Seen(
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
    Seen(
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
    Seen(
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
    Seen(
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
    Seen("several-logs-share-one-mark-file", Clause.SURVIVES_POWER_LOSS, [*EVERYTHING, *POWER_LOSS]),
    Seen(
        "flush-timeout-treated-as-stored",
        Clause.RECEIPT_IS_EXACT,
        [("pop", {"count": 1}), ("finish_writes", {}), ("wait", {"seconds": 3.0}), *POWER_LOSS],
    ),
    Seen("ack-offset-narrowed-or-out-of-range", Clause.RECEIPT_IS_EXACT, [("crowd", {"count": 1}), *EVERYTHING]),
    Seen(
        "aof-rewrite-drops-pending-state",
        Clause.DEADLINE_IS_EXACT,
        [
            ("finish_all", {}),
            ("pop", {"count": 1}),
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 1}),
            ("finish_all", {}),
            *[("renew", {"which": 1}), ("finish_all", {})] * 45,
            *[("wait", {"seconds": 5.0}), ("finish_all", {})] * 3,
            *CRASH,
            ("finish_all", {}),
            *POP,
        ],
    ),
    Seen(
        "delay-longer-than-visibility-duplicates",
        Clause.DEADLINE_IS_EXACT,
        [
            ("pop", {"count": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("renew", {"which": 0}),
            ("finish_all", {}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 1}),
            ("finish_writes", {}),
        ],
    ),
    Seen(
        "max-delivered-state-inconsistent-on-restart",
        Clause.NO_LIMBO,
        [("pop", {"count": 1, "invisible": 5.0}), ("restart", {}), ("survey", {}), *EVERYTHING],
        max_attempts=2,
    ),
    Seen(
        "non-atomic-ack-journal-rewrite",
        Clause.SURVIVES_POWER_LOSS,
        [
            ("pop", {"count": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("renew", {"which": -1}),
            ("pop", {"count": 4, "queue": 1}),
            ("finish_writes", {}),
            ("pop", {"count": 1, "invisible": 5.0}),
            ("renew", {"which": -1, "invisible": 5.0}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 4}),
            ("finish_writes", {}),
            ("pop", {"count": 1}),
            *[("renew", {"which": -2}), ("finish_all", {})] * 27,
            *[("wait", {"seconds": 0.15}), ("finish_all", {})] * 3,
            ("lose_power", {"fate": 7}),
        ],
        max_attempts=2,
    ),
    Seen(
        "renew-and-ack-concurrent-handle-rotation",
        Clause.REPLY_AFTER_STAGE,
        [
            ("pop", {"count": 1}),
            ("finish_all", {}),
            ("renew", {"which": 0}),
            ("finish_writes", {}),
            ("ack", {"which": 0}),
        ],
    ),
    Seen(
        "retention-removes-unprocessed-file",
        Clause.SURVIVES_PROCESS_CRASH,
        [
            ("pop", {"count": 2, "invisible": 5.0}),
            ("finish_all", {}),
            ("pop", {"count": 2, "invisible": 5.0}),
            ("finish_all", {}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 2, "queue": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("lose_power", {"fate": 0}),
            ("finish_but", {"which": 0}),
            ("lose_power", {"fate": 0}),
            ("pop", {"count": 2}),
            ("finish_writes", {}),
            ("ack_many", {"which": -1, "count": 1}),
            *[("renew", {"which": -2}), ("finish_all", {})] * 7,
            ("renew", {"which": -2}),
            ("renew", {"which": -1}),
            ("finish_writes", {}),
            ("ack", {"which": -1}),
            ("pop", {"count": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("renew", {"which": -1}),
            ("crowd", {"count": 8}),
            ("finish_all", {}),
            ("renew", {"which": -1}),
            ("restart", {}),
            ("wait", {"seconds": 5.0}),
            ("finish_writes", {}),
            ("wait", {"seconds": 2.5}),
            ("release", {"which": 4}),
            ("finish_writes", {}),
            ("pop", {"count": 1, "queue": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("wait", {"seconds": 0.15}),
            ("finish_all", {}),
            ("crash", {"fate": 0}),
            ("pop", {"count": 1}),
            ("finish_all", {}),
        ],
        max_attempts=4,
    ),
    Seen(
        "revive-progress-committed-before-async-revive-done",
        Clause.NO_LIMBO,
        [("crowd", {"count": 1}), ("survey", {}), *EVERYTHING],
        max_attempts=2,
    ),
    Seen(
        "role-switch-drops-buffered-acks",
        Clause.CLOSE_DRAINS,
        [*POP[:2], ("ack", {"which": 0}), ("restart", {}), ("finish_all", {}), ("pop", {"count": 1})],
    ),
    Seen(
        "flushed-watermark-advances-on-fsync-error",
        Clause.FLUSH_IS_REAL,
        [*ACKED, *FAILED_BARRIER, *POWER_LOSS],
    ),
    Seen(
        "retry-fsync-after-eio-reports-success",
        Clause.FLUSH_REWRITES,
        [*ACKED, *FAILED_BARRIER, ("wait", {"seconds": 1.0}), ("finish_all", {}), *POWER_LOSS],
    ),
    Seen("answers-twice", Clause.REPLY_EXACTLY_ONCE, [*POP, ("ack", {"which": 0}), ("finish_writes", {})]),
    Seen(
        "forgets-what-it-answered",
        Clause.NO_RETURN,
        [*POP, ("ack", {"which": 0}), ("finish_writes", {}), ("wait", {"seconds": 200.0}), *POP[1:]],
    ),
    Seen("believes-what-recovery-read", Clause.RECOVERED_IS_CACHED, [*ACKED, *CRASH, ("flush", {}), *POWER_LOSS]),
    Seen(
        "confirm-offset-beyond-recovered-log",
        Clause.DERIVED_NEVER_AHEAD,
        [*POP[:2], ("finish_all", {}), ("wait", {"seconds": 1.0}), ("finish_all", {}), *CRASH],
    ),
    Seen(
        "stays-degraded",
        Clause.FLUSH_DEGRADES,
        [
            *POP[:2],
            *[("fail_sync", {}), ("finish_writes", {}), ("wait", {"seconds": 5.0})] * 8,
            *EVERYTHING,
        ],
    ),
    Seen("answers-unknown", Clause.UNKNOWN_HAS_A_CAUSE, [*POP, ("ack", {"which": 0}), ("finish_writes", {})]),
    Seen(
        "group-commit-queue-swap-race",
        Clause.UNKNOWN_HAS_A_CAUSE,
        [*POP_BOTH, *[("ack", {"which": 0}), ("ack", {"which": 1})], *NEVER_TOLD],
    ),
    Seen(
        "completion-callback-not-run-on-one-path",
        Clause.UNKNOWN_HAS_A_CAUSE,
        [*POP_BOTH, *[("ack", {"which": 0}), ("ack", {"which": 0})], *NEVER_TOLD],
    ),
    Seen("appends-again", Clause.WRITTEN_ONCE, [*ACKED, ("flush", {}), ("finish_all", {})]),
    Seen(
        "keeps-everything",
        Clause.SPACE_IS_BOUNDED,
        [*POP[:2], ("finish_all", {}), *[("renew", {"which": 0}), ("finish_all", {})] * 80, *EVERYTHING],
    ),
)

SEEN = (
    *BY_HAND,
    *(
        Seen(run["bug"], Clause(run["clause"]), run["script"], run["max_attempts"], run["fastpath"])
        for run in read_pinned()
    ),
)
"""Every run that is pinned, by hand or by a hunt."""
