"""A program that plays tours of the model on a store's own core: a line a tour to it, and a line back.

    {"tour": 7, "steps": [["pop", 0, null], ["power_loss", null, {"cache": [], "disk": [], "offset": [...]}]]}
    {"tour": 7, "seen": [{"store": ["phase: popping"], "disk": []}, null]}

>>> import sys
>>> blind = "print(json.dumps({'tour': json.loads(line)['tour'], 'seen': [None]}), flush=True)"
>>> program = f"import json, sys\\nfor line in sys.stdin: {blind}"
>>> with Player([sys.executable, "-c", program], reply_timeout=60.0) as player:
...     player.play(0, [["pop", 0, None]])
[None]
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self

from ackcheck.rig.errors import RigError

MOST_BYTES = 16 << 20
"""Bytes of a line."""

LAST_WORDS = 2_000
"""Bytes of its standard error that are told."""


class PlayerFailed(RigError):
    """The program ended, hangs, or answered something else; the message says what, and what it wrote last."""


class Player:
    """The program, under way."""

    def __init__(self, command: Sequence[str], reply_timeout: float) -> None:
        self._timeout = reply_timeout
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._stderr)
        except OSError as error:
            self._stderr.close()
            raise PlayerFailed(f"{command[0]} cannot be started: {error.strerror}") from error
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def play(self, tour: int, steps: Sequence[Any]) -> Any:
        """Return what the store showed after each step of a tour."""
        line = json.dumps({"tour": tour, "steps": steps}, separators=(",", ":")) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed(tour, "it reads no more") from None
        answer = self._line(tour)
        try:
            told = json.loads(answer)
            if told["tour"] != tour:
                raise ValueError(f"it names tour {told['tour']}")
            return told["seen"]
        except (ValueError, KeyError, TypeError) as error:
            wanted = f'answer {{"tour": {tour}, "seen": [...]}}, with the lanes after each step'
            raise self._failed(tour, f"{answer[:80]!r} is no answer ({error}); {wanted}") from error

    def _line(self, tour: int) -> bytes:
        assert self._process.stdout is not None
        until = time.monotonic() + self._timeout
        while b"\n" not in self._pending:
            if len(self._pending) > MOST_BYTES:
                raise self._failed(tour, f"its answer is longer than {MOST_BYTES >> 20} MiB")
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise self._failed(tour, f"it has not answered within {self._timeout:g} s (--reply-timeout)")
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise self._failed(tour, "it ended")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _failed(self, tour: int, why: str) -> PlayerFailed:
        self._process.kill()
        self._process.wait()
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - LAST_WORDS))
        words = self._stderr.read().decode(errors="replace").strip()
        return PlayerFailed(f"tour {tour}: {why}" + (f"; it wrote last: {words}" if words else ""))
