"""The process dies, or the power goes: what is left.

>>> shared, _ = Config(power_losses=1).initial()
>>> [cast.action for cast in power_loss(Config(), shared)]
['power_loss']
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from .. import needs, rules
from ..config import Config
from ..facts import By, Kind, step
from ..remains import each_choice, forgotten, spend, stopped
from ..stages import ABSENT, Promise, Record, Stage, Truth
from ..state import Message, Power, Shared
from ..steps import Broadcast


@step(by=By.MACHINE, kind=Kind.STOPPED, fair=False, needs=(needs.PROCESS_CRASHES,))
def process_crash(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Kill the process: its memory goes, the page cache lives (clause survives-process-crash)."""
    if shared.up and shared.budget.process_crashes:
        after = spend(stopped(shared, Power.CRASHED), "process_crashes")
        yield Broadcast("process_crash", after, killed)


def killed(message: Message) -> tuple[Message, ...]:
    """Return what the death of the process leaves of a message, and of what was promised."""
    left = message.with_records(forgotten)
    return (keeping(left, Promise.SURVIVES_PROCESS_CRASH),)


def keeping(message: Message, least: Promise) -> Message:
    """Return the message with promises that are less than `least` void."""
    promise = message.promise if message.promise >= least else Promise.NOTHING
    renewed = message.renewed if message.renewed >= least else Promise.NOTHING
    if promise is message.promise and renewed is message.renewed:
        return message
    return evolve(message, promise=promise, renewed=renewed)


@step(by=By.MACHINE, kind=Kind.STOPPED, fair=False, needs=(needs.POWER_LOSSES,))
def power_loss(config: Config, shared: Shared) -> Iterator[Broadcast]:
    """Stop the machine: any subset of what was not synced survives (clause survives-power-loss).

    The offset file is the old one or the new one; one that is replaced in place may at that moment read as none.
    """
    if shared.power is Power.LOST or not shared.budget.power_losses:
        return
    offset = shared.offset
    left = {offset.disk, offset.cached}
    if offset.cached != offset.disk and not config.keeps(rules.OFFSET_FILE_IS_ATOMIC):
        left.add(0)
    for survivor in sorted(left):
        after = stopped(shared, Power.LOST)
        kept = evolve(offset, volatile=0, cached=survivor, disk=survivor)
        after = evolve(after, offset=kept, owed=(False,) * len(shared.owed))
        yield Broadcast("power_loss", spend(after, "power_losses"), unpowered)


def unpowered(message: Message) -> tuple[Message, ...]:
    """Return what a power loss may leave of a message: each record that was not synced survives, or does not."""

    def outcomes(record: Record) -> tuple[Record, ...]:
        on_disk = Record(Stage.CACHED, Truth.DISK)
        return {Truth.DISK: (on_disk,), Truth.DIRTY: (ABSENT, on_disk)}.get(record.truth, (ABSENT,))

    return each_choice(keeping(message, Promise.SURVIVES_POWER_LOSS), outcomes)
