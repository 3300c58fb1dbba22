"""The set of visited states of one word: what the place of a state tells of it is not stored a second time.

A state of b bits is scattered over the numbers of b bits, one to one. The upper bits name its shard, the next its home
bucket of 16 places, and only the rest is stored, in 16, 32 or 64 bits, whichever holds it, beside how many buckets from
home it lies. So nothing is lost: two states are never taken for one. (J. G. Cleary, Compact hash tables using
bidirectional linear probing, 1984.) A shard at most 0.85 full is doubled before it takes more, and then each place has
a bit less to hold; where places are of 64 bits it grows in two steps. So a state takes 2.4 to 4.7 bytes, 4.7 to 9.4, or
9.4 to 14.1, by how many of its bits are left to store.

>>> from ackexplore.table.layout import Layout
>>> layout = Layout(widths=(8, 8))
>>> states = layout.pack(np.array([[1, 1], [1, 2], [1, 1]]))
>>> visited = Quotients(shards=2, layout=layout)
>>> visited.fill(states[:2])
>>> ends = visited.deal(states)[1]
>>> len(visited), ends[-1]
(2, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from attrs import define, field

from ackexplore.table.kernels import U64, Counts, Hashing, U, hashing_of, kernel, scatter
from ackexplore.table.layout import Layout, Words
from ackexplore.table.shards import Places, Shard, Shards, no_limit


class Homes(NamedTuple):
    """How the home of a state is found: its bits in the shard, so many times, without the lowest, are the bucket."""

    times: U64
    rest_bits: U64


BUCKET_BITS = 4
BUCKET = 1 << BUCKET_BITS
FAR_BITS, FARTHEST = 3, 7
"""A place tells, from 1 on, in how many buckets from home a state was looked for."""
FIRST_BUCKETS = 6
FULLEST = 0.85
AHEAD = 32
LINE = 64
FIRST_NEW = 1 << 8
KINDS = (np.uint16, np.uint32, np.uint64)


@kernel
def insert(
    table: Places, homes_of: Homes, hashing: Hashing, keys: Words, begin: int, new: Words, new_count: int, most: int
) -> tuple[int, int]:
    """Insert states; append those that were not there to `new`, which may hold `most`.

    Returns how far it came, and how many of `new` are filled: it stops when that many are new, or a state has no place.
    The buckets of some states are fetched before any is looked at, so that the waits for memory overlap.
    """
    buckets, times, rest_bits = table.shape[0] // BUCKET, homes_of.times, homes_of.rest_bits
    inside, rest_mask = (U(1) << hashing.within) - U(1), (U(1) << rest_bits) - U(1)
    homes, wants = np.empty(AHEAD, dtype=np.int64), np.empty(AHEAD, dtype=np.uint64)
    seen = np.empty(AHEAD, dtype=table.dtype)
    for start in range(begin, keys.shape[0], AHEAD):
        stop = min(start + AHEAD, keys.shape[0])
        for index in range(start, stop):
            own = (scatter(keys[index, 0], hashing) & inside) * times
            home: Any = np.int64(own >> rest_bits)
            homes[index - start], wants[index - start] = home, ((own & rest_mask) << U(FAR_BITS)) | U(1)
            seen[index - start] = table[home << BUCKET_BITS]
        for index in range(start, stop):
            if new_count == most:
                return index, new_count
            want, bucket = table.dtype.type(wants[index - start]), homes[index - start]
            if seen[index - start] == want:
                continue
            far, looking = 1, True
            while looking:
                place, last = bucket << BUCKET_BITS, (bucket << BUCKET_BITS) + BUCKET
                while place < last and table[place] != want and table[place] != 0:
                    place += 1
                if place == last:
                    if far == FARTHEST:
                        return index, new_count
                    far += 1
                    want = table.dtype.type(want + table.dtype.type(1))
                    bucket = bucket + 1 if bucket + 1 < buckets else 0
                    continue
                looking = False
                if table[place] == 0:
                    table[place] = want
                    new[new_count, 0] = keys[index, 0]
                    new_count += 1
    return keys.shape[0], new_count


@kernel
def move_into(table: Places, homes: Homes, old: Places, old_homes: Homes) -> bool:
    """Copy a shard into an empty one of more buckets; whether each state found a place."""
    buckets, old_buckets = table.shape[0] // BUCKET, old.shape[0] // BUCKET
    rest_mask = (U(1) << homes.rest_bits) - U(1)
    for place in range(old.shape[0]):
        held = U(old[place])
        if held == U(0):
            continue
        home = (place >> BUCKET_BITS) - (np.int64(held & U(FARTHEST)) - 1)
        home += old_buckets if home < 0 else 0
        own = ((U(home) << old_homes.rest_bits) | (held >> U(FAR_BITS))) // old_homes.times * homes.times
        bucket: Any = np.int64(own >> homes.rest_bits)
        kept, far, moved = (own & rest_mask) << U(FAR_BITS), 1, False
        while not moved:
            for at in range(bucket << BUCKET_BITS, (bucket << BUCKET_BITS) + BUCKET):
                if table[at] == 0:
                    table[at] = kept | U(far)
                    moved = True
                    break
            if not moved:
                if far == FARTHEST:
                    return False
                far += 1
                bucket = bucket + 1 if bucket + 1 < buckets else 0
    return True


@kernel
def deal(states: Words, hashing: Hashing, dealt: Words, starts: Counts) -> None:
    """Put states in the order of their shards; `starts` tells where those of each shard start, and the last end."""
    for index in range(states.shape[0]):
        starts[np.int64(scatter(states[index, 0], hashing) >> hashing.within)] += 1
    for shard in range(1, starts.shape[0]):
        starts[shard] += starts[shard - 1]
    for index in range(states.shape[0]):
        own: Any = np.int64(scatter(states[index, 0], hashing) >> hashing.within)
        starts[own] -= 1
        dealt[starts[own], 0] = states[index, 0]


def _empty(kind: type[np.unsignedinteger[Any]], places: int) -> Places:
    """Return empty places that begin where a line of the cache does: so a bucket lies within as few as can be."""
    spare = LINE // np.dtype(kind).itemsize
    whole = np.zeros(places + spare, dtype=kind)
    skipped = (-whole.ctypes.data % LINE) // whole.itemsize
    return whole[skipped : skipped + places]


@define(eq=False)
class _Shard(Shard):
    homes: Homes = field(kw_only=True)

    @property
    def room(self) -> int:
        """How many states it holds before it must grow."""
        return int(FULLEST * len(self.table))


def _kind(homes: Homes) -> type[np.unsignedinteger[Any]]:
    """Return the smallest numbers that hold what is stored of a state."""
    bits = int(homes.rest_bits) + FAR_BITS
    return next(kind for kind in KINDS if bits <= 8 * np.dtype(kind).itemsize)


@define(eq=False)
class Quotients(Shards):
    """The states seen so far, and the new ones since they were taken; `may_take(bytes)` raises if memory runs out.

    Shards, of which there are a power of two and at least two, may be filled side by side, each by one thread.
    """

    shards: int
    layout: Layout
    may_take: Callable[[int], None] = no_limit
    hashing: Hashing = field(init=False)
    _shards: list[_Shard] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hashing = hashing_of(self.layout, self.shards)
        homes = self._homes(1, min(FIRST_BUCKETS, int(self.hashing.within)))
        self._shards = [
            _Shard(self._empty(homes), np.empty((FIRST_NEW, 1), dtype=np.uint64), homes=homes)
            for _ in range(self.shards)
        ]

    # --- places -----------------------------------------------------------------------------------------------------

    def _homes(self, times: int, doubled: int) -> Homes:
        """Return how homes are found where there are `times` * 2 ** `doubled` buckets."""
        return Homes(times=U(times), rest_bits=self.hashing.within - U(doubled))

    def _empty(self, homes: Homes) -> Places:
        buckets = int(homes.times) << int(self.hashing.within - homes.rest_bits)
        return _empty(_kind(homes), BUCKET * buckets)

    def _larger(self, homes: Homes) -> Homes:
        """Return the next larger size: twice as large, or, where places are large, in two steps."""
        doubled = int(self.hashing.within - homes.rest_bits)
        if int(homes.times) == 3:
            return self._homes(1, doubled + 2)
        in_two_steps = doubled > 0 and _kind(homes) is KINDS[-1]
        return self._homes(3, doubled - 1) if in_two_steps else self._homes(1, doubled + 1)

    def _grow(self, own: _Shard) -> None:
        homes = own.homes
        while True:
            homes = self._larger(homes)
            self.may_take(2 * own.table.nbytes)
            table = self._empty(homes)
            if move_into(table, homes, own.table, own.homes):
                own.table, own.homes = table, homes
                return

    # --- states -----------------------------------------------------------------------------------------------------

    def add(self, shard: int, batches: Iterable[Words]) -> int:
        """Add states that belong to a shard; return how many were new."""
        own, before = self._shards[shard], self._shards[shard].count
        for batch in batches:
            done = 0
            while done < len(batch):
                if own.new_count == len(own.new):
                    self.may_take(2 * own.new.nbytes)
                    own.new = np.concatenate([own.new, np.empty_like(own.new)])
                most = min(len(own.new), own.new_count + max(0, own.room - own.count))
                done, filled = insert(own.table, own.homes, self.hashing, batch, done, own.new, own.new_count, most)
                own.count += filled - own.new_count
                own.new_count = filled
                if done < len(batch) and filled < len(own.new):
                    self._grow(own)
        return own.count - before

    def deal(self, states: Words) -> tuple[Words, list[int]]:
        """Return states in the order of their shards, and where those of each shard begin, and the last end."""
        dealt, ends = np.empty_like(states), np.zeros(self.shards + 1, dtype=np.int64)
        deal(states, self.hashing, dealt, ends)
        return dealt, ends.tolist()

    def fill(self, states: Words) -> None:
        """Put in states that are all different and not in the set; they do not count as new."""
        dealt, ends = self.deal(states)
        for number, shard in enumerate(self._shards):
            self.add(number, [dealt[ends[number] : ends[number + 1]]])
            shard.new_count = 0
