"""beanstalkd -f 50 never syncs what was written last before it is idle: shown by beanstalkd alone.

    python idle_tail.py [-f0|-f50|-F] [SECONDS]

It needs beanstalkd, mkfs.ext4, root and a loop device, and nothing of ackcheck. Three jobs are put, and later deleted,
each answered DELETED; then nothing is asked for SECONDS (5); then the file system is cut off as by a power loss
(EXT4_IOC_SHUTDOWN without a flush), mounted again, and beanstalkd is started on what is there. The jobs that it has
then come back, though their delete was answered long before. (With -F the puts are gone too, so nothing comes back.)

>>> EXT4_IOC_SHUTDOWN == 0x80000000 | 4 << 16 | ord("X") << 8 | 125
True
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
JOBS = 3


class Server:
    """A beanstalkd on a folder, and a connection to it."""

    def __init__(self, folder: Path, address: str, how: str) -> None:
        self.process = subprocess.Popen(["beanstalkd", "-l", f"unix:{address}", "-b", str(folder), how])
        self.socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + 20
        while True:
            try:
                self.socket.connect(address)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def ask(self, *lines: str, answers: int = 1) -> str:
        """Return the answers to some commands, of which each has one line, or begins with one."""
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())
        told = ""
        while told.count("\r\n") < answers:
            told += self.socket.recv(1 << 16).decode()
        return told

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.socket.close()


def come_back(how: str, seconds: float) -> int:
    """Return how many jobs come back after the power was lost that had been deleted so many seconds before."""
    with tempfile.TemporaryDirectory() as name:
        image, mounted, address = Path(name) / "image", Path(name) / "mounted", f"{name}/socket"
        mounted.mkdir()
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        mount = ["mount", "-o", "loop,commit=3600", str(image), str(mounted)]
        subprocess.run(mount, check=True)
        try:
            server = Server(mounted, address, how)
            for number in range(JOBS):
                server.ask("put 0 0 60 1", str(number))
            time.sleep(0.5)
            # In one go: a put, which syncs what came before it, and within the 50 ms after that sync the deletes.
            told = server.ask(
                "put 0 0 60 1", "x", *(f"delete {number}" for number in range(1, JOBS + 1)), answers=JOBS + 1
            )
            assert told.count("DELETED") == JOBS, told
            time.sleep(seconds)
            descriptor = os.open(mounted, os.O_RDONLY)
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
            os.close(descriptor)
            server.kill()
            subprocess.run(["umount", str(mounted)], check=True)
            subprocess.run(mount, check=True)
            server = Server(mounted, address, how)
            there = [server.ask(f"peek {number}").startswith("FOUND") for number in range(1, JOBS + 1)]
            server.kill()
            return sum(there)
        finally:
            subprocess.run(["umount", str(mounted)], check=False)


def main() -> int:
    """Print what came back; exit with 1 where something did."""
    how = sys.argv[1] if len(sys.argv) > 1 else "-f50"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    back = come_back(how, seconds)
    print(
        f"beanstalkd {how}: {JOBS} deletes were answered, {seconds:g} s of nothing, power loss: {back} jobs came back"
    )
    return 1 if back else 0


if __name__ == "__main__":
    sys.exit(main())
