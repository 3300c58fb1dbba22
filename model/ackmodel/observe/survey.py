"""What is asked of a store when nothing is under way: what must come comes, what must not does not, nothing is left.

A harness knows how to call its store, and how long that may take; in which order it asks, and what follows from the
answers, stands here, once for every kind of faults.

>>> from ..spec.stages import Level
>>> from .broken import Broken
>>> from .oracle import Delivered, Oracle
>>> class Harness:
...     queues = ("orders",)
...     judge = Oracle(Level.PAGE_CACHE)
...     now = 99.0
...     def pop_some(self, queue, began):              # a store that hands nothing out
...         return Popping((), None, asked=99.0, due=99.0, late=True)
...     def dead_letters(self, queue, popping):
...         return None
>>> harness = Harness()
>>> harness.judge.published("orders", 1)
>>> harness.judge.pop_asked(1, "orders", deadline=30.0)
>>> harness.judge.popped(1, "orders", [Delivered("r1", 0, 30.0)], at=0.0)
>>> try:
...     survey(harness)
... except Broken as broken:
...     print(broken)
no-limbo: orders[0]: not settled, and yet it did not come though the queue was popped empty at 99.0
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from .events import Reply
from .monitors import Sighting


@frozen
class Popping:
    """One pop of a queue, or several at once: the messages that came, or the reply that refused them.

    `asked` is when the last one was asked for. `due`, no later, is the time as of which a store is held to what must
    have come by then. `late` says that it has had all the time that it may take. `endless` says that the queue cannot
    be popped empty, as what came is due again before the rest has come: nothing follows from what did not come then.
    """

    offsets: Collection[int]
    refused: Reply | None
    asked: float
    due: float
    late: bool
    endless: bool = False


@frozen
class DeadLetters:
    """The dead letters of a queue. Unless it is `complete`, the store may have had no time to list them all."""

    offsets: Collection[int]
    complete: bool


@frozen
class AtRest:
    """What a store shows when it has come to rest: the offsets of its queues, and what is outstanding.

    `held` is how many bytes its directory holds, `most` how many it says that they are then at most; None: it does not.
    `kept` is how many they would be at least, had it kept all that went through it.
    """

    offsets: Mapping[str, Sighting]
    outstanding: Mapping[str, float]
    held: float = 0.0
    most: float | None = None
    kept: float = float("inf")


class Judge(Protocol):
    """What watches the store: an `Oracle`, or several of them that are asked as one."""

    def misses(self, queue: str, returned: Collection[int], at: float, dead: Collection[int] | None = None, /) -> bool:
        """Do as `Oracle.misses`."""

    def unsettled(self, queue: str, /) -> list[str]:
        """Do as `Oracle.unsettled`."""

    def is_settled(self, queue: str, /) -> bool:
        """Do as `Oracle.is_settled`."""

    def drained(
        self,
        queue: str,
        returned: Collection[int],
        at: float,
        dead: Collection[int] | None = None,
        /,
        *,
        all_listed: bool = True,
    ) -> None:
        """Do as `Oracle.drained`."""

    def saw_answers_again(self, refused: Reply | None, /) -> None:
        """Do as `Oracle.saw_answers_again`."""

    def lags(self, queue: str, now: Sighting, /) -> str | None:
        """Do as `Oracle.lags`."""

    def saw_caught_up(self, queue: str, now: Sighting, /) -> None:
        """Do as `Oracle.saw_caught_up`."""

    def saw_all_settled(self, queue: str, now: Sighting, /) -> None:
        """Do as `Oracle.saw_all_settled`."""

    def saw_space(self, held: float, most: float, kept: float, /) -> None:
        """Do as `Oracle.saw_space`."""

    def saw_quiescence(self, outstanding: Mapping[str, float], /) -> None:
        """Do as `Oracle.saw_quiescence`."""


class Surveyed(Protocol):
    """What a survey needs of a harness. It tells the judge of each call that it makes, and of its answer."""

    @property
    def judge(self) -> Judge:
        """What watches."""

    @property
    def queues(self) -> Sequence[str]:
        """The queues of the store."""

    @property
    def now(self) -> float:
        """The time, by the harness's own clock."""

    def pop_some(self, queue: str, began: float) -> Popping:
        """Pop a queue, which has been popped since `began`, and wait for the answer."""

    def dead_letters(self, queue: str, popping: Popping) -> DeadLetters | None:
        """Read the dead letters of a queue that was popped empty; None where the store shows none."""

    def give_time(self) -> None:
        """Let the store have a little time, before it is asked again."""


class Settled(Surveyed, Protocol):
    """What it takes to settle everything, beyond a survey."""

    def ack_all(self, receipts: Sequence[str]) -> None:
        """Ack these, and wait for the answers."""

    def hide_longer(self) -> bool:
        """Hide what is popped next for longer than what was before; False where that cannot be why no ack counted."""

    def barrier(self) -> Reply | None:
        """Ask for a barrier, and wait for the answer; None where the store has none."""

    def caught_up(self) -> Mapping[str, Sighting]:
        """Wait until no offset lags behind what is settled, for as long as that may take; return them all."""

    def at_rest(self) -> AtRest:
        """Wait until the store has come to rest, for as long as that may take, and have it show itself."""


def survey(harness: Surveyed) -> None:
    """Pop every queue until it is empty, and judge what came, and what did not.

    No call is to be under way, every deadline to have passed, and the disk to work.
    """
    for queue in harness.queues:
        drain(harness, queue)


def drain(harness: Surveyed, queue: str) -> None:
    """Pop a queue until it is empty, again if something is missing and the store may take more time, and judge it."""
    judge, began, came = harness.judge, harness.now, set[int]()
    while True:
        popping = harness.pop_some(queue, began)
        came.update(popping.offsets)
        if popping.endless:
            return
        if popping.offsets:
            continue
        dead = None if popping.refused else harness.dead_letters(queue, popping)
        listed = None if dead is None else dead.offsets
        missing = popping.refused or judge.misses(queue, came, popping.asked, listed)
        if popping.late or not missing:
            break
        harness.give_time()
    judge.saw_answers_again(popping.refused)
    judge.drained(queue, came, popping.due, listed, all_listed=dead is None or dead.complete)


def settle_everything(harness: Settled) -> None:
    """Flush, with messages in hand: the offsets come to the first that is open. Ack everything, and flush: then the
    store comes to rest, with its offsets at the end."""
    judge = harness.judge
    if harness.barrier() in (Reply.OK, None):
        for queue, now in harness.caught_up().items():
            judge.saw_caught_up(queue, now)
    before, left = None, _settle_what_is_in_hand(harness)
    while left and (left != before or harness.hide_longer()):
        survey(harness)  # the deadline of some had passed
        before, left = left, _settle_what_is_in_hand(harness)
    reply = harness.barrier()
    judge.saw_answers_again(None if reply is Reply.OK else reply)
    rest = harness.at_rest()
    for queue, now in rest.offsets.items():
        if judge.is_settled(queue):
            judge.saw_all_settled(queue, now)
    if rest.most is not None and all(judge.is_settled(queue) for queue in harness.queues):
        judge.saw_space(rest.held, rest.most, rest.kept)
    if rest.outstanding:
        judge.saw_quiescence(rest.outstanding)


def _settle_what_is_in_hand(harness: Settled) -> int:
    """Ack the newest delivery of what is not certainly settled; return how many messages still are not."""
    unsettled = [receipt for queue in harness.queues for receipt in harness.judge.unsettled(queue)]
    if unsettled:
        harness.ack_all(unsettled)
    return sum(len(harness.judge.unsettled(queue)) for queue in harness.queues)
