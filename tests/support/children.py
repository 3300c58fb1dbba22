"""What a forked child of this process comes to, and what workers of every kind are asked to do.

>>> said_in_child(lambda: 1 + 1)
'returned 2'
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ackstore import Store, StoreError


def said_in_child(call: Callable[[], Any]) -> str:
    """What a call comes to in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = f"returned {call()!r}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os.kill(os.getpid(), signal.SIGKILL)  # nothing that the test runner would do at its end is done twice
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


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
