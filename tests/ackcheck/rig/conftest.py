"""What the rig's tests share: the toys, and the skip where a machine cannot lose its power."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ackcheck.rig.child import Child
from ackcheck.rig.machine import available

TOYS = Path(__file__).with_name("toys.py")


@pytest.fixture
def machine_grade() -> None:
    reason = available()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a toy by name, in the test's own directory unless told otherwise."""
    with ExitStack() as stack:

        def start(name: str, *, directory: Path = tmp_path, threads: int = 1, reply_timeout: float = 10.0) -> Child:
            child = Child.python(f"{TOYS}:{name}", directory, threads=threads, reply_timeout=reply_timeout)
            stack.enter_context(child)
            return child

        yield start
