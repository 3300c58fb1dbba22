"""A command and everything that comes of it: started together, stopped together, killed together, and seen to be gone.

A target may start workers, put itself in a session of its own, or leave a daemon behind; a kill that reached only its
first process would leave alive what remembers. So each start has a keeper (`ackcheck.rig.keeper`), from which no
descendant gets away:

    >>> import subprocess
    >>> with Contained(["sh", "-c", "setsid sleep 60 & sleep 60"], stdin=subprocess.DEVNULL) as shell:
    ...     while len(shell.processes()) < 3: pass
    ...     killed = shell.kill()
    ...     len(killed), shell.processes()
    (3, frozenset())

It needs no rights. Where the machine gives a cgroup of version 2, the processes are in one too, and die in one stroke;
`held_by` says which. A PID namespace would not do better, and worse for some: in a new one the numbers begin anew, so
that a server which finds its own old process number in a lock file takes another process for itself.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, Self, TypeAlias

from attrs import frozen

from ackcheck.rig import keeper
from ackcheck.rig.errors import NotForked, TargetNotStarted, TargetOutlived

KEEPER = Path(keeper.__file__)
ANSWER_SECONDS = 30.0  # for a keeper: longer than it takes to see that a process cannot be killed
ENDED_SECONDS = 2.0  # between the end of a process and the word of it, on a busy machine

Stream: TypeAlias = int | IO[bytes] | None
"""A standard stream, as `subprocess.Popen` takes it."""

_numbers = itertools.count(1)


@frozen(order=True)
class Process:
    """One process: a number may be given again, a number and the time of its start may not."""

    pid: int
    started: int
    """In ticks of the kernel's clock since it booted."""


def process(pid: int) -> Process | None:
    """Return the process that has this number now, None where there is none or it has ended.

    >>> process(os.getpid()) == process(os.getpid()), process(0)
    (True, None)
    """
    with contextlib.suppress(OSError):
        _, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
        words = rest.split()
        return None if words[0] in "ZX" else Process(pid, int(words[19]))
    return None


@functools.cache
def own_cgroup() -> Path | None:
    """Return the folder of our own cgroup of version 2, None where there is none that we see.

    >>> own_cgroup() is None or (own_cgroup() / "cgroup.procs").exists()
    True
    """
    with contextlib.suppress(OSError):
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        places = [words[4] for words in mounts if words[words.index("-") + 1] == "cgroup2"]
        paths = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
        for place, path in zip(places, paths, strict=False):
            folder = Path(place + path)
            if (folder / "cgroup.procs").exists():
                return folder
    return None


class Kept(Protocol):
    """A keeper that runs: what `subprocess.Popen` has of it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where what is written comes to the command's standard input."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Where its standard output is read."""

    def wait(self, timeout: float, /) -> int:
        """Wait until it has ended; raise `subprocess.TimeoutExpired`."""


class Forking(Protocol):
    """What starts a target by forking: an `ackcheck.rig.nursery.Nursery`."""

    def fork(self, control: int, group: str, streams: Sequence[int]) -> int:
        """Start a keeper with its target; return the keeper's process id."""


class Forked:
    """A keeper that a nursery has forked: not our child, so its end is waited for by other means."""

    def __init__(self, nursery: Forking, control: int, group: str, streams: Sequence[Stream]) -> None:
        with contextlib.ExitStack() as theirs:
            self.stdin, read = self._end(streams[0], theirs, ours_writes=True)
            self.stdout, write = self._end(streams[1], theirs, ours_writes=False)
            _, errors = self._end(streams[2], theirs, ours_writes=False)
            try:
                self.pid = nursery.fork(control, group, (read, write, errors))
            except NotForked:
                for ours in filter(None, (self.stdin, self.stdout)):
                    ours.close()
                raise
        self._alive: int | None = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._alive = os.pidfd_open(self.pid)

    def _end(self, stream: Stream, theirs: contextlib.ExitStack, *, ours_writes: bool) -> tuple[IO[bytes] | None, int]:
        """Return our end of a stream, and the descriptor of the other."""
        if stream == subprocess.PIPE:
            read, write = os.pipe2(os.O_CLOEXEC)
            ours, other = (write, read) if ours_writes else (read, write)
            theirs.callback(os.close, other)
            return os.fdopen(ours, "wb" if ours_writes else "rb", 0), other
        if isinstance(stream, int) and stream >= 0:
            return None, stream
        if stream is None or isinstance(stream, int):
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            theirs.callback(os.close, nothing)
            return None, nothing
        return None, stream.fileno()

    def wait(self, timeout: float, /) -> int:
        """Wait until it has ended; raise `subprocess.TimeoutExpired`."""
        if self._alive is not None:
            poller = select.poll()
            poller.register(self._alive, select.POLLIN)
            if not poller.poll(timeout * 1000):
                raise subprocess.TimeoutExpired("a keeper", timeout)
            os.close(self._alive)
            self._alive = None
        return 0


class Contained:
    """A command that runs, with everything that comes of it. Use as a context manager: leaving it kills.

    `stdin`, `stdout` and `stderr` are as for `subprocess.Popen`, and so are the attributes `stdin` and `stdout`. With a
    `nursery` the command is not run: what it stands for is forked there. Raises `TargetNotStarted`, `NotForked`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        environment: Mapping[str, str] | None = None,
        nursery: Forking | None = None,
    ) -> None:
        self.command = tuple(command)
        self._told: dict[str, Any] = {}
        self._coming = b""
        self._group = (own_cgroup() or Path("/nowhere")) / f"ackcheck-{os.getpid()}-{next(_numbers)}"
        self._control, theirs = socket.socketpair()
        try:
            if nursery is None:
                self._keeper: Kept = self._started(theirs.fileno(), stdin, stdout, stderr, environment)
            else:
                self._keeper = Forked(nursery, theirs.fileno(), str(self._group), (stdin, stdout, stderr))
        except OSError as error:
            self._control.close()
            raise TargetNotStarted(self.command, str(error)) from error
        except NotForked:
            self._control.close()
            raise
        finally:
            theirs.close()
        self.stdin, self.stdout = self._keeper.stdin, self._keeper.stdout
        self._await_start()

    def _started(
        self,
        control: int,
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        environment: Mapping[str, str] | None,
    ) -> subprocess.Popen[bytes]:
        """Start a keeper, which starts the command."""
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(control), str(self._group), *self.command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            bufsize=0,
            pass_fds=[control],
            start_new_session=True,  # Ctrl-C is for us: we end it
        )

    def _await_start(self) -> None:
        try:
            told = self._hear("started", "failed", seconds=ANSWER_SECONDS)
        except BaseException:  # an interrupt too must leave nothing behind
            self._abandon()
            raise
        if told is None or "failed" in told:
            self._abandon()
            raise TargetNotStarted(self.command, told["failed"] if told else "its keeper ended")
        self.pid: int = told["started"]
        self.held_by: str = told["held_by"]
        self.main = process(self.pid)
        self._main_fd: int | None = None
        with contextlib.suppress(OSError):  # it has ended already
            self._main_fd = os.pidfd_open(self.pid)

    # --- what it is doing -------------------------------------------------------------------------------------------

    @property
    def control(self) -> int:
        """A descriptor that becomes readable when the command itself has ended."""
        return self._control.fileno()

    def status(self, seconds: float = 0.0) -> int | None:
        """Return how the command ended, waiting so long for it; None while it runs. Minus the signal that ended it."""
        if "ended" not in self._told:
            self._hear("ended", seconds=seconds)
        return self._told.get("ended")

    def processes(self) -> frozenset[Process]:
        """Return all that run now."""
        living = (process(pid) for pid in keeper.descendants(self._keeper.pid))
        return frozenset(one for one in living if one is not None)

    # --- stopping and ending ----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have every process stand still; the command itself does so at once."""
        self._signal(signal.SIGSTOP)
        self._ask(b"s", "stopped")

    def go_on(self) -> None:
        """Have them go on; nobody waits until all of them have heard of it."""
        self._signal(signal.SIGCONT)
        with contextlib.suppress(OSError):
            self._control.sendall(b"g")

    def terminate(self) -> None:
        """Ask the command itself to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> tuple[int, ...]:
        """SIGKILL every process, the command itself at once, and wait until none is left; return their numbers.

        Raises `TargetOutlived` where one cannot be ended, or may have got away.
        """
        ran = self.status() is None
        self._signal(signal.SIGKILL)
        told = self._ask(b"k", "gone", "left")
        if told is None:  # no keeper any more: only the cgroup still knows who belongs to it
            self._kill_group()
            self._release()
            raise TargetOutlived(self.command, ["whatever it started: its keeper was killed by somebody else"])
        if "left" in told:
            raise TargetOutlived(self.command, told["left"])
        self._hear("ended", seconds=0.0)
        self._release()
        return tuple(sorted({*told["gone"], *([self.pid] if ran else ())}))

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, which it may have been quick to outrun."""
        if self._main_fd is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._main_fd, number)

    def _ask(self, command: bytes, *answers: str) -> dict[str, Any] | None:
        for answer in answers:
            self._told.pop(answer, None)
        with contextlib.suppress(OSError):
            self._control.sendall(command)
        return self._hear(*answers, seconds=ANSWER_SECONDS)

    def _hear(self, *awaited: str, seconds: float) -> dict[str, Any] | None:
        """Take in what the keeper tells until it is one of these; None where it is not in time, or never will be."""
        deadline = time.monotonic() + seconds
        while not any(name in self._told for name in awaited):
            *lines, self._coming = self._coming.split(b"\n")
            for line in lines:
                self._told |= json.loads(line)
            if lines:
                continue
            poller = select.poll()
            poller.register(self._control, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            try:
                part = self._control.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self._coming += part
        return self._told

    def _kill_group(self) -> None:
        """Do with the cgroup what the keeper would have done."""
        with contextlib.suppress(OSError):
            (self._group / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + ENDED_SECONDS
        while self._group.is_dir() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # until the last one is gone
                self._group.rmdir()
            time.sleep(0.01)

    def _abandon(self) -> None:
        self._release()
        for stream in (self.stdin, self.stdout):
            if stream is not None:
                stream.close()

    def _release(self) -> None:
        """Let the keeper go: it ends what there is left."""
        self._control.close()
        if getattr(self, "_main_fd", None) is not None:
            os.close(self._main_fd)  # type: ignore[arg-type]
            self._main_fd = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(ANSWER_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._control.fileno() >= 0:
            self.kill()
