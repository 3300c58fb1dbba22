"""What is counted while a history is judged, and how much is kept of it at most.

>>> Count(came=3, fitted=2, passed_over=1).came
3
"""

from __future__ import annotations

from attrs import define

MOST_UNANSWERED = 100_000
"""Requests under way; a record with more has lost its answers."""
MOST_AT_ONCE = 1_000_000
"""Messages that one line may speak of; one that speaks of more is passed over, and what it took back is forgotten."""
IGNORED = frozenset({"open", "close", "dead"})
"""Operations of which nothing is judged."""


@define
class Count:
    """How often an action came, how often it fitted what the model allows, and how often it could not be judged."""

    came: int = 0
    fitted: int = 0
    passed_over: int = 0
