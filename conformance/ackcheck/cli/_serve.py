"""`ackcheck explore --serve`: the page to walk in, for any settings that are asked for, on this machine only.

>>> settings = asked_for("/?messages=1&sync_failures=1&without=rewrite-after-failure", Config())
>>> settings.sync_failures, sorted(settings.without)
(1, ['rewrite-after-failure'])
>>> asked_for("/?messages=lots", Config())
Traceback (most recent call last):
...
ackcheck.cli._serve.BadQuery: messages is 'lots': write a number from 0 to 3
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import evolve

from ackexplore import Options, TooManyStates, explore
from ackexplore.reports.walk import MOST_STATES, walk_page
from ackmodel import RULES, BadConfig, Config, UnknownRule

LOOPBACK = "127.0.0.1"
NUMBERS = ("messages", "deliveries", "process_crashes", "power_losses", "sync_failures", "sync_timeouts")
"""The settings that the page offers."""
MOST = 3


class BadQuery(ValueError):
    """The address asks for settings that there are not; the message says what to write."""


def asked_for(address: str, config: Config) -> Config:
    """Return the configuration that an address asks for; what it does not name is as in `config`."""
    told = {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}
    unknown = sorted(set(told) - {*NUMBERS, "without"})
    if unknown:
        raise BadQuery(f"no setting {unknown[0]!r:.40}: there are {', '.join(NUMBERS)} and without")
    numbers = {name: _number(name, told[name]) for name in NUMBERS if name in told}
    try:
        changed: dict[str, Any] = dict(numbers)
        if "without" in told:
            changed["rules"] = frozenset({told["without"]} - {""})
        return evolve(config, **changed)
    except (BadConfig, UnknownRule) as error:
        raise BadQuery(str(error)) from error


def _number(name: str, text: str) -> int:
    if not text.isdigit() or len(text) > 1 or int(text) > MOST:
        raise BadQuery(f"{name} is {text!r:.40}: write a number from 0 to {MOST}")
    return int(text)


def page_for(address: str, config: Config, command: str) -> tuple[HTTPStatus, str, str]:
    """Return the status, the kind and the text of the answer to a request."""
    if urlsplit(address).path != "/":
        return HTTPStatus.NOT_FOUND, "text/plain", "there is one page: /"
    try:
        chosen = asked_for(address, config)
        result = explore(chosen, Options(engine="graph", max_states=MOST_STATES))
        served = {"numbers": {name: getattr(chosen, name) for name in NUMBERS}, "rules": list(RULES)}
        return HTTPStatus.OK, "text/html", walk_page(result, command, served)
    except (BadQuery, BadConfig) as error:
        return HTTPStatus.BAD_REQUEST, "text/plain", str(error)
    except TooManyStates as error:
        return HTTPStatus.BAD_REQUEST, "text/plain", f"{error.fact}: go back, and ask for fewer messages or faults"


def server_for(config: Config, command: str, port: int) -> ThreadingHTTPServer:
    """Return a server on the loopback address; it answers only who asks for it by that name."""

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0]
            if host not in (LOOPBACK, "localhost"):  # another site's name that leads here
                status, kind, text = HTTPStatus.FORBIDDEN, "text/plain", f"ask for it as {LOOPBACK}"
            else:
                status, kind, text = page_for(self.path, config, command)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                "form-action 'self'",
            )
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal is for people."""

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    return server
