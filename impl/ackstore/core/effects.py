"""What the core asks the outside world to do, and how the world answers.

The core never touches a file. It hands out *effects*, each with an I/O id, and is told the *result*
of each by that id, in any order, at any later time, or never. The threaded runtime performs them on
a real directory; a simulator performs them on an imagined one. `Answer` and `Durable` are addressed
to the client: their I/O id is 0 and they have no result.

File names are bare names in the store's one directory.

>>> effect = Write(file="log-00000001.seg", at=40, data=b"abc")
>>> effect.at, len(effect.data)
(40, 3)
>>> Failed(errno=28, written=2).written
2
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from ackstore.words.identity import Delivery
from ackstore.words.replies import Reply


@frozen
class Create:
    """Create an empty file; a file of that name is emptied."""

    file: str


@frozen
class Write:
    """Write all of `data` at byte `at` (a `pwrite`, into the page cache)."""

    file: str
    at: int
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")


@frozen
class Sync:
    """Make what the file held when the sync began durable (an `fsync`)."""

    file: str


@frozen
class SyncDir:
    """Make the directory's entries durable (an `fsync` of the directory)."""


@frozen
class Rename:
    """Replace `target` by `source`, atomically; durable only after a later `SyncDir`."""

    source: str
    target: str


@frozen
class Unlink:
    """Remove a file's directory entry."""

    file: str


@frozen
class Reserve:
    """Have a file take up `size` bytes of the disk, whatever it holds, so that they are there when it is removed. It
    takes no more than half of what would be free without it. Where so much cannot be had it is left as it was, and
    the failure says in `written` what could be."""

    file: str
    size: int


@frozen
class Answer:
    """Operation `op` has ended. No operation is answered twice.

    `value` is a tuple of `Delivery` for a pop, a tuple of `Reply` (one an item, in the order asked)
    for a batch of acks, and None otherwise.
    """

    op: int
    reply: Reply
    value: tuple[Delivery, ...] | tuple[Reply, ...] | None = None


@frozen
class Durable:
    """The ack of operation `op` is FLUSHED: its durable callback is due. Sent at most once an
    operation.
    """

    op: int


Effect = Create | Write | Sync | SyncDir | Rename | Unlink | Reserve | Answer | Durable


@frozen
class Done:
    """The effect succeeded."""


@frozen
class Failed:
    """The effect failed with `errno`; of a `Write`, the first `written` bytes reached the file, and
    no others.
    """

    errno: int
    written: int = 0


Result = Done | Failed

Handler = Callable[[Result, float], None]
"""Hears the result of an effect, and the time."""

DONE = Done()
"""The one `Done`: it has no content, so nobody needs another."""
