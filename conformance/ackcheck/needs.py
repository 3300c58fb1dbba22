"""What it takes to judge: what a target must have, or must be tried in, so that a clause can be at stake.

A verdict says of each clause that it did not judge what would:

>>> JUDGED_BY[Clause.QUIESCENCE_IS_ZERO]
'showing `outstanding` in `stats`'
"""

from __future__ import annotations

from collections.abc import Mapping

from ackmodel import Clause

NEEDS: Mapping[str, tuple[str, tuple[Clause, ...]]] = {
    "renew": ("renewals", (Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT)),
    "release": ("releases", (Clause.RECEIPT_IS_EXACT, Clause.NO_LIMBO)),
    "reset": ("resets of the offset", (Clause.COMMIT_IS_MONOTONE,)),
    "dead": ("dead letters", (Clause.NO_LIMBO,)),
    "leave": ("consumers that leave", (Clause.NO_LIMBO, Clause.DEADLINE_IS_EXACT, Clause.NO_RETURN)),
}
"""What is judged only of a target that has the method, and by which clauses."""

STEPPED = "the simulated grade, of a stepped target (`ackcheck.sim.target`)"
QUEUES = "showing `queues` in `stats`"
FAILING = "a grade that fails the disk: power, or disk (root)"
CUTTING = "a grade that cuts the power: power, or disk (root), or sim"
ANSWERS = "any grade, of a target that answers calls OK"

JUDGED_BY: Mapping[Clause, str] = {
    Clause.REPLY_AFTER_STAGE: STEPPED,
    Clause.REPLY_NEVER_FALSE: FAILING,
    Clause.REPLY_EXACTLY_ONCE: ANSWERS,
    Clause.SURVIVES_PROCESS_CRASH: "the process grade, of a target that answers acks OK",
    Clause.SURVIVES_POWER_LOSS: f"{CUTTING}, of a target that answers acks, or a barrier, OK",
    Clause.RECOVERED_IS_CACHED: f"{STEPPED}, or the power grade (root)",
    Clause.FLUSH_IS_REAL: f"{CUTTING}, after a sync was refused",
    Clause.FLUSH_REWRITES: f"{FAILING}, of a target whose later sync succeeds",
    Clause.FLUSH_WHEN_IDLE: STEPPED,
    Clause.FLUSH_DEGRADES: FAILING,
    Clause.COMMIT_IS_SAFE: QUEUES,
    Clause.COMMIT_IS_MONOTONE: QUEUES,
    Clause.COMMIT_PROGRESSES: QUEUES,
    Clause.RETIRE_IS_SAFE: STEPPED,
    Clause.DERIVED_NEVER_AHEAD: QUEUES,
    Clause.NO_LIMBO: ANSWERS,
    Clause.NO_RETURN: ANSWERS,
    Clause.RECEIPT_IS_EXACT: ANSWERS,
    Clause.SUBMITTED_IS_WRITTEN: STEPPED,
    Clause.DEADLINE_IS_EXACT: ANSWERS,
    Clause.MEMORY_IS_BOUNDED: STEPPED,
    Clause.QUIESCENCE_IS_ZERO: "showing `outstanding` in `stats`",
    Clause.CLOSE_DRAINS: "a grade that restarts the target in order: process, power, disk or sim",
    Clause.UNKNOWN_HAS_A_CAUSE: "the process, the power or the simulated grade, of a target that answers UNKNOWN",
    Clause.WRITTEN_ONCE: f"{STEPPED} that says whose acks a write holds",
    Clause.SPACE_IS_BOUNDED: "showing `space` in `stats`: how many bytes the directory holds at most, with all settled",
}
"""What would put each clause to the test."""
