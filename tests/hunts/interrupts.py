"""Exceptions at random moments: SIGALRM, whose handler raises, while a store works, is opened, copied and closed.

    make hunt ARGS="--seed 1 --count 2000 --kind close"

After each, the lock has to be free, the store usable or broken by name, and after opening it again every ack that was
answered OK is settled, and every reset sticks. A copy is there whole or not at all. Of a store that is closed no thread
is left, and no file is open. Prints what came of it, as JSON, and exits with 1 at the first thing that is not so; also
where one call takes longer than `HANGS` seconds, with what every thread was doing then.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from attrs import define, field

from ackstore import Config, QueueId, Reply, Store, StoreBroken, StoreClosed
from open_files import open_below

HANGS = 100.0
"""Seconds after which a call never ends: each is bounded by a tenth of that, on a machine that has the time."""

CONFIG = Config(segment_bytes=3000, flush_interval=0.005, offset_interval=0.01, compact_above=9000)

ALL_AT_ONCE = 4000
"""Acks that are asked about after opening."""


class Alarm(BaseException):
    """As `KeyboardInterrupt`, and nobody else's."""


@define
class Client:
    """Works on a store, and remembers what it was told."""

    path: Path
    """A folder for the store and copies of it."""
    pick: random.Random
    store: Store | None = None
    hands: list[str] = field(factory=list)
    settled: list[str] = field(factory=list)
    offsets: set[int] = field(factory=lambda: {0})
    """Where queue r may stand, which is only reset: an interrupted reset may have happened."""
    found: Counter[str] = field(factory=Counter)
    took: dict[str, float] = field(factory=dict)
    """Seconds that a call takes which nothing comes into."""

    @property
    def opened(self) -> Store:
        """The store."""
        assert self.store is not None
        return self.store

    # What is called

    def calls(self) -> None:
        """Make many short calls."""
        for _ in range(1000):  # an exception in a finalizer is only told, not raised
            self.step()

    def step(self) -> None:
        """Make one call."""
        watch()
        store, pick = self.opened, self.pick
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

    def reset(self) -> None:
        """Reset a queue."""
        store, offset = self.opened, self.pick.randrange(10**6)
        before = store.pop("r", 1, 600.0)
        self.offsets.add(offset)
        if store.reset("r", offset) is Reply.OK:
            self.offsets = {offset}
            if {store.ack(each.receipt) for each in before} - {Reply.EXPIRED}:
                raise AssertionError("a receipt of before a reset is not EXPIRED")

    def copy(self) -> None:
        """Make a copy."""
        if self.opened.snapshot(self.path / "copy") is Reply.OK and not (self.path / "copy").exists():
            raise AssertionError("a copy was made, and is not there")

    def close(self) -> None:
        """Close the store."""
        self.opened.close()
        self.store = None

    def open(self) -> None:
        """Open the store."""
        self.store = Store(self.path / "store", CONFIG)

    # What has to be so

    def look(self) -> None:
        """See that the lock is free, and the store usable, or broken by name; or else that nothing is left of it."""
        watch()
        if self.store is not None:
            free: list[object] = []
            thread = threading.Thread(target=lambda: free.append(self.opened._driver.lock.run(5.0, lambda: True)))
            thread.start()
            thread.join()
            if free != [True]:
                raise AssertionError("the lock is kept")
            try:
                self.store.flush()
                self.found["usable"] += 1
            except StoreBroken:
                self.found["broken by name"] += 1
                self.end()
            except StoreClosed:  # it was interrupted when it was about to be
                self.found["closed by name"] += 1
                self.end()
        self.look_at_copy()

    def end(self) -> None:
        """Close the store, if it is open; nothing of it is left then."""
        watch()
        if self.store is not None:
            self.store.close()
        self.store = None
        gc.collect()
        until = time.monotonic() + HANGS / 2
        while left := [str(each) for each in threading.enumerate()[1:] if each.is_alive()] + open_below(self.path):
            if time.monotonic() > until:
                raise AssertionError(f"of a closed store there is still: {', '.join(left)}")
            time.sleep(0.001)

    def begin(self) -> None:
        """Open the store; what was answered OK has to be so."""
        watch()
        self.open()
        self.hands.clear()
        self.check(self.opened)

    def check(self, store: Store) -> None:
        """See that what was answered OK is so in a store."""
        watch()
        store.publish("q", 10**7)
        store.publish("r", 10**7)
        if set(store.ack_many(self.settled[-ALL_AT_ONCE:])) - {Reply.SETTLED}:
            raise AssertionError("an ack that was answered OK is not settled")
        stands = store.stats().queues[QueueId.parse("r")].floor
        if stands not in self.offsets:
            raise AssertionError(f"after resets queue r stands at {stands}, not at {self.offsets}")

    def look_at_copy(self) -> None:
        """See that a copy is there whole, or not at all."""
        names = {each.name for each in self.path.iterdir()}
        if names - {"store", "copy"}:
            raise AssertionError(f"a copy has left {names}")
        if "copy" in names:
            with Store(self.path / "copy", CONFIG) as copy:
                self.check(copy)
            shutil.rmtree(self.path / "copy")
            self.found["copies"] += 1


KINDS: dict[str, Callable[[Client], None]] = {
    "calls": Client.calls,
    "reset": Client.reset,
    "snapshot": Client.copy,
    "close": Client.close,
    "open": Client.open,
}


def watch() -> None:
    """Give the next call its time."""
    faulthandler.dump_traceback_later(HANGS, exit=True)


def by_alarms(path: Path, seed: int, count: int, kinds: list[str]) -> Counter[str]:
    """Raise in the midst of calls, `count` times."""
    client = Client(path, random.Random(seed))
    armed = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False  # once
            client.found["raised"] += 1
            raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        while client.found["raised"] < count:
            kind = client.pick.choice(kinds)
            if kind == "open":
                client.end()
            elif client.store is None:
                client.begin()
            watch()
            longest = 0.002 if kind == "calls" else client.took.get(kind, 0.01)
            began = time.monotonic()
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, client.pick.uniform(2e-5, longest))
                KINDS[kind](client)
                armed = False
                client.took[kind] = time.monotonic() - began
            except (Alarm, StoreBroken):
                client.found[kind] += 1
            finally:
                armed = False
            client.look()
            if kind in ("close", "open"):
                client.end()
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    client.end()
    client.begin()
    client.end()
    faulthandler.cancel_dump_traceback_later()
    return client.found


def main() -> int:
    """Hunt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="how often to raise")
    parser.add_argument("--kind", action="append", choices=KINDS, help="in what; all, unless some are named")
    given = parser.parse_args()
    logging.getLogger("ackstore").setLevel(logging.CRITICAL + 1)  # that it is broken is what is looked for
    with tempfile.TemporaryDirectory() as directory:
        found = by_alarms(Path(directory), given.seed, given.count, given.kind or [*KINDS])
    print(json.dumps({"seed": given.seed, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
