"""Operations that a reset has overtaken: under way when a reset of their queue was answered OK.

Each of them came before the reset, or after it; nobody can tell. Had it come after, it is judged as any other. Had it
come before, it has no effect that is left, and may be answered whatever it could have been answered right before the
reset was:

>>> from ..spec.stages import Level
>>> from .events import AckAsked, PopUnanswered, ResetAnswered, ResetAsked
>>> orders = Queue("orders", Level.DISK)
>>> for event in (Popped("r1", 0.0, 30.0), AckAsked(item(7, 0), "r1", 1.0), ResetAsked(8, anew=True)):
...     orders.observe(0, event)
>>> overtaken = Overtaken()
>>> overtaken.note(orders, {9: ("orders", PopUnanswered(30.0))}, {7: (("r1", ("orders", 0)),)}, {})
>>> orders.observe(0, ResetAnswered(8, Reply.OK))
>>> Reply.OK in overtaken.take(item(7, 0)), 0 in overtaken.take(9), Reply.OK in overtaken.take(10)
(True, True, False)
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeAlias

from attrs import Factory, define, evolve

from .broken import Key
from .events import AckAnswered, ChangeAnswered, Popped, PopUnanswered, Reply
from .queue import Queue, item

Named: TypeAlias = tuple[str, Key | None]
"""A receipt, and the message that it is of; None where it is nobody's."""

EVER = float("inf")
"""A time by which every deadline has passed: when it was before the reset, nobody can tell."""

NOTHING: frozenset[Hashable] = frozenset()


@define(eq=False)
class Overtaken:
    """What may be answered by each operation that was overtaken, had it come before the reset."""

    _might: dict[int, frozenset[Hashable]] = Factory(dict)

    def note(
        self,
        told: Queue,
        pops: Mapping[int, tuple[str, PopUnanswered]],
        acks: Mapping[int, tuple[Named, ...]],
        changes: Mapping[int, Named],
    ) -> None:
        """Note that a reset of a queue is about to be answered OK, with these under way, of this queue or another."""
        popping = [op for op, (queue, _) in list(pops.items()) if queue == told.name]
        messages = [each for each in told.contracts if popping and told.allows(each, Popped("", EVER, EVER))]
        for op in popping:
            self._add(op, messages)
        for op, named in list(acks.items()):
            for index, (_, key) in enumerate(named):
                self._answer(told, key, AckAnswered(item(op, index), Reply.OK, EVER))
        for op, (_, key) in list(changes.items()):
            self._answer(told, key, ChangeAnswered(op, Reply.OK, EVER))

    def _answer(self, told: Queue, key: Key | None, event: AckAnswered | ChangeAnswered) -> None:
        """Note which answers an operation about a message might get, if it is of this queue."""
        if key is not None and key[0] == told.name:
            might = [reply for reply in Reply if told.allows(key[1], evolve(event, reply=reply))]
            self._add(event.op, might)

    def _add(self, op: int, might: Iterable[Hashable]) -> None:
        self._might[op] = self._might.get(op, NOTHING).union(might)

    def take(self, op: int) -> Collection[Hashable]:
        """Return the replies that an ack or a change might have got before the reset, or the messages that a pop might
        have; none if nothing has overtaken it. It is answered now."""
        return self._might.pop(op, NOTHING)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._might)

    def clear(self) -> None:
        """Forget them all: the store was stopped, and none will be answered."""
        self._might.clear()
