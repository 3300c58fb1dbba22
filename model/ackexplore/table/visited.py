"""The set of visited states of several words: an open-addressing hash table in shards, one thread to a shard at a time.

States of one word take less, see `ackexplore.table.quotients`. A shard holds the packed states themselves, 8 bytes a
word, at most four fifths full: 20 to 24 bytes a state of two words. Growing is cheap because the place is the hash,
scaled to the capacity: old and new table are in the same order, and both are gone through from one end to the other.
With enough shards each fits the cache of a processor, and is filled while it is there. A shard asks before it takes
memory.

>>> import numpy as np
>>> visited = Visited(shards=2, words=2)
>>> states = np.array([[1, 0], [2, 0], [1, 0]], dtype=np.uint64)
>>> sum(visited.add(shard, [states[shards_of(states, 2) == shard]]) for shard in range(2))
2
>>> len(visited), sum(visited.new_counts)
(2, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from attrs import define, field

from ackexplore.table.kernels import copy_into, packed_into, shards_of
from ackexplore.table.layout import Words
from ackexplore.table.shards import Shard, Shards, no_limit
from ackexplore.table.wide import insert

FIRST_CAPACITY = 1 << 10
FULL = (4, 5)
"""A table is grown before more than this fraction of it is filled."""
GROWN = (6, 5)
"""How many times as large it is then."""


@define(eq=False)
class Visited(Shards):
    """The states seen so far, and the new ones since they were taken; `may_take(bytes)` raises if memory runs out."""

    shards: int
    words: int
    may_take: Callable[[int], None] = no_limit
    _shards: list[Shard] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shards = [
            Shard(table=self._empty(FIRST_CAPACITY), new=self._empty(FIRST_CAPACITY)) for _ in range(self.shards)
        ]

    def _empty(self, capacity: int) -> Words:
        return np.zeros((capacity, self.words), dtype=np.uint64)

    def make_room(self, shard: int, incoming: int) -> None:
        """Grow a shard until it can take that many states; not to be called from two threads at once."""
        own = self._shards[shard]
        capacity = len(own.table)
        more, of = GROWN
        while (own.count + incoming) * FULL[1] > capacity * FULL[0]:
            capacity = capacity * more // of
        if capacity > len(own.table):
            self.may_take(capacity * self.words * 8)
            states = np.empty((own.count + 1, self.words), dtype=np.uint64)
            states = states[: packed_into(states, own.table)]
            own.table = self._empty(capacity)
            copy_into(own.table, states)
        if own.new_count + incoming > len(own.new):
            room = max(2 * len(own.new), own.new_count + incoming)
            self.may_take(room * self.words * 8)
            new = np.empty((room, self.words), dtype=np.uint64)
            new[: own.new_count] = own.new[: own.new_count]
            own.new = new

    def add(self, shard: int, batches: Iterable[Words]) -> int:
        """Add states that belong to a shard; return how many were new."""
        own = self._shards[shard]
        before = own.new_count
        for batch in batches:
            self.make_room(shard, len(batch))
            found = insert(own.table, batch, own.new, own.new_count)
            own.count += found - own.new_count
            own.new_count = found
        return own.new_count - before

    def fill(self, states: Words) -> None:
        """Put in states that are all different and not in the set; they do not count as new."""
        owners = shards_of(states, self.shards)
        for number, shard in enumerate(self._shards):
            own = states[owners == number]
            self.make_room(number, len(own))
            copy_into(shard.table, own)
            shard.count += len(own)
