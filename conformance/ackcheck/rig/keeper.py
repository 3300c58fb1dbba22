"""Holds all processes of a target together, ends them together, and sees them gone: a program of its own.

    python -I -S keeper.py CONTROL GROUP COMMAND...

It starts COMMAND and stays its parent. It is a *subreaper* (`prctl(2)`): whatever comes of the command, daemons that
left their session and their parent too, is always among its descendants. So it knows without a doubt when none is left:
when it has no child any more (`ECHILD`). Where GROUP names a cgroup of version 2 that can be made, the command runs in
it besides, and is killed in one stroke (`cgroup.kill`).

CONTROL is the descriptor of a socket. The keeper is told a command a byte on it, and tells a line of JSON for each
thing that happened:

| it is told | it does | it tells |
|---|---|---|
| | starts COMMAND | `{"started": PID, "held_by": "cgroup v2"}`, or `{"failed": REASON}` |
| | | `{"ended": STATUS}`, once the command itself has ended; minus the signal where one ended it |
| `s` | stops every process | `{"stopped": COUNT}` |
| `g` | lets them go on | `{"going": COUNT}` |
| `k` | kills every process until none is left | `{"gone": [PID, ...]}`, or `{"left": ["process 71 (db)", ...]}` |
| end of file | the same, without a word, and exits | |

So the target ends with the suite, however the suite ends. It is started with every target, so it imports only what
is quick to import: no pathlib.

>>> stat_of("71 (a name) with) S 70 71 71 0 -1".encode())
Stat(parent=70, state='S', name='a name) with')
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 10.0  # a killed process that is not gone by then is stuck in the kernel
STOP_SECONDS = 1.0  # one that does not stand still by then waits for a disk in the kernel
SCAN_SECONDS = 0.001  # between two looks at what is left
BY_GROUP = 20  # looks at whether all that was in the cgroup has ended, before others are looked for


class Stat(NamedTuple):
    """What `/proc/PID/stat` says of a process."""

    parent: int
    state: str
    name: str


def stat_of(line: bytes) -> Stat:
    """Return what a line of `/proc/PID/stat` says; a name may hold anything, brackets too."""
    head, _, rest = line.decode("utf-8", errors="replace").rpartition(")")
    state, parent = rest.split()[:2]
    return Stat(int(parent), state, head.partition("(")[2])


def processes() -> dict[int, Stat]:
    """Return every process that `/proc` shows."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = stat_of(file.read())
    return found


def descendants(root: int) -> dict[int, Stat]:
    """Return the children of a process, their children, and so on; not those that have ended and wait to be reaped."""
    seen = processes()
    children: dict[int, list[int]] = {}
    for pid, stat in seen.items():
        children.setdefault(stat.parent, []).append(pid)
    found, waiting = {}, [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            found[pid] = seen[pid]
            waiting.append(pid)
    return {pid: stat for pid, stat in found.items() if stat.state not in "ZX"}


def named(pid: int, stat: Stat) -> str:
    """Return how messages call a process."""
    return f"process {pid} ({stat.name}), state {stat.state}"


class Keeper:
    """The processes that come of one command."""

    def __init__(self, control: socket.socket, group: str) -> None:
        self._control = control
        self._group = group
        self._main = 0
        self._ended: list[int] = []
        """Reaped so far: since all were last killed, or ever."""
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)

    def start(self, become: Callable[[int], None]) -> bool:
        """Start what a new process is to become, in its group where there can be one; return whether it runs.

        `become` is called in that process, with the descriptor on which it says why it could not, and does not return.
        """
        self._make_group()
        (waits, goes), (fails, failed) = os.pipe(), os.pipe()
        self._main = os.fork()
        if not self._main:
            os.close(goes)
            _become(become, waits, failed)
        os.close(waits)
        os.close(failed)
        self._join_group()
        os.close(goes)
        reason = b""
        while part := os.read(fails, 4096):
            reason += part
        os.close(fails)
        _let_go_of_streams()
        if reason:
            self._end_all()
            self._tell(failed=reason.decode("utf-8", errors="replace"))
        else:
            self._tell(started=self._main, held_by="cgroup v2" if self._group else "subreaper")
        return not reason

    def serve(self) -> None:
        """Do what is asked until the other side is gone, then end every process."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                asked = self._heard()
                if not asked:
                    self._end_all()
                    return
                self._do(asked)

    def _heard(self) -> bytes:
        """Return the next command; nothing where the other side is gone, be it without reading what it was told."""
        try:
            return self._control.recv(1)
        except ConnectionResetError:
            return b""

    def _do(self, asked: bytes) -> None:
        if asked == b"s":
            self._tell(stopped=self._stop_all())
        elif asked == b"g":
            self._tell(going=len(self._signal_all(signal.SIGCONT)))
        elif asked == b"k":
            ended, left = self._end_all()
            self._tell(**({"left": left} if left else {"gone": ended}))

    def _tell(self, **what: object) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked is gone: the end of file comes next
            self._control.sendall(json.dumps(what).encode() + b"\n")

    def _stop_all(self) -> int:
        """Stop every process, those too that they start meanwhile, and see them stand still; return how many do."""
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            running = {pid for pid, stat in self._signal_all(signal.SIGSTOP).items() if stat.state not in "Tt"}
            if not running or time.monotonic() > deadline:
                return len(descendants(os.getpid())) - len(running)
            time.sleep(SCAN_SECONDS)

    def _signal_all(self, number: int) -> dict[int, Stat]:
        """Send a signal to every process; return them as they were."""
        found = descendants(os.getpid())
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return found

    def _end_all(self) -> tuple[list[int], list[str]]:
        """Kill until none is left; return the processes that were ended, and what is left after all.

        One that was struck need not be ours to reap: its parent may do so, even with a SIGKILL on its way. What a kill
        of the cgroup has ended is not looked for among all processes of the machine first: that takes long.
        """
        self._ended.clear()
        struck, left = self._kill_group(), dict[int, Stat]()
        deadline = time.monotonic() + KILL_SECONDS
        tries = 0
        while True:
            tries += 1
            if not self._group or tries > BY_GROUP:
                struck |= self._kill_group()
                left = self._signal_all(signal.SIGKILL)
                struck |= left.keys()
            if self._reap() and self._group_is_empty():
                self._remove_group()
                return sorted(struck.union(self._ended)), []
            if time.monotonic() > deadline:
                return [], [named(pid, stat) for pid, stat in left.items()] or ["a process of the cgroup"]
            time.sleep(SCAN_SECONDS)

    def _reap(self) -> bool:
        """Take note of all that have ended; return whether there is no child any more, living or dead."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            self._ended.append(pid)
            if pid == self._main:
                self._tell(ended=os.waitstatus_to_exitcode(status))

    # --- the cgroup -------------------------------------------------------------------------------------------------

    def _make_group(self) -> None:
        try:
            os.mkdir(self._group)
            if not os.path.exists(f"{self._group}/cgroup.kill"):  # Linux has it since 5.14
                self._remove_group()
        except OSError:
            self._group = ""

    def _join_group(self) -> None:
        if self._group:
            try:
                self._write("cgroup.procs", str(self._main))
            except OSError:
                self._remove_group()

    def _kill_group(self) -> set[int]:
        """Kill all that is in the cgroup; return what was."""
        members: set[int] = set()
        if self._group:
            with suppress(OSError), open(f"{self._group}/cgroup.procs") as procs:
                members.update(map(int, procs.read().split()))
            with suppress(OSError):
                self._write("cgroup.kill", "1")
        return members

    def _group_is_empty(self) -> bool:
        if not self._group:
            return True
        with open(f"{self._group}/cgroup.events") as events:
            return "populated 0" in events.read()

    def _remove_group(self) -> None:
        group, self._group = self._group, ""
        for folder, _, _ in os.walk(group, topdown=False) if group else ():  # a target may have made some within
            with suppress(OSError):
                os.rmdir(folder)

    def _write(self, name: str, text: str) -> None:
        with open(f"{self._group}/{name}", "w") as file:
            file.write(text)


def _become(become: Callable[[int], None], waits: int, failed: int) -> None:
    """Become what was asked for, once the other side of `waits` is closed; never returns."""
    try:
        os.setsid()
        os.read(waits, 1)
        os.close(waits)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        become(failed)
    finally:
        os._exit(127)


def command_of(command: list[str]) -> Callable[[int], None]:
    """Return how a process becomes a command."""

    def become(failed: int) -> None:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python has them ignored, and that would be inherited
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            os.write(failed, (error.strerror or str(error)).encode())

    return become


def keep(control: int, group: str, become: Callable[[int], None]) -> None:
    """Keep what `become` makes, until the control socket is closed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.set_inheritable(control, False)
    keeper = Keeper(socket.socket(fileno=control), group)
    if keeper.start(become):
        keeper.serve()


def _let_go_of_streams() -> None:
    """Leave the standard streams to the target alone, so that their end is seen when it ends."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    os.close(nothing)


def main() -> None:
    """Keep the command of the command line."""
    control, group, *command = sys.argv[1:]
    keep(int(control), group, command_of(command))


if __name__ == "__main__":
    main()
