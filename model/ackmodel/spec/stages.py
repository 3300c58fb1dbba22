"""The ladder a record climbs, and where its bytes really are.

The model keeps *belief* and *truth* apart. A `Stage` is what the store believes of a record; a `Truth` is where the
bytes are. The store never sees a truth, and every invariant is judged on it.

>>> record = Record(Stage.FLUSHED, Truth.PHANTOM)   # fsync was retried after EIO, and "succeeded"
>>> record.readable, record.durable
(True, False)
"""

from __future__ import annotations

import enum

from attrs import frozen


class Stage(enum.Enum):
    """What the store believes of one record (specs/README.md; the ladder of RocketMQ issue #8780)."""

    NONE = "none"
    """There is no such record."""
    PENDING = "pending"
    """Accepted, in the memory of the process only."""
    CACHED = "cached"
    """Written: in the page cache of the operating system."""
    FLUSHING = "flushing"
    """CACHED, and a running sync that began after the write covers it."""
    SUSPECT = "suspect"
    """CACHED, but a sync that may have touched it failed or timed out, or recovery read it: to be written again."""
    FLUSHED = "flushed"
    """A sync that began after the write has returned success."""


class Truth(enum.Enum):
    """Where the bytes of one record really are."""

    NOWHERE = "nowhere"
    """Not written, or gone."""
    DIRTY = "dirty"
    """In the page cache, to be written to the disk some day."""
    PHANTOM = "phantom"
    """In the page cache, readable, but marked clean by a failed sync: it will never be written."""
    DISK = "disk"
    """On the disk: it survives power loss."""


class Level(enum.Enum):
    """The point at which a store answers OK, and so what the answer promises."""

    MEMORY = "memory"
    """From the memory of the process: a merge buffer that writes later, or never."""
    PAGE_CACHE = "page-cache"
    DISK = "disk"


STORED_LEVELS = (Level.PAGE_CACHE, Level.DISK)
"""The levels at which the record has left the process before the answer is given."""


class Promise(enum.IntEnum):
    """What a client has been told of its ack, as far as the faults since then have left it standing."""

    NOTHING = 0
    SURVIVES_RESTART = 1
    """A clean restart only: close writes what was still in memory."""
    SURVIVES_PROCESS_CRASH = 2
    SURVIVES_POWER_LOSS = 3


@frozen(cache_hash=True)
class Record:
    """One record of the log: what the store believes of it, and the truth."""

    stage: Stage = Stage.NONE
    truth: Truth = Truth.NOWHERE

    @property
    def stored(self) -> bool:
        """Whether the store believes that at least the page cache has the record."""
        return self.stage not in (Stage.NONE, Stage.PENDING)

    @property
    def unflushed(self) -> bool:
        """Whether the record is CACHED, or in a sub-stage of it."""
        return self.stored and self.stage is not Stage.FLUSHED

    @property
    def readable(self) -> bool:
        """Whether a process that opened the log now would find the record."""
        return self.truth is not Truth.NOWHERE

    @property
    def durable(self) -> bool:
        """Whether the record would survive a power loss now."""
        return self.truth is Truth.DISK

    def reaches(self, level: Level) -> bool:
        """Tell whether the stage allows an OK at `level` (clause reply-after-stage)."""
        if level is Level.MEMORY:
            return self.stage is not Stage.NONE
        return self.stage is Stage.FLUSHED if level is Level.DISK else self.stored


ABSENT = Record()
ACCEPTED = Record(Stage.PENDING)
WRITTEN = Record(Stage.CACHED, Truth.DIRTY)
