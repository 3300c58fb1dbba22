"""The adapters of the two queues in PostgreSQL, without a server."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ackcheck.brokers.place import SETTINGS, SOCKET, Place
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


class Session:
    """A session that deletes one message after another in transactions; the server ends it when its time is over."""

    def __init__(self, left: list[int]) -> None:
        self.left, self.over = left, False
        self.taken: int | None = None

    def execute(self, statement: str, values: object) -> Any:
        self.taken = self.left.pop(0) if self.left else None
        return SimpleNamespace(fetchone=lambda: None if self.taken is None else (self.taken,))

    def rollback(self) -> None:
        self.close()
        if self.over:
            raise Lost

    def commit(self) -> None:
        if self.over:
            self.close()
            raise Lost
        self.taken = None

    def close(self) -> None:
        if self.taken is not None:
            self.left.insert(0, self.taken)
            self.taken = None


@pytest.fixture
def deleted(client: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(SETTINGS, '{"queue": "deleted"}')
    deleted: Any = load_factory(str(read_profile("postgresql").target_for(Place(Path()))))()
    deleted.open(Path())
    deleted.psycopg.Error, left = Lost, [0, 1]
    monkeypatch.setattr(deleted, "_session", lambda _seconds: Session(left))
    return deleted


def test_a_delivery_is_a_transaction_and_an_ack_its_commit(deleted: Any) -> None:
    first, second = deleted.pop("q", 64, 10.0)
    assert (first["offset"], second["offset"], second["attempt"]) == (0, 1, 1)
    assert deleted.pop("q", 64, 10.0) == []
    assert [deleted.ack(first["receipt"]), deleted.ack(first["receipt"]), deleted.ack("q|0")] == [
        "OK",
        "SETTLED",
        "INVALID",
    ]
    deleted.held[second["receipt"]][0].over = True
    assert deleted.ack(second["receipt"]) == "EXPIRED"
    [again] = deleted.pop("q", 64, 10.0)
    assert (again["offset"], again["attempt"], deleted.ack(again["receipt"])) == (1, 2, "OK")


def test_what_was_settled_is_forgotten_with_the_server(deleted: Any) -> None:
    """A commit that is answered early may be lost: the message is handed out again, and the old receipt is not its."""
    [first] = deleted.pop("q", 1, 10.0)
    assert [deleted.ack(first["receipt"]), deleted.ack(first["receipt"])] == ["OK", "SETTLED"]
    deleted.open(Path())
    assert deleted.ack(first["receipt"]) == "EXPIRED"


def test_a_delivery_whose_time_is_over_is_taken_back_and_its_session_serves_again(deleted: Any) -> None:
    first, second = deleted.pop("q", 64, 0.0)
    sessions = [deleted.held[one["receipt"]][0] for one in (first, second)]
    sessions[1].over = True  # the server was quicker
    assert deleted.ack(first["receipt"]) == "EXPIRED"
    again = deleted.pop("q", 64, 10.0)
    assert sorted(one["offset"] for one in again) == [0, 1]
    assert [deleted.held[one["receipt"]][0] for one in again].count(sessions[0]) == 1
    assert deleted.ack(second["receipt"]) == "EXPIRED"


def test_an_ack_that_is_lost_with_the_server_is_no_answer_nor_is_one_after_it(deleted: Any, client: Client) -> None:
    first, _ = deleted.pop("q", 64, 10.0)
    deleted.held[first["receipt"]][0].over = client.lost = True
    with pytest.raises(Lost):
        deleted.ack(first["receipt"])
    with pytest.raises(ConnectionError):
        deleted.ack(first["receipt"])
