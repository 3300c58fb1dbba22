"""Neither right nor wrong, as far as can be seen, at every level: all is in the memory of a server that the suite did
not start, and that no kill reaches. It is not judged.

`python elsewhere.py` is the server: it prints its port, and serves until its input ends. The target, its client, is
`tests/textbook/elsewhere.py:Elsewhere`, with the port in `TEXTBOOK_PORT`.
"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from ackcheck.rig.serve import load_factory

HERE = Path(__file__).parent
OPERATIONS = ("publish", "pop", "ack", "ack_many", "flush")


class Elsewhere:
    """Neither right nor wrong at every level: a client, which keeps nothing itself; its server is not judged."""

    promises = {"publish": "republished"}  # noqa: RUF012 - as a target would write it

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def open(self, directory: Path) -> None:
        self.server = ServerProxy(f"http://127.0.0.1:{os.environ['TEXTBOOK_PORT']}", allow_none=True)

    def call(self, operation: str, *arguments: Any) -> Any:
        with self.lock:  # a proxy is one connection
            return getattr(self.server, operation)(*arguments)

    def publish(self, queue: str, end: int) -> None:
        self.call("publish", queue, end)

    def pop(self, queue: str, count: int, invisible: float) -> Any:
        return self.call("pop", queue, count, invisible)

    def ack(self, receipt: str) -> Any:
        return self.call("ack", receipt)

    def ack_many(self, receipts: Sequence[str]) -> Any:
        return self.call("ack_many", list(receipts))

    def flush(self) -> Any:
        return self.call("flush")

    def stats(self) -> dict[str, object]:
        return {}

    def close(self) -> str:
        return "OK"


class KeepsAlive(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"


class Threads(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


def main() -> None:
    """Serve a store that writes nothing until the input ends."""
    store = load_factory(f"{HERE / 'files.py'}:AppendLog")()
    store.write = lambda _records: None
    server = Threads(("127.0.0.1", 0), KeepsAlive, logRequests=False, allow_none=True)
    for operation in OPERATIONS:
        server.register_function(getattr(store, operation), operation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
