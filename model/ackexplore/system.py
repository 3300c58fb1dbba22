"""What the engines ask of a model: any model of one shared part and N other parts, its messages.

A subclass of `System` says where everything begins, which local steps a message may take beside the shared part, and
which broadcast steps change the shared part and every message with it; and, if it likes, what must never be. All else
has a default. `ackexplore.examples.two_phase_commit` is one in a hundred lines; the model of this project is another.

- **Values** are immutable and hashable: frozen attrs classes, enumerations, numbers, tuples. An engine numbers them,
  and asks about each distinct pair of a shared part and a message once: so the answers may depend on nothing else.
- **A clause** is a member of an enumeration of the model's own. It is judged of one message beside the shared part, in
  a state or in a step. What speaks of two messages must be said of each beside the shared part.
- **A broadcast** is possible only if `some` holds for at least one message, and if every message may become something.
- A system is a frozen attrs class itself: its fields are the settings, which reports show, and by which a checkpoint is
  known again.

>>> from ackmodel import Config
>>> shared, (message,) = Config().initial()
>>> ours = system_of(Config())
>>> [step.action for step in ours.local_steps(shared, message)]
['pop']
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Any, TypeAlias

from attrs import evolve, frozen

import ackmodel
from ackmodel import VERSION, Budget, Clause, Config, Message, Seen, Shared, State
from ackmodel.spec.catalogue import STEPS
from ackmodel.spec.vacuity import AT_STAKE

NO_BUDGET = Budget()


def _unchanged(message: Any) -> tuple[Any, ...]:
    return (message,)


def _always(_: Any) -> bool:
    return True


@frozen
class Step:
    """A local step: what is done, and the shared part and the message after it."""

    action: str
    shared: Hashable
    message: Hashable


@frozen
class Broadcast:
    """A broadcast step: what is done, the shared part after it, and everything that each message may become.

    Both functions are pure, and depend on nothing but the message and the values that they close over.
    """

    action: str
    shared: Hashable
    outcomes: Callable[[Any], tuple[Hashable, ...]] = _unchanged
    some: Callable[[Any], bool] = _always


LocalStep: TypeAlias = Step | ackmodel.Step
BroadcastStep: TypeAlias = Broadcast | ackmodel.Broadcast


class System(ABC):
    """A model that the engines can explore."""

    @property
    @abstractmethod
    def messages(self) -> int:
        """How many messages there are, at least one."""

    @abstractmethod
    def initial(self) -> tuple[Any, tuple[Any, ...]]:
        """Return the shared part and the messages at the beginning."""

    @abstractmethod
    def local_steps(self, shared: Any, message: Any) -> Iterable[LocalStep]:
        """Return what one message may do beside a shared part."""

    def broadcast_steps(self, shared: Any) -> Iterable[BroadcastStep]:
        """Return what may happen to all at once."""
        return ()

    # --- what must never be -----------------------------------------------------------------------------------------

    @property
    def clauses(self) -> tuple[Enum, ...]:
        """What is judged, at most 31 clauses."""
        return ()

    def broken_in_state(self, shared: Any, message: Any) -> tuple[Enum, ...]:
        """Return the clauses that a message breaks beside a shared part."""
        return ()

    def broken_by_step(self, action: str, before: tuple[Any, Any], after: tuple[Any, Any]) -> tuple[Enum, ...]:
        """Return the clauses that a step breaks, of a message that was beside a shared part before, and is after."""
        return ()

    def at_stake(self, shared: Any, message: Any) -> tuple[Enum, ...]:
        """Return the clauses that forbid something of a message beside a shared part."""
        return self.clauses

    def judged(self, shared: Any) -> Any:
        """Return what judgements may see of a shared part: the less, the fewer are asked for."""
        return shared

    # --- what is known of it ----------------------------------------------------------------------------------------

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of steps that are to be counted even where they never happen."""
        return ()

    @property
    def settings(self) -> Any:
        """What a result says was explored."""
        return self

    @property
    def version(self) -> str:
        """Changes when the model does: a checkpoint of another version is refused."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    def resized(self, messages: int) -> System | None:
        """Return the same with another number of messages; None: nobody estimates how large it is."""
        return None

    # --- symmetry ---------------------------------------------------------------------------------------------------

    @property
    def apart(self) -> int:
        """Messages whose numbers are a multiple of this apart are alike: exchanged, they go on alike. 0: none are."""
        return 0

    def placed(self, message: Any, place: int) -> Any:
        """Return the message as it would be in another place, that of one like it."""
        return message

    def interchangeable(self, message: Any) -> bool:
        """Tell whether exchanging the message with one like it makes another state; not where it tells its place."""
        return True

    def told(self, states: Sequence[Any]) -> tuple[tuple[int, ...], Sequence[Any]]:
        """Return the place of each message of a trace, and its states with all messages in their places."""
        return tuple(range(self.messages)), states


@frozen
class Acknowledging(System):
    """The model of this project, `ackmodel`, in one configuration."""

    config: Config

    @property
    def messages(self) -> int:
        """How many messages there are."""
        return self.config.messages

    def initial(self) -> State:
        """Return the state in which every message waits."""
        return self.config.initial()

    def local_steps(self, shared: Shared, message: Message) -> Iterable[LocalStep]:
        """Return every local step."""
        return ackmodel.local_steps(self.config, shared, message)

    def broadcast_steps(self, shared: Shared) -> Iterable[BroadcastStep]:
        """Return every broadcast step."""
        return ackmodel.broadcast_steps(self.config, shared)

    @property
    def clauses(self) -> tuple[Enum, ...]:
        """Those that the model judges."""
        return tuple(AT_STAKE)

    def broken_in_state(self, shared: Shared, message: Message) -> tuple[Clause, ...]:
        """Return what the invariants of states say."""
        return ackmodel.broken_in_state(self.config, shared, message)

    def broken_by_step(
        self, action: str, before: tuple[Shared, Message], after: tuple[Shared, Message]
    ) -> tuple[Clause, ...]:
        """Return what the invariants of steps say."""
        return ackmodel.broken_by_step(self.config, Seen(action, *before, *after))

    def at_stake(self, shared: Shared, message: Message) -> tuple[Clause, ...]:
        """Return what `ackmodel.spec.vacuity` says."""
        return ackmodel.at_stake(self.config, shared, message)

    def judged(self, shared: Shared) -> Shared:
        """Return it without its budget: how many faults may still come is of the exploration, not of the store."""
        return evolve(shared, budget=NO_BUDGET)

    @property
    def actions(self) -> tuple[str, ...]:
        """Every step there is, in the order of the model."""
        return tuple(STEPS)

    @property
    def settings(self) -> Config:
        """The configuration."""
        return self.config

    @property
    def version(self) -> str:
        """The version of the model."""
        return VERSION

    def resized(self, messages: int) -> System:
        """Return the same with fewer messages, and so perhaps fewer logs, and no limit that is never met."""
        limit = self.config.limit if self.config.limit <= messages else 0
        logs = min(self.config.logs, messages)
        return Acknowledging(evolve(self.config, messages=messages, logs=logs, limit=limit))

    @property
    def apart(self) -> int:
        """Messages of one log are alike as long as no offset passes them in order."""
        return self.config.logs if self.config.uncommitted else 0

    def placed(self, message: Message, place: int) -> Message:
        """Return the message with another index."""
        return evolve(message, index=place)


def system_of(asked: Config | System) -> System:
    """Return the system that is meant: a configuration means the model of this project."""
    return asked if isinstance(asked, System) else Acknowledging(asked)
