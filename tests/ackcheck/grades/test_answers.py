"""What a target may answer, and that everything else is named."""

from typing import Any

import pytest

from ackcheck.grades.answers import (
    Offered,
    Shown,
    deliveries_of,
    offered_by,
    offsets_of,
    refusal_of,
    replies_of,
    reply_of,
    shown_by,
)
from ackcheck.promises import promises_of
from ackcheck.rig import ProtocolError
from ackcheck.rig.wire import decode_reply
from ackcheck.target import REPLIES
from ackmodel.observe.events import Reply
from ackmodel.observe.monitors import Sighting

DELIVERY = {"receipt": "r", "offset": 3, "attempt": 1, "deadline": 7}


def test_every_reply_of_the_protocol_is_known() -> None:
    assert {reply_of(name, "ack").value for name in REPLIES} == {reply.value for reply in Reply}


@pytest.mark.parametrize("result", ["ok", None, 1, ["OK"], {"OK": 1}])
def test_another_reply_is_named(result: Any) -> None:
    with pytest.raises(ProtocolError, match="'flush' was answered"):
        reply_of(result, "flush")


def test_a_batch_is_answered_item_by_item() -> None:
    assert replies_of(["OK", "BUSY"]) == [Reply.OK, Reply.BUSY]
    with pytest.raises(ProtocolError, match="one reply for each receipt"):
        replies_of("OK")


def test_deliveries() -> None:
    assert deliveries_of([DELIVERY]) == [DELIVERY]
    assert deliveries_of([]) == []


@pytest.mark.parametrize(
    "result",
    [
        None,
        DELIVERY,
        ["r"],
        [{**DELIVERY, "offset": -1}],
        [{**DELIVERY, "offset": 10**30}],
        [{**DELIVERY, "offset": "3"}],
        [{**DELIVERY, "receipt": 7}],
        [{key: DELIVERY[key] for key in ("receipt", "offset", "attempt")}],
    ],
)
def test_what_is_no_delivery_is_named(result: Any) -> None:
    with pytest.raises(ProtocolError, match="'pop' was answered"):
        deliveries_of(result)


def test_a_target_shows_what_it_likes() -> None:
    assert shown_by({}) == Shown()
    assert not shown_by({"uptime": 3}).anything
    shown = shown_by(
        {
            "queues": {"q": {"committed": 3, "persisted": 2, "end": 9}},
            "outstanding": {"acks": 1},
        }
    )
    assert shown == Shown({"q": Sighting(3, 2)}, {"acks": 1.0})
    assert shown.anything


@pytest.mark.parametrize(
    "result",
    [
        [],
        {"queues": []},
        {"queues": {"q": 3}},
        {"queues": {"q": {"committed": 3}}},
        {"queues": None},
        {"queues": {"q": {"committed": -1, "persisted": 0}}},
        {"queues": {"q": {"committed": float("inf"), "persisted": 0}}},
        {"queues": {"q": {"committed": "3", "persisted": 0}}},
        {"outstanding": {"acks": "many"}},
        {"outstanding": {"acks": float("nan")}},
        {"space": float("inf")},
        {"space": -1},
        {"space": "1 MiB"},
    ],
)
def test_what_is_shown_must_be_in_order(result: Any) -> None:
    with pytest.raises(ProtocolError, match="'stats' was answered"):
        shown_by(result)


def test_names_and_errors_that_no_file_can_hold_are_told_all_the_same() -> None:
    assert shown_by({"outstanding": {"acks\ud800\x1b": 1}}).outstanding == {"acks\ufffd\ufffd": 1.0}
    told = decode_reply(rb'{"id": 1, "error": {"type": "OSError", "message": "no file \udcff\u0000"}}').error
    assert told == ("OSError", "no file \ufffd\ufffd")


def test_a_long_answer_is_cut() -> None:
    with pytest.raises(ProtocolError) as caught:
        reply_of("x" * 10_000, "ack")
    assert len(str(caught.value)) < 400


def test_a_target_offers_what_it_likes() -> None:
    assert offered_by(None) == Offered()
    assert offered_by({}) == offered_by({"offers": []}) == Offered()
    assert offered_by({"promises": {"grace": 6}}) == Offered(promises=promises_of({"grace": 6}))
    assert offered_by({"offers": ["renew", "fly"], "version": 2}) == Offered(frozenset({"renew"}))
    assert offered_by({"offers": ["dead"], "max_attempts": 3}) == Offered(frozenset({"dead"}), 3)


def test_dead_letters_are_judged_where_there_can_be_some() -> None:
    both = frozenset({"dead", "renew"})
    assert Offered(both).judged == {"renew"}
    assert Offered(both, 3).judged == both


@pytest.mark.parametrize(
    "result",
    [
        "OK",
        [],
        {"offers": "renew"},
        {"offers": None},
        {"offers": [1]},
        {"offers": [], "max_attempts": 0},
        {"offers": [], "max_attempts": True},
        {"offers": [], "max_attempts": "3"},
    ],
)
def test_another_offer_is_named(result: Any) -> None:
    with pytest.raises(ProtocolError, match=r"'open' was answered .*; answer null, or an object that may have offers"):
        offered_by(result)


def test_a_pop_may_be_refused_but_not_ok() -> None:
    assert refusal_of("BUSY") is Reply.BUSY
    for result in ("OK", "SETTLED"):
        with pytest.raises(ProtocolError, match="answer a list of deliveries, or one of BUSY, FAILED, UNKNOWN"):
            refusal_of(result)


def test_dead_letters_are_offsets() -> None:
    assert offsets_of([3, 0, 3]) == {0, 3}
    for result in (None, "3", [-1], ["3"], [True], {"3": 1}):
        with pytest.raises(ProtocolError, match="'dead' was answered"):
            offsets_of(result)
