"""Starts a Python target again and again by forking an interpreter that has imported it.

A new interpreter needs a third of a second to import a target; a fork of one that has done so, a few thousandths. What
is started is as new in every other way: the factory is called in it, it is a process of its own with a keeper of its
own (`ackcheck.rig.keeper`), which starts it, kills all of it, and sees that nothing is left.

    >>> from ackcheck.rig.contained import Contained
    >>> served = ["--target", "collections:OrderedDict", "--dir", "/tmp", "--threads", "1"]
    >>> with Nursery(served) as nursery, Contained(["a fork"], stdin=subprocess.PIPE, nursery=nursery) as started:
    ...     started.pid != nursery.pid, len(started.kill()), started.stdin.close()
    (True, 1, None)

Some modules do more than define things when they are imported: they start threads or processes, or open files. A fork
would share those with all others, so such a target is refused here (`NotForked`), and to be started anew each time.

`python -m ackcheck.rig.nursery --control FD --target ... --dir ... --threads N` is the interpreter. It is sent,
for each start, the name of a cgroup and four descriptors: of the keeper's socket, and of the three standard streams.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from ackcheck.rig import keeper, serve
from ackcheck.rig.errors import NotForked

READY_SECONDS: Final = 30.0
"""In which a target is imported, or else it is started anew each time."""

FORK_SECONDS: Final = 10.0
LONGEST: Final = 4096
READY: Final = b"ready"


class Nursery:
    """An interpreter that has imported a target; `served` is how the target is to be served (`ackcheck.rig.serve`).

    Use as a context manager; leaving it ends the interpreter, and not what it has started. Nobody waits for the import
    before something is to be forked.
    """

    def __init__(self, served: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, "--control", str(theirs.fileno()), *served]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self._control.close()
            raise
        finally:
            theirs.close()
        self._told: bytes | None = None

    @property
    def pid(self) -> int:
        """The process id of the interpreter."""
        return self._process.pid

    def fork(self, control: int, group: str, streams: Sequence[int]) -> int:
        """Start a keeper with its target; return the keeper's process id. Raises `NotForked`."""
        if self._told is None:
            self._told = self._hear(READY_SECONDS)
        if self._told != READY:
            raise NotForked(self._told.decode(errors="replace") or "it cannot be imported, or not in time")
        try:
            socket.send_fds(self._control, [group.encode()], [control, *streams])
        except OSError as error:
            raise NotForked(f"its interpreter has ended: {error}") from error
        told = self._hear(FORK_SECONDS)
        if not told.isdigit():
            raise NotForked("its interpreter has ended, or does not answer")
        return int(told)

    def _hear(self, seconds: float) -> bytes:
        self._control.settimeout(seconds)
        with contextlib.suppress(OSError):
            return self._control.recv(LONGEST)
        return b""

    def kill(self) -> None:
        """End the interpreter at once."""
        self._process.kill()

    def close(self) -> None:
        """End the interpreter, and wait until it has ended."""
        self._control.close()
        try:
            self._process.wait(FORK_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- the interpreter ------------------------------------------------------------------------------------------------


def descriptors() -> set[str]:
    """Return the descriptors that are open, and one that is not any more."""
    return set(os.listdir("/proc/self/fd"))


def shared(before: set[str]) -> str | None:
    """Return what forks would share with each other, None where that is nothing."""
    if len(os.listdir("/proc/self/task")) > 1:
        return "importing it starts threads"
    if descriptors() - before:
        return "importing it opens files"
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        return "importing it starts processes"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Import the target, and fork until the control socket is closed."""
    parser = serve.parser("ackcheck.rig.nursery", __doc__)
    parser.add_argument("--control", type=int, required=True)
    options = parser.parse_args(arguments, serve.Options())
    os.set_inheritable(options.control, False)
    with socket.socket(fileno=options.control) as control:
        before = descriptors()
        try:
            factory = serve.load_factory(options.target)
        except Exception as error:  # whatever its import raises, a fresh start will tell
            control.send(f"importing it raises {type(error).__name__}".encode())
            return 1
        if reason := shared(before):
            control.send(reason.encode())
            return 1
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper: its socket says when it is done
        control.send(READY)
        while True:
            group, received, _, _ = socket.recv_fds(control, LONGEST, 4)
            if not received:
                return 0
            if not (pid := os.fork()):
                control.close()
                _keep(received, group.decode(), lambda: serve.run(options, lambda: factory))
            for descriptor in received:
                os.close(descriptor)
            with contextlib.suppress(OSError):
                control.send(str(pid).encode())


def _keep(received: Sequence[int], group: str, run: Callable[[], int]) -> None:
    """Be the keeper of a target; never returns."""
    try:
        os.setsid()
        control, *streams = received
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        keeper.keep(control, group, lambda failed: _serve(failed, run))
    finally:
        os._exit(0)


def _serve(failed: int, run: Callable[[], int]) -> None:
    """Be the target; never returns."""
    status = 1
    try:
        os.close(failed)  # it is started
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what the keeper and the interpreter have open is theirs
        status = run()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
