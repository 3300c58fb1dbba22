"""A server that a target is connected to is seen, and named: over TCP, and over a Unix socket."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ackcheck.rig import peers
from ackcheck.rig.peers import connected

SERVE = """
import socket, sys
listening = socket.socket(socket.AF_UNIX if sys.argv[1:] else socket.AF_INET)
listening.bind(sys.argv[1] if sys.argv[1:] else ("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
accepted = listening.accept()
print(flush=True)
input()
"""


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_whom_a_process_is_connected_to_is_seen(family: socket.AddressFamily, tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")
    command = [sys.executable, "-c", SERVE, *([path] if family is socket.AF_UNIX else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline()
        with socket.socket(family) as client:
            client.connect(path if family is socket.AF_UNIX else ("127.0.0.1", int(port)))
            server.stdout.readline()
            [peer] = connected([os.getpid()])
            assert connected([server.pid]) == []  # who looks is no server elsewhere
        assert peer.startswith(f"process {server.pid} (")
        assert connected([os.getpid()]) == []
        server.kill()


def test_a_kernel_that_does_not_tell_of_unix_sockets_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SOCK_DIAG", 31)  # there is no such family
    assert connected([os.getpid()]) == []
