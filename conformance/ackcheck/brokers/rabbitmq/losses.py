"""How RabbitMQ 3.10 loses what it has confirmed, or does not start: shown by RabbitMQ alone.

    python losses.py new [SECONDS]
    python losses.py replay [MESSAGES]
    python losses.py flags

It needs rabbitmq-server and pika, no root, and nothing of ackcheck. The server listens on port 5679 of the loopback.

- `new`: a queue is declared, and SECONDS (0) later five messages are published to it and confirmed. Then the server is
  killed with SIGKILL, started again, and asked whether the queue takes another message, and for all that it has. (Not
  for how many it has: while a quorum queue has no leader it has none, as `queue.declare` tells it.)
- `replay`: MESSAGES (60) are published and confirmed. One channel gets them all, acks none, and is closed; another gets
  five and acks these. Three seconds later the server is asked to end, and is started again.
- `flags`: the server is asked to end, its file of feature flags is made empty, as a power loss may leave it, and it is
  started again.

What each means is told in specs/brokers/rabbitmq-new-queue.md, rabbitmq-replay.md and rabbitmq.md.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika

SERVER = Path(__file__).parent / "server.sh"
PORT = 5679
QUEUE = "orders"
STARTING = 300.0
"""Seconds for which a server may start."""

OLD = 3.0
"""Seconds after which a new queue is known by its log, and acks are in it."""

ACKED = 5


class ServerEnded(Exception):
    """A server that does not start."""


class Server:
    """A RabbitMQ server on a folder, and a connection to it."""

    def __init__(self, folder: Path) -> None:
        for name in ("data", "run"):
            (folder / name).mkdir(exist_ok=True)
        command = ["sh", str(SERVER), f"{folder}/data", f"{folder}/run", str(PORT), "consumer_timeout=600000"]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            self.connection = self._connected()
        except BaseException:
            self.kill()
            raise
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def _connected(self) -> Any:
        where, until = pika.ConnectionParameters("127.0.0.1", PORT, heartbeat=0), time.monotonic() + STARTING
        while True:
            try:
                return pika.BlockingConnection(where)
            except (OSError, pika.exceptions.AMQPConnectionError) as error:
                if self.process.poll() is not None:
                    raise ServerEnded(self.said()) from error
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def said(self) -> str:
        """Return why it did not start, as it says itself."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        error = re.search(r"error:\S.*", text.partition("BOOT FAILED")[2])
        return error.group() if error else "nothing that is known here"

    def declare(self) -> None:
        """Declare the queue."""
        self.channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

    def confirms(self, body: str) -> bool:
        """Publish a message; tell whether it was confirmed."""
        try:
            self.channel.basic_publish("", QUEUE, body.encode(), pika.BasicProperties(delivery_mode=2), mandatory=True)
        except pika.exceptions.NackError:
            return False
        return True

    def get(self, most: int, *, ack: bool = False) -> list[str]:
        """Return what a channel of its own is given, which is closed then; `ack`: after all of it was acked."""
        given = list[str]()
        try:
            channel = self.connection.channel()
            while len(given) < most:
                got, _, body = channel.basic_get(QUEUE)
                if got is None:
                    break
                given.append(body.decode())
                if ack:
                    channel.basic_ack(got.delivery_tag)
            channel.close()
        except pika.exceptions.AMQPError as error:
            print(f"basic.get: {error}")
        return given

    def kill(self) -> None:
        """SIGKILL it, with all that it has started, unless it has ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        self.connection.close()
        self.process.terminate()
        self.process.wait()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a server on a folder, and kill it at the end."""
    server = Server(folder)
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


def listed(messages: Iterable[str]) -> str:
    """Return messages by their numbers."""
    return ", ".join(sorted(messages, key=int)) or "none"


def new(folder: Path, rest: float = 0.0) -> bool:
    """Kill the server when the queue is new; tell whether something was lost."""
    with running(folder) as server:
        server.declare()
        time.sleep(rest)
        confirmed = sum(server.confirms(str(number)) for number in range(ACKED))
    with running(folder) as server:
        takes, left = server.confirms("after"), [one for one in server.get(ACKED + 1) if one != "after"]
    print(f"{rest:g} s after the queue was declared {confirmed} messages were confirmed;")
    print(f"after a SIGKILL it gives {len(left)}, and a publish to it is {'confirmed' if takes else 'refused'}")
    return len(left) < confirmed or not takes


def replay(folder: Path, messages: float = 60) -> bool:
    """Restart the server after some messages were returned and others acked; tell whether something was lost."""
    count = int(messages)
    with running(folder) as server:
        server.declare()
        time.sleep(OLD)
        published = {str(number) for number in range(count) if server.confirms(str(number))}
        server.get(count)
        time.sleep(OLD)
        acked = set(server.get(ACKED, ack=True))
        time.sleep(OLD)
        before = set(server.get(count))
        time.sleep(OLD)
        server.end()
    with running(folder) as server:
        time.sleep(OLD)
        after = set(server.get(count))
    whole = "all others were there" if before == published - acked else "others were missing"
    print(f"{len(published)} messages were confirmed, {listed(acked)} acked; before the restart {whole}")
    print(f"after an orderly restart: acked and back {listed(acked & after)}; lost {listed(published - acked - after)}")
    return bool(published - acked - after)


def flags(folder: Path) -> bool:
    """Start the server on an empty file of feature flags, and if it does not, without one; tell whether it does not."""
    with running(folder) as server:
        server.end()
    [file] = (folder / "data").glob("*-feature_flags")
    file.write_text("")
    try:
        with running(folder):
            print("it starts")
            return False
    except ServerEnded as error:
        print(f"{file.name} is empty: it does not start: {error}")
    file.unlink()
    with running(folder):
        print("without that file it starts")
    return True


def main() -> int:
    """Run the case that is named; exit with 1 where something was lost."""
    case = {"new": new, "replay": replay, "flags": flags}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as name, own_epmd():
        return int(case(Path(name), *map(float, sys.argv[2:3])))


if __name__ == "__main__":
    sys.exit(main())
