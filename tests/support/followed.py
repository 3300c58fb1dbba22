"""The core of the reference store, held to the graph of the model after each thing that happens to it.

The states and steps are those that test vectors are made of (`ackexplore.reports.vectors`). The store takes several
steps of the model at once: it answers as soon as a record is CACHED, moves its offset as soon as an ack is FLUSHED, and
writes again in one write. So no tour could be played to it as it stands. Instead everything is done to it that can be
done in each state that it comes to (`Followed`: a pop, an ack, the result of an effect, its time, a fault), and what it
then shows has to be what the model comes to by the same, and by steps of the store's own.

>>> from ackmodel import Config
>>> seen = follow(Config(commit="ack"))
>>> seen.done, seen.taken, seen.wrong
(23, 30, None)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen, mutable

from ackexplore import Options, explore
from ackexplore.reports.lanes import states_and_moves
from ackmodel import Config
from ackmodel.spec.catalogue import named
from ackmodel.spec.facts import By, Kind
from ackstore.core.core import Core
from ackstore.words.errors import LogError
from shown import Shown
from surroundings import Choice, Surroundings

MOST_OWN: Final = 8
"""Steps of its own that the store takes at once, at most, in one of the model's paths."""
KNOWN_TO_BE_SYNCED: Final = "sync_ok"
"""Recovery knows of what the log says had been synced; in the model it finds that out by writing again and a sync."""

Where = tuple[int, bool]
"""A state of the model, and whether what was done to the store has happened on the way to it."""


@frozen
class Graph:
    """The model, as a table: what is shown in each state, and the steps out of it."""

    shown: Sequence[Shown]
    moves: Sequence[Sequence[tuple[str, int]]]

    @classmethod
    def of(cls, config: Config) -> Graph:
        """Return the graph of a configuration."""
        states, moves = states_and_moves(explore(config, Options(engine="graph")))
        return cls([Shown.of(state) for state in states], [[(each[0], each[2]) for each in out] for out in moves])

    def after(self, before: Iterable[int], done: str, shown: Shown) -> Mapping[int, frozenset[tuple[int, str, int]]]:
        """Return the states in which the model may be, each with the steps that led there.

        `done` is what was done to the store: a step of the model, or "" for what the model has no step of.
        """
        found: dict[int, frozenset[tuple[int, str, int]]] = {}
        for start in before:
            first: Where = (start, not done)
            ways: dict[Where, frozenset[tuple[int, str, int]]] = {first: frozenset()}
            waiting = deque([(first, 0)])
            while waiting:
                (at, happened), own = waiting.popleft()
                way = ways[at, happened]
                if happened and self.shown[at].admits(shown):
                    found.setdefault(at, way)
                for action, target in self.moves[at]:
                    if action == done and not happened:
                        following, count = (target, True), own
                    elif own < MOST_OWN and (own_step(action) or (done in STOPS and action == KNOWN_TO_BE_SYNCED)):
                        following, count = (target, happened), own + 1
                    else:
                        continue
                    if following not in ways:
                        ways[following] = way | {(at, action, target)}
                        waiting.append((following, count))
        return found


STOPS: Final = frozenset({"process_crash", "power_loss"})


def own_step(action: str) -> bool:
    """Tell whether a step is the store's own, in its own time.

    >>> own_step("commit"), own_step("pop"), own_step("sync_ok")
    (True, False, False)
    """
    facts = named(action)
    return facts.by is By.STORE and facts.kind in (Kind.WORK, Kind.ANSWERED_OK)


@frozen
class Seen:
    """What came of following a store: how many things were done to it, in how many states, and what was wrong."""

    done: int
    states: int
    taken: int
    """Transitions of the model that the store took, by a shortest way for each thing that was done."""
    of: int
    wrong: str | None


@frozen
class _State:
    """A state of the store: what was done to come there, where the model may be, and what can be done next."""

    history: tuple[Choice, ...]
    model: frozenset[int]
    choices: Sequence[Choice]


def _told(history: Iterable[Choice]) -> str:
    return ", ".join(" ".join(map(str, choice)) for choice in history)


@mutable
class _Search:
    """The store in each state that it comes to, the nearest first."""

    graph: Graph
    core_class: type[Core]
    config: Config
    known: set[Any] = field(factory=set)
    taken: set[tuple[int, str, int]] = field(factory=set)
    done: int = 0

    def run(self, most: int) -> str | None:
        """Do all that can be done, the shortest histories first; return what was wrong first."""
        waiting = deque([_State((), frozenset({0}), self.at(()).choices())])
        while waiting:
            state = waiting.popleft()
            for choice in state.choices:
                if self.done == most:
                    return None
                self.done += 1
                surroundings = self.at(state.history)
                history = (*state.history, choice)
                try:
                    step, shown = surroundings.do(choice), surroundings.shown()
                except LogError as error:
                    return f"after {_told(history)}: what a fault leaves now cannot be opened: {error}"
                found = self.graph.after(state.model, step, shown)
                if not found:
                    before = " or ".join(sorted({str(self.graph.shown[number]) for number in state.model}))
                    return f"after {_told(history)}: {shown}; the model comes to no such state from {before}"
                for way in found.values():
                    self.taken |= way
                key = (frozenset(found), surroundings.print())
                if key not in self.known:
                    self.known.add(key)
                    waiting.append(_State(history, frozenset(found), surroundings.choices()))
        return None

    def at(self, history: Iterable[Choice]) -> Surroundings:
        """Return a new store to which all of this was done."""
        surroundings = Surroundings(self.config, self.core_class)
        for choice in history:
            surroundings.do(choice)
        return surroundings


def follow(config: Config, core_class: type[Core] = Core, most: int = 100_000) -> Seen:
    """Follow a store through a configuration of one message; `most` bounds what is done to it."""
    graph = Graph.of(config)
    search = _Search(graph, core_class, config)
    wrong = search.run(most)
    return Seen(search.done, len(search.known), len(search.taken), sum(map(len, graph.moves)), wrong)
