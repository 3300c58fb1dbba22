"""Scripts under which the suite once caught the reference store, kept so that it stays caught up with."""

import pytest

from ackcheck.sim.shrink import Step
from ackcheck.sim.simulation import begin, replay
from acklab.reference.simulated import ReferenceSetup
from ackmodel import CommitPolicy, Level

CASES: dict[str, tuple[ReferenceSetup, list[Step]]] = {
    "a reset that is retired, and the power goes before the offset file tells of that": (
        ReferenceSetup(levels=(Level.PAGE_CACHE,), commit=CommitPolicy.CHECKPOINT, max_attempts=2),
        [
            ("pop", {"count": 2, "queue": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("pop", {"count": 2, "queue": 1, "invisible": 5.0}),
            ("finish_all", {}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 2, "queue": 1, "invisible": 5.0}),
            ("pop", {"count": 4, "queue": 0, "invisible": 5.0}),
            ("finish_all", {}),
            ("lose_power", {"fate": 0}),
            ("finish_writes", {}),
            ("release", {"which": 5}),
            ("finish_writes", {}),
            ("crash", {"fate": 0}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 4, "queue": 0}),
            ("finish_writes", {}),
            ("reset", {"queue": 0, "offset": 0}),
            ("wait", {"seconds": 5.0}),
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 0, "invisible": 5.0}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 2, "queue": 0, "invisible": 5.0}),
            ("finish_all", {}),
            ("pop", {"count": 4, "queue": 0, "invisible": 5.0}),
            ("finish_writes", {}),
            ("ack_many", {"which": -2, "count": 2}),
            ("reset", {"queue": 1, "offset": 0}),
            ("restart", {}),
            ("wait_until", {"which": -1, "ticks": 0, "late": False}),
            ("finish_writes", {}),
            ("wait", {"seconds": 1.0}),
            ("finish_all", {}),
            ("lose_power", {"fate": 1}),
            ("finish_all", {}),
            ("wait", {"seconds": 2.5}),
            ("finish_writes", {}),
            ("wait", {"seconds": 0.6}),
            ("finish_but", {"which": -1}),
            ("lose_power", {"fate": 0}),
        ],
    ),
    "an ack that is written while a sync hangs may be written again, once the store has given that sync up": (
        ReferenceSetup(levels=(Level.PAGE_CACHE,), commit=CommitPolicy.CHECKPOINT, max_attempts=4, fastpath=True),
        [
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 0}),
            ("aim", {"at": "sync", "how": "hangs", "times": 0, "written": 0, "wider": False}),
            ("finish_all", {}),
            ("wait", {"seconds": 1.1}),
            ("ack_many", {"which": -2, "count": 1}),
            ("idle", {"seconds": 9.0}),
        ],
    ),
    "a reset that nobody was answered, and that a power loss has undone, may take effect when it is recovered": (
        ReferenceSetup(commit=CommitPolicy.CHECKPOINT, max_attempts=4),
        [
            ("pop", {"count": 3, "queue": 1}),
            ("finish_all", {}),
            ("renew", {"which": -1, "invisible": 5.0}),
            ("pop", {"count": 4, "queue": 0}),
            ("finish_writes", {}),
            ("ack_many", {"which": -1, "count": 2}),
            ("finish_all", {}),
            ("reset", {"queue": 0, "offset": 1}),
            ("crash", {"fate": 1}),
            ("finish_all", {}),
            ("pop", {"count": 3, "queue": 0}),
            ("finish_writes", {}),
            ("lose_power", {"fate": 0}),
            ("ack_many", {"which": 6, "count": 1}),
            ("crash", {"fate": 0}),
            ("survey", {}),
        ],
    ),
    "a reset that nobody was answered may count from a clean restart on, whatever acks were answered meanwhile": (
        ReferenceSetup(levels=(Level.PAGE_CACHE,), max_attempts=2),
        [
            ("finish_all", {}),
            ("pop", {"count": 3, "queue": 1}),
            ("finish_writes", {}),
            ("ack_many", {"which": -1, "count": 1}),
            ("finish_writes", {}),
            ("reset", {"queue": 1, "offset": 0}),
            ("crash", {"fate": 1}),
            ("ack_many", {"which": 0, "count": 3}),
            ("restart", {}),
            ("restart", {}),
            ("survey", {}),
        ],
    ),
    "what a full disk has cut short is not completed by a power loss that takes what was written over it": (
        ReferenceSetup(levels=(Level.MEMORY,)),
        [
            ("pop", {"count": 1, "queue": 0}),
            ("reset", {"queue": 1, "offset": 0}),
            ("finish_all", {}),
            ("wait", {"seconds": 0.15}),
            ("finish_all", {}),
            ("lose_power", {"fate": 0}),
            ("fail_write", {"written": 0}),
            ("wait", {"seconds": 5.0}),
            ("pop", {"count": 4, "queue": 0}),
            ("finish_writes", {}),
            ("crash", {"fate": 1}),
            ("finish_writes", {}),
            ("ack", {"which": 0}),
            ("fail_write", {"written": 1000}),
            ("publish", {"queue": 0, "count": 1}),
            ("crowd", {"count": 4}),
            ("finish_all", {}),
            ("lose_power", {"fate": 6}),
            ("survey", {}),
        ],
    ),
    "a recovered offset that only the log told is written to the offset file": (
        ReferenceSetup(levels=(Level.DISK,), commit=CommitPolicy.CHECKPOINT),
        [
            ("pop", {"count": 4, "queue": 1}),
            ("pop", {"count": 4, "queue": 0}),
            ("finish_writes", {}),
            ("pop", {"count": 2, "queue": 0}),
            ("pop", {"count": 3, "queue": 1}),
            ("finish_all", {}),
            ("ack_many", {"which": 0, "count": 1}),
            ("crash", {"fate": 1}),
            ("settle_everything", {}),
        ],
    ),
    "a write that fails while a sync succeeds is tried again": (
        ReferenceSetup(),
        [
            ("finish", {"which": 0}),
            ("fail_write", {"written": 0}),
            ("wait", {"seconds": 0.15}),
            ("fail_write", {"written": 0}),
            ("restart", {}),
        ],
    ),
    "a store that closes asks for no time that has passed, while its merge buffer is on its way to the log": (
        ReferenceSetup(levels=(Level.MEMORY,), max_attempts=2),
        [
            ("finish_writes", {}),
            ("pop", {"count": 1}),
            ("finish_all", {}),
            ("wait", {"seconds": 0.15}),
            ("fail_sync", {}),
            ("pop", {"count": 1, "invisible": 5.0}),
            ("restart", {}),
        ],
    ),
    "what an epoch kept is history though power loss has eaten all that the epoch wrote, and a later one began since": (
        ReferenceSetup(),
        [
            ("finish_all", {}),
            ("pop", {"count": 1, "queue": 0}),
            ("finish_writes", {}),
            ("ack_many", {"which": 0, "count": 1}),
            ("flush", {}),
            ("finish_but", {"which": 0}),
            ("lose_power", {"fate": 0}),
            ("finish_writes", {}),
            ("crash", {"fate": 9}),
            ("finish_writes", {}),
            ("finish_but", {"which": 0}),
            ("lose_power", {"fate": 9}),
            ("survey", {}),
        ],
    ),
}

CASES["a delivery that was only in the merge buffer is there again when its redelivery could not be stored"] = (
    ReferenceSetup(levels=(Level.MEMORY,), commit=CommitPolicy.CHECKPOINT, max_attempts=2),
    [
        ("finish_all", {}),
        ("pop", {"count": 1, "invisible": 5.0}),
        ("wait_until", {"which": 0, "ticks": 0, "late": True}),
        ("aim", {"at": "redelivery", "how": "fails"}),
        ("pop", {"count": 1}),
        ("finish_all", {}),
        ("restart", {}),
        ("survey", {}),
    ],
)
CASES["dead letters of several opens take no more room than one request may"] = (
    ReferenceSetup(commit=CommitPolicy.CHECKPOINT, max_attempts=2),
    [
        ("pop", {"count": 1, "queue": 1}),
        ("finish_all", {}),
        ("wait_until", {"which": -1, "ticks": 0}),
        ("pop", {"count": 1, "queue": 1}),
        ("pop", {"count": 1, "queue": 1, "invisible": 5.0}),
        ("finish_all", {}),
        ("crash", {"fate": 0}),
        ("wait_until", {"which": -1, "ticks": 0}),
        ("pop", {"count": 4, "queue": 1}),
        ("restart", {}),
        ("pop", {"count": 1, "queue": 0, "invisible": 5.0}),
        ("wait", {"seconds": 5.0}),
        ("finish_writes", {}),
        ("publish", {"queue": 0, "count": 1}),
        ("pop", {"count": 1, "queue": 1, "invisible": 5.0}),
        ("ack_many", {"which": -1, "count": 1}),
        ("pop", {"count": 2, "queue": 0, "invisible": 5.0}),
        ("finish_all", {}),
        ("release", {"which": -1}),
        ("wait", {"seconds": 5.0}),
        ("pop", {"count": 1, "queue": 1}),
        ("pop", {"count": 1, "queue": 0}),
        ("finish_all", {}),
        ("lose_power", {"fate": 0}),
        ("wait_until", {"which": -1, "ticks": 0, "late": True}),
        ("pop", {"count": 1, "queue": 1}),
    ],
)

LATE_ACKS: list[Step] = [
    ("pop", {"count": 1, "queue": 0, "invisible": 5.0}),
    ("pop", {"count": 4, "queue": 0}),
    ("finish_all", {}),
    ("wait", {"seconds": 5.0}),
    ("pop", {"count": 1, "queue": 0}),
    ("finish_all", {}),
    ("release", {"which": -1}),
    ("finish_all", {}),
    ("wait", {"seconds": 5.0}),
    ("ack", {"which": -1}),
    ("wait", {"seconds": 120.0}),
    ("survey", {}),
]
"""The last attempt is given back, and an ack of it meets the dead letter on its way; a hanging sync lets it time out.
Its callback is told later than UNKNOWN: the dead letter was what settled the message."""


@pytest.mark.parametrize("level", list(Level))
def test_an_ack_without_an_answer_may_hear_that_a_dead_letter_is_durable(level: Level) -> None:
    run = replay(begin(ReferenceSetup(levels=(level,), max_attempts=2, fastpath=True)), LATE_ACKS)
    told = [line.text for line in run.history.lines if line.lane == "client"]
    assert told.index("operation 5 is answered UNKNOWN") < told.index("operation 5 is durable")


@pytest.mark.parametrize("name", CASES)
def test_the_reference_store_keeps_every_clause(name: str) -> None:
    setup, script = CASES[name]
    replay(begin(setup), script)


def test_an_ack_of_what_a_recovered_state_settles_is_answered_when_that_is_flushed() -> None:
    """It was said to be durable, and answered UNKNOWN at its time-out."""
    script: list[Step] = [
        ("reset", {"queue": 0, "offset": 0}),
        ("finish_all", {}),
        ("pop", {"count": 2, "queue": 1}),
        ("ack_many", {"which": -1, "count": 1}),
        ("renew", {"which": -2, "invisible": 60.0}),
        ("finish_all", {}),
        ("renew", {"which": -2, "invisible": 60.0}),
        ("wait", {"seconds": 5.0}),
        ("finish_writes", {}),
        ("lose_power", {"fate": 1}),
        ("pop", {"count": 1, "queue": 0}),
        ("ack", {"which": 1}),
        ("finish_all", {}),
    ]
    setup = ReferenceSetup(levels=(Level.MEMORY,), commit=CommitPolicy.CHECKPOINT, fastpath=True)
    told = [line.text for line in replay(begin(setup), script).history.lines]
    assert "operation 7 is durable" in told
    assert "operation 7 is answered SETTLED" in told
