"""beanstalkd as its own clients use it: reserve hands out, delete settles; a tube a queue, a job a message.

It is a client of a server that the suite starts, kills and starts again, and lives on (`--server`, specs/protocol.md).
A job's number says nothing for ever: where the end of the log is lost, the next jobs get the same numbers. So the
producer, which is this adapter too, remembers which job each message is, and for which it has asked for a delete since
it was last handed out: what is not there after a restart, and was not to be deleted, was lost, and is put again.

>>> body_of("orders", 7), receipt_of("orders", 7), message_of("orders|7"), message_of("no receipt")
('orders|7', 'orders|7', ('orders', 7), None)
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ackcheck.brokers.client import WithoutBarrier
from ackcheck.brokers.place import SETTINGS, SOCKET
from ackcheck.target import Delivery

TIME_TO_RUN = 2
"""Seconds for which a reserved job is hidden; its profile promises this one time."""

Message = tuple[str, int]


def body_of(queue: str, number: int) -> str:
    """Return what the job of a message holds."""
    return f"{queue}|{number}"


receipt_of = body_of
"""All deliveries of a message have one receipt, which names the message."""


def message_of(receipt: str) -> Message | None:
    """Return the message that a receipt names, None where it is none of ours."""
    queue, bar, number = receipt.rpartition("|")
    return (queue, int(number)) if bar and number.isdigit() else None


class Tubes(WithoutBarrier):
    """A target (`ackcheck.target.Target`); one connection, as a reservation is a connection's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.jobs: dict[Message, list[int]] = {}
        """The jobs as which each message was ever put, the one that is there last."""
        self.deleting: set[Message] = set()
        """The messages for which a delete was asked for since they were last handed out."""

    def open(self, directory: Path) -> None:  # noqa: ARG002 - which is the server's
        """Connect, once the server has read its log."""
        import greenstalk

        self.errors, self.gone = greenstalk, (OSError, greenstalk.UnknownResponseError)
        self.client: Any = self.connected(lambda: greenstalk.Client(os.environ[SOCKET]))
        self.watched = "default"

    def publish(self, queue: str, end: int) -> None:
        """Put what is missing up to `end`."""
        with self.lock:
            self.ask(self.client.use, queue)
            for number in range(end):
                message = (queue, number)
                if message not in self.deleting and not self._is_there(message):
                    job = self.ask(self.client.put, body_of(queue, number), ttr=TIME_TO_RUN)
                    self.jobs.setdefault(message, []).append(job)

    def _is_there(self, message: Message) -> bool:
        """Tell whether the server has a job of a message."""
        known = self.jobs.get(message, [])
        for job in reversed(known):
            with contextlib.suppress(self.errors.NotFoundError):
                if self.ask(self.client.peek, job).body == body_of(*message):
                    known.remove(job)
                    known.append(job)
                    return True
        return False

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Reserve what is ready."""
        with self.lock:
            if queue != self.watched:
                self.ask(self.client.watch, queue)
                self.ask(self.client.ignore, self.watched)
                self.watched = queue
            given: list[Delivery] = []
            while len(given) < count:
                try:
                    job = self.ask(self.client.reserve, timeout=0)
                except (self.errors.TimedOutError, self.errors.DeadlineSoonError):
                    break
                times = self.ask(self.client.stats_job, job)["reserves"]
                number, until = int(job.body.rpartition("|")[2]), time.time() + invisible
                self.deleting.discard((queue, number))  # what was asked for before has not come to pass
                given.append(Delivery(receipt=receipt_of(queue, number), offset=number, attempt=times, deadline=until))
            return given

    def ack(self, receipt: str) -> str:
        """Delete its job, if that is still this message's: its number may have been given again."""
        message = message_of(receipt)
        if message is None or message not in self.jobs:
            return "INVALID"
        with self.lock:
            self.deleting.add(message)
            if not self._is_there(message):
                return "SETTLED"
            try:
                self.ask(self.client.delete, self.jobs[message][-1])
            except self.errors.NotFoundError:
                return "SETTLED"
            return "OK"

    def close(self) -> str:
        """Leave: the suite ends the server. What it has not synced by now may still be lost, so only -f 0 is OK."""
        return "OK" if json.loads(os.environ[SETTINGS]).get("f") == "0" else "UNKNOWN"
