"""A walk through a model, step by step, that asks the model only where it goes: so no model is too large to walk in.

A walk is a value: each step makes another one. Steps are numbered as on the page to walk in (`walk.py`), so a way
that was gone on either, as `0.0.1`, can be gone on the other.

>>> from ackmodel import Config
>>> begun = Walk.of(Config(sync_failures=1, rules={"rewrite-after-failure": False}))
>>> [offer.label for offer in begun.offers]
['pop (message 0)']
>>> broken = begun.led()
>>> broken.way, [clause.value for clause in broken.broken]
('0.0.1.2.0.0.0', ['flush-is-real', 'flush-rewrites'])
>>> broken.back().along("0").way == broken.way
True
>>> begun.along("7")
Traceback (most recent call last):
...
ackexplore.reports.walking.NoSuchStep: there is no step '7' here: the one there is has number 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from ackexplore.interning import Code, Interned, interned, successors
from ackexplore.reports.lanes import in_lanes
from ackexplore.trace import Trace, TraceStep
from ackmodel import Clause, Config, State
from ackmodel.spec.catalogue import named

MOST_LOOKED_AT = 100_000
"""States that `Walk.led` looks at; some seconds."""


class NoSuchStep(ValueError):
    """A step is not possible where it was asked for; the message says which are."""


class TooFar(Exception):
    """Nothing breaks in the states that were looked at, and there are more."""


@frozen(eq=False)
class Offer:
    """A step that may be taken next: its number, and what it would break, by itself or by the state after it."""

    number: int
    action: str
    message: int | None
    after: Code
    broken: tuple[Clause, ...]

    @property
    def label(self) -> str:
        """The step, and the message that takes it."""
        return self.action if self.message is None else f"{self.action} (message {self.message})"

    @property
    def is_fault(self) -> bool:
        """Whether nobody takes it, but it befalls the store."""
        return named(self.action).kind.is_fault


@frozen(eq=False)
class Walk:
    """The steps that were taken from the beginning, of a configuration."""

    config: Config
    model: Interned
    taken: tuple[Offer, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Walk:
        """Return the walk that begins."""
        return cls(config, interned(config))

    @property
    def here(self) -> Code:
        """The state that it has come to."""
        return self.taken[-1].after if self.taken else self.model.initial()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The steps that may be taken next."""
        return self._offers(self.here)

    def _offers(self, code: Code) -> tuple[Offer, ...]:
        model = self.model
        return tuple(
            Offer(number, model.actions[action], actor, after, model.clauses_in(broken | model.broken_state(after)))
            for number, (action, actor, after, broken) in enumerate(successors(model, code))
        )

    @property
    def broken(self) -> tuple[Clause, ...]:
        """The clauses that are broken here, by the last step or by the state that it led to."""
        return self.taken[-1].broken if self.taken else ()

    @property
    def way(self) -> str:
        """The numbers of the steps that were taken, as the address of the page has them.

        >>> Walk.of(Config()).along("0.0").way
        '0.0'
        """
        return ".".join(str(offer.number) for offer in self.taken)

    def take(self, offer: Offer) -> Walk:
        """Return the walk with one of its offers taken."""
        return evolve(self, taken=(*self.taken, offer))

    def along(self, way: str) -> Walk:
        """Return the walk with more steps taken, by their numbers; raises `NoSuchStep`."""
        walk = self
        for text in way.split("."):
            offers = walk.offers
            if not (text.isascii() and text.isdigit() and int(text) < len(offers)):
                raise NoSuchStep(f"there is no step {text!r:.40} here: {_numbers(offers)}")
            walk = walk.take(offers[int(text)])
        return walk

    def called(self, action: str, message: int | None) -> Offer:
        """Return the one offer of that name, and of that message if one is named; raises `NoSuchStep`."""
        fitting = [offer for offer in self.offers if offer.action == action and message in (None, offer.message)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            numbers = ", ".join(str(offer.number) for offer in fitting)
            raise NoSuchStep(f"{len(fitting)} steps are called {action} here: give the number, one of {numbers}")
        raise NoSuchStep(f"there is no step {action!r:.40} here: {_numbers(self.offers)}")

    def back(self) -> Walk:
        """Return the walk without its last step."""
        return evolve(self, taken=self.taken[:-1])

    def begun(self) -> Walk:
        """Return the walk without its steps."""
        return evolve(self, taken=())

    def led(self, most: int = MOST_LOOKED_AT) -> Walk | None:
        """Return the walk with a shortest way to where a clause breaks; None where none can break any more.

        Raises `TooFar` where more than `most` states would have to be looked at.
        """
        came: dict[Code, tuple[Code, Offer] | None] = {self.here: None}
        level = [self.here]
        while level:
            found = list[Code]()
            for code in level:
                for offer in self._offers(code):
                    if offer.broken:
                        return evolve(self, taken=(*self.taken, *_back_from(came, code), offer))
                    if offer.after not in came:
                        came[offer.after] = (code, offer)
                        found.append(offer.after)
            if len(came) > most:
                raise TooFar(f"nothing breaks in the {len(came):,} states nearest to here, and there are more")
            level = found
        return None

    def state(self, code: Code) -> State:
        """Return a state of the model."""
        return self.model.decode(code)

    def lanes(self, code: Code) -> dict[str, Any]:
        """Return a state in lanes: `store`, `cache`, `disk`, `offset`; and the clauses at `stake` in it."""
        broken = [clause.value for clause in self.model.clauses_in(self.model.broken_state(code))]
        return in_lanes(self.config, self.state(code), broken)

    @property
    def codes(self) -> tuple[Code, ...]:
        """The states along the way, the first included."""
        return (self.model.initial(), *(offer.after for offer in self.taken))

    @property
    def trace(self) -> Trace:
        """The way as a trace, to be shown or written."""
        states = [self.state(code) for code in self.codes]
        steps = tuple(
            TraceStep(number=number, action=offer.action, actor=offer.message, before=before, after=after)
            for number, (offer, before, after) in enumerate(zip(self.taken, states, states[1:], strict=False), 1)
        )
        return Trace(initial=states[0], steps=steps, broken=self.broken)


def _back_from(came: Mapping[Code, tuple[Code, Offer] | None], code: Code) -> list[Offer]:
    """Return the steps by which a search came to a state."""
    steps = list[Offer]()
    while (before := came[code]) is not None:
        code, offer = before
        steps.append(offer)
    return steps[::-1]


def _numbers(offers: Sequence[Offer]) -> str:
    if len(offers) < 2:
        return "the one there is has number 0" if offers else "nothing more may happen"
    return f"they have the numbers 0 to {len(offers) - 1}"
