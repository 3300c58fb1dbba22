"""What is left of a state when something was spent or stopped: shared by the protocol and the environment.

>>> from .. import Config
>>> shared, _ = Config(power_losses=2).initial()
>>> spend(shared, "power_losses").budget.power_losses
1
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from attrs import evolve

from .stages import ABSENT, Record, Stage
from .state import Budget, Message, Mode, Power, Shared, Syncing


def spend(shared: Shared, fault: str) -> Shared:
    """Return the shared part with one `fault` less in the budget."""
    budget: Budget = shared.budget
    return evolve(shared, budget=evolve(budget, **{fault: getattr(budget, fault) - 1}))


def stopped(shared: Shared, power: Power) -> Shared:
    """Return the shared part without all that lived in the memory of the process."""
    logs = len(shared.syncing)
    return evolve(
        shared,
        power=power,
        mode=Mode.ASYNC,
        syncing=(Syncing.IDLE,) * logs,
        late=(False,) * logs,
        failures=0,
        inflight=0,
        offset=evolve(shared.offset, volatile=0),
    )


def forgotten(record: Record) -> Record:
    """Return a record after the process ended: no belief is left, so it reads CACHED; its bytes are where they were."""
    return Record(Stage.CACHED, record.truth) if record.readable else ABSENT


def each_choice(message: Message, outcomes: Callable[[Record], tuple[Record, ...]]) -> tuple[Message, ...]:
    """Return the message with every combination of the outcomes of its records, without repetitions."""
    combinations = product(*map(outcomes, message.records))
    return tuple(
        dict.fromkeys(
            evolve(message, checkpoint=checkpoint, earlier=earlier, ack=ack, renewal=renewal)
            for checkpoint, earlier, ack, renewal in combinations
        )
    )
