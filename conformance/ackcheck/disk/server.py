"""The process of the disk: reads the kernel's requests from one descriptor, and commands from a socket.

`python -m ackcheck.disk.server --device FD --control FD --cut FD --size BYTES --owner PID --outside FD` is started by
`ackcheck.disk.drive`, which owns the other ends. It is one thread, that never waits for a disk: all it holds is in
memory. It ends when the control socket is closed, when its owner's process has ended (whose forks may still hold the
socket), and when the kernel lets the file system go. An owner that is killed is unmounting as it ends, which needs the
disk: what a fault holds is let go as soon as that is seen.

A command is a line of JSON, `{"op": "arm", "fault": {..}}`; its answer is one, `{"ok": ..}` or `{"error": ".."}`.

>>> requests = Requests(Blocks(1 << 20), lambda *_: None)
>>> obeyed(requests, {"op": "arm", "fault": {"on": "flush", "do": "lie"}})
1
>>> obeyed(requests, {"op": "hits", "number": 1})
0
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ackcheck.disk import fuse
from ackcheck.disk.blocks import Blocks, Choice, digest
from ackcheck.disk.errors import BadFault
from ackcheck.disk.faults import parsed
from ackcheck.disk.requests import Answer, Requests
from ackcheck.rig import namespace

LONGEST_LINE: Final = 64 << 20
"""Bytes of a command or an answer: what was written in a long epoch, or a choice among it."""

PATIENCE: Final = 64
"""Requests that are served in a row before commands, and what has become due, get a turn."""

LOOKING: Final = 200.0
"""Milliseconds after which, while something is held, it is looked whether the owner is ending."""

_EXITING = 4  # PF_EXITING, among the flags of a process
_IO_FLUSHER = 57  # PR_SET_IO_FLUSHER: our memory is never reclaimed by writing to the disk that we are


def obeyed(requests: Requests, command: Mapping[str, Any]) -> Any:
    """Do what a command says, and return its answer. Raises `BadFault` for one that makes no sense."""
    answer: Any = None
    match command:
        case {"op": "arm", "fault": dict(fault)}:
            answer = requests.arm(parsed(fault))
        case {"op": "disarm", "number": int() | None as number}:
            requests.disarm(number)
        case {"op": "let_go", "number": int() | None as number}:
            answer = requests.let_go(number)
        case {"op": "hits", "number": int(number)}:
            answer = requests.hits(number)
        case {"op": "counts"}:
            answer = counted(requests)
        case {"op": "cut"}:
            requests.blocks.cut()
        case {"op": "go_on"}:
            requests.go_on()
        case {"op": "epochs"}:
            answer = _told(requests)
        case {"op": "show" | "adopt" as op, "epoch": int(epoch), "blocks": dict(blocks)}:
            _shown(requests, op, epoch, blocks)
        case {"op": "read_blocks"}:
            answer = sorted(requests.read_blocks or ())
        case _:
            raise BadFault(f"no such command: {str(command)[:200]}")
    return answer


def counted(requests: Requests) -> dict[str, int]:
    """Return what the disk has counted."""
    names = ("writes", "bytes", "reads", "flushes", "refused", "stalled", "dropped", "torn", "rotten", "lied", "cut")
    counts = {name: requests.counts[name] for name in names}
    more = {"waiting": requests.waiting, "overdue": requests.counts["overdue"], "unflushed": requests.blocks.unflushed}
    return counts | {"written_back": requests.blocks.written_back} | more


def _told(requests: Requests) -> list[dict[str, list[str]]]:
    """Return, epoch by epoch, the versions of each block by their digests."""
    requests.disarm()
    return [
        {str(block): [digest(version) for version in versions] for block, versions in epoch.items()}
        for epoch in requests.blocks.epochs()
    ]


def _shown(requests: Requests, op: str, epoch: int, chosen: Mapping[str, Any]) -> None:
    epochs = requests.blocks.epochs()
    if not 0 <= epoch <= len(epochs) or (chosen and epoch == len(epochs)):
        raise BadFault(f"'epoch' is {epoch}; there are {len(epochs)}")
    blocks = {int(block): (int(version), int(mask)) for block, (version, mask) in chosen.items()}
    for block, (version, _) in blocks.items():
        if not 1 <= version < len(epochs[epoch].get(block, ())):
            raise BadFault(f"epoch {epoch} has no version {version} of block {block}")
    choice = Choice(epoch, blocks)
    if op == "adopt":
        requests.blocks.adopt(choice)
        requests.read_blocks = None
    else:
        requests.blocks.show(choice)
        requests.read_blocks = set()


class Owner:
    """The process that the disk is for.

    >>> Owner(os.getpid()).is_ending()
    False
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        """Can be read once it has ended."""

    def is_ending(self) -> bool:
        """Tell whether it has begun to end, or has."""
        try:
            stat = Path("/proc", str(self.pid), "stat").read_bytes()
        except OSError:
            return True
        return bool(int(stat.rpartition(b")")[2].split()[6]) & _EXITING)


class Server:
    """Joins the kernel, the commands and the disk."""

    def __init__(self, device: int, control: socket.socket, cut: int, size: int, owner: Owner) -> None:
        self._device, self._control, self._cut, self._owner = device, control, cut, owner
        self._commands = bytearray()
        self._size = size
        self._requests = Requests(Blocks(size), self._answer, on_cut=self._tell_cut)

    def run(self) -> None:
        """Serve until one of the other sides is gone."""
        os.set_blocking(self._device, False)
        poller = select.poll()
        poller.register(self._device, select.POLLIN)
        poller.register(self._control, select.POLLIN)
        poller.register(self._owner.descriptor, select.POLLIN)
        room = bytearray(fuse.ROOM)
        view = memoryview(room)
        in_a_row = 0
        while True:
            try:
                count = 0 if in_a_row == PATIENCE else os.readv(self._device, [room])
            except BlockingIOError:
                count = 0
            except (InterruptedError, FileNotFoundError):  # the request was interrupted before we had read it
                continue
            except OSError:  # ENODEV: the file system is gone
                return
            if count:
                self._serve(view[:count])
                in_a_row += 1
                continue
            ready = poller.poll(0 if in_a_row == PATIENCE else self._patience())
            in_a_row = 0
            self._requests.tick()
            if self._requests.waiting and self._owner.is_ending():
                self._requests.go_on()
            awake = {one for one, _ in ready}
            if self._owner.descriptor in awake or (self._control.fileno() in awake and not self._obey()):
                return

    def _patience(self) -> float | None:
        """Return for how many milliseconds nothing has to be done; None: until something comes."""
        due = self._requests.wait()
        if not self._requests.waiting:
            return None if due is None else due * 1000 + 1
        return min(LOOKING, LOOKING if due is None else due * 1000 + 1)

    def _serve(self, request: memoryview) -> None:
        _, operation, unique, *_ = fuse.REQUEST.unpack_from(request)
        if operation == fuse.WRITE:
            _, offset, size, *_ = fuse.TRANSFER.unpack_from(request, fuse.TRANSFER_AT)
            self._requests.write(unique, offset, request[fuse.PAYLOAD_AT : fuse.PAYLOAD_AT + size])
        elif operation == fuse.FSYNC:
            self._requests.flush(unique)
        elif operation == fuse.READ:
            _, offset, size, *_ = fuse.TRANSFER.unpack_from(request, fuse.TRANSFER_AT)
            self._requests.read(unique, offset, size)
        elif operation not in fuse.UNANSWERED:
            self._send(fuse.housekeeping(request, self._size))

    def _answer(self, unique: int, answer: Answer) -> None:
        if answer is None:
            self._send(fuse.done(unique))
        elif isinstance(answer, int):
            self._send(fuse.written(unique, answer))
        elif isinstance(answer, OSError):
            self._send(fuse.refusal(unique, answer.errno or errno.EIO))
        else:
            self._send(fuse.answer_header(unique, len(answer)), answer)

    def _send(self, *parts: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits for it any more
            os.writev(self._device, parts)

    def _tell_cut(self) -> None:
        os.write(self._cut, b"!")

    def _obey(self) -> bool:
        """Do the commands that have come; return whether there may be more."""
        try:
            chunk = self._control.recv(1 << 20)
        except ConnectionError:
            return False
        if not chunk:
            return False
        *lines, rest = (self._commands + chunk).split(b"\n")
        self._commands = rest
        if len(rest) > LONGEST_LINE:
            return False
        for line in lines:
            try:
                answer = {"ok": obeyed(self._requests, json.loads(line))}
            except (BadFault, ValueError) as error:
                answer = {"error": str(error)}
            self._control.sendall(json.dumps(answer).encode() + b"\n")
        return True


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="ackcheck.disk.server", description=__doc__.splitlines()[0])
    for name in ("--device", "--control", "--cut", "--size", "--owner", "--outside"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_IO_FLUSHER, 1, 0, 0, 0)  # best effort: it is there since Linux 5.6, and for root only
    namespace.leave(options.outside)
    os.close(options.outside)
    owner = Owner(options.owner)
    if os.getppid() != options.owner:  # it has ended already, and the number may be another's
        return 0
    with socket.socket(fileno=options.control) as control:
        Server(options.device, control, options.cut, options.size, owner).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
