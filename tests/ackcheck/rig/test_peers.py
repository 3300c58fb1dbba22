"""A server that a target is connected to is seen, and named."""

import os
import socket
import subprocess
import sys

from ackcheck.rig.peers import connected


def test_whom_a_process_is_connected_to_is_seen() -> None:
    serve = (
        "import os, socket\nlistening = socket.create_server(('127.0.0.1', 0))\n"
        "print(listening.getsockname()[1], flush=True)\naccepted = listening.accept()\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))):
            server.stdout.readline()
            [peer] = connected([os.getpid()])
        assert peer.startswith(f"process {server.pid} (")
        server.kill()
