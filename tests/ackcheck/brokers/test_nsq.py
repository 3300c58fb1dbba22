"""The adapter of NSQ, without a server: a delivery has a receipt of its own, and FIN is known to be done."""

import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from ackcheck.brokers.place import Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory

KEY = "a" * 16


def message(attempt: int) -> bytes:
    """Return the one message that there is, as it is pushed."""
    return struct.pack(">QH", 0, attempt) + KEY.encode() + b"7"


class Server:
    """A connection to a server that pushes one message again and again."""

    def __init__(self) -> None:
        self.attempt, self.told, self.gone = 0, list[tuple[int, bytes]](), False
        self.given_back = list[str]()

    def command(self, line: str, body: bytes | None = None) -> None:
        if self.gone:
            raise ConnectionError("gone")
        match line.split():
            case ["RDY", "1"]:
                self.attempt += 1
                self.told.append((2, message(self.attempt)))
            case ["REQ", key, "0"]:
                self.given_back.append(key)
            case ["FIN", key] if key != KEY:
                self.told.append((1, f"E_FIN_FAILED FIN {key} failed ID not in flight".encode()))

    def frame(self, seconds: float) -> tuple[int, bytes] | None:
        return self.told.pop(0) if self.told else None

    def answer(self) -> str:
        return self.told.pop(0)[1].decode()


@pytest.fixture
def topics() -> Any:
    topics: Any = load_factory(str(read_profile("nsq").target_for(Place(Path()))))()
    topics.connections, topics.lost = {"q": Server()}, False
    return topics


def test_a_redelivery_has_another_receipt_and_the_older_one_is_over(topics: Any) -> None:
    [first], [second] = topics.pop("q", 1, 2.0), topics.pop("q", 1, 2.0)
    assert (first["offset"], second["attempt"]) == (7, 2)
    assert [topics.ack(first["receipt"]), topics.ack(second["receipt"])] == ["EXPIRED", "OK"]
    assert [topics.ack(second["receipt"]), topics.ack("no receipt")] == ["SETTLED", "INVALID"]
    topics.connected = lambda _connect: Server()
    topics.open(Path())
    assert topics.ack(second["receipt"]) == "EXPIRED", "an ack may be lost with the server"


def test_what_is_forgotten_with_the_server_is_no_answer(topics: Any) -> None:
    [given] = topics.pop("q", 1, 2.0)
    topics.connections["q"].gone = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            topics.ack(given["receipt"])


def test_a_server_that_counts_from_the_beginning_again_gives_no_receipt_twice(topics: Any) -> None:
    [first] = topics.pop("q", 1, 2.0)
    topics.connections["q"] = Server()  # it was killed, and the message was read from its file again
    [second] = topics.pop("q", 1, 2.0)
    assert first["attempt"] == second["attempt"]
    assert first["receipt"] != second["receipt"]


def test_a_message_that_comes_again_before_its_ack_is_given_back_and_the_ack_is_too_late(topics: Any) -> None:
    [first] = topics.pop("q", 1, 2.0)
    topics.connections["q"].told.append((2, message(2)))
    assert topics.ack(first["receipt"]) == "EXPIRED"
    assert topics.connections["q"].given_back == [KEY]


def test_what_is_pushed_before_an_answer_is_kept() -> None:
    ours, servers = socket.socketpair()
    adapter: Any = sys.modules[type(load_factory(str(read_profile("nsq").target_for(Place(Path()))))()).__module__]
    connection = adapter.Connection.__new__(adapter.Connection)
    connection.socket, connection.incoming = ours, b""
    with ours, servers:
        servers.sendall(adapter.framed(2, message(1)) + adapter.framed(0, b"OK"))
        assert connection.answer() == "OK"
        assert connection.frame(1.0) == (2, message(1))
