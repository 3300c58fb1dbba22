"""The adapter of RabbitMQ, without a server: what an ack is answered, and which copy of a message counts."""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ackcheck.brokers.place import PORT, SETTINGS, Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory


class ChannelClosed(Exception):
    """The server has closed the channel."""


class AMQPConnectionError(Exception):
    """The server is gone."""


class ConnectionClosedByBroker(AMQPConnectionError):
    """The server has closed the connection, and said so."""


class NackError(Exception):
    """The queue has refused a publish."""


class Server:
    """A queue of messages by their ids; what is got is on a channel until it is acked."""

    def __init__(self) -> None:
        self.ready: list[tuple[str, bytes]] = []
        self.gone, self.confirms, self.over, self.refuses, self.leads = False, True, False, 0, True
        self.declared: list[dict[str, str]] = []
        self.leaving: Exception | None = None

    def channel(self) -> "Channel":
        return Channel(self)

    def close(self) -> None:
        if self.leaving is not None:
            raise self.leaving

    def process_data_events(self, time_limit: float) -> None:
        assert time_limit == 0
        if self.gone:
            raise AMQPConnectionError


class Channel:
    """A channel of that server."""

    def __init__(self, server: Server) -> None:
        self.server, self.is_open, self.got = server, True, list[tuple[str, bytes]]()

    def basic_publish(self, exchange: str, queue: str, body: bytes, said: Any, *, mandatory: bool) -> None:
        assert (exchange, mandatory, said.delivery_mode) == ("", True, 2)
        if self.server.refuses:
            self.server.refuses -= 1
            raise NackError
        self.server.ready.append((said.message_id, body))
        if not self.server.confirms:
            raise RuntimeError("it was not confirmed")

    def confirm_delivery(self) -> None: ...

    def basic_get(self, queue: str) -> tuple[Any, Any, Any]:
        if not self.server.leads:
            raise ChannelClosed
        if not self.server.ready:
            return None, None, None
        self.got.append(self.server.ready.pop(0))
        key, body = self.got[-1]
        return SimpleNamespace(delivery_tag=len(self.got)), SimpleNamespace(message_id=key), body

    def basic_ack(self, tag: int) -> None:
        if not self.server.over:
            self.got[tag - 1] = ("", b"")

    def queue_declare(
        self, queue: str, *, passive: bool = False, durable: bool = False, arguments: dict[str, str] | None = None
    ) -> None:
        if not passive:
            assert durable
            self.server.declared.append(arguments or {})
            return
        if self.server.over:
            self.time_is_over()
            raise ChannelClosed

    def close(self) -> None:
        if self.is_open:
            self.time_is_over()

    def time_is_over(self) -> None:
        """The server closes it, and what was not acked comes back."""
        self.is_open, self.server.ready = False, [*filter(lambda one: one[1], self.got), *self.server.ready]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def settings() -> dict[str, str]:
    return {"queue": "classic"}


@pytest.fixture
def queues(server: Server, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    errors = SimpleNamespace(
        AMQPConnectionError=AMQPConnectionError,
        ChannelClosed=ChannelClosed,
        ConnectionClosedByBroker=ConnectionClosedByBroker,
        ChannelWrongStateError=ChannelClosed,
        NackError=NackError,
    )
    pika = SimpleNamespace(
        BasicProperties=SimpleNamespace,
        ConnectionParameters=lambda *_where, **_how: None,
        BlockingConnection=lambda _where: server,
        exceptions=errors,
    )
    monkeypatch.setitem(sys.modules, "pika", pika)
    monkeypatch.setenv(PORT, "1")
    monkeypatch.setenv(SETTINGS, json.dumps(settings))
    queues: Any = load_factory(str(read_profile("rabbitmq").target_for(Place(Path()))))()
    queues.open(Path())
    return queues


def test_an_ack_is_ok_once_and_what_is_not_acked_comes_back_with_its_channel(queues: Any, server: Server) -> None:
    queues.publish("q", 2)
    first, second = queues.pop("q", 64, 2.0)
    assert (first["offset"], second["offset"], second["attempt"]) == (0, 1, 1)
    assert [queues.ack(first["receipt"]), queues.ack(first["receipt"]), queues.ack("none")] == [
        "OK",
        "SETTLED",
        "INVALID",
    ]
    queues.held[second["receipt"]][0].time_is_over()
    assert queues.ack(second["receipt"]) == "EXPIRED"
    [again] = queues.pop("q", 64, 2.0)
    assert (again["offset"], again["attempt"], queues.ack(again["receipt"])) == (1, 2, "OK")
    queues.open(Path())
    assert queues.ack(first["receipt"]) == "EXPIRED", "an ack may be lost with the server"


def test_a_pop_gets_messages_for_two_seconds_only_as_its_channel_lives_for_five(
    queues: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues.publish("q", 9)
    clock = itertools.count(step=0.6)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    assert [one["offset"] for one in queues.pop("q", 9, 2.0)] == [0, 1, 2]


def test_an_ack_that_meets_the_end_of_its_channel_is_unknown(queues: Any, server: Server) -> None:
    queues.publish("q", 1)
    [given] = queues.pop("q", 1, 2.0)
    server.over = True
    assert queues.ack(given["receipt"]) == "UNKNOWN"


def test_of_a_message_that_was_published_twice_the_confirmed_one_counts(queues: Any, server: Server) -> None:
    server.confirms = False
    with pytest.raises(RuntimeError):
        queues.publish("q", 1)
    assert queues.pop("q", 64, 2.0) == []  # it is there, and nobody has said so
    server.confirms = True
    queues.publish("q", 1)
    server.ready.append(("1", b"0"))
    [given] = queues.pop("q", 64, 2.0)
    assert (given["offset"], server.ready) == (0, [])


def test_what_was_refused_is_published_again(queues: Any, server: Server) -> None:
    server.refuses = 2
    queues.publish("q", 2)
    assert [one["offset"] for one in queues.pop("q", 64, 2.0)] == [0, 1]


@pytest.mark.parametrize("settings", [{"queue": "quorum", "rest": "7"}])
def test_a_new_quorum_queue_rests_once_and_is_open_once_its_leader_answers(
    queues: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    queues.publish("q", 1)
    queues.publish("q", 2)
    assert (slept, server.declared) == ([7.0], [{"x-queue-type": "quorum"}] * 2)
    queues.open(Path())  # what was got for that is given back
    assert [one["offset"] for one in queues.pop("q", 64, 2.0)] == [0, 1]
    server.leads = False
    with pytest.raises(ChannelClosed):
        queues.open(Path())


def test_a_close_that_meets_the_end_of_a_channel_is_a_close(queues: Any, server: Server) -> None:
    server.leaving = ConnectionClosedByBroker(503, "COMMAND_INVALID - unimplemented method")
    assert queues.close() == "UNKNOWN"
    queues.open(Path())
    server.leaving = AMQPConnectionError()  # it is gone, and has not said so
    with pytest.raises(AMQPConnectionError):
        queues.close()


@pytest.mark.parametrize("ask", [lambda it: it.pop("q", 1, 2.0), lambda it: it.ack("q|0|1"), lambda it: it.close()])
def test_nothing_is_asked_of_the_next_server_before_it_was_opened(
    queues: Any, server: Server, ask: Callable[[Any], object]
) -> None:
    server.gone = True
    with pytest.raises(AMQPConnectionError):
        queues.ack("q|0|1")
    server.gone = False
    with pytest.raises(ConnectionError):
        ask(queues)
