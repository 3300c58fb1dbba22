"""Histories told to a contract."""

from __future__ import annotations

import pytest

from ackmodel import Contract, ContractBroken, Level
from ackmodel.observe.events import Event


def told(*history: Event, level: Level = Level.PAGE_CACHE) -> Contract:
    """A contract that has observed a history."""
    contract = Contract(level)
    for event in history:
        contract.observe(event)
    return contract


def allows(*history: Event, level: Level = Level.PAGE_CACHE) -> bool:
    """Whether the last observation of a history is possible; those before it must be."""
    contract = told(*history[:-1], level=level)
    try:
        contract.observe(history[-1])
    except ContractBroken:
        return False
    return True


def broken(*history: Event, level: Level = Level.PAGE_CACHE) -> ContractBroken:
    """What the last observation of a history breaks."""
    contract = told(*history[:-1], level=level)
    with pytest.raises(ContractBroken) as caught:
        contract.observe(history[-1])
    return caught.value
