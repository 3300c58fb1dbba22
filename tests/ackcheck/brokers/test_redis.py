"""The adapter of Redis Streams, without a server."""

from pathlib import Path
from typing import Any

import pytest

from ackcheck.brokers.place import Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory


class Lost:
    """A client whose server is killed at the first call, and is there again at the next."""

    def __init__(self) -> None:
        self.calls = 0

    def eval(self, *asked: object) -> list[object]:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("killed")
        return []

    def config_get(self, name: str) -> dict[str, str]:
        return {name: "everysec"}


def adapter(client: Lost) -> Any:
    streams: Any = load_factory(str(read_profile("redis").target_for(Place(Path()))))()
    streams.redis, streams.gone, streams.lost = client, ConnectionError, False
    return streams


def test_nothing_is_asked_of_the_next_server_before_it_was_opened() -> None:
    client = Lost()
    streams = adapter(client)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            streams.pop("q", 1, 0.5)
    assert client.calls == 1


def test_a_close_is_ok_only_where_everything_is_synced() -> None:
    assert adapter(Lost()).close() == "UNKNOWN"
