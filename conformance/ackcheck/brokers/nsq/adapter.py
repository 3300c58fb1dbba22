"""NSQ: a topic a queue, with one channel; messages are pushed as asked for (RDY), and FIN settles.

It is a client of a server that the suite starts, kills and starts again, and lives on (specs/protocol.md). It
speaks nsqd's own protocol over TCP, one connection a queue, as what is in flight is a connection's. What a topic holds
cannot be asked for, so what was published once is not published again.

>>> topic_of("orders/billing/0"), frame_of(b"\\x00\\x00\\x00\\x06\\x00\\x00\\x00\\x00OK")
('orders_billing_0', (0, b'OK', 10))
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ackcheck.brokers.client import WithoutBarrier
from ackcheck.brokers.in_hand import InHand
from ackcheck.brokers.place import PORT
from ackcheck.target import Delivery

PUSHING = 0.1
"""Seconds for which a pop waits for the next message to be pushed."""

ON_ITS_WAY = 0.01
"""Seconds for which it is waited for what was pushed before the server read that no more is wanted."""

RESPONSE, ERROR, MESSAGE = 0, 1, 2
HEARTBEAT = b"_heartbeat_"

NOBODY = "0" * 16
"""The key of no message."""


def topic_of(queue: str) -> str:
    """Return the topic of a queue: its name may have no slash."""
    return queue.replace("/", "_")


def frame_of(data: bytes) -> tuple[int, bytes, int] | None:
    """Return the kind of the first frame, what it holds, and how long it is; None where it is not whole yet."""
    if len(data) < 8:
        return None
    size, kind = struct.unpack_from(">II", data)
    return (kind, data[8 : 4 + size], 4 + size) if len(data) >= 4 + size else None


def framed(kind: int, data: bytes) -> bytes:
    """Return a frame as it was sent."""
    return struct.pack(">II", 4 + len(data), kind) + data


def key_of(message: bytes) -> str:
    """Return the key by which the server knows a message."""
    return message[10:26].decode()


class Connection:
    """A connection that has subscribed to a topic, or publishes."""

    def __init__(self, topic: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(os.environ[PORT])), timeout=10.0)
        self.socket.sendall(b"  V2")
        self.incoming = b""
        if topic:
            self.command(f"SUB {topic} group")
            self.answer()

    def command(self, line: str, body: bytes | None = None) -> None:
        """Send a command."""
        data = line.encode() + b"\n"
        self.socket.sendall(data if body is None else data + struct.pack(">I", len(body)) + body)

    def frame(self, seconds: float) -> tuple[int, bytes] | None:
        """Return the next frame that is no heartbeat, None where there is none in time."""
        until = time.monotonic() + seconds
        while True:
            if found := frame_of(self.incoming):
                self.incoming = self.incoming[found[2] :]
                if found[1] != HEARTBEAT:
                    return found[0], found[1]
                self.command("NOP")
                continue
            if not select.select([self.socket], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            part = self.socket.recv(1 << 16)
            if not part:
                raise ConnectionError("the server has closed the connection")
            self.incoming += part

    def answer(self) -> str:
        """Return the answer to a command. What is pushed before it is kept."""
        pushed = b""
        while (found := self.frame(10.0)) is not None and found[0] == MESSAGE:
            pushed += framed(*found)
        if found is None:
            raise ConnectionError("no answer within 10 s")
        self.incoming = pushed + self.incoming
        return found[1].decode()


class Topics(WithoutBarrier):
    """A target (`ackcheck.target.Target`)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.published: dict[str, int] = {}
        self.connections: dict[str, Connection] = {}
        self.held = InHand[tuple[str, str]]()
        """The queue, and the server's message id, of the newest delivery of each message. The server counts deliveries
        too, and after a SIGKILL from the beginning."""

    def open(self, directory: Path) -> None:  # noqa: ARG002 - which is the server's
        """Connect, once the server is ready."""
        self.connections = {}
        self.held.forget()
        self.publisher = self.connected(Connection)

    def _connected(self, queue: str) -> Connection:
        if queue not in self.connections:
            self.connections[queue] = Connection(topic_of(queue))
        return self.connections[queue]

    def publish(self, queue: str, end: int) -> None:
        """Publish what never was."""
        with self.lock, self.asking():
            self._connected(queue)  # which makes the channel: what is published before it is there, it has too
            for number in range(self.published.get(queue, 0), end):
                self.publisher.command(f"PUB {topic_of(queue)}", str(number).encode())
                if (told := self.publisher.answer()) != "OK":
                    raise RuntimeError(f"PUB was answered {told}")
                self.published[queue] = number + 1

    def pop(self, queue: str, count: int, invisible: float) -> Sequence[Delivery]:
        """Have messages pushed, and take no more once there are enough, or none comes."""
        with self.lock, self.asking():
            connection, given = self._connected(queue), []
            self._give_back_late(connection)
            connection.command(f"RDY {count}")
            while (found := connection.frame(PUSHING)) is not None:
                if found[0] == MESSAGE:
                    given.append(self._given(queue, found[1], invisible))
                    if len(given) == count:
                        break
            connection.command("RDY 0")
            self._give_back_late(connection, ON_ITS_WAY)
            return given

    def _give_back_late(self, connection: Connection, seconds: float = 0.0) -> None:
        """Give back what was pushed and is wanted no more."""
        while (found := connection.frame(seconds)) is not None:
            if found[0] == MESSAGE:
                key = key_of(found[1])
                self._forget(key)
                connection.command(f"REQ {key} 0")

    def _forget(self, key: str) -> None:
        """Forget the deliveries of a message that has come again: FIN would settle the new one, which has the same
        key."""
        for older in [one for one, (_, held) in self.held.items() if held == key]:
            del self.held[older]

    def _given(self, queue: str, message: bytes, invisible: float) -> Delivery:
        attempt, key, number = struct.unpack_from(">H", message, 8)[0], key_of(message), int(message[26:])
        self._forget(key)
        receipt, _ = self.held.given(f"{queue}|{number}|{key}", (queue, key))
        return Delivery(receipt=receipt, offset=number, attempt=attempt, deadline=time.time() + invisible)

    def ack(self, receipt: str) -> str:
        """FIN it. nsqd says nothing where that is done; so a message that there is not is finished after it, which has
        an error for an answer: by then the error of the first would have come."""
        with self.lock, self.asking():
            if receipt.count("|") != 3:
                return "INVALID"
            if receipt not in self.held:
                return self.held.not_held(receipt)
            queue, key = self.held[receipt]
            connection = self._connected(queue)
            self._give_back_late(connection)
            if self.held.pop(receipt, None) is None:
                return "EXPIRED"  # the message had come again
            connection.command(f"FIN {key}")
            connection.command(f"FIN {NOBODY}")
            if not self._is_done(connection, key):
                return "EXPIRED"
            self.held.settled(receipt)
            return "OK"

    def _is_done(self, connection: Connection, key: str) -> bool:
        """Tell whether a FIN was done; read its answers up to the one of the FIN that comes after it."""
        done = True
        while f"FIN {NOBODY}" not in (told := connection.answer()):
            done = done and f"FIN {key}" not in told
        return done

    def close(self) -> str:
        """Leave: the suite ends the server, which writes what is in flight when it is asked to end."""
        return "UNKNOWN"
