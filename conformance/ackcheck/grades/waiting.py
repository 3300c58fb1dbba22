"""What becomes safe by waiting, and how old what was lost had been.

A store may promise that what it answered is on the disk, or its offsets are, only so many seconds later. The oracles,
which know the strict protocol, are told of that in its words: of a loss window, that a barrier was answered OK once it
has passed; of offsets that are persisted late, that the outcome of an ack is unknown until then, and that after it the
message is settled.

How long the window really is shows in the acks that a power loss took: the oldest of them was answered so long before.

>>> ages = Ages()
>>> ages.answered(("q", 0), at=1.0)
>>> ages.answered(("q", 1), at=1.5)
>>> ages.stopped(PowerLost(), at=2.0)
>>> ages.came(("q", 0))
>>> ages.oldest_lost
{'power loss': 1.0}
"""

from __future__ import annotations

from functools import partial
from typing import Final

from attrs import Factory, define

from ackcheck.panel import Panel, Stop
from ackcheck.promises import STRICT, Promises
from ackmodel.observe.broken import Key
from ackmodel.observe.events import PowerLost, ProcessCrashed, Reply, Restarted
from ackmodel.observe.oracle import Oracle

TIMES: Final = 1.25
"""For how many times a promised time the store is waited for before it is held to it."""

SHARES: Final = 8
"""Into how many parts a loss window is divided, so that what was answered in each is held to it by itself."""

FIRST: Final = -1_000_000_000
"""Barriers and acks that nobody asked for have numbers from here down."""

STOPS: Final[dict[type[Stop], str]] = {ProcessCrashed: "SIGKILL", PowerLost: "power loss", Restarted: "restart"}
"""How each way of being stopped is called."""

NEVER: Final = float("-inf")


@define
class Ages:
    """When acks were answered OK, and how old those were that a stop of the store took."""

    oldest_lost: dict[str, float] = Factory(dict)
    """By what took it, in seconds."""
    came_since: bool = False
    """Whether something was handed out since the last stop."""
    all_asked_for: bool = False
    """Whether it was asked for all it has since then."""
    _answered: dict[Key, float] = Factory(dict)
    _at_stop: dict[Key, float] = Factory(dict)
    _stop: str = ""

    def answered(self, key: Key, at: float) -> None:
        """Note that an ack of a message was answered OK."""
        self._answered.setdefault(key, at)

    def stopped(self, event: Stop, at: float) -> None:
        """Note that the store was stopped."""
        self._stop, self.came_since, self.all_asked_for = STOPS[type(event)], False, False
        self._at_stop = {key: at - answered for key, answered in self._answered.items()}

    def came(self, key: Key) -> None:
        """Note that a message was handed out: an ack that was answered before the last stop is lost."""
        self.came_since = True
        self._answered.pop(key, None)
        if (age := self._at_stop.pop(key, None)) is not None:
            self.oldest_lost[self._stop] = max(age, self.oldest_lost.get(self._stop, 0.0))

    def forget(self, queue: str) -> None:
        """Forget the messages of a queue: its offset is set anew."""
        for held in (self._answered, self._at_stop):
            for key in [key for key in held if key[0] == queue]:
                del held[key]


@define
class Waiting:
    """Holds a store to what it promises for later, once it is later."""

    promises: Promises = STRICT
    _barriers: list[tuple[int, float]] = Factory(list)
    """The loss windows under way: the number of each, and when it began."""
    _unsettled: dict[Key, tuple[str, float]] = Factory(dict)
    """The acks whose offset may not be persisted yet: the receipt, and when each was answered."""
    _next: int = FIRST

    @property
    def longest(self) -> float:
        """Seconds after which everything that was answered is promised to be safe, and with how much to spare."""
        return TIMES * max(self.promises.loss_window, self.promises.settles_after)

    def answer(self, key: Key | None, receipt: str, reply: Reply, at: float) -> Reply:
        """Return what an answer to an ack says for now; key is the message, where there is one."""
        if not self.promises.settles_after or key is None or reply not in (Reply.OK, Reply.SETTLED):
            return reply
        self._unsettled.setdefault(key, (receipt, at))
        return Reply.UNKNOWN

    def came(self, key: Key) -> None:
        """Note that a message was handed out: what was answered before says nothing of this delivery."""
        self._unsettled.pop(key, None)

    def forget(self, queue: str) -> None:
        """Forget the messages of a queue: its offset is set anew."""
        for key in [key for key in self._unsettled if key[0] == queue]:
            del self._unsettled[key]

    def mark(self, panel: Panel, now: float) -> None:
        """Note that what has been answered by now is in the loss window from here on."""
        window = self.promises.loss_window
        if window and (not self._barriers or now - self._barriers[-1][1] >= window / SHARES):
            number = self._number()
            panel.each(lambda oracle: oracle.barrier_asked(number))
            self._barriers.append((number, now))

    def passed(self, panel: Panel, now: float) -> bool:
        """Hold the store to what has been promised for a time that is over; return whether there is such a thing."""
        settled = TIMES * self.promises.settles_after
        due = [key for key, (_, at) in self._unsettled.items() if now - at >= settled]
        for key in due:
            receipt, _ = self._unsettled.pop(key)
            panel.each(partial(_settled, self._number(), receipt, now))
        safe = [number for number, began in self._barriers if now - began >= TIMES * self.promises.loss_window]
        if safe:
            for number in safe[:-1]:  # what they cover, the last one does
                panel.each(partial(_unknown, number))
            panel.each(lambda oracle: oracle.barrier_answered(safe[-1], Reply.OK))
            self._barriers = [one for one in self._barriers if one[0] not in safe]
        return bool(due or safe)

    def closing(self, panel: Panel) -> None:
        """Note that the store is closed: of the loss windows under way nothing is known yet, and nothing is asked."""
        for number, _ in self._barriers:
            panel.each(partial(_unknown, number))
        self._barriers.clear()

    def stopped(self) -> None:
        """Note that the store was stopped: what was not safe by then may be lost."""
        self._barriers.clear()
        self._unsettled.clear()

    def _number(self) -> int:
        self._next -= 1
        return self._next


def _unknown(op: int, oracle: Oracle) -> None:
    oracle.barrier_answered(op, Reply.UNKNOWN)


def _settled(op: int, receipt: str, now: float, oracle: Oracle) -> None:
    """Tell an oracle that a message is settled, as if its ack had been asked for again, in time."""
    oracle.ack_asked(op, [receipt], at=NEVER)
    oracle.ack_answered(op, [Reply.SETTLED], at=now)
