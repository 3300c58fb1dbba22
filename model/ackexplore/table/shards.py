"""What every set of visited states has: shards, each filled by one thread at a time, and of each the new states.

>>> import numpy as np
>>> shards = Shards()
>>> shards._shards = [Shard(table=np.zeros(4, dtype=np.uint64), new=np.array([[7], [9]], dtype=np.uint64), count=3)]
>>> shards._shards[0].new_count = 1
>>> taken = np.empty((1, 1), dtype=np.uint64)
>>> len(shards), shards.new_counts, shards.move_new(0, taken), taken.tolist(), shards.new_counts
(3, [1], None, [[7]], [0])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
from attrs import define

from ackexplore.table.layout import Words

Places: TypeAlias = npt.NDArray[Any]
"""The places of a shard, of unsigned numbers; zero is an empty one."""


def no_limit(_: int) -> None:
    """Let any memory be taken."""


@define(eq=False)
class Shard:
    """The places of a shard; how many states are in them, and those that are new since they were taken."""

    table: Places
    new: Words
    count: int = 0
    new_count: int = 0


class Shards:
    """The states seen so far, and the new ones since they were taken."""

    _shards: Sequence[Shard]

    def __len__(self) -> int:
        """Return the number of states seen."""
        return sum(shard.count for shard in self._shards)

    @property
    def nbytes(self) -> int:
        """The memory of the places, and of the new states."""
        return self.table_bytes + sum(int(shard.new.nbytes) for shard in self._shards)

    @property
    def table_bytes(self) -> int:
        """The memory of the places alone."""
        return sum(int(shard.table.nbytes) for shard in self._shards)

    @property
    def new_counts(self) -> list[int]:
        """How many states of each shard are new."""
        return [shard.new_count for shard in self._shards]

    def move_new(self, shard: int, to: Words) -> None:
        """Copy the new states of a shard, and begin anew with it."""
        own = self._shards[shard]
        to[:] = own.new[: own.new_count]
        own.new_count = 0
