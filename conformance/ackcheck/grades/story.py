"""The history of a session, which can be cut down to what concerns one message.

>>> story = Story()
>>> story.note("client", "ack [3]", about=[("q", 3)])
>>> story.note("client", "ack [4]", about=[("q", 4)])
>>> story.note("offset", "4", about=["q"])
>>> story.note("store", "SIGKILL")
>>> [line.text for line in story.of(("q", 4))]
['ack [4]', '4', 'SIGKILL']
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define

from ackcheck.history import History, Line
from ackmodel.observe.broken import Key

TAIL = 80
"""Lines shown where the finding is not about one message."""


@define
class Story:
    """A history whose lines know which messages they are about."""

    history: History = Factory(History)
    _about: list[frozenset[Key | str] | None] = Factory(list)

    def note(self, lane: str, text: str, about: Iterable[Key | str] | None = None) -> None:
        """Note what happened, to these messages and queues; to all of them where `about` is None."""
        self.history.add(lane, text)
        self._about.append(None if about is None else frozenset(about))

    def round(self) -> None:
        """Begin a new round."""
        self.history.step += 1

    def of(self, key: Key | None) -> tuple[Line, ...]:
        """Return the lines that concern a message, or the last ones where it is None."""
        if key is None:
            return tuple(self.history.lines[-TAIL:])
        lines = zip(self.history.lines, self._about, strict=True)
        return tuple(line for line, about in lines if about is None or key in about or key[0] in about)
