"""Where a broker's server listens: a folder for its socket, and a port that is free, which its adapter is told of.

>>> with placed({"appendfsync": "no"}) as place:
...     place.run.is_dir(), os.environ[SOCKET] == f"{place.run}/socket", os.environ[SETTINGS]
(True, True, '{"appendfsync": "no"}')
>>> SOCKET in os.environ
False
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

SOCKET, PORT, SETTINGS = "ACKCHECK_BROKER_SOCKET", "ACKCHECK_BROKER_PORT", "ACKCHECK_BROKER_SETTINGS"
"""The environment variables in which an adapter finds where its server listens, and with which settings (JSON) it
runs."""


@frozen
class Place:
    """Where a server runs: a folder for its socket, and a port that is free."""

    run: Path
    port: int = 0


@contextlib.contextmanager
def placed(settings: Mapping[str, str]) -> Iterator[Place]:
    """Give a place for the server to listen at, beside its directory: a socket is nothing that it keeps."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-run-") as folder:
        place = Place(Path(folder), _free_port())
        told = {SOCKET: f"{folder}/socket", PORT: str(place.port), SETTINGS: json.dumps(dict(settings))}
        before = {name: os.environ.get(name) for name in told}
        os.environ.update(told)
        try:
            yield place
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _free_port() -> int:
    """Return a port of the loopback that nobody listens on: in a network of the server's own any would do."""
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return int(any_socket.getsockname()[1])
