"""RabbitMQ over AMQP 0-9-1: `basic.get` hands out, `basic.ack` settles; a channel is one pop.

It is a client of a server that the suite starts, kills and starts again, and lives on (`--server`, specs/protocol.md).
What is not acked comes back when its channel closes. The server closes a channel whose oldest delivery has waited for
longer than `consumer_timeout`: so each pop has a channel of its own, and its deliveries come back together.

An ack has no answer. What has one is asked of the queue after it, on the same channel: so when that is answered the
queue has the ack. That says nothing of the disk.

A publish is over when it is confirmed. One that failed before may have been done all the same; then the message is
there twice, under two ids, and the one that was never confirmed is thrown away when it comes.

A quorum queue that is new rests for `rest` seconds before anything is put into it: which folder holds its log is
written some time after it was declared (specs/brokers/rabbitmq-new-queue.md). It is open once its leader answers. And
no channel gets more than `most` messages: what more than 32 do to it is in specs/brokers/rabbitmq-replay.md.

>>> parted("orders|7|2"), parted("no receipt")
(('orders', '7', '2'), None)
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ackcheck.brokers.client import PAUSE, WithoutBarrier
from ackcheck.brokers.in_hand import InHand
from ackcheck.brokers.place import PORT, SETTINGS
from ackcheck.target import Delivery

DURABLE = 2
"""The delivery mode of what is to survive a restart."""

MOST = 1 << 10
"""Messages that a channel gets, where no setting says otherwise."""

GETTING = 2.0
"""Seconds for which a pop gets messages: the server closes a channel whose oldest delivery has waited for five."""

REFUSED = 10.0
"""Seconds for which a publish may be refused."""


def parted(receipt: str) -> tuple[str, str, str] | None:
    """Return the queue, the message and the number of the delivery that a receipt names; None: it is none of ours."""
    parts = tuple(receipt.rsplit("|", 2))
    return parts if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit() else None


class Queues(WithoutBarrier):
    """A target (`ackcheck.target.Target`); one connection, used by one thread at a time."""

    # A runtime and its database start: five seconds of a processor, which a busy machine has not got.
    waiting = 600.0

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ids = itertools.count(1)
        self.confirmed: dict[tuple[str, int], str] = {}
        """By queue and message, the id under which the publish was confirmed."""
        self.ends: Counter[str] = Counter()
        self.held = InHand[tuple[Any, int]]()
        """The channel and the tag of each delivery."""
        self.declared: set[str] = set()

    def open(self, directory: Path) -> None:  # noqa: ARG002 - which is the server's
        """Connect, once the server is ready."""
        import pika

        self.pika, self.gone = pika, (OSError, pika.exceptions.AMQPConnectionError)
        where = pika.ConnectionParameters("127.0.0.1", int(os.environ[PORT]), heartbeat=0)
        settings = json.loads(os.environ[SETTINGS])
        self.kind, self.rest = settings.get("queue", "classic"), float(settings.get("rest", 0))
        self.most = int(settings.get("most", MOST))
        self.held.forget()
        self.connection: Any = self.connected(lambda: pika.BlockingConnection(where))
        self.publisher = self._channel()
        self.ask(self.publisher.confirm_delivery)
        if self.kind == "quorum":
            for queue in sorted(self.declared):
                self._await_leader(queue)

    def _await_leader(self, queue: str) -> None:
        """Get a message and give it back: a quorum queue that has no leader answers with an error, a minute later."""
        channel = self._channel()
        self.ask(channel.basic_get, queue)
        self.ask(channel.close)

    def _declare(self, queue: str) -> None:
        self.ask(self.publisher.queue_declare, queue, durable=True, arguments={"x-queue-type": self.kind})
        if queue not in self.declared:
            self.declared.add(queue)
            time.sleep(self.rest)

    def _channel(self) -> Any:
        return self.ask(self.connection.channel)

    def publish(self, queue: str, end: int) -> None:
        """Publish what never was, and have each confirmed."""
        with self.lock:
            self._declare(queue)
            for number in range(self.ends[queue], end):
                self.confirmed[queue, number] = self._put(queue, number)
                self.ends[queue] = number + 1

    def _put(self, queue: str, number: int) -> str:
        """Publish a message until it is confirmed, as a publisher must: just after a start a queue may refuse it."""
        until = time.monotonic() + REFUSED
        while True:
            key = str(next(self.ids))
            said = self.pika.BasicProperties(delivery_mode=DURABLE, message_id=key)
            try:
                self.ask(self.publisher.basic_publish, "", queue, str(number).encode(), said, mandatory=True)
            except self.pika.exceptions.NackError:
                if time.monotonic() > until:
                    raise
                time.sleep(PAUSE)
            else:
                return key

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Get what is there, on a channel of its own."""
        with self.lock:
            channel, given, until = self._channel(), list[Delivery](), time.time() + invisible
            enough = time.monotonic() + GETTING
            while len(given) < min(count, self.most) and time.monotonic() < enough:
                got, said, body = self.ask(channel.basic_get, queue)
                if got is None:
                    break
                if self.confirmed.get((queue, int(body))) == said.message_id:
                    given.append(self._given(queue, int(body), channel, got.delivery_tag, until))
                else:  # it is there again under the id that was confirmed
                    self.ask(channel.basic_ack, got.delivery_tag)
            if not given:
                self.ask(channel.close)
            return given

    def _given(self, queue: str, number: int, channel: Any, tag: int, until: float) -> Delivery:
        receipt, attempt = self.held.given(f"{queue}|{number}", (channel, tag))
        return Delivery(receipt=receipt, offset=number, attempt=attempt, deadline=until)

    def ack(self, receipt: str) -> str:
        """Ack it, and ask something of its queue after that."""
        named = parted(receipt)
        if named is None:
            return "INVALID"
        with self.lock:
            self.ask(self.connection.process_data_events, time_limit=0)  # it may say that the channel is closed
            if receipt not in self.held:
                return self.held.not_held(receipt)
            channel, tag = self.held.pop(receipt)
            if not channel.is_open:
                return "EXPIRED"
            try:
                self.ask(channel.basic_ack, tag)
                self.ask(channel.queue_declare, named[0], passive=True)
            except (self.pika.exceptions.ChannelClosed, self.pika.exceptions.ChannelWrongStateError):
                return "UNKNOWN"  # its time was over before the ack came to the queue, or just after it
            self.held.settled(receipt)
            return "OK"

    def close(self) -> str:
        """Leave: the suite ends the server, which writes what it has when it is asked to end.

        Both sides may close a channel at the same moment, as its time is over. Then the server has forgotten the
        channel when our answer to its close comes, takes that for a mistake, and ends the connection: we have left.
        """
        with self.lock, suppress(self.pika.exceptions.ConnectionClosedByBroker):
            self.ask(self.connection.close)
        return "UNKNOWN"
