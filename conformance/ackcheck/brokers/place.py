"""Where a broker's server listens: a folder for its socket, and a port that is free, which its adapter is told of.

>>> with placed({"appendfsync": "no"}) as place:
...     place.run.is_dir(), os.environ[SOCKET] == f"{place.run}/socket", os.environ[SETTINGS]
(True, True, '{"appendfsync": "no"}')
>>> SOCKET in os.environ
False
"""

from __future__ import annotations

import contextlib
import itertools
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

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to clients (`ip_local_port_range`)."""


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
    """Return a port of the loopback that nobody listens on: in a network of the server's own any would do.

    It is none that a client's end of a connection is given: a client that tries to connect to such a port before the
    server listens may be given that very port, is then connected to itself, and the server finds its port in use.
    """
    first = PORTS[os.getpid() % len(PORTS) :]
    for port in itertools.chain(first, PORTS):
        if _is_free(port):
            return port
    raise OSError(f"no port from {PORTS[0]} to {PORTS[-1]} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as any_socket:
        try:
            any_socket.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
