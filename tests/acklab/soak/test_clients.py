"""What the clients of a soak tell the oracle, and when."""

import threading
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from acklab.soak.clients import LONG_QUEUES, SHORT_QUEUES, Client, Clock, Common, Held
from ackstore import Reply


@pytest.mark.parametrize(
    ("queue", "reply", "waits"),
    [(SHORT_QUEUES[0], "SETTLED", True), (SHORT_QUEUES[0], "OK", False), (LONG_QUEUES[0], "SETTLED", False)],
)
def test_settled_in_a_short_queue_is_told_after_the_pop_that_is_under_way(queue: str, reply: str, waits: bool) -> None:
    answered = threading.Event()
    told: list[str] = []

    def ack(_receipt: str, _durable: object) -> Reply:
        answered.set()
        return Reply(reply)

    oracle = SimpleNamespace(ack_asked=lambda *_: None, ack_answered=lambda *_: told.append("the answer"))
    common = Common(cast("Any", oracle), Clock(), lambda _: None)
    common.store = cast("Any", SimpleNamespace(ack=ack))
    client = Client(0, common, Random(1))
    settle = threading.Thread(target=client._settle, args=([Held(queue, 3, "a receipt")],), kwargs={"one": True})
    with common.turns_at([queue]):  # a pop
        settle.start()
        assert answered.wait(60.0)
        settle.join(0.2 if waits else 60.0)
        told.append("the pop")
    settle.join(60.0)
    assert told == (["the pop", "the answer"] if waits else ["the answer", "the pop"])
