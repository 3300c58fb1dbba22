"""Redis with `appendfsync everysec` loses an answered write to SIGKILL while a sync is under way: shown by Redis alone.

    python stalled_sync.py [everysec|always|no] [SECONDS]

It needs redis-server and a C compiler, no root, and nothing of ackcheck. Every fdatasync of the server takes SECONDS
(3) by a library of four lines that is loaded before the C library. Values are set for as long as that, one at a time;
then the server is killed, started again without the library, and asked how many of them it has.

>>> encoded("SET", "a", "1")
b'*3\\r\\n$3\\r\\nSET\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n'
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) { usleep(%d); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


def encoded(*words: str) -> bytes:
    """Return a command as Redis reads it."""
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{parts}".encode()


class Server:
    """A Redis server on a folder, and a connection to it."""

    def __init__(self, folder: Path, appendfsync: str, preload: str = "") -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", f"{folder}/socket", "--dir", str(folder)]
        command += ["--appendonly", "yes", "--save", "", "--appendfsync", appendfsync]
        environment = {**os.environ, **({"LD_PRELOAD": preload} if preload else {})}
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        self.socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + 20
        while True:
            try:
                self.socket.connect(f"{folder}/socket")
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        while self.ask("PING") != b"+PONG":
            time.sleep(0.05)

    def ask(self, *words: str) -> bytes:
        """Return the first line of an answer."""
        self.socket.sendall(encoded(*words))
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self.socket.recv(1 << 16)
        return answer.split(b"\r\n")[0]

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()
        self.process.wait()
        self.socket.close()


def lost(appendfsync: str, seconds: float) -> tuple[int, int]:
    """Return how many writes were answered OK before the kill, and how many of them are gone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slow.c").write_text(SLOW % int(seconds * 1e6))
        library = f"{folder}/slow.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, f"{folder}/slow.c", "-ldl"], check=True)
        server = Server(folder, appendfsync, library)
        answered, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            if server.ask("SET", f"key-{answered}", "1") != b"+OK":
                break
            answered += 1
            time.sleep(0.01)
        server.kill()
        (folder / "socket").unlink(missing_ok=True)
        server = Server(folder, appendfsync)
        kept = int(server.ask("DBSIZE")[1:])
        server.kill()
        return answered, answered - kept


def main() -> int:
    """Print what was lost; exit with 1 where something was."""
    appendfsync = sys.argv[1] if len(sys.argv) > 1 else "everysec"
    answered, gone = lost(appendfsync, float(sys.argv[2]) if len(sys.argv) > 2 else 3.0)
    print(f"appendfsync {appendfsync}: {answered} writes were answered OK, {gone} of them are gone after a SIGKILL")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
