"""How `nats.jsonl` was recorded: `python record_nats.py path/to/nats-server > nats.jsonl` (NATS 2.15.2, Linux 6.18).

Twenty messages are taken and acknowledged, one of them after it was given back, one after its time had passed; the
server, as it comes, is killed right after the acks. What it tells of `$JS.EVENT.>` is written down as it comes; the
lines `fault` are the recorder's.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PORT = 14222
CONSUMER = {"durable_name": "work", "ack_policy": "explicit", "ack_wait": 10**9, "sample_freq": "100%"}


class Client:
    """As much of NATS's protocol as this needs."""

    def __init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=10)
        self.file = self.socket.makefile("rwb")
        self.file.readline()
        self.send(b'CONNECT {"verbose":false,"headers":true}', b"SUB $JS.EVENT.> 1", b"SUB inbox 2")

    def send(self, *lines: bytes) -> None:
        self.file.write(b"".join(line + b"\r\n" for line in lines))
        self.file.flush()

    def publish(self, subject: str, body: Any = b"", reply: str = "") -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send(f"PUB {subject} {reply} {len(text)}".encode(), text)

    def messages(self, seconds: float) -> list[tuple[str, str, bytes]]:
        """Return what comes within so many seconds: subject, where to answer, body."""
        found, until = [], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                words = self.file.readline().split()
            except TimeoutError:
                self.file = self.socket.makefile("rwb")
                break
            if words[:1] == [b"PING"]:
                self.send(b"PONG")
            elif words[:1] == [b"MSG"]:
                body = self.file.read(int(words[-1]) + 2)[:-2]
                found.append((words[1].decode(), words[3].decode() if len(words) > 4 else "", body))
            elif words[:1] == [b"HMSG"]:
                head, size = int(words[-2]), int(words[-1])
                found.append(
                    (words[1].decode(), words[3].decode() if len(words) > 5 else "", self.file.read(size + 2)[head:-2])
                )
        for subject, _, body in found:
            if subject.startswith("$JS.EVENT."):
                sys.stdout.write(json.dumps(json.loads(body)) + "\n")
        return found

    def pull(self, count: int, seconds: float = 1.0) -> list[str]:
        """Take messages; return where each is acknowledged."""
        self.publish("$JS.API.CONSUMER.MSG.NEXT.ORDERS.work", {"batch": count, "expires": int(seconds * 1e9)}, "inbox")
        return [reply for _, reply, _ in self.messages(seconds + 0.3) if reply.startswith("$JS.ACK.")]


def started(server: str, folder: str) -> tuple[subprocess.Popen[bytes], Client]:
    process = subprocess.Popen(
        [server, "-js", "-a", "127.0.0.1", "-p", str(PORT), "-sd", folder], stderr=subprocess.DEVNULL
    )
    while True:
        try:
            return process, Client()
        except OSError:
            time.sleep(0.1)


def main(server: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        process, client = started(server, folder)
        client.publish("$JS.API.STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders"]}, "inbox")
        client.messages(0.5)
        client.publish(
            "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.work", {"stream_name": "ORDERS", "config": CONSUMER}, "inbox"
        )
        client.messages(0.5)
        for number in range(20):
            client.publish("orders", {"number": number}, "inbox")
        client.messages(0.5)
        first = client.pull(10, 0.3)
        client.publish(first[0], b"-NAK")
        for each in first[2:]:  # the second is left to its time
            client.publish(each, b"+ACK")
        client.messages(1.5)
        for each in client.pull(10, 0.3):
            client.publish(each, b"+ACK")
        client.messages(1.0)
        for each in client.pull(2, 0.3):
            client.publish(each, b"+ACK")
        client.messages(0.02)
        process.kill()
        process.wait()
        sys.stdout.write(json.dumps({"at": time.time(), "fault": "process-crash"}) + "\n")
        process, client = started(server, folder)
        time.sleep(1.2)
        for each in client.pull(20):
            client.publish(each, b"+ACK")
        client.messages(1.0)
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
