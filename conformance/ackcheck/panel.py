"""One history, judged for several levels at once: an oracle a level, all of them told the same.

What breaks one level may be allowed by a weaker one, which goes on being judged. A level that fell is told nothing more
of this history, and the levels above it promise what it does, and more: they fall with it. Once none is left standing
the history is over:

>>> from ackmodel.observe.events import Reply
>>> from ackmodel.observe.oracle import Delivered
>>> panel = Panel((Level.PAGE_CACHE, Level.DISK))
>>> def acked(oracle):
...     oracle.pop_asked(1, "q", deadline=30.0)
...     oracle.popped(1, "q", [Delivered("r1", 0, 30.0)], at=0.0)
...     oracle.ack_asked(2, ["r1"], at=1.0)
...     oracle.ack_answered(2, [Reply.OK], at=1.0)
>>> panel.each(acked); panel.stopped(PowerLost())
>>> def again(oracle):
...     oracle.pop_asked(3, "q", deadline=90.0)
...     oracle.popped(3, "q", [Delivered("r2", 0, 90.0)], at=60.0)
>>> panel.each(again)
>>> [(fallen.broken.clause.value, [level.value for level in fallen.levels]) for fallen in panel.fallen]
[('survives-power-loss', ['disk'])]
>>> [level.value for level in panel.standing]
['page-cache']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

from attrs import Factory, define, field, frozen

from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.monitors import Sighting
from ackmodel.observe.oracle import Oracle

Stop = ProcessCrashed | PowerLost | Restarted
"""What happened to a store that was stopped."""

TESTED_BY: dict[type[Stop], tuple[Clause, ...]] = {
    Restarted: (Clause.CLOSE_DRAINS,),
    ProcessCrashed: (Clause.SURVIVES_PROCESS_CRASH,),
    PowerLost: (
        Clause.SURVIVES_POWER_LOSS,
        Clause.FLUSH_IS_REAL,
        Clause.FLUSH_REWRITES,
        Clause.RECOVERED_IS_CACHED,
    ),
}
"""For each way of stopping the clause that says what survives it, and the names it goes by where more is known of how
it was broken."""


@frozen
class Fallen:
    """These levels broke a clause, in the same way."""

    levels: tuple[Level, ...]
    broken: Broken


def nobody(_fallen: Fallen) -> None:
    """Tell nobody."""


@define(eq=False)
class Panel:
    """The oracles of the levels that are judged, weakest first. `told` hears of each fall, at the moment it happens."""

    levels: tuple[Level, ...]
    max_attempts: int | None = None
    told: Callable[[Fallen], None] = nobody
    standing: dict[Level, Oracle] = field(init=False)
    fallen: list[Fallen] = Factory(list)
    at_stake: dict[Level, Counter[Clause]] = field(init=False)
    """For each level, in how many stops the clause that says what survives them could have failed."""
    _all: dict[Level, Oracle] = field(init=False)
    _since: Stop | None = None
    _before: dict[Level, int] = Factory(dict)
    """How often its clauses had been put to the test by then."""

    def __attrs_post_init__(self) -> None:
        self._all = {level: Oracle(level, self.max_attempts) for level in self.levels}
        self.standing = dict(self._all)
        self.at_stake = {level: Counter() for level in self.levels}

    @property
    def strictest(self) -> Oracle:
        """The oracle of the strongest level: of those that stand, if any does."""
        return list((self.standing or self._all).values())[-1]

    @property
    def checked(self) -> Counter[Clause]:
        """How often each clause could have failed, at the level at which it could most often."""
        most: Counter[Clause] = Counter()
        for oracle in self._all.values():
            most |= oracle.checked
        return most

    def each(self, tell: Callable[[Oracle], None]) -> None:
        """Tell every oracle that stands; raise `Broken` once none does."""
        fell: dict[Level, Broken] = {}
        for level, oracle in list(self.standing.items()):
            try:
                tell(oracle)
            except Broken as broken:
                fell[level] = broken
        self._fall(fell)

    def broke(self, broken: Broken) -> NoReturn:
        """Note that the harness itself saw a clause broken, whatever the level; raises it."""
        self._fall(dict.fromkeys(self.standing, broken))
        raise broken

    @property
    def since(self) -> Stop | None:
        """The last stop; None before the first one."""
        return self._since

    def promises_to_survive(self, event: Stop) -> bool:
        """Tell whether at every level that stands what was answered OK survives such a stop."""
        weakest = next(iter(self.standing), None)
        answered = {Restarted: True, ProcessCrashed: weakest is not Level.MEMORY, PowerLost: weakest is Level.DISK}
        return answered[type(event)]

    def stopped(self, event: Stop) -> None:
        """Note that the store was stopped, to be opened again: from here on it is seen whether what survives was at
        stake."""
        self.count_stakes()
        self._since = event
        self._before = {level: _times(oracle, event) for level, oracle in self.standing.items()}
        self.each(lambda oracle: oracle.stopped(event))

    def count_stakes(self) -> None:
        """Count the last stop for each level at which something could have failed since."""
        if self._since is None:
            return
        for level, before in self._before.items():
            if _times(self._all[level], self._since) > before:
                self.at_stake[level][TESTED_BY[type(self._since)][0]] += 1
        self._since = None

    def all_agree(self, ask: Callable[[Oracle], bool]) -> bool:
        """Tell whether every oracle that stands says yes."""
        return all(ask(oracle) for oracle in self.standing.values())

    # --- for `ackmodel.observe.survey`: as one oracle ---------------------------------------------------------------

    def misses(self, queue: str, returned: Collection[int], at: float, dead: Collection[int] | None = None) -> bool:
        """Tell whether something should have come at any level that stands."""
        return not self.all_agree(lambda oracle: not oracle.misses(queue, returned, at, dead))

    def unsettled(self, queue: str) -> list[str]:
        """Return the newest receipt of each message that is not certainly settled at every level that stands."""
        left = (receipt for oracle in self.standing.values() for receipt in oracle.unsettled(queue))
        return list(dict.fromkeys(left))

    def is_settled(self, queue: str) -> bool:
        """Tell whether every message of a queue is certainly settled, at every level that stands."""
        return self.all_agree(lambda oracle: oracle.is_settled(queue))

    def drained(
        self,
        queue: str,
        returned: Collection[int],
        at: float,
        dead: Collection[int] | None = None,
        *,
        all_listed: bool = True,
    ) -> None:
        """Note that a queue was popped until it was empty, as `Oracle.drained` has it."""
        self.each(lambda oracle: oracle.drained(queue, returned, at, dead, all_listed=all_listed))

    def saw_answers_again(self, refused: Reply | None) -> None:
        """Note that the disk works again, and the store has had time: it answers OK, or else this."""
        self.each(lambda oracle: oracle.saw_answers_again(refused))

    def lags(self, queue: str, now: Sighting) -> str | None:
        """Return how an offset lags behind what is settled at any level that stands, if it does."""
        return next(filter(None, (oracle.lags(queue, now) for oracle in self.standing.values())), None)

    def saw_caught_up(self, queue: str, now: Sighting) -> None:
        """Note that this is the offset of a queue that may have messages in hand; the store was idle for a while."""
        self.each(lambda oracle: oracle.saw_caught_up(queue, now))

    def saw_all_settled(self, queue: str, now: Sighting) -> None:
        """Note that every message of a queue is settled and flushed, and the store was idle since."""
        self.each(lambda oracle: oracle.saw_all_settled(queue, now))

    def saw_space(self, held: float, most: float, kept: float) -> None:
        """Note that everything is settled, flushed and committed, and how many bytes the directory holds, and may."""
        self.each(lambda oracle: oracle.saw_space(held, most, kept))

    def saw_quiescence(self, outstanding: Mapping[str, float]) -> None:
        """Everything is settled, flushed and committed; this is what the store has outstanding."""
        self.each(lambda oracle: oracle.saw_quiescence(outstanding))

    # --- within -----------------------------------------------------------------------------------------------------

    def _fall(self, fell: dict[Level, Broken]) -> None:
        if not fell:
            return
        weakest = min(self.levels.index(level) for level in fell)
        for level in self.levels[weakest:]:
            if level in self.standing and level not in fell:
                fell[level] = fell[self.levels[weakest]]
        together: dict[tuple[Clause, str], tuple[Broken, list[Level]]] = {}
        for level, broken in sorted(fell.items(), key=lambda item: self.levels.index(item[0])):
            del self.standing[level]
            together.setdefault((broken.clause, broken.why), (broken, []))[1].append(level)
        for broken, levels in together.values():
            self.fallen.append(Fallen(tuple(levels), broken))
            self.told(self.fallen[-1])
        if not self.standing:
            raise self.fallen[-1].broken


def _times(oracle: Oracle, stop: Stop) -> int:
    """Return how often the clauses that say what survives such a stop were put to the test."""
    return sum(oracle.times_checked(clause) for clause in TESTED_BY[type(stop)])
