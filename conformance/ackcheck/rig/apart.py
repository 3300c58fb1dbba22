"""A server apart from its adapter: the suite starts, kills and restarts the server, and the adapter lives on.

A client of a broker keeps what it knows over the broker's death: what it has published, which connection is new. So an
adapter that is a client is started once, and told of every restart by another `open`, with `restarts`: how often the
server was started again before.

>>> import tempfile
>>> echo = '''import json, sys
... for line in sys.stdin:
...     asked = json.loads(line)
...     print(json.dumps({"id": asked["id"], "result": asked.get("restarts")}), flush=True)
... '''
>>> with tempfile.TemporaryDirectory() as folder:
...     with Apart([sys.executable, "-c", echo], server=["sleep", "60"], directory=Path(folder)) as target:
...         first, adapter, server = target.call("open"), target.adapter_pid, target.pid
...         hit = target.kill()
...         again = target.start().call("open")
...         first, again, adapter == target.adapter_pid, server in hit.processes, target.pid not in hit.processes
(0, 1, True, True, True)
"""

from __future__ import annotations

import contextlib
import subprocess
import sys  # noqa: F401 - the example above uses it
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from attrs import frozen

from ackcheck.rig.child import ENDED_SECONDS, READ_SECONDS, Child, tail_of, unnamed_file
from ackcheck.rig.contained import Contained
from ackcheck.rig.errors import RigFailed, TargetDied, TargetHung
from ackcheck.rig.exchange import Killed
from ackcheck.rig.network import Network
from ackcheck.rig.wire import decode_reply

REPAIRING = 60.0
"""Seconds that a repair step may take."""

PASSING_ON = 1.0
"""Seconds for an adapter to pass on what its server had answered before it was killed."""


@frozen
class WithServer:
    """A target whose server is apart: how each of the two is started. `{dir}` stands for the server's directory."""

    adapter: str | Sequence[str]
    server: Sequence[str]
    repair: Sequence[str] = ()
    """The command that an operator runs where the server cannot be opened as it is; empty: none."""
    own_network: bool = False
    """Whether the two have a network namespace of their own, where there can be one."""

    @property
    def commands(self) -> tuple[Sequence[str], Sequence[str]]:
        """The server's command, and that of the repair step."""
        return self.server, self.repair


class Apart(Child):
    """An adapter, spoken to as any `Child`, whose life and death are those of a server beside it.

    `server` is the server's command, `repair` what an operator runs where it cannot be opened; with `own_network`, the
    two are in a network namespace of their own, where there can be one. The server is ready when the adapter has
    answered `open`. What the adapter answers with an error to a call that was under way when its server was killed
    counts as not answered.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        server: Sequence[str],
        directory: Path,
        repair: Sequence[str] = (),
        own_network: bool = False,
        environment: Mapping[str, str] | None = None,
        reply_timeout: float = 10.0,
    ) -> None:
        super().__init__(command, environment=environment, directory=directory, reply_timeout=reply_timeout)
        self.server = tuple(server)
        self.repair_command = tuple(repair)
        self._network = Network.own() if own_network else None
        self._server: Contained | None = None
        self._server_log: IO[bytes] | None = None
        self._server_said = ""
        self._starts = 0
        self._over: set[int] = set()
        """Requests whose answers are not waited for any more."""
        self._deaf = False

    @property
    def pid(self) -> int | None:
        """The server's process id, `None` when it does not run."""
        return None if self._server is None else self._server.pid

    @property
    def adapter_pid(self) -> int | None:
        """The adapter's process id, `None` when it does not run."""
        return super().pid

    def another(self) -> Self:
        """Return itself: the adapter lives on."""
        return self

    def knows_directory(self) -> bool:
        """Tell that its server may look into its directory as soon as it runs."""
        return True

    def start(self, *, ahead: bool = False) -> Self:
        """Start the server (again, after a kill or close), and the adapter where it does not run yet."""
        assert not ahead
        if self._server is not None:
            raise RuntimeError("the server is running; kill() or close() it first")
        self.mark()
        self._deaf = False
        self._server_log = unnamed_file()
        log = self._server_log
        with self._network.entered() if self._network else contextlib.nullcontext():
            self._server = Contained(
                self.server, stdin=subprocess.DEVNULL, stdout=log, stderr=log, environment=self.environment
            )
            self._starts += 1
            if self._process is None:
                super().start()
        return self

    def repair(self) -> str | None:
        """Have the repair step run on what the server has left, and return the end of what it said; None: no such.

        Raises `RigFailed` where it cannot be run; what it comes to shows when the server is started again.
        """
        if not self.repair_command:
            return None
        self.kill()
        with (
            unnamed_file() as log,
            Contained(
                self.repair_command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, environment=self.environment
            ) as step,
        ):
            status = step.status(REPAIRING)
            if status is None:
                raise RigFailed(f"{' '.join(self.repair_command)!r} did not end within {REPAIRING:g} s: mend the step")
            return tail_of(log) or f"nothing, with exit status {status}"

    def send(self, op: str, **arguments: Any) -> int:
        """Put a request on its way; `open` says how often the server was started again."""
        return super().send(op, **arguments, **({"restarts": self._starts - 1} if op == "open" else {}))

    def stop(self) -> None:
        """Have the server stand still."""
        if self._server is not None:
            self._server.stop()

    def go_on(self) -> None:
        """Have it go on."""
        if self._server is not None:
            self._server.go_on()

    def stop_listening(self) -> None:
        """Take in what has been answered by now; what comes later to these requests was never heard."""
        while not self._at_eof and self._exchange_bytes(0):
            pass
        self._deaf = True

    def kill(self) -> Killed:
        """SIGKILL all of the server, see that nothing is left of it, and hear what it had answered."""
        hit: dict[str, Any] = {}
        if self._server is not None:
            try:
                hit = {"processes": self._server.kill(), "held_by": self._server.held_by}
            finally:
                self._let_server_go()
            hit |= self.traces()
            self._hear_what_is_left()
        answered = tuple(done for done in self._finished if done.error is None)
        failed = tuple(done for done in self._finished if done.error is not None)
        killed = Killed(answered=answered, unanswered=(*failed, *self._in_flight.values()), **hit)
        self._over.update(self._in_flight)
        self._finished.clear()
        self._in_flight.clear()
        return killed

    def peers(self) -> tuple[str, ...]:
        """Return nothing: the server is known, and reached."""
        return ()

    def close(self) -> int:
        """Ask the server to end (SIGTERM), and wait for it; the adapter lives on. Returns its exit status."""
        if self._server is None:
            return 0
        self._server.terminate()
        status = self._server.status(self.reply_timeout)
        self.kill()
        if status is None:
            raise TargetHung("SIGTERM", self.reply_timeout)
        return status

    def end(self) -> None:
        """End the adapter and the server."""
        try:
            if self._process is not None:
                super().kill()
        finally:
            self.kill()
            if self._network is not None:
                self._network.close()

    def leave(self) -> None:
        """End the server; the adapter lives on, as nobody else knows what it has asked for, and its network too."""
        self.kill()

    def last_words(self) -> str:
        """Return the end of what the server, and then the adapter, has written beside its answers."""
        return "\n".join(filter(None, (self._server_words(), super().last_words())))

    def _server_words(self) -> str:
        if self._server_log is not None and not self._server_log.closed:
            self._server_said = tail_of(self._server_log)
        return self._server_said

    def _let_server_go(self) -> None:
        self._server_words()
        assert self._server_log is not None
        self._server_log.close()
        self._server = None

    def _hear_what_is_left(self) -> None:
        deadline = time.monotonic() + (0.0 if self._deaf else min(PASSING_ON, READ_SECONDS))
        while self._process is not None and self._in_flight and not self._at_eof and time.monotonic() < deadline:
            self._exchange_bytes(deadline - time.monotonic())

    def _finish(self, line: bytes) -> None:
        number = decode_reply(line).id
        if number not in self._over and not (self._deaf and number in self._in_flight):
            super()._finish(line)

    def _ended(self) -> bool:
        return super()._ended() or (self._server is not None and self._server.status() is not None)

    def own_end(self) -> TargetDied | None:
        """Return how the server has ended by itself: of the store an adapter that ends says nothing."""
        ended = self._server is not None and self._server.status(ENDED_SECONDS) is not None
        return self._death() if ended else None

    def _death(self) -> TargetDied:
        if self._server is not None and (status := self._server.status()) is not None:
            return TargetDied(status, [exchange.op for exchange in self._in_flight.values()], self._server_words())
        return super()._death()

    def __enter__(self) -> Self:
        return self.start() if self._server is None else self

    def __exit__(self, *_: object) -> None:
        self.end()
