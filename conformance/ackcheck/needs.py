"""What it takes to judge: what a target must have, or must be tried in, so that a clause can be at stake.

A verdict says of each clause that it did not judge what would:

>>> would_judge(Clause.QUIESCENCE_IS_ZERO, ran=["process"])
'what would judge it: showing `outstanding` in `stats`'

Where a grade ran that could have judged it, that is said, too:

>>> would_judge(Clause.FLUSH_DEGRADES, ran=["process", "power"])
'though power ran; what would judge it: a grade that fails the disk: power, or disk (root); or a larger --profile'
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import evolve, frozen

from ackmodel import Clause

NEEDS: Mapping[str, tuple[str, tuple[Clause, ...]]] = {
    "renew": ("renewals", (Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT)),
    "release": ("releases", (Clause.RECEIPT_IS_EXACT, Clause.NO_LIMBO)),
    "reset": ("resets of the offset", (Clause.COMMIT_IS_MONOTONE,)),
    "dead": ("dead letters", (Clause.NO_LIMBO,)),
    "leave": ("consumers that leave", (Clause.NO_LIMBO, Clause.DEADLINE_IS_EXACT, Clause.NO_RETURN)),
}
"""What is judged only of a target that has the method, and by which clauses."""


@frozen
class Need:
    """What would put a clause to the test, in words, and by which grades; none where that lies with the target."""

    words: str
    grades: tuple[str, ...] = ()

    def but(self, more: str) -> Need:
        """Return the same, with more that it needs."""
        return evolve(self, words=self.words + more)


STEPPED = Need("the simulated grade, of a stepped target (`ackcheck.sim.target`)", ("sim",))
QUEUES = Need("showing `queues` in `stats`")
FAILING = Need("a grade that fails the disk: power, or disk (root)", ("power", "disk"))
CUTTING = Need("a grade that cuts the power: power, or disk (root), or sim", ("power", "disk", "sim"))
ANSWERS = Need("any grade, of a target that answers calls OK", ("process", "power", "disk", "sim"))
KILLING = Need("the process grade, of a target that answers acks OK", ("process",))
RESTARTING = Need("a grade that restarts the target in order: process, power, disk or sim", ANSWERS.grades)
CAUSES = Need(
    "the process, the power or the simulated grade, of a target that answers UNKNOWN", ("process", "power", "sim")
)

JUDGED_BY: Mapping[Clause, Need] = {
    Clause.REPLY_AFTER_STAGE: STEPPED,
    Clause.REPLY_NEVER_FALSE: FAILING,
    Clause.REPLY_EXACTLY_ONCE: ANSWERS,
    Clause.SURVIVES_PROCESS_CRASH: KILLING,
    Clause.SURVIVES_POWER_LOSS: CUTTING.but(", of a target that answers acks, or a barrier, OK"),
    Clause.RECOVERED_IS_CACHED: Need(f"{STEPPED.words}, or the power grade (root)", ("sim", "power")),
    Clause.FLUSH_IS_REAL: CUTTING.but(", after a sync was refused"),
    Clause.FLUSH_REWRITES: FAILING.but(", of a target whose later sync succeeds"),
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
    Clause.QUIESCENCE_IS_ZERO: Need("showing `outstanding` in `stats`"),
    Clause.CLOSE_DRAINS: RESTARTING,
    Clause.UNKNOWN_HAS_A_CAUSE: CAUSES,
    Clause.WRITTEN_ONCE: STEPPED.but(" that says whose acks a write holds"),
    Clause.SPACE_IS_BOUNDED: Need(
        "showing `space` in `stats`: how many bytes the directory holds at most, with all settled"
    ),
}
"""What would put each clause to the test."""


def would_judge(clause: Clause, ran: Collection[str]) -> str:
    """Return what would judge a clause that was at stake in none of the grades that ran."""
    need = JUDGED_BY[clause]
    could = [grade for grade in need.grades if grade in ran]
    if not could:
        return f"what would judge it: {need.words}"
    return f"though {' and '.join(could)} ran; what would judge it: {need.words}; or a larger --profile"
