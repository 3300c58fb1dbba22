"""Whose a state is, and what is put into the envelopes for the others.

Whose a state is depends on its values alone, not on how many bits each has at the moment, so no state ever moves. What
was sent need not be sent again: some of it is remembered, in a table of fixed size, where a state is compared by all
its bits.

>>> from ackexplore.table.layout import Layout
>>> layout = Layout(widths=(8, 8))
>>> states = layout.pack(np.array([[1, number] for number in (1, 2, 3, 4, 5, 6, 5, 6)]))
>>> filled, sent = np.array([len(states)]), np.zeros((64, 1), dtype=np.uint64)
>>> ownership = Ownership(layout.table, times_of(2), parts=2, own=0)
>>> theirs, owners = sort_out(states[None], filled, ownership, sent)
>>> [layout.unpack(envelope)[:, 1].tolist() for envelope in by_owner(theirs, owners, 2)]
[[], [2, 3, 4, 5]]
>>> layout.unpack(states[: filled[0]])[:, 1].tolist()
[1, 6, 6]
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ackexplore.table.kernels import LOW_32, NONE, S32, U64, Bits, Counts, U, field_at, inlined, kernel, mix, part_of
from ackexplore.table.layout import Words

Owners: TypeAlias = npt.NDArray[np.uint16]


class Ownership(NamedTuple):
    """How many parts there are, and which is this one; `times` is what the value of each field is multiplied by."""

    fields: Bits
    times: Bits
    parts: int
    own: int


def times_of(fields: int) -> Bits:
    """Return an odd number for each field: the same everywhere, whatever the version."""
    digests = (blake2b(bytes([field]), digest_size=8).digest() for field in range(fields))
    return np.array([int.from_bytes(digest, "little") | 1 for digest in digests], dtype=np.uint64)


@inlined
def _hash_of_values(states: Words, index: int, fields: Bits, times: Bits) -> U64:
    h = NONE
    for number in range(fields.shape[0]):
        h += field_at(states, index, fields, number) * times[number]
    return mix(h)


@kernel
def _sort_out(out: Words, filled: Counts, ownership: Ownership, sent: Words, others: Words, owners: Owners) -> int:
    fields, times, parts, own = ownership.fields, ownership.times, U(ownership.parts), U(ownership.own)
    count, sent_mask, words = 0, U(sent.shape[0] - 1), sent.shape[1]
    for shard in range(filled.shape[0]):
        kept = 0
        for index in range(filled[shard]):
            h = _hash_of_values(out[shard], index, fields, times)
            owner = part_of((h >> S32) & LOW_32, parts)
            if owner == own:
                for word in range(words):
                    out[shard, kept, word] = out[shard, index, word]
                kept += 1
                continue
            known = True
            for word in range(words):
                known = known and sent[h & sent_mask, word] == out[shard, index, word]
            if not known:
                for word in range(words):
                    sent[h & sent_mask, word] = out[shard, index, word]
                    others[count, word] = out[shard, index, word]
                owners[count] = owner
                count += 1
        filled[shard] = kept
    return count


def sort_out(out: Words, filled: Counts, ownership: Ownership, sent: Words) -> tuple[Words, Owners]:
    """Leave in the buffers of the shards what is this part's own; return the rest, and whose each state is.

    What is in `sent` is left out, since it was sent before; what is sent is put there. One thread a table.
    """
    others = np.empty((int(filled.sum()), sent.shape[1]), dtype=np.uint64)
    owners = np.empty(len(others), dtype=np.uint16)
    count = _sort_out(out, filled, ownership, sent, others, owners)
    return others[:count], owners[:count]


@kernel
def _deal(states: Words, owners: Owners, dealt: Words, starts: Counts) -> None:
    for index in range(states.shape[0]):
        starts[owners[index]] += 1
    for part in range(1, starts.shape[0]):
        starts[part] += starts[part - 1]
    for index in range(states.shape[0] - 1, -1, -1):
        starts[owners[index]] -= 1
        for word in range(states.shape[1]):
            dealt[starts[owners[index]], word] = states[index, word]


def by_owner(states: Words, owners: Owners, parts: int) -> list[Words]:
    """Return an envelope for each part."""
    dealt, starts = np.empty_like(states), np.zeros(parts + 1, dtype=np.int64)
    _deal(states, owners, dealt, starts)
    return [dealt[first:end] for first, end in pairwise(starts.tolist())]
