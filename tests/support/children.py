"""What a forked child of this process comes to, and what workers of every kind are asked to do.

>>> said_in_child(lambda: 1 + 1)
'returned 2'
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ackstore import Store, StoreError

NOBODY = 65534
"""The user, and the group, that no file belongs to."""


def said_in_child(call: Callable[[], Any]) -> str:
    """What a call comes to in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = f"returned {call()!r}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        end_saying(said, writing)
    said = heard(reading, writing)
    os.waitpid(child, 0)
    return said


def end_saying(said: str, writing: int) -> NoReturn:
    """End this process, a child, with nothing done that the test runner would do at its end, and twice so."""
    os.write(writing, said.encode())
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived its SIGKILL")


def heard(reading: int, writing: int) -> str:
    """Return what the other side of a pipe has said until it ended."""
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode()


def opened(path: Path) -> str:
    """Open the store there, and close it: what came of it."""
    try:
        with Store(path):
            return "opened"
    except StoreError as error:
        return type(error).__name__


def itself(given: Any) -> Any:
    """Give back what was sent."""
    return given


def as_another_user() -> None:
    """Have this process, a child, be a user who may do nothing special; as it is where it is no other."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
