"""`ackcheck explore --serve`: for this machine only, and for settings that there are."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from click.testing import CliRunner

from ackcheck.cli._serve import page_for, server_for
from ackcheck.cli.explore import explore
from ackmodel import Config


@pytest.fixture
def address() -> Iterator[str]:
    server = server_for(Config(), "ackcheck explore --serve", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_is_served_to_this_machine_and_to_nobody_who_calls_it_otherwise(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/?sync_failures=1", timeout=60) as answer:
        assert "Walk through the model" in answer.read().decode()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    asked = urllib.request.Request(f"http://{address}/", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(asked, timeout=60)
    refused.value.close()


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/other", HTTPStatus.NOT_FOUND, "one page"),
        ("/?messages=0", HTTPStatus.BAD_REQUEST, "messages"),
        ("/?messages=-1", HTTPStatus.BAD_REQUEST, "write a number from 0 to 3"),
        ("/?rain=1", HTTPStatus.BAD_REQUEST, "no setting 'rain'"),
        ("/?without=nope", HTTPStatus.BAD_REQUEST, "no rule 'nope'"),
        ("/?without=", HTTPStatus.OK, "Walk through"),
    ],
)
def test_what_is_asked_for_in_the_address_is_checked(path: str, status: HTTPStatus, why: str) -> None:
    got, _kind, text = page_for(path, Config(), "a test")
    assert got is status
    assert why in text


def test_a_model_too_large_for_a_page_is_told_only_what_helps_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.cli._serve.MOST_STATES", 100)
    got, _kind, text = page_for("/?messages=2", Config(), "a test")
    assert got is HTTPStatus.BAD_REQUEST
    assert "more than 100 states at depth" in text
    assert text.endswith(": go back, and ask for fewer messages or faults")


def test_a_port_that_is_taken_is_exit_code_2(address: str) -> None:
    result = CliRunner().invoke(explore, ["--serve", "--port", address.rpartition(":")[2]])
    assert result.exit_code == 2
    assert "name another" in result.stderr
