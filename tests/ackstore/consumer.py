"""Run a command for each line of a file that others append to: redelivery, dead letters, metrics, a stop in good order.

    python consumer.py FOLDER COMMAND [ARGUMENT ...]

FOLDER/messages is that file, FOLDER/progress the store. The command gets the line as its input, and OFFSET and ATTEMPT
in its environment. Where it fails, the line comes back; what is given up is logged as an error, and stays listed in the
store. After a crash the command may be run again for a line that it had done: it has to bear that. SIGTERM or SIGINT
stops the program; what it logs are lines of JSON.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import ackstore
from ackstore.metrics import serve
from ackstore.runtime.logs import JsonFormatter

QUEUE = "lines/commands/0"
SETTINGS: dict[str, dict[str, Any]] = {
    "ssd": {},
    "protected": {"mode": "sync"},  # power-loss protection: syncs are quick, so no ack need be lost
    "slow": {"flush_interval": 1.0, "sync_timeout": 60.0},
    "small": {"segment_bytes": 1 << 20, "compact_above": 4 << 20},
}
"""What to set for which disk."""
MARGIN = 30.0
"""Seconds that a line stays out of others' hands after its command must have ended: for a program that is held up."""
PAUSE = 0.1
"""Seconds between two looks at what there is to do."""

log = logging.getLogger("consumer")


class Messages:
    """The lines of a file; the number of a line is its offset."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._begins = [0]
        self._reading = threading.Lock()

    def count(self) -> int:
        """Count the whole lines. They are on the disk then: where one was lost after its ack, the store would take the
        next in its place for settled."""
        known = len(self._begins)
        with self._reading:
            self._file.seek(self._begins[-1])
            while self._file.readline().endswith(b"\n"):
                self._begins.append(self._file.tell())
        if len(self._begins) > known:
            os.fsync(self._file.fileno())
        return len(self._begins) - 1

    def line(self, offset: int) -> bytes:
        """Return a line that was counted."""
        with self._reading:
            self._file.seek(self._begins[offset])
            return self._file.readline()


class Consumer:
    """The store, and the commands that run."""

    def __init__(self, store: ackstore.Store, given: argparse.Namespace) -> None:
        self.store = store
        self.messages = Messages(given.folder / "messages")
        self.command: list[str] = given.command
        self.limit: float = given.limit
        self.stop = threading.Event()
        self.running: set[subprocess.Popen[bytes]] = set()
        self.given_up: set[int] = set()

    def publish(self) -> None:
        """Say how many lines there are. The store does not keep that: it is said anew after each start."""
        self.store.publish(QUEUE, self.messages.count())

    def work(self) -> None:
        """Handle one line after the other. An exception here, `StoreBroken` for one, ends the program."""
        while not self.stop.is_set():
            deliveries = self.store.pop(QUEUE, 1, self.limit + MARGIN)
            if not deliveries:  # nothing to do, or the store is busy
                self.stop.wait(PAUSE)
            for delivery in deliveries:
                if self.handle(delivery):
                    reply = self.store.ack(delivery.receipt)
                else:
                    reply = self.store.release(delivery.receipt)  # it comes back at once, in its next attempt
                    self.stop.wait(PAUSE)
                if reply is not ackstore.Reply.OK:  # it comes back at its deadline, or is settled all the same
                    log.warning("line %d, attempt %d: %s", delivery.offset, delivery.attempt, reply.name)

    def handle(self, delivery: ackstore.Delivery) -> bool:
        """Run the command for one line; whether it did its work."""
        about = {"OFFSET": str(delivery.offset), "ATTEMPT": str(delivery.attempt)}
        with subprocess.Popen(  # in a session of its own: Ctrl-C is for this program
            self.command, stdin=subprocess.PIPE, env=os.environ | about, start_new_session=True
        ) as process:
            self.running.add(process)
            try:
                process.communicate(self.messages.line(delivery.offset), self.limit)
            except subprocess.TimeoutExpired:
                kill(process)
            finally:
                self.running.discard(process)
        return process.returncode == 0

    def tell_dead(self) -> None:
        """Log what was given up since: the store lists it from when it is on the disk."""
        for letter in self.store.dead(QUEUE):
            if letter.offset not in self.given_up:
                self.given_up.add(letter.offset)
                text = self.messages.line(letter.offset).decode(errors="replace")
                fields = {"event": "dead", "offset": letter.offset, "attempts": letter.attempts, "line": text}
                log.error("line %d is given up", letter.offset, extra=fields)

    def end(self, jobs: list[Future[None]], grace: float) -> ackstore.Reply:
        """Let the commands end, kill those that take too long, and close."""
        self.stop.set()
        wait(jobs, grace)
        while not all(job.done() for job in jobs):
            for process in list(self.running):
                kill(process)  # its line is released, and comes back after the next start
            wait(jobs, PAUSE)
        self.store.flush()
        self.tell_dead()
        return self.store.close(timeout=10.0)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command, with what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    parser.add_argument("--disk", choices=SETTINGS, default="ssd")
    parser.add_argument("--attempts", type=int, default=3, help="after so many a line is given up")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a command may take")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that it may take when all is to stop")
    parser.add_argument("--workers", type=int, default=4, help="commands that run at a time")
    parser.add_argument("--port", type=int, default=9464, help="where Prometheus finds the metrics, on this machine")
    return parser.parse_args()


def main() -> int:
    """Run until told to stop: 0 when all that was acked is on the disk."""
    given = arguments()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked.append(number))  # it only notes: no call is cut short
    config = ackstore.Config(max_attempts=given.attempts, **SETTINGS[given.disk])
    with ackstore.open(given.folder / "progress", config) as store, ThreadPoolExecutor(given.workers) as threads:
        consumer = Consumer(store, given)
        consumer.publish()
        port, stop_metrics = serve(store, given.port)
        log.info("metrics on port %d", port, extra={"event": "metrics", "port": port})
        jobs = [threads.submit(consumer.work) for _ in range(given.workers)]
        try:
            while not asked and not wait(jobs, PAUSE, FIRST_EXCEPTION).done:
                consumer.publish()
                consumer.tell_dead()
        finally:
            reply = consumer.end(jobs, given.grace)
            stop_metrics()
        for job in jobs:
            job.result()  # what has ended it, if something has
    return 0 if reply is ackstore.Reply.OK else 1


if __name__ == "__main__":
    sys.exit(main())
