"""A target in the process of the test, in the place of a child: for what is asked of a store, not how it is killed."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns
from typing import Any, Self

from ackcheck.rig.exchange import Exchange, Killed, SecondAnswer
from ackcheck.rig.serve import offers_of


class Inside:
    """What of an `ackcheck.rig.child.Child` a session needs; a call is made, and answered, when it is sent."""

    def __init__(self, factory: Callable[[], Any], directory: Path) -> None:
        self.factory, self.directory = factory, directory
        self.environment: dict[str, str] = {}
        self.served: tuple[str, ...] = ()
        self.second_answers: list[SecondAnswer] = []
        self.target: Any = None
        self.done: deque[Exchange] = deque()
        self.sent = 0
        self.in_flight = 0

    @property
    def pid(self) -> int | None:
        return None if self.target is None else 1

    def another(self) -> Self:
        other = type(self)(self.factory, self.directory)
        other.sent = self.sent
        return other

    def start(self) -> Self:
        self.target = self.factory()
        return self

    def send(self, op: str, **arguments: Any) -> int:
        self.sent, at = self.sent + 1, monotonic_ns()
        result, error = None, None
        try:
            if op == "open":
                self.target.open(Path(arguments["directory"]))
                result = offers_of(self.target)
            else:
                result = getattr(self.target, op)(**arguments)
        except Exception as raised:  # it is the answer
            error = (type(raised).__name__, str(raised))
        answer = Exchange(
            id=self.sent,
            op=op,
            arguments=arguments,
            sent_ns=at,
            replied_ns=monotonic_ns(),
            result=result,
            error=error,
        )
        self.done.append(answer)
        return self.sent

    def receive(self) -> Exchange:
        return self.done.popleft()

    def poll(self, _seconds: float = 0.0) -> list[Exchange]:
        done = list(self.done)
        self.done.clear()
        return done

    def call(self, op: str, **arguments: Any) -> Any:
        self.send(op, **arguments)
        return self.done.pop().value()

    def kill(self) -> Killed:
        self.target = None
        return Killed(answered=tuple(self.poll()), unanswered=(), processes=(1,), held_by="the test", wrote=1)

    def end(self) -> None:
        self.kill()

    def leave(self) -> None:
        """The same: nothing of it lives on."""
        self.end()

    def close(self) -> int:
        return 0

    def traces(self) -> dict[str, Any]:
        return {"wrote": 1}

    def peers(self) -> tuple[str, ...]:
        return ()

    def last_words(self) -> str:
        return ""

    def mark(self) -> None:
        """Nobody looks."""

    def stop(self) -> None:
        """Nothing runs."""

    def go_on(self) -> None:
        """Nothing runs."""
