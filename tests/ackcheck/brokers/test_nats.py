"""The adapter of NATS JetStream, against the real server, which starts in a moment."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackcheck.brokers.place import placed
from ackcheck.brokers.profile import read_profile
from ackcheck.rig import Child, TargetError

NATS = read_profile("nats")

pytestmark = pytest.mark.skipif(bool(NATS.missing()), reason=f"needs {', '.join(NATS.missing())}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Child]]:
    """The server, and the adapter that has been asked to open."""
    with placed({}) as place:
        command = [word.replace("{dir}", str(tmp_path)) for word in NATS.server_for({"config": "always"}, place)]
        target = NATS.target_for(place)
        assert not isinstance(target, str)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                with Child(list(target), reply_timeout=60.0, environment=dict(os.environ)) as adapter:
                    adapter.call("open", directory="")
                    yield process, adapter
            finally:
                process.kill()


def test_what_is_published_is_handed_out_and_settled_once(server: tuple[subprocess.Popen[bytes], Child]) -> None:
    _, adapter = server
    adapter.call("publish", queue="orders/billing/0", end=2)
    adapter.call("publish", queue="orders/billing/0", end=3)  # what is there is not put again
    given = adapter.call("pop", queue="orders/billing/0", count=64, invisible=2.0)
    assert [(one["offset"], one["attempt"]) for one in given] == [(0, 1), (1, 1), (2, 1)]
    receipts = [one["receipt"] for one in given]
    assert adapter.call("ack", receipt=receipts[0]) == "OK"
    assert adapter.call("ack_many", receipts=[*receipts[1:], "no receipt"]) == ["OK", "OK", "INVALID"]
    assert adapter.call("pop", queue="orders/billing/0", count=64, invisible=2.0) == []
    assert [adapter.call(op) for op in ("flush", "close")] == ["UNKNOWN", "UNKNOWN"]


def test_a_server_that_is_lost_answers_nothing(server: tuple[subprocess.Popen[bytes], Child]) -> None:
    process, adapter = server
    adapter.call("publish", queue="orders/billing/0", end=1)
    [given] = adapter.call("pop", queue="orders/billing/0", count=1, invisible=2.0)
    process.kill()
    process.wait()
    with pytest.raises(TargetError):
        adapter.call("ack", receipt=given["receipt"])
