"""How often RocketMQ loses what was in hand in a power cut at any moment: nothing is chosen, and nothing slowed.

In each cut 16 messages are popped, eight acks are sent at once, and a moment later, by seed, the disk loses its power
(`ackcheck.disk`). The broker is started on some of the images that the cut may have left, and what comes back is
counted. It needs root, and what `make brokers` builds.

    python -m ackcheck.brokers.rocketmq.cuts --cuts 5 --images 8 --seed 1 flushDiskType=SYNC_FLUSH
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from attrs import frozen

from ackcheck.brokers.rocketmq.commitlog import records
from ackcheck.brokers.rocketmq.losses import (
    ACKED,
    HIDDEN,
    MESSAGES,
    QUEUE,
    TIMER,
    Broker,
    Messages,
    built_at,
    watch,
)
from ackcheck.disk import Cut, Disk, Image, ImageNotMounted
from ackcheck.disk.available import missing

DISK_BYTES: Final = 256 << 20
MOMENT: Final = 0.4
"""Seconds, at most, from sending the acks to the cut."""
BEAT: Final = 1.0
"""Seconds, at most, by which a cut comes earlier or later in the beat of what the broker does by the clock."""
PLANNED: Final = 200
"""Images of a cut, at most, of which those that are tried are drawn."""
MANY: Final = 1000
"""Requests of the timer that no broker with so few messages has, unless they are in a ring."""


@frozen
class Seen:
    """What came back from one image."""

    lost: Messages
    back: Messages
    """Messages that came though their ack had been answered OK."""
    torn: int
    """How often the timer threw at a record without properties."""
    ring: bool
    ahead: bool
    """Whether the offsets said that all was popped, and the log held no record of a pop."""

    @property
    def kind(self) -> str:
        """In a word or two.

        >>> Seen({1}, set(), 300, False, False).kind, Seen(set(), {2}, 0, False, False).kind
        ('lost: torn record', 'acked came back')
        """
        if self.lost:
            causes = {"torn record": self.torn, "timer in a ring": self.ring, "offsets ahead of the log": self.ahead}
            return "lost: " + next((cause for cause, shows in causes.items() if shows), "silently")
        return "acked came back" if self.back else "nothing lost"


def one_cut(built: Path, settings: tuple[str, ...], random: Random, images: int) -> list[tuple[str, Seen]]:
    """Cut the power once; return what was seen on some of the images that it may have left, each with its kind."""
    with (
        tempfile.TemporaryDirectory(prefix="rocketmq-") as folder,
        Disk(Path(folder), size=DISK_BYTES) as disk,
    ):
        broker = Broker(built, Path(folder), settings, data=disk.directory)
        try:
            broker.start()
            broker.call("publish", queue=QUEUE, end=MESSAGES)
            receipts = broker.pop(HIDDEN)
            due = time.monotonic() + HIDDEN
            time.sleep(1.0 + BEAT * random.random())
            asked = {broker.target.send("ack", receipt=receipts[number]): number for number in range(ACKED)}
            time.sleep(MOMENT * random.random())
            killed, cut = disk.cut(broker.target)
            assert killed is not None
            acked = {asked[done.id] for done in killed.answered if done.id in asked and done.result == "OK"}
            in_hand = set(range(ACKED, MESSAGES))
            plan = cut.plan(seed=random.randrange(1 << 32), most=PLANNED)
            drawn = random.sample(plan.images, min(images, len(plan.images)))
            told = f"{len(acked)} of {ACKED} acks were answered, {len(receipts)} messages were popped"
            print(f"cut: {told}, {plan.total} images there are", flush=True)
            return [
                (image.kind, seen)
                for image in drawn
                if (seen := on_image(broker, cut, image, in_hand, acked, due)) is not None
            ]
        finally:
            broker.target.end()


def on_image(broker: Broker, cut: Cut, image: Image, in_hand: Messages, acked: Messages, due: float) -> Seen | None:
    """Start the broker on an image and see what comes; None where no file system can be mounted from it."""
    try:
        with cut.shown(image):
            try:
                before = ahead(broker)
                broker.start(wait=False)
                came = watch(broker, due, in_hand)
                requests = broker.timer_requests() if in_hand - came.keys() else "0"
                torn = broker.said.count("NumberFormatException")
                ring = requests.isdigit() and int(requests) > MANY
                seen = Seen(in_hand - came.keys(), acked & came.keys(), torn, ring, before)
                print(f"  {image.kind}: {seen.kind}", flush=True)
                return seen
            finally:
                broker.target.kill()
    except ImageNotMounted:
        return None


def ahead(broker: Broker) -> bool:
    """Tell whether the offsets say that all was popped, and the log holds no record of a pop."""
    try:
        popped = any(one.topic == TIMER for one in records(broker.log))
    except FileNotFoundError:
        popped = False
    return broker.says_popped() and not popped


def main(arguments: list[str] | None = None) -> int:
    """Cut as often as asked for, and print how many images came to what."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the broker")
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--images", type=int, default=8, help="of each cut, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--built", type=Path, default=Path("build/brokers/rocketmq"), help="what `make brokers` built")
    asked = parser.parse_args(arguments)
    if reason := missing():
        parser.error(f"no disk can be made here: {reason}")
    built = built_at(parser, asked.built)
    counts: Counter[str] = Counter()
    losing = 0
    for number in range(asked.cuts):
        seen = one_cut(built, tuple(asked.settings), Random(f"{asked.seed}/{number}"), asked.images)
        counts.update(one.kind for _, one in seen)
        losing += any(one.lost for _, one in seen)
    print(
        f"{asked.cuts} cuts, seed {asked.seed}, {' '.join(asked.settings)}; in {losing} of them an image lost messages"
    )
    for kind, count in counts.most_common():
        print(f"  {count:4} of {counts.total()} images: {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
