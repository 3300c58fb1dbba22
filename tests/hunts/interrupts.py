"""Exceptions at random moments: SIGALRM, whose handler raises, while a store works.

    python -m tests.hunts.interrupts --seed 1 --count 2000

After each, the lock has to be free, the store usable or broken by name, and after opening it again every ack that was
answered OK is settled. Prints what came of it, as JSON, and exits with 1 at the first thing that is not so; also where
one call takes longer than `HANGS` seconds, with what every thread was doing then.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import random
import signal
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

from attrs import define, field

from ackstore import Config, Reply, Store, StoreBroken

HANGS = 100.0
"""Seconds after which a call never ends: each is bounded by a tenth of that, on a machine that has the time."""

CONFIG = Config(segment_bytes=3000, flush_interval=0.005, offset_interval=0.01, compact_above=9000)


class Alarm(BaseException):
    """As `KeyboardInterrupt`, and nobody else's."""


@define
class Client:
    """Works on a store, and remembers what it was told."""

    path: Path
    pick: random.Random
    store: Store = field(init=False)
    hands: list[str] = field(factory=list)
    settled: list[str] = field(factory=list)
    found: Counter[str] = field(factory=Counter)

    def open(self) -> None:
        """Open the store; what was answered OK has to be settled."""
        watch()
        self.store = Store(self.path, CONFIG)
        watch()
        self.store.publish("q", 10**7)
        if set(self.store.ack_many(self.settled[-4000:])) - {Reply.SETTLED}:
            raise AssertionError("an ack that was answered OK is not settled")
        self.hands.clear()

    def step(self) -> None:
        """Make one call."""
        watch()
        store, pick = self.store, self.pick
        if len(self.hands) < 5:
            self.hands += [delivery.receipt for delivery in store.pop("q", 20, 600.0)]
            return
        match pick.randrange(6):
            case 0 | 1:
                receipt = self.hands.pop()
                if store.ack(receipt) is Reply.OK:
                    self.settled.append(receipt)
            case 2:
                batch = [self.hands.pop() for _ in range(4)]
                self.settled += [
                    one for one, reply in zip(batch, store.ack_many(batch), strict=True) if reply is Reply.OK
                ]
            case 3:
                store.ack(self.hands.pop(), timeout=5.0)
            case 4:
                store.renew(self.hands[0], 600.0)
            case _:
                store.stats()

    def look(self) -> None:
        """See that the lock is free, and the store usable, or broken by name."""
        watch()
        free: list[object] = []
        thread = threading.Thread(target=lambda: free.append(self.store._driver.lock.run(5.0, lambda: True)))
        thread.start()
        thread.join()
        if free != [True]:
            raise AssertionError("the lock is kept")
        try:
            self.store.flush()
            self.found["usable"] += 1
        except StoreBroken:
            self.found["broken by name"] += 1
            self.store.close()
            self.open()


def watch() -> None:
    """Give the next call its time."""
    faulthandler.dump_traceback_later(HANGS, exit=True)


def by_alarms(path: Path, seed: int, count: int) -> Counter[str]:
    """Raise in the midst of calls, `count` times."""
    client = Client(path, random.Random(seed))
    client.open()
    armed = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False  # once
            raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        while client.found.total() < count:
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, client.pick.uniform(2e-5, 2e-3))
                for _ in range(1000):  # an exception in a finalizer is only told, not raised
                    client.step()
                armed = False
            except (Alarm, StoreBroken):
                armed = False
            client.look()
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()
    client.store.close()
    client.open()
    client.store.close()
    return client.found


def main() -> int:
    """Hunt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="how often to raise")
    given = parser.parse_args()
    logging.getLogger("ackstore").setLevel(logging.CRITICAL + 1)  # that it is broken is what is looked for
    with tempfile.TemporaryDirectory() as directory:
        found = by_alarms(Path(directory), given.seed, given.count)
    print(json.dumps({"seed": given.seed, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
