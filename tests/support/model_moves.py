"""Moves of the model out of a state that a test makes up."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from ackmodel import Config, Message, Shared, moves
from ackmodel.spec.system import State


def beside(config: Config, message: Message, **shared: Any) -> State:
    """A state of one message beside the configuration's shared part, with some of it changed."""
    return evolve(config.initial()[0], **shared), (message,)


def after(config: Config, state: State, action: str) -> list[State]:
    """The states after every move of that name."""
    return [move.after for move in moves(config, state) if move.action == action]


def only(config: Config, state: State, action: str) -> tuple[Shared, Message]:
    """The shared part and the message after the one move of that name."""
    [(shared, (message,))] = after(config, state, action)
    return shared, message


def actions(config: Config, state: State) -> set[str]:
    """The names of all moves."""
    return {move.action for move in moves(config, state)}
