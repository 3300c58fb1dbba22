"""The adapter of NSQ, without a server: a delivery has a receipt of its own, and FIN is known to be done."""

import struct
from pathlib import Path
from typing import Any

import pytest

from ackcheck.brokers.place import Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory

KEY = "a" * 16


class Server:
    """A connection to a server that pushes one message again and again."""

    def __init__(self) -> None:
        self.attempt, self.told, self.gone = 0, list[tuple[int, bytes]](), False

    def command(self, line: str, body: bytes | None = None) -> None:
        if self.gone:
            raise ConnectionError("gone")
        match line.split():
            case ["RDY", "1"]:
                self.attempt += 1
                self.told.append((2, struct.pack(">QH", 0, self.attempt) + KEY.encode() + b"7"))
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


def test_what_is_forgotten_with_the_server_is_no_answer(topics: Any) -> None:
    [given] = topics.pop("q", 1, 2.0)
    topics.connections["q"].gone = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            topics.ack(given["receipt"])
