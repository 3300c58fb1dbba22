"""What the adapters of brokers share: a client of a server that is killed and started again, which lives on.

>>> class Counted(WithoutBarrier):
...     gone = (BrokenPipeError,)
...     def ack(self, receipt): return self.ask(receipt.upper)
>>> counted = Counted()
>>> counted.connected(lambda: "a connection")
'a connection'
>>> counted.ack_many(["a", "b"]), counted.flush(), counted.stats()
(['A', 'B'], 'UNKNOWN', {})

Once the server was lost nothing more is asked of it until there was another `open`: the next server does not know what
the one before it had in hand, and what the adapter has forgotten is no answer.

>>> def killed(): raise BrokenPipeError
>>> for words in ((killed,), (print, "asked")):
...     try: counted.ask(*words)
...     except ConnectionError as error: print(repr(error))
BrokenPipeError()
ConnectionError('the server was lost before this was asked of it')
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")

PAUSE = 0.01
"""Seconds between two tries to connect to a server that is starting, at first."""

SHARE = 0.1
"""Of the time that it has been starting for, what the next try waits: on a busy machine, where a start takes minutes,
trying all the time would take more of the processor than the server gets."""


class Client(ABC):
    """A client of a server (`--server`, specs/protocol.md)."""

    gone: tuple[type[Exception], ...] = (OSError,)
    """What the client's library raises once the server is gone."""

    waiting: ClassVar[float] = 90.0
    """Seconds to wait for a server that is starting; one that ends is not waited for."""

    lost = True
    """Whether the server was lost, and not connected to since."""

    def connected(self, connect: Callable[[], T], *not_yet: type[Exception]) -> T:
        """Return what connects, once the server is ready; until then it raises that it is gone, or one of `not_yet`."""
        began = time.monotonic()
        while True:
            try:
                connection = connect()
            except (*self.gone, *not_yet):
                waited = time.monotonic() - began
                if waited > self.waiting:
                    raise
                time.sleep(max(PAUSE, SHARE * waited))
            else:
                self.lost = False
                return connection

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask the server; once it was lost, nothing, until it is connected to again."""
        if self.lost:
            raise ConnectionError("the server was lost before this was asked of it")
        try:
            yield
        except self.gone:
            self.lost = True
            raise

    def ask(self, ask: Callable[..., Any], *words: Any, **more: Any) -> Any:
        """Ask one thing of the server."""
        with self.asking():
            return ask(*words, **more)

    @abstractmethod
    def ack(self, receipt: str) -> str:
        """Settle the delivery that `receipt` names."""

    def ack_many(self, receipts: Sequence[str]) -> Sequence[str]:
        """Settle each by itself."""
        return [self.ack(receipt) for receipt in receipts]

    def stats(self) -> Mapping[str, object]:
        """Show nothing."""
        return {}


class WithoutBarrier(Client):
    """A client of a broker in which nothing says that what was answered is safe."""

    def flush(self) -> str:
        """Say that there is none; its profile promises `barrier = "none"`, so nobody asks."""
        return "UNKNOWN"
