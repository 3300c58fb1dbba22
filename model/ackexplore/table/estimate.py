"""How large a configuration is, told before it is explored: from the same one with fewer messages.

Each message more multiplies the states by about the same factor, so two small siblings tell the size of a large one. It
is an estimate, not a bound: from 1 and 2 messages it was 5 to 20 % too large for 3 where that could be counted. A
sibling that is itself too large to be counted gives "at least".

>>> from ackmodel import Config
>>> told = estimate(Config(messages=3))
>>> told.states, told.at_least, told.counted      # 55,504 when counted
(66570, False, (54, 1896))
"""

from __future__ import annotations

from math import ceil

from attrs import frozen

from ackexplore.options import Options
from ackexplore.result import TooManyStates, WontFit
from ackexplore.system import System, system_of
from ackexplore.table.engine import Search
from ackexplore.table.layout import WORD_BITS
from ackexplore.table.quotients import BUCKET_BITS, FAR_BITS
from ackmodel import Config

MOST_COUNTED = 2_000_000
"""A sibling is counted up to that many states: a second or two."""
BYTES_A_WORD = 28
"""What a longer state takes for each word: at most 12 in the set of visited ones, 8 in its level, some as a new one."""
PLACES_A_STATE, BYTES_BESIDE = 1.7, 3
"""What a state of one word takes: places of the set of visited ones, and beside them, packed in its level and new."""
CERTAIN = 2
"""An estimate this many times the limit is a refusal: below, the search begins, and stops when the limit is met."""


@frozen(kw_only=True)
class Estimate:
    """How many states a configuration may have, and bytes its exploration take; `counted` are those of its siblings.

    `at_least`: the last sibling has more states than were counted.
    """

    states: int
    nbytes: int
    at_least: bool
    counted: tuple[int, ...]

    def __str__(self) -> str:
        about = "at least" if self.at_least else "about"
        return f"{about} {self.states:,} states and {self.nbytes / 2**30:,.1f} GiB"


@frozen
class _Sibling:
    """What was counted of one with fewer messages."""

    states: int
    shareds: int
    messages: int
    complete: bool


def _count(fewer: System, most: int) -> _Sibling:
    search, complete = Search(fewer, Options(max_states=most)), True
    try:
        search.start()
        while search.advance():
            pass
    except TooManyStates:
        complete = False
    finally:
        search.close()
    shareds, *each = search.pairs.steps.counts
    return _Sibling(len(search.visited), shareds, max(each), complete)


def estimate(asked: Config | System, *, most: int = MOST_COUNTED) -> Estimate | None:
    """Estimate the size of a configuration from siblings with 1 and 2 messages; None if it has no more, or no siblings.

    `most`: how many states of a sibling are counted at most. Where one has more, each message is taken to multiply the
    states by the messages that the first shows beside one shared part, which is too few.
    """
    system = system_of(asked)
    one, two = system.resized(1), system.resized(2)
    if system.messages < 3 or one is None or two is None:
        return None
    siblings = [_count(one, most)]
    growth = siblings[0].states / siblings[0].shareds
    if siblings[0].complete:
        siblings.append(_count(two, most))
        counted = siblings[1].states / siblings[0].states
        growth = counted if siblings[1].complete else max(growth, counted)
    last = siblings[-1]
    states = int(last.states * growth ** (system.messages - len(siblings)))
    # Each field as large as in the last sibling, and a bit to grow.
    bits = last.shareds.bit_length() + 1 + system.messages * (last.messages.bit_length() + 1)
    return Estimate(
        states=states,
        nbytes=states * _bytes_a_state(bits, states),
        at_least=not last.complete,
        counted=tuple(sibling.states for sibling in siblings),
    )


def _bytes_a_state(bits: int, states: int) -> int:
    """Return what a state of so many bits takes, where there are so many; see `ackexplore.table.quotients`."""
    if bits > WORD_BITS:
        return -(-bits // WORD_BITS) * BYTES_A_WORD
    left = bits - states.bit_length() + BUCKET_BITS + FAR_BITS
    place = next(size for size in (2, 4, 8) if left <= 8 * size)
    return ceil(PLACES_A_STATE * place) + BYTES_BESIDE


def refuse_what_cannot_fit(asked: Config | System, memory: int) -> None:
    """Raise `WontFit` if a configuration is estimated to take `CERTAIN` times as much memory as it may."""
    told = estimate(asked)
    if told is not None and told.nbytes > CERTAIN * memory:
        raise WontFit(str(told), memory, system_of(asked).settings)
