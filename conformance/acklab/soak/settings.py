"""The settings of the store that is soaked, and the limits that it is held to.

Segments are switched, compacted and given up all the time, and what may be unflushed is little, so that a dead disk
makes the store say BUSY soon. Messages become dead letters. The commit policy follows from level and seed, so that a
run of all levels has both.

>>> config_of(Level.PAGE_CACHE, seed=1).commit, config_of(Level.DISK, seed=1).commit
('ack', 'checkpoint')
"""

from __future__ import annotations

from attrs import evolve

from acklab.reference.claims import by_level
from ackmodel import Level
from ackstore import Config

LIMIT = 1_000
"""Records that may be unflushed."""

LIMIT_BYTES = 128 << 10
"""Bytes of them."""

SPILL, SPILL_BYTES = 64, 64 << 10
"""By how much what is taken whole may go beyond: a batch, a hand-over of the merge buffer, with a record a queue."""

SOAKED = Config(
    segment_bytes=32 << 10,
    compact_above=128 << 10,
    flush_interval=0.02,
    offset_interval=0.05,
    op_timeout=2.0,
    sync_timeout=0.5,
    retry_limit=0.5,
    max_unflushed_records=LIMIT,
    max_unflushed_bytes=LIMIT_BYTES,
    max_attempts=4,
    max_dead=1_000,
)

SOAKED_AT = by_level(SOAKED, logs=3, merge_stay=0.2, merge_messages=500)
"""Those of the store that claims a level."""


def config_of(level: Level, seed: int) -> Config:
    """Return the settings of a soak.

    At level MEMORY the policy is always `ack`: under `checkpoint` only the floor tells what is done with, and there it
    may be that of a STATE which a power loss takes back.
    """
    checkpoint = level is not Level.MEMORY and (seed + (level is Level.DISK)) % 2 == 0
    return evolve(SOAKED_AT[level.value], commit="checkpoint" if checkpoint else "ack")
