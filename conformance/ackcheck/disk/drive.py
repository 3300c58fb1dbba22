"""A running disk: its server, its loop device, and what may be asked of it while it runs.

>>> from ackcheck.disk.available import missing
>>> if missing() is None:
...     with Drive(1 << 20) as drive:
...         descriptor = os.open(drive.device, os.O_WRONLY)
...         lying = drive.arm(Fault(on="flush", do="lie"))
...         _ = os.write(descriptor, b"x" * 4096); os.fsync(descriptor); os.close(descriptor)
...         assert drive.hits(lying) == 1 and drive.counts()["unflushed"] == 1
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from ackcheck.disk import fuse
from ackcheck.disk.blocks import Choice
from ackcheck.disk.errors import BadFault, DiskFailed
from ackcheck.disk.faults import Fault
from ackcheck.disk.loop import Loop
from ackcheck.rig import namespace

MOST_BYTES: Final = 16 << 30
SECONDS: Final = 60.0
"""After which a server that does not answer is given up: it never waits for anything itself."""

KERNEL_SECONDS: Final = 180.0
"""In which the kernel mounts, unmounts or syncs what is on a disk, however busy the machine is."""


class Drive:
    """A block device of `size` bytes. Use as a context manager; leaving it ends its process and frees the device.

    Any thread may ask it something. Raises `RigUnavailable` where there can be none, `DiskFailed` where it broke.
    """

    def __init__(self, size: int) -> None:
        if not 0 < size <= MOST_BYTES or size % 4096:
            raise BadFault(f"a disk of {size} bytes; write a multiple of 4096, at most {MOST_BYTES}")
        self.size = size
        self._undo = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._incoming = b""
        self._given_up = ""

    @property
    def device(self) -> Path:
        """The block device."""
        return self._loop.path

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            namespace.enter()
            ends = fuse.mount()
            try:
                self._start(ends.device, undo)
                undo.callback(os.close, ends.tree)
            finally:
                os.close(ends.device)
            with self.bounded("starting its server"):
                try:
                    file = os.open(fuse.FILE, os.O_RDWR | os.O_CLOEXEC, dir_fd=ends.tree)
                except OSError as error:
                    raise DiskFailed(f"the disk's server did not start: {error}; its output says why") from error
                try:
                    self._loop = Loop(file)
                finally:
                    os.close(file)
            undo.callback(self._loop.close)
            self._undo = undo.pop_all()
        return self

    def _start(self, device: int, undo: contextlib.ExitStack) -> None:
        """Start the server; what is undone is undone backwards, so it is waited for when all that it serves is gone."""
        self._control, theirs = socket.socketpair()
        self._control.settimeout(SECONDS)
        self._cut_told, cut = os.pipe2(os.O_CLOEXEC)
        command = [sys.executable, "-m", "ackcheck.disk.server", "--device", str(device), "--size", str(self.size)]
        command += ["--control", str(theirs.fileno()), "--cut", str(cut), "--owner", str(os.getpid())]
        command += ["--outside", str(namespace.outside())]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(device, theirs.fileno(), cut, namespace.outside()),
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for us, not for the disk that we have still to unmount
            )
        finally:
            theirs.close()
            os.close(cut)
        undo.callback(_reap, self._process)
        undo.callback(self._control.close)
        undo.callback(os.close, self._cut_told)

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def pid(self) -> int:
        """The process of the server."""
        return self._process.pid

    @contextlib.contextmanager
    def bounded(self, what: str, seconds: float = KERNEL_SECONDS) -> Iterator[None]:
        """Bound what waits for the disk in the kernel, where nothing else can end it: the server is killed when it has
        taken so long, and everything that waits for it fails at once. Raises `DiskFailed` then."""
        timer = threading.Timer(seconds, self._give_up, (what,))
        timer.daemon = True
        timer.start()
        try:
            yield
        except OSError as error:
            if self._given_up:
                raise DiskFailed(self._given_up) from error
            raise
        finally:
            timer.cancel()
        if self._given_up:
            raise DiskFailed(self._given_up)

    def _give_up(self, what: str) -> None:
        self._given_up = f"the disk was given up: {what} did not end; the kernel's log (dmesg) may say why"
        self._process.kill()

    # --- commands ----------------------------------------------------------------------------------------------------

    def arm(self, fault: Fault) -> int:
        """Put a fault in force; return its number."""
        return int(self._ask(op="arm", fault=fault.message()))

    def disarm(self, number: int | None = None) -> None:
        """Take a fault back, or all of them; what it holds is done."""
        self._ask(op="disarm", number=number)

    def let_go(self, number: int | None = None) -> int:
        """Let go what a fault holds, or all that is held; it stays in force. Return how many requests that were."""
        return int(self._ask(op="let_go", number=number))

    def hits(self, number: int) -> int:
        """Return how often a fault was met."""
        return int(self._ask(op="hits", number=number))

    def counts(self) -> dict[str, int]:
        """Return what was counted: writes, bytes, flushes, reads, and what faults did."""
        counts: dict[str, int] = self._ask(op="counts")
        return counts

    def cut(self) -> None:
        """Cut the power: what is certain stands still from now on."""
        self._ask(op="cut")

    def go_on(self) -> None:
        """Go on after a fault has cut the power: do what waited, as what the cut may or may not leave."""
        self._ask(op="go_on")

    def epochs(self) -> list[dict[int, list[str]]]:
        """End what is kept of a cut disk; return the versions of each block, epoch by epoch, by their digests."""
        return [{int(block): names for block, names in epoch.items()} for epoch in self._ask(op="epochs")]

    def show(self, choice: Choice) -> None:
        """Let an image be what is seen, and note which of its blocks are read."""
        self._ask(op="show", epoch=choice.epoch, blocks=_message(choice))
        self.forget_cached()

    def adopt(self, choice: Choice) -> None:
        """Go on from an image."""
        self._ask(op="adopt", epoch=choice.epoch, blocks=_message(choice))
        self.forget_cached()

    def read_blocks(self) -> frozenset[int]:
        """Return which blocks were read since the image was first seen."""
        return frozenset(self._ask(op="read_blocks"))

    def forget_cached(self) -> None:
        """Let the kernel drop what it keeps of the device."""
        with self.bounded("dropping what the kernel keeps of it"):
            self._loop.forget_cached()

    def was_cut(self, seconds: float = 0.0) -> bool:
        """Tell whether a fault has cut the power, by now or within some seconds."""
        return bool(select.select([self._cut_told], [], [], seconds)[0])

    def _ask(self, **command: Any) -> Any:
        with self._lock:
            try:
                self._control.sendall(json.dumps(command).encode() + b"\n")
                pieces = [self._incoming]
                while b"\n" not in pieces[-1]:
                    pieces.append(self._control.recv(1 << 20))
                    if not pieces[-1]:
                        raise DiskFailed(f"the disk's server has ended (exit status {self._process.poll()})")
                line, _, self._incoming = b"".join(pieces).partition(b"\n")
            except OSError as error:
                raise DiskFailed(f"the disk's server does not answer: {error}") from error
        answer = json.loads(line)
        if "error" in answer:
            raise BadFault(answer["error"])
        return answer["ok"]


def _message(choice: Choice) -> dict[str, list[int]]:
    return {str(block): list(how) for block, how in choice.blocks.items()}


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
