"""The adapter of a queue in PostgreSQL, without a server."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ackcheck.brokers.place import SOCKET, Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory


class Lost(Exception):
    """What the client raises when the server is gone."""


class Client:
    """A connection that has two messages, until it is lost."""

    def __init__(self) -> None:
        self.left, self.lost, self.asked = 2, False, 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def execute(self, statement: str, values: object = None) -> Any:
        self.asked += 1
        if self.lost:
            raise Lost
        deleted = statement.startswith("DELETE") and self.left > 0
        self.left -= deleted
        return SimpleNamespace(rowcount=int(deleted), fetchall=lambda: [(7, 1)])


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setenv(SOCKET, "here")
    stub = SimpleNamespace(connect=lambda **_: client, OperationalError=Lost)
    monkeypatch.setitem(__import__("sys").modules, "psycopg", stub)
    return client


@pytest.fixture
def table(client: Client) -> Any:
    table: Any = load_factory(str(read_profile("postgresql").target_for(Place(Path()))))()
    table.open(Path())
    return table


def test_what_was_deleted_is_settled(table: Any) -> None:
    [given] = table.pop("q", 1, 2.0)
    assert (given["receipt"], given["offset"], given["attempt"]) == ("q|7", 7, 1)
    assert [table.ack("q|7"), table.ack("q|8"), table.ack("q|7"), table.ack("none")] == [
        "OK",
        "OK",
        "SETTLED",
        "INVALID",
    ]


def test_nothing_is_asked_of_the_next_server_before_it_was_opened(table: Any, client: Client) -> None:
    client.lost = True
    with pytest.raises(Lost):
        table.pop("q", 1, 2.0)
    client.lost, before = False, client.asked
    with pytest.raises(ConnectionError):
        table.pop("q", 1, 2.0)
    assert client.asked == before
    table.open(Path())
    assert table.pop("q", 1, 2.0)
