"""The ids of the clauses: the stable names that the specification, the model, the suite and the reports share.

The text of a clause stands in `specs/clauses/`; here is only its name. A clause is judged by an invariant of the
model (`ackmodel.spec.invariants`), by the contract (`ackmodel.observe.contract`), or by both.

>>> Clause("flush-is-real") is Clause.FLUSH_IS_REAL
True
"""

from __future__ import annotations

import enum


class Clause(enum.StrEnum):
    """One promise of an acknowledgement store."""

    REPLY_AFTER_STAGE = "reply-after-stage"
    REPLY_NEVER_FALSE = "reply-never-false"
    REPLY_EXACTLY_ONCE = "reply-exactly-once"
    SURVIVES_PROCESS_CRASH = "survives-process-crash"
    SURVIVES_POWER_LOSS = "survives-power-loss"
    RECOVERED_IS_CACHED = "recovered-is-cached"
    FLUSH_IS_REAL = "flush-is-real"
    FLUSH_REWRITES = "flush-rewrites"
    FLUSH_WHEN_IDLE = "flush-when-idle"
    FLUSH_DEGRADES = "flush-degrades"
    COMMIT_IS_SAFE = "commit-is-safe"
    COMMIT_IS_MONOTONE = "commit-is-monotone"
    COMMIT_PROGRESSES = "commit-progresses"
    RETIRE_IS_SAFE = "retire-is-safe"
    DERIVED_NEVER_AHEAD = "derived-never-ahead"
    NO_LIMBO = "no-limbo"
    NO_RETURN = "no-return"
    RECEIPT_IS_EXACT = "receipt-is-exact"
    SUBMITTED_IS_WRITTEN = "submitted-is-written"
    DEADLINE_IS_EXACT = "deadline-is-exact"
    MEMORY_IS_BOUNDED = "memory-is-bounded"
    QUIESCENCE_IS_ZERO = "quiescence-is-zero"
    CLOSE_DRAINS = "close-drains"
    UNKNOWN_HAS_A_CAUSE = "unknown-has-a-cause"
    WRITTEN_ONCE = "written-once"
    SPACE_IS_BOUNDED = "space-is-bounded"
