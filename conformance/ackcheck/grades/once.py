"""What has been answered is not answered again (clause `reply-exactly-once`).

>>> once = Once()
>>> once.answered(7, "operation 3, ack,", (("q", 0),))
>>> about, broken = once.again(SecondAnswer(7, "OK"))
>>> print(about, broken)
(('q', 0),) reply-exactly-once: operation 3, ack, is answered a second time: OK
>>> print(*once.again(SecondAnswer(8, "OK")))
() reply-exactly-once: request 8 is answered a second time: OK
"""

from __future__ import annotations

from attrs import Factory, define

from ackcheck.rig.exchange import SecondAnswer
from ackmodel import Clause
from ackmodel.observe.broken import Broken, Key

SHOWN = 80  # characters of a second answer that the history shows


@define
class Once:
    """What has been answered, by the number of the request."""

    _answered: dict[int, tuple[str, tuple[Key | str, ...]]] = Factory(dict)

    def answered(self, number: int, what: str, about: tuple[Key | str, ...]) -> None:
        """Note that a request was answered: what it was, and what it was about."""
        self._answered[number] = what, about

    def again(self, second: SecondAnswer) -> tuple[tuple[Key | str, ...], Broken]:
        """Return what a call was about that is answered a second time, and what that breaks."""
        what, about = self._answered.get(second.id, (f"request {second.id}", ()))
        key = next((each for each in about if isinstance(each, tuple)), None)
        why = f"{what} is answered a second time: {str(second.result)[:SHOWN]}"
        return about, Broken(Clause.REPLY_EXACTLY_ONCE, why, key)
