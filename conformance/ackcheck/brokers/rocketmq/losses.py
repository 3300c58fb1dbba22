"""Three states of the disk after a power cut in which RocketMQ 5.5.0 brings back no message that was in hand.

Each is made without a power cut: 16 messages are popped, some are acked, the broker is killed with SIGKILL, and what
had not been synced at that moment is taken from its files. It needs what `make brokers` builds, and no rights.

    python -m ackcheck.brokers.rocketmq.losses torn --then timerSkipUnknownError=true

`--then` is a setting for the start after the cut, and `--remove` a file that an operator takes away before it. The
cases:

- `kill`: nothing is taken; what SIGKILL alone does.
- `torn`: a record of the log is torn at a page boundary.
- `ring`: the timer's wheel is there, its log is not.
- `offset`: the offsets are there, what was popped is not.

What each means is told in specs/brokers/rocketmq-torn.md, rocketmq-ring.md and rocketmq-offset.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field

from ackcheck.brokers.rocketmq.commitlog import records
from ackcheck.rig.apart import Apart
from ackcheck.rig.errors import TargetError

HERE: Final = Path(__file__).resolve().parent
PAGE: Final = 4096
MESSAGES: Final = 16
ACKED: Final = 8
QUEUE: Final = "orders"
FILLING: Final = "filling"
"""A queue whose messages move the end of the log."""
HIDDEN: Final = 12.0
"""Seconds that the messages are hidden."""
WATCHED: Final = 25.0
"""Seconds for which they are waited for, from when they are due and the broker is up."""
OFFSETS: Final = "config/consumerOffset.json"
STUCK: Final = 50
"""Exceptions after which it is known that the timer throws for ever, and the watch ends."""
TIMER: Final = "rmq_sys_wheel_timer"
"""The topic of what the timer is to bring back: acks, and what was popped."""


@define
class Broker:
    """A broker with its adapter, on a directory; each start may have other settings."""

    built: Path
    folder: Path
    settings: tuple[str, ...]
    data: Path = field(default=Path())
    """What it keeps; a folder of its own, unless another is named."""
    target: Apart = field(init=False)
    starts: int = 0
    filled: int = 0
    """Messages of the queue that moves the end of the log."""

    def __attrs_post_init__(self) -> None:
        (self.folder / "run").mkdir()
        if self.data == Path():
            self.data = self.folder / "data"
            self.data.mkdir()
        adapter = [str(HERE / "adapter.sh"), str(self.built)]
        self.target = Apart(adapter, server=["true"], directory=self.data, own_network=True, reply_timeout=120.0)

    @property
    def log(self) -> bytes:
        """Its commit log."""
        return (self.data / "commitlog" / f"{0:020}").read_bytes().rstrip(b"\0")

    @property
    def said(self) -> str:
        """What it has said since it was started last."""
        return (self.folder / f"said-{self.starts}").read_text(encoding="utf-8", errors="replace")

    def start(self, *more: str, wait: bool = True) -> None:
        """Start it, with more settings, until it is up; `wait`: and has written its offsets once."""
        self.starts += 1
        server = [str(HERE / "server.sh"), str(self.built), str(self.data), str(self.folder / "run")]
        into = ["sh", "-c", 'out=$1; shift; exec "$@" >"$out" 2>&1', "sh", str(self.folder / f"said-{self.starts}")]
        self.target.server = (*into, *server, *self.settings, *more)
        self.target.start()
        self.call("open", directory=str(self.data) if wait else "")

    def timer_requests(self) -> str:
        """Return how many requests of the timer its heap holds, as `jcmd` of a JDK counts them."""
        asked = ["jcmd", str(self.target.pid), "GC.class_histogram"]
        try:
            told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return "not counted"
        return next((line.split()[1] for line in told.splitlines() if "timer.TimerRequest" in line), "0")

    def call(self, op: str, **arguments: Any) -> Any:
        """Ask for something, and return the answer."""
        return self.target.call(op, **arguments)

    def pop(self, invisible: float) -> dict[int, str]:
        """Pop what there is; return the receipts by the number of the message."""
        given = self.call("pop", queue=QUEUE, count=MESSAGES, invisible=invisible)
        return {one["offset"]: one["receipt"] for one in given}

    def says_popped(self) -> bool:
        """Tell whether its file of offsets says that all messages were popped."""
        return f'"{QUEUE}@ackcheck":{{0:{MESSAGES}' in re.sub(r"\s", "", text_of(self.data / OFFSETS))

    def fill(self, count: int) -> None:
        """Publish so many messages more to another queue."""
        self.filled += count
        self.call("publish", queue=FILLING, end=self.filled)


Messages: TypeAlias = set[int]
Case = Callable[[Broker], tuple[Messages, Messages]]
"""Has messages popped, some of them acked, and the broker killed; returns those that nobody has acked, and those whose
ack was answered OK before the cut."""


def kill(broker: Broker) -> tuple[Messages, Messages]:
    """Kill it, and take nothing."""
    broker.call("publish", queue=QUEUE, end=MESSAGES)
    receipts = broker.pop(HIDDEN)
    for number in range(ACKED):
        broker.call("ack", receipt=receipts[number])
    time.sleep(1.5)  # the offsets are written every 0.5 s
    broker.target.kill()
    return set(range(ACKED, MESSAGES)), set(range(ACKED))


def torn(broker: Broker) -> tuple[Messages, Messages]:
    """Kill it right after an ack whose record lies across the end of a page, of which the second page is not synced."""
    broker.call("publish", queue=QUEUE, end=MESSAGES)
    receipts = broker.pop(HIDDEN)
    time.sleep(1.5)  # the offsets are written every 0.5 s
    before = len(broker.log)
    broker.fill(1)
    step = len(broker.log) - before
    for number in range(ACKED):
        broker.call("ack", receipt=receipts[number])
        last = [one for one in records(broker.log) if one.topic == TIMER][-1]
        if boundary := last.boundary(PAGE):
            broker.target.kill()
            cut_off(broker, boundary)
            told = f"its properties begin at {last.properties}; what is behind {boundary} is taken"
            print(f"the record of the last ack, of message {number}, is at {last.begin} to {last.end}, {told}")
            return set(range(number + 1, MESSAGES)), set(range(number))
        size, inside = last.end - last.begin, last.properties - last.begin
        broker.fill(steps_to(last.end, step, inside + (size - inside) // 4, size))
    raise RuntimeError("no record of an ack fell across the end of a page: run it again")


def steps_to(end: int, step: int, low: int, high: int) -> int:
    """Return how many records of `step` bytes bring the next boundary between `low` and `high` of the record behind.

    >>> steps_to(100, 200, 150, 330), 4096 - 100 - 200 * 19
    (19, 196)
    """
    for count in range(PAGE):
        inside = -(end + count * step) % PAGE
        if low < inside < high:
            return count
    return 0


def cut_off(broker: Broker, at: int) -> None:
    """Set the commit log to zeros from here on."""
    path = broker.data / "commitlog" / f"{0:020}"
    size = path.stat().st_size
    os.truncate(path, at)
    os.truncate(path, size)


def ring(broker: Broker) -> tuple[Messages, Messages]:
    """Kill it between the syncs of the timer's wheel and of its checkpoint; the timer's log had been synced before."""
    broker.call("publish", queue=QUEUE, end=MESSAGES)
    time.sleep(2.5)  # the timer syncs once a second
    names = ["timerlog", "config/timercheck"]
    kept = broker.folder / "kept"
    for name in names:
        copy(broker.data / name, kept / name)
    broker.pop(HIDDEN)
    until = time.monotonic() + 10
    while not has_a_slot(broker.data / "timerwheel"):
        if time.monotonic() > until:
            raise RuntimeError("nothing came into the timer's wheel: is it a broker without one?")
        time.sleep(0.01)
    broker.target.kill()
    for name in names:
        copy(kept / name, broker.data / name)
    print("the timer's wheel is as it was at the end; its log and its checkpoint are as they were before the pop")
    return set(range(MESSAGES)), set()


def has_a_slot(wheel: Path) -> bool:
    """Tell whether the timer's wheel holds anything."""
    with wheel.open("rb") as file:
        while chunk := file.read(1 << 20):
            if chunk.strip(b"\0"):
                return True
    return False


def offset(broker: Broker) -> tuple[Messages, Messages]:
    """Kill it once the offsets say that all is popped, and the log, which says what was, has not been synced."""
    broker.call("publish", queue=QUEUE, end=MESSAGES)  # is answered once all of the log is synced
    time.sleep(1.0)
    kept = broker.folder / "kept"
    copy(broker.data, kept)
    broker.pop(HIDDEN)
    until = time.monotonic() + 20
    while not broker.says_popped():
        if time.monotonic() > until:
            raise RuntimeError("the offsets were not written within 20 s")
        time.sleep(0.05)
    left = broker.call("stats")["remainHowManyDataToFlush"]
    broker.target.kill()
    if left == "0 B":
        print("all of the log was flushed, so nothing is taken")
        return set(range(MESSAGES)), set()
    copy(broker.data / OFFSETS, kept / OFFSETS)
    shutil.rmtree(broker.data)
    kept.rename(broker.data)
    print(f"the broker had {left} of its log to flush; all is as it was before the pop, but for the offsets")
    return set(range(MESSAGES)), set()


def text_of(path: Path) -> str:
    """Return what a file holds, nothing where it is just being replaced."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def copy(source: Path, to: Path) -> None:
    """Have one file or folder be as another, or be missing as that is; blocks of zeros take no room."""
    subprocess.run(["rm", "-rf", str(to)], check=True)
    if source.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--sparse=always", str(source), str(to)], check=True)


CASES: Final[dict[str, Case]] = {case.__name__: case for case in (kill, torn, ring, offset)}
SETTINGS: Final = {
    "kill": ("flushDiskType=SYNC_FLUSH",),
    "torn": ("flushDiskType=SYNC_FLUSH",),
    "ring": ("flushDiskType=SYNC_FLUSH",),
    "offset": ("flushDiskType=ASYNC_FLUSH",),
}


def watch(broker: Broker, due: float, wanted: Messages) -> dict[int, float]:
    """Return when each message came, in seconds since all were due and the broker was up; stop once all have come."""
    began = max(due, time.monotonic())
    came: dict[int, float] = {}
    while time.monotonic() < began + WATCHED and not wanted <= came.keys():
        try:
            for number in broker.pop(300.0):
                came.setdefault(number, round(max(0.0, time.monotonic() - began), 1))
        except TargetError as error:
            print(f"  the broker answers no more: {error}")
            break
        if broker.said.count("NumberFormatException") > STUCK:
            break
        time.sleep(0.2)
    return came


def run(name: str, asked: argparse.Namespace) -> bool:
    """Run a case once, and tell what came back; return whether everything did."""
    with tempfile.TemporaryDirectory(prefix="rocketmq-") as folder:
        broker = Broker(asked.built, Path(folder), (*SETTINGS[name], *asked.set))
        try:
            broker.start()
            wanted, acked = CASES[name](broker)
            due = time.monotonic() + HIDDEN
            for removed in asked.remove:
                copy(Path(folder, "nothing"), broker.data / removed)
            broker.start(*asked.then, wait=False)
            came = watch(broker, due, wanted)
            objects, said = broker.timer_requests(), broker.said
        finally:
            broker.target.end()
    lost = sorted(wanted - came.keys())
    print(f"{name}: of {len(wanted)} messages in hand {len(lost)} were lost for as long as was watched: {lost}")
    if not lost:
        print(f"  the last came {max(came.values(), default=0.0)} s after it was due")
    print(f"  acked ones that came back: {sorted(came.keys() & acked)}; TimerRequests in the heap: {objects}")
    for line, times in complaints(said):
        print(f"  the broker said, {times} times: {line}")
    return not lost


def complaints(said: str) -> list[tuple[str, int]]:
    """Return the errors of a broker's log, without their times, with how often each came; the most frequent first.

    >>> complaints("10:00:00.000 ERROR Timer - lost it\\n10:00:01.000 ERROR Timer - lost it\\n")
    [('ERROR Timer - lost it', 2)]
    """
    lines = [
        line.removeprefix(line[:13]) if " ERROR " in line else line
        for line in said.splitlines()
        if " ERROR " in line or line.startswith("java.lang.")
    ]
    counts = {line: lines.count(line) for line in lines}
    return sorted(counts.items(), key=lambda one: -one[1])[:5]


def built_at(parser: argparse.ArgumentParser, folder: Path) -> Path:
    """Return where the broker was built; an error of usage where it was not."""
    if not (folder / "adapter.jar").exists():
        parser.error(f"{folder} holds no adapter.jar: run `make brokers`, or {HERE}/build.sh {folder}")
    return folder.resolve()


def main(arguments: list[str] | None = None) -> int:
    """Run a case as often as asked for; the exit status is 1 where a message was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of both starts")
    parser.add_argument("--then", action="append", default=[], metavar="KEY=VALUE", help="of the second start only")
    parser.add_argument("--remove", action="append", default=[], metavar="NAME", help="taken away before that start")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--built", type=Path, default=Path("build/brokers/rocketmq"), help="what `make brokers` built")
    asked = parser.parse_args(arguments)
    asked.built = built_at(parser, asked.built)
    whole = [run(asked.case, asked) for _ in range(asked.runs)]
    print(f"{asked.case}: everything came back in {sum(whole)} of {len(whole)} runs")
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
