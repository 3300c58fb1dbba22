"""Which messages one state may stand for in any order, where the offset tells them apart only later.

Where no offset has passed two messages of a log yet, nothing has looked at their places: whatever was reached with one
before the other is reached with the other before the one, in as many steps. So here a message has no place until the
offset passes it: the next to be passed is any that may be, and takes the place that the offset has come to. It loses it
when all copies of the offset fall back below. `specs/exploration.md` has the argument, and what it takes.

>>> from ackmodel import Config
>>> shared, messages = symmetric_form(Config(messages=2)).initial()
>>> len({message.index for message in messages})
1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

import ackmodel
from ackexplore.system import Acknowledging, System, system_of
from ackmodel import RULES, Clause, Config, Message, Shared, State

if TYPE_CHECKING:
    from ackexplore.system import BroadcastStep, LocalStep
    from ackmodel.spec.steps import Outcomes


class NotSymmetric(ValueError):
    """Symmetry was asked for in a configuration whose messages are not alike."""

    def __init__(self) -> None:
        super().__init__(
            "more than the order of the offset tells messages apart here (specs/exploration.md): "
            "set uncommitted, or explore without symmetry"
        )


def symmetric_form(asked: Config | System) -> System:
    """Return the system to explore with symmetry: the same, or one that says less of places. Raises `NotSymmetric`."""
    system = system_of(asked)
    if not system.apart and isinstance(system, Acknowledging) and places_come_late(system.config):
        return Unplaced(system.config)
    if not system.apart:
        raise NotSymmetric
    return system


def places_come_late(config: Config) -> bool:
    """Tell whether a place matters only from when the offset passes it, and no more once all copies fell back below.

    Not where the offset jumps or is reset, and not where a copy of it may fall below what somebody has read from it:
    what was then taken for passed keeps a trace of it.
    """
    jumps = config.resets or not config.keeps(RULES["commit-in-order"])
    whole = config.keeps(RULES["offset-file-is-atomic"])
    only_rises = whole and config.keeps(RULES["recovery-keeps-offset"])
    read_from_disk = config.compaction or config.merge_buffer
    at_rest = not config.restarts or config.keeps(RULES["close-drains"])
    read_by_one = whole or config.power_losses + config.restarts == 1
    read_by_recovery = config.power_losses and (config.process_crashes or not at_rest or not read_by_one)
    return not jumps and (only_rises or not read_from_disk) and not read_by_recovery


def furthest(shared: Shared) -> int:
    """Return how many places some copy of the offset has passed."""
    offset = shared.offset
    return max(offset.volatile, offset.cached, offset.disk)


@frozen
class Unplaced(Acknowledging):
    """The model in a configuration, where the messages that no copy of the offset has passed have no place.

    Such a message has an index that is out of range, and tells its log.
    """

    @property
    def apart(self) -> int:
        """Messages of one log may be in any order: those that have a place have it in their index."""
        return self.config.logs

    def placed(self, message: Message, place: int) -> Message:  # noqa: ARG002
        """Return the message: where it is among the others says nothing."""
        return message

    def interchangeable(self, message: Message) -> bool:
        """Tell whether the message has no place."""
        return message.index >= self.messages

    def initial(self) -> State:
        """Return the state in which every message waits, and none has a place."""
        shared, messages = self.config.initial()
        return shared, tuple(_without_place(message, 0, self._beyond, self.config.logs) for message in messages)

    def local_steps(self, shared: Shared, message: Message) -> Iterator[LocalStep]:
        """Yield every local step, also those of the message that is next."""
        asked, logs, hi = message, self.config.logs, furthest(shared)
        next_to_pass = shared.offset.volatile == hi and message.index % logs == hi % logs
        if self.interchangeable(message) and next_to_pass:
            asked = evolve(message, index=hi)
        for step in ackmodel.local_steps(self.config, shared, asked):
            after = _without_place(step.message, furthest(step.shared), self._beyond, logs)
            yield evolve(step, message=after)

    def broadcast_steps(self, shared: Shared) -> Iterable[BroadcastStep]:
        """Yield every broadcast step; the messages beyond what is left of the offset lose their places."""
        for cast in ackmodel.broadcast_steps(self.config, shared):
            outcomes = _outcomes(cast.outcomes, furthest(cast.shared), self._beyond, self.config.logs)
            yield evolve(cast, outcomes=outcomes)

    def broken_by_step(
        self, action: str, before: tuple[Shared, Message], after: tuple[Shared, Message]
    ) -> tuple[Clause, ...]:
        """Return what the invariants of steps say; a message that gets or loses its place has it all the while."""
        place = min(before[1].index, after[1].index)
        there = evolve(before[1], index=place), evolve(after[1], index=place)
        return super().broken_by_step(action, (before[0], there[0]), (after[0], there[1]))

    def told(self, states: Sequence[State]) -> tuple[tuple[int, ...], tuple[State, ...]]:
        """Return the place of each message of a trace, and its states with all messages in their places.

        No shortest trace has a message that loses its place and another that takes it: without the step that gave it,
        the trace would be shorter.
        """
        places: dict[int, int] = {}
        for _, messages in states:
            for slot, message in enumerate(messages):
                if not self.interchangeable(message):
                    assert places.setdefault(slot, message.index) == message.index, "a message has had two places"
        assert len({*places.values()}) == len(places), "two messages have had one place"
        logs = self.config.logs
        for slot in range(self.messages):
            left = (place for place in range(slot % logs, self.messages, logs) if place not in places.values())
            if slot not in places:
                places[slot] = next(left)
        order = sorted(places, key=places.__getitem__)
        whole = (
            (shared, tuple(evolve(messages[slot], index=places[slot]) for slot in order)) for shared, messages in states
        )
        return tuple(places[slot] for slot in range(self.messages)), tuple(whole)

    @property
    def _beyond(self) -> int:
        """A number of places, no smaller than there are, that the logs share evenly."""
        return self.messages * self.config.logs


def _without_place(message: Message, passed: int, beyond: int, logs: int) -> Message:
    """Return the message without its place, if no offset has passed that."""
    return message if message.index < passed else evolve(message, index=beyond + message.index % logs)


def _outcomes(outcomes: Outcomes, passed: int, beyond: int, logs: int) -> Outcomes:
    def without_places(message: Message) -> tuple[Message, ...]:
        return tuple(_without_place(after, passed, beyond, logs) for after in outcomes(message))

    return without_places
