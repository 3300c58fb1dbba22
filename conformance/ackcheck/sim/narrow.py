"""Windows that are open for an instant: the store is stopped between two steps of what it does, or asked just then.

A store does much in several steps: it resets an offset, gives up a file after a failed sync, closes a segment. Between
two of them it is in a state that lasts for one I/O, and that chance comes to once in thousands of runs. Each window
here leads to one kind of such states, takes a few steps more, and stops the store or asks what it owes.

>>> all_windows()[:3]
['window: between steps of a reset', 'window: acks around a reset', 'window: around the sync of a reset']
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar

from ackcheck.sim.aimed import CHURNED, AimedRules
from ackcheck.sim.aims import DERIVED, MIDDLE, RESET_SYNC, WINDOW
from ackcheck.sim.devices import LONG, MESSAGES, QUEUES, SHORT

MANY_FAILURES = 9
"""Syncs that fail in a row: enough for a pause to grow as long as it ever does."""

FATES = ("crash", "crash", "lose_power", "lose_power", "restart")


class NarrowWindows(AimedRules):
    """Opens one of `WINDOWS` near the end of every run."""

    # --- between two steps --------------------------------------------------------------------------------------------

    def between_steps_of_a_reset(self, queue: int, random: Random) -> None:
        """Have an offset move, reset it to before or behind that, and stop the store before all of it is done."""
        self._hand_out(queue, random.randint(2, 4))
        self.take("ack_unsettled", queue=queue)
        self._come_to_rest()
        self.take("reset", queue=queue, offset=random.choice((0, 0, 0, 1, 2, 5)))
        self._go_on(random.randint(1, 5))
        if random.random() < 0.2:
            self.take("fail_sync", which=0)
            self._go_on(random.randint(0, 4))
        if random.random() < 0.75:  # what is written now tells of what had been synced by then
            self.take("pop", count=1, queue=1 - queue)
            self._go_on(random.randint(3, 5))
        self.stop(random.choice(FATES), random.randint(0, 9))

    def acks_around_a_reset(self, queue: int, random: Random) -> None:
        """Ack what is in hand right before a reset and right after it, and see that none of it counts in the end."""
        count = random.randint(2, 4)
        self._hand_out(queue, count)
        first = self.run.place_of(which=-count, queue=queue)
        for which in range(-count, -count // 2):
            self.take("ack", which=which)
        self.take("reset", queue=queue, offset=max(0, first - random.randint(0, 1)))
        for which in range(-count // 2, 0):
            self.take(random.choice(("ack", "renew", "release")), which=which)
        self.take("finish_all")
        self.take("survey")

    def around_the_sync_of_a_reset(self, queue: int, random: Random) -> None:
        """Have the sync of a reset fail, hang, or say OK to what is lost; go on from there, and stop the store."""
        self._hand_out(queue, random.randint(2, 4))
        self._ack_one_by_one(random.randint(0, 2))
        self._come_to_rest(1)
        how = random.choice(("fails", "fails", "hangs", "lies", "lies"))
        self.take("aim", at=RESET_SYNC, how=how, times=random.choice((1, 1, 2)), wider=random.random() < 0.3)
        self.take("reset", queue=queue, offset=self._near_what_is_out(queue, random))
        self.take("finish_all")
        if random.random() < 0.5:
            self.take("wait", seconds=random.choice((0.05, 0.15, 1.0)))
            self.take("finish_all")
        if random.random() < 0.5:
            self.take("pop", count=2, queue=queue)
            self.take("finish_writes")
            self.take("ack", which=-1)
            self.take(random.choice(("finish_writes", "finish_all")))
        self.stop(random.choice(("not", "lose_power", *FATES)), random.randint(0, 9))

    def after_a_failed_sync(self, queue: int, random: Random) -> None:
        """Have a sync of acks fail, and stop the store while it does what it does then."""
        self._hand_out(queue, MESSAGES)
        self._ack_one_by_one(random.randint(2, 4))
        self.take("wait", seconds=0.15)
        self.take("fail_sync", which=random.randint(0, 1), wider=random.random() < 0.5)
        self._go_on(random.randint(1, 4))
        self.stop(random.choice(("crash", *FATES)), random.randint(0, 9))

    def after_a_torn_batch(self, queue: int, random: Random) -> None:
        """Have the write of several acks fail midway, and stop the store at once."""
        count = random.randint(2, 4)
        self._hand_out(queue, count)
        self.take("pop", count=1, queue=1 - queue)  # its write is under way, and the acks go into the next one
        for which in range(-count, 0):
            self.take("ack", which=which)
        self.take("aim", at="batch", how="fails", written=MIDDLE)
        self.take("finish_writes")
        self.stop(random.choice(("crash", "lose_power")), random.randint(0, 1))

    def after_a_late_result(self, queue: int, random: Random) -> None:
        """Have a sync end that was given up, and began before an ack, while the one after it runs; lose the power."""
        self._hand_out(queue, random.randint(2, 4))
        self._ack_one_by_one(1)
        self.take("wait", seconds=0.15)
        self.take("ack", which=-2)
        self.take("finish_writes")
        self.take("wait", seconds=2.5)  # too long for one sync
        self.take("finish_writes")
        self.take("flush")
        self.take("wait", seconds=0.6)
        self.take("finish_but", which=-1)  # the newest file is the one that is synced now
        self.stop(random.choice(("lose_power", "lose_power", "crash")), random.choice((0, 0, 1)))

    def acks_beside_a_compaction(self, queue: int, random: Random) -> None:
        """Have acks in closed segments that are not synced, when the store begins to get rid of old segments."""
        if self.run.ran["renew_often"] or not self.run.can("renew"):
            return
        self._hand_out(queue, 4)
        self.take("renew_often", which=-4, times=CHURNED + random.randint(8, 16))
        self._ack_one_by_one(1)
        for _ in range(random.randint(2, 3)):
            self.take("renew", which=-4)
            self.take("finish_writes")
        self.take("wait", seconds=random.choice((0.0, 0.05)))
        self._come_to_rest(random.choice((2, 6, 14, 14, 14)))
        self.stop(random.choice(FATES), random.randint(0, 9))

    # --- at one moment ------------------------------------------------------------------------------------------------

    def empty_at_a_deadline(self, queue: int, random: Random) -> None:
        """Pop a queue until it is empty at the deadline of some of it, a tick before that, or after."""
        self._hand_out(queue, random.randint(1, 3), invisible=SHORT)
        if random.random() < 0.3:
            self.take("renew", which=-1, invisible=SHORT)
            self.take("finish_all")
        self.take("wait_until", which=-1, ticks=random.choice((-1, 0, 0, 1)))
        self.take("drain", queue=queue)

    def settled_but_for_a_failed_pop(self, queue: int, random: Random) -> None:
        """Have the checkpoint of a pop fail, settle all that was handed out, and let the offset move."""
        self._hand_out(queue, random.randint(1, 3))
        self.take("publish", queue=queue, count=2)
        self.take("aim", at="delivery", how="fails")
        self.take("pop", count=random.randint(1, 2), queue=queue)
        self.take("finish_writes")
        self.take("heal")
        self.take("ack_unsettled", queue=queue)
        self._come_to_rest()
        self.stop(random.choice(("not", *FATES)), random.randint(0, 9))

    # --- for long, and much -------------------------------------------------------------------------------------------

    def more_than_there_is_room_for(self, queue: int, random: Random) -> None:
        """Ask for one thing of each of many messages, while no sync ends: that meets the limits by itself."""
        for each in range(len(QUEUES)):
            self._hand_out(each, MESSAGES)
        step = random.choice(("renew", "renew", "release", "ack", "pop"))
        for which in range(-2 * MESSAGES, 0):
            self.take(step, **({"count": 1, "queue": queue} if step == "pop" else {"which": which}))
            self.take("finish_writes")
        self.take("finish_all")

    def failing_for_long(self, queue: int, random: Random) -> None:
        """Have many syncs fail in a row, and the disk work again while nobody asks for anything."""
        self._hand_out(queue, 2)
        self._ack_one_by_one(1)
        self.take("aim", at="sync", how="fails", times=random.randint(3, MANY_FAILURES))
        self.take("idle", seconds=random.choice((9.0, LONG)))
        self.take("heal")
        self.take("survey")

    def nothing_left_of_a_failure(self, queue: int, random: Random) -> None:
        """Have a step fail of what the store does by itself, and settle everything: nothing of it is left."""
        self._hand_out(queue, 2)
        self.take("ack_unsettled", queue=queue)
        at = random.choice((*DERIVED, "create", "sync_directory"))
        self.take("aim", at=at, how=random.choice(("fails", "fails", "hangs")), times=random.choice((1, 1, 2)))
        self._come_to_rest(random.randint(2, 4))
        self.take("heal", late=random.random() < 0.5)
        self.take("settle_everything")

    def close_in_trouble_with_work(self, queue: int, random: Random) -> None:
        """Have what closing needs fail, or hang, while there is something to flush and an offset to write."""
        self._hand_out(queue, random.randint(1, 3))
        self.take("ack_unsettled", queue=queue)
        self.take("finish_writes")
        at = random.choice(("sync", "sync", "sync_directory", *DERIVED))
        self.take("aim", at=at, how=random.choice(("fails", "fails", "hangs")), times=random.choice((1, 1, 2)))
        self.take("stop_in_trouble")
        self.take("heal")

    # --- what they have in common -------------------------------------------------------------------------------------

    def _hand_out(self, queue: int, count: int, invisible: float = LONG) -> None:
        self.take("publish", queue=queue, count=count)
        self.take("pop", count=count, queue=queue, invisible=invisible)
        self.take("finish_all")

    def _ack_one_by_one(self, count: int) -> None:
        """Ack what was handed out last, on a page cache that is quick."""
        for which in range(-count, 0):
            self.take("ack", which=which)
            self.take("finish_writes")

    def _come_to_rest(self, times: int = 3) -> None:
        """Have what was asked for flushed, what derives from it written, and what is not needed removed."""
        for _ in range(times):
            self.take("finish_all")
            self.take("wait", seconds=0.15)
        self.take("finish_all")

    def _go_on(self, times: int) -> None:
        """Let so many I/Os end, one after the other, and timers run that are due."""
        for _ in range(times):
            self.take("finish", which=0)
            self.take("wait", seconds=0.0)

    WINDOWS: ClassVar[tuple[Callable[[NarrowWindows, int, Random], None], ...]] = (
        between_steps_of_a_reset,
        acks_around_a_reset,
        around_the_sync_of_a_reset,
        after_a_failed_sync,
        after_a_torn_batch,
        after_a_late_result,
        acks_beside_a_compaction,
        empty_at_a_deadline,
        settled_but_for_a_failed_pop,
        more_than_there_is_room_for,
        failing_for_long,
        nothing_left_of_a_failure,
        close_in_trouble_with_work,
    )

    def before_the_questions(self) -> None:
        """Use a narrow window in every run, beside what comes there in any case: that takes one step in ten."""
        random = self.drawn_from(self.seed)
        window = random.choice(self.WINDOWS)
        self.take("heal")
        self.take("finish_all")
        before = len(self.run.script)
        window(self, random.randrange(len(QUEUES)), random)
        if len(self.run.script) > before:
            self.run.in_play[_name(window)] += 1
        super().before_the_questions()


def all_windows() -> list[str]:
    """Return the windows, in the words of a report."""
    return [_name(window) for window in NarrowWindows.WINDOWS]


def _name(window: Callable[[NarrowWindows, int, Random], None]) -> str:
    return WINDOW + window.__name__.replace("_", " ")
