"""RabbitMQ loses what a new quorum queue has confirmed, and the queue, to a SIGKILL: shown by RabbitMQ alone.

    python new_queue.py [SECONDS] [PORT]

It needs rabbitmq-server and pika, no root, and nothing of ackcheck. A quorum queue is declared, and SECONDS (0) later
five messages are published to it and confirmed. Then the server is killed with SIGKILL, started again, and asked
whether the queue takes another message, and for all that it has. (Not for how many it has: while a quorum queue has no
leader it has none, as `queue.declare` tells it.)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika

SERVER = Path(__file__).parent / "server.sh"
QUEUE, MESSAGES = "orders", 5
STARTING = 120.0
"""Seconds for which a server may start."""


class Server:
    """A RabbitMQ server on a folder, and a channel to it on which publishes are confirmed."""

    def __init__(self, folder: Path, port: int) -> None:
        for name in ("data", "run"):
            (folder / name).mkdir(exist_ok=True)
        command = ["sh", str(SERVER), f"{folder}/data", f"{folder}/run", str(port)]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            self.channel = self._connected(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0)).channel()
        except BaseException:
            self.kill()
            raise
        self.channel.confirm_delivery()

    def _connected(self, where: pika.ConnectionParameters) -> Any:
        until = time.monotonic() + STARTING
        while True:
            try:
                return pika.BlockingConnection(where)
            except (OSError, pika.exceptions.AMQPConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def declare(self) -> None:
        """Declare the queue."""
        self.channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

    def confirms(self, body: bytes = b"before") -> bool:
        """Publish a message; tell whether it was confirmed."""
        try:
            self.channel.basic_publish("", QUEUE, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        except pika.exceptions.NackError:
            return False
        return True

    def messages(self) -> list[bytes]:
        """Return all messages that it gives."""
        given = list[bytes]()
        try:
            while (got := self.channel.basic_get(QUEUE, auto_ack=True))[0] is not None:
                given.append(got[2])
        except pika.exceptions.AMQPError as error:
            print(f"basic.get: {error}")
        return given

    def kill(self) -> None:
        """SIGKILL it, with all that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(folder: Path, port: int) -> Iterator[Server]:
    """Run a server on a folder, and kill it at the end."""
    server = Server(folder, port)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def own_epmd() -> Iterator[None]:
    """End Erlang's port mapper, which the first node starts and leaves behind, unless it was there before."""
    was_there = subprocess.run(["epmd", "-names"], capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if not was_there:
            subprocess.run(["epmd", "-kill"], capture_output=True, check=False)


def main() -> int:
    """Print what became of the queue; exit with 1 where something was lost."""
    rest, port = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0, int(sys.argv[2]) if len(sys.argv) > 2 else 5679
    with tempfile.TemporaryDirectory() as name, own_epmd():
        with running(Path(name), port) as server:
            server.declare()
            time.sleep(rest)
            confirmed = sum(server.confirms() for _ in range(MESSAGES))
        with running(Path(name), port) as server:
            takes, left = server.confirms(b"after"), server.messages().count(b"before")
    print(f"{rest:g} s after the queue was declared {confirmed} messages were confirmed;")
    print(f"after a SIGKILL it gives {left}, and a publish to it is {'confirmed' if takes else 'refused'}")
    return 1 if left < confirmed or not takes else 0


if __name__ == "__main__":
    sys.exit(main())
