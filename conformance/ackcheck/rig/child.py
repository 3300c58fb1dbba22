r"""A target in a child process, spoken to in JSON Lines, that can be killed at any moment.

A request is one line, `{"id": 1, "op": "ack", "receipt": "..."}`; its reply is one line,
`{"id": 1, "result": "OK"}` or `{"id": 1, "error": {"type": "...", "message": "..."}}`. Requests may
be pipelined, and replies may come in any order.

    >>> import sys
    >>> echo = '''import json, sys
    ... for line in sys.stdin:
    ...     request = json.loads(line)
    ...     print(json.dumps({"id": request["id"], "result": request["op"]}), flush=True)
    ... '''
    >>> with Child([sys.executable, "-c", echo]) as child:
    ...     child.call("flush")
    ...     _ = child.send("ack", receipt="r1")
    ...     killed = child.kill()
    ...     len(killed.answered) + len(killed.unanswered)
    'flush'
    1

A reply counts as given once the target has written it, read or not: `kill` reads what is left in
the pipe before it says what was unanswered. No threads: the pipes are served whenever the caller
waits for something.

A kill ends everything that the target has started (`ackcheck.rig.contained`), sees that none of it
is left, and says what it hit: how many processes, and how many files of its directory the target
had written to.
"""

import contextlib
import copy
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from attrs import evolve

from ackcheck.rig.contained import Contained, Forking
from ackcheck.rig.errors import NotForked, ProtocolError, TargetDied, TargetHung
from ackcheck.rig.exchange import Exchange, Killed, SecondAnswer
from ackcheck.rig.peers import connected
from ackcheck.rig.schema import Checked
from ackcheck.rig.wire import LINE_LIMIT, decode_reply, encode_request
from ackcheck.rig.witness import Seen, changes, holders, look

WIRE_LINES = 2000  # that went to and fro, and are remembered
WIRE_SHOWN = 2000  # bytes remembered of each
STDERR_TAIL = 4096  # bytes shown of a dead target's last words
READ_SECONDS = 5.0  # for what a killed target had left in its pipe
HEIR_SECONDS = 2.0  # for an answer from what a process has left behind that has ended itself
ENDED_SECONDS = 1.0  # between the end of a target's output and its own


class Child:
    """A target's process. Use as a context manager: leaving it kills the process.

    `reply_timeout` is in seconds; a line longer than `line_limit` bytes is refused either way.
    `environment` is added to the caller's. `directory` is where the target is seen to write, or not.
    Not for use by several threads at once.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        reply_timeout: float = 10.0,
        line_limit: int = LINE_LIMIT,
    ) -> None:
        self.command = tuple(command)
        self.directory = directory
        self.environment = dict(environment or {})
        self.reply_timeout = reply_timeout
        self.line_limit = line_limit
        self.served: tuple[str, ...] = ()
        """How a Python target is served, for a nursery (`ackcheck.rig.nursery`); empty for other programs."""
        self.nursery: Forking | None = None
        """Where the target is forked; None: it is started anew."""
        self._process: Contained | None = None
        self._before: Mapping[str, Seen] = {}
        self._stderr: IO[bytes] | None = None
        self._said = ""
        self._wire: deque[tuple[int, str, bytes]] = deque(maxlen=WIRE_LINES)
        self._next_id = 1
        self.checked = Checked.now()
        """What its answers are held against beyond what is needed to read them; None: nothing."""
        self.second_answers: list[SecondAnswer] = []
        """Answers to what had been answered, which nobody has looked at yet."""
        self._reset()

    @classmethod
    def python(cls, target: str, directory: Path, *, threads: int = 1, reply_timeout: float = 10.0) -> Self:
        """Serve a Python target (`module:factory` or `file.py:factory`) on `directory`.

        The child imports from where the caller does.
        """
        served = ("--target", target, "--dir", str(directory), "--threads", str(threads))
        command = [sys.executable, "-m", "ackcheck.rig.serve", *served]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        child = cls(command, environment={"PYTHONPATH": path}, directory=directory, reply_timeout=reply_timeout)
        child.served = served
        return child

    def another(self) -> Self:
        """Return a child of the same command that remembers the same, and does not run; nor does this one."""
        assert self._process is None
        other = copy.copy(self)
        other._wire = self._wire.copy()
        other.second_answers = []
        other._reset()
        return other

    def knows_directory(self) -> bool:
        """Tell whether the target may look into its directory before it is asked to open it."""
        return not self.served and any(str(self.directory) in word for word in self.command)

    def _reset(self) -> None:
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._in_flight: dict[int, Exchange] = {}
        self._first_id = self._next_id
        self._finished: deque[Exchange] = deque()
        self._at_eof = False
        self._listening = True

    # -- life and death

    def start(self, *, ahead: bool = False) -> Self:
        """Start the process (again, after a kill or close); its directory is not looked at if it is started `ahead`.

        Where its nursery cannot fork it (`NotForked`) it is started anew, and from then on. Raises `TargetNotStarted`.
        """
        if self._process is not None:
            raise RuntimeError("the target is running; kill() or close() it first")
        self._reset()
        if not ahead:
            self.mark()
        self._stderr = unnamed_file()
        try:
            self._process = self._contained(self._stderr)
        except BaseException:
            self._stderr.close()
            raise
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        return self

    def _contained(self, stderr: IO[bytes]) -> Contained:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
        if self.nursery is not None:
            try:
                return Contained(self.command, **pipes, nursery=self.nursery)
            except NotForked:  # for what its import does, or because its interpreter has ended
                self.nursery = None
        return Contained(self.command, **pipes, environment=self.environment)

    def mark(self) -> None:
        """Watch what the target writes to its directory, from here on."""
        if self.directory is not None:
            self._before = look(self.directory)

    def stop_listening(self) -> None:
        """Take in what has been answered by now; what comes later was never heard.

        For a power cut, after which a process that runs on for a moment may say anything.
        """
        if self._process is not None:
            while not self._at_eof and self._exchange_bytes(0):
                pass
        self._listening = False

    def stop(self) -> None:
        """Have the target, and all that it started, stand still."""
        if self._process is not None:
            self._process.stop()

    def go_on(self) -> None:
        """Have it go on."""
        if self._process is not None:
            self._process.go_on()

    def kill(self) -> Killed:
        """SIGKILL all of the target, see that nothing is left of it, and read what it had answered.

        Harmless when nothing runs. Raises `TargetOutlived` where something cannot be ended.
        """
        ran = self._process is not None
        killed = self._ended_by_force()
        return evolve(killed, **self.traces()) if ran else killed

    def _ended_by_force(self) -> Killed:
        hit: dict[str, Any] = {}
        if self._process is not None:
            try:
                hit = {"processes": self._process.kill(), "held_by": self._process.held_by}
            finally:
                self._outgoing.clear()
                deadline = time.monotonic() + READ_SECONDS
                with contextlib.suppress(ProtocolError):  # garbage answers nothing
                    while not self._at_eof and self._exchange_bytes(deadline - time.monotonic()):
                        pass
                self._release()
        killed = Killed(answered=tuple(self._finished), unanswered=tuple(self._in_flight.values()), **hit)
        self._finished.clear()
        self._in_flight.clear()
        return killed

    def traces(self) -> dict[str, Any]:
        """Return what the target, of which nothing is left, did to its directory since it was marked, and who else is
        in there."""
        if self.directory is None:
            return {}
        return {
            "wrote": changes(self._before, look(self.directory)),
            "strangers": tuple(holders(self.directory, writing=True)),
        }

    def peers(self) -> tuple[str, ...]:
        """Return the processes that the target did not start, and is connected to, as far as can be seen."""
        return () if self._process is None else tuple(connected({one.pid for one in self._process.processes()}))

    def close(self) -> int:
        """Close the target's input and wait for it to exit; returns its exit status.

        Raises `TargetHung` (after killing it) when it does not exit within `reply_timeout`. This is
        the end of the process; the store's own orderly end is the operation `close`.
        """
        if self._process is None:
            return 0
        assert self._process.stdin is not None
        self._process.stdin.close()
        status = self._process.status(self.reply_timeout)
        self.kill()  # what it has left behind
        if status is None:
            raise TargetHung("end of input", self.reply_timeout)
        return status

    def repair(self) -> str | None:
        """Return None: what is repaired by an operator is a server (`ackcheck.rig.apart`)."""
        return None

    def end(self) -> None:
        """End the target for good, and ask no more of it; harmless when nothing runs."""
        self._ended_by_force()

    def leave(self) -> None:
        """End what ran on one of several states of the directory, of which another is to be opened next."""
        self.end()

    def wire(self) -> Iterator[str]:
        """Yield the last lines that went to the target and came from it, as JSON: time, direction, line."""
        for at, way, line in self._wire:
            yield json.dumps([at, way, line.decode("utf-8", errors="replace").rstrip("\n")])

    def last_words(self) -> str:
        """Return the end of what the target has written to its standard error since it was started."""
        if self._stderr is not None and not self._stderr.closed:
            self._said = tail_of(self._stderr)
        return self._said

    def _release(self) -> None:
        assert self._process is not None
        assert self._stderr is not None
        self.last_words()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process = None

    def __enter__(self) -> Self:
        return self.start() if self._process is None else self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- requests

    @property
    def pid(self) -> int | None:
        """The process id, `None` when nothing runs."""
        return None if self._process is None else self._process.pid

    @property
    def in_flight(self) -> int:
        """How many requests have no reply yet."""
        return len(self._in_flight)

    def send(self, op: str, **arguments: Any) -> int:
        """Put a request on its way and return its id; the reply is for `receive` to fetch.

        Raises `ProtocolError` when the request is longer than `line_limit`.
        """
        if self._process is None:
            raise RuntimeError("the target is not running; start() it first")
        number = self._next_id
        line = encode_request(number, op, arguments, self.line_limit)
        self._next_id += 1
        self._in_flight[number] = Exchange(id=number, op=op, arguments=arguments, sent_ns=time.monotonic_ns())
        self._outgoing += line
        self._wire.append((time.monotonic_ns(), ">", line[:WIRE_SHOWN]))
        self._exchange_bytes(0)
        return number

    def receive(self) -> Exchange:
        """Return the next finished exchange, whichever it is.

        Raises `TargetHung`, `TargetDied`, `ProtocolError`; `RuntimeError` with nothing in flight.
        """
        if not self._finished and not self._in_flight:
            raise RuntimeError("nothing is in flight; send() a request first")
        self._wait_for(lambda: bool(self._finished), next(iter(self._in_flight.values()), None))
        return self._finished.popleft()

    def call(self, op: str, **arguments: Any) -> Any:
        """Send a request, wait for its reply and return the result; `TargetError` if it raised."""
        number = self.send(op, **arguments)
        exchange = self._in_flight.get(number)
        self._wait_for(lambda: number not in self._in_flight, exchange)
        found = next(done for done in self._finished if done.id == number)
        self._finished.remove(found)
        return found.value()

    def poll(self, seconds: float = 0.0) -> list[Exchange]:
        """Return what has finished by now, or by the next stir of a pipe within `seconds`.

        Raises `TargetDied` and `ProtocolError`.
        """
        self._exchange_bytes(seconds)
        if self._at_eof and not self._finished and self._in_flight:
            raise self._death()
        finished = list(self._finished)
        self._finished.clear()
        return finished

    # -- pipes

    def _wait_for(self, done: Callable[[], bool], awaited: Exchange | None) -> None:
        """Wait until something is done; who answers meanwhile what was sent before it, is not hung."""
        open_, deadline = len(self._in_flight), time.monotonic() + self.reply_timeout
        while not done():
            if len(self._in_flight) < open_:
                open_, deadline = len(self._in_flight), time.monotonic() + self.reply_timeout
            if self._at_eof:
                raise self._death()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TargetHung(awaited.op if awaited else "?", self.reply_timeout)
            if not self._exchange_bytes(min(remaining, HEIR_SECONDS)) and self._ended():
                raise self._death()  # what it has left behind holds its output, and says nothing

    def _exchange_bytes(self, seconds: float) -> bool:
        """Write and read what the pipes take and give, waiting up to `seconds`; whether any did."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        poller = select.poll()
        poller.register(process.stdout, select.POLLIN)
        if self._outgoing:
            poller.register(process.stdin, select.POLLOUT)
        ready = poller.poll(max(0.0, seconds) * 1000)
        for descriptor, _ in ready:
            if descriptor == process.stdout.fileno():
                self._read(descriptor)
            else:
                self._write(descriptor)
        return bool(ready)

    def _write(self, descriptor: int) -> None:
        try:
            written = os.write(descriptor, self._outgoing)
        except BrokenPipeError:  # the reading side will see why
            self._outgoing.clear()
        except BlockingIOError:
            pass
        else:
            del self._outgoing[:written]

    def _read(self, descriptor: int) -> None:
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            self._at_eof = True  # an unfinished last line was never told to anybody
            return
        if not self._listening:
            return
        self._incoming += chunk
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = rest
        for line in lines:
            self._wire.append((time.monotonic_ns(), "<", bytes(line[:WIRE_SHOWN])))
            self._finish(bytes(line))
        if len(rest) > self.line_limit:
            raise ProtocolError(f"the target wrote {len(rest)} bytes without a line end, over {self.line_limit}")

    def _finish(self, line: bytes) -> None:
        reply = decode_reply(line)
        exchange = self._in_flight.pop(reply.id, None)
        if exchange is None:
            if not self._first_id <= reply.id < self._next_id:
                raise ProtocolError(f"a reply to request {reply.id}, which was never asked: {line!r}")
            self.second_answers.append(SecondAnswer(reply.id, reply.result if reply.error is None else reply.error[0]))
            return
        if self.checked is not None:
            self.checked.check(exchange.op, json.loads(line))
        self._finished.append(
            evolve(
                exchange,
                replied_ns=time.monotonic_ns(),
                result=reply.result,
                error=reply.error,
            )
        )

    def _ended(self) -> bool:
        """Tell whether the process that was started has ended, and at most others of its kind are left."""
        return self._process is not None and self._process.status() is not None

    def own_end(self) -> TargetDied | None:
        """Return how it has ended by itself, after a moment in which it may; None where it runs."""
        return self._death() if self._process is not None and self._process.status(ENDED_SECONDS) is not None else None

    def _death(self) -> TargetDied:
        assert self._process is not None
        returncode = self._process.status(ENDED_SECONDS)
        return TargetDied(returncode, [exchange.op for exchange in self._in_flight.values()], self.last_words())


def unnamed_file() -> IO[bytes]:
    """Return where a child's last words go: a pipe that nobody reads would make it hang."""
    return tempfile.TemporaryFile()


def tail_of(file: IO[bytes]) -> str:
    """Return the end of what a child has written."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), STDERR_TAIL, max(0, size - STDERR_TAIL)).decode("utf-8", errors="replace").strip()
