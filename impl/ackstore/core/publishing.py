"""Publishing: how many messages a queue holds, and how many queues a store may.

A queue that is not known yet is made, which takes memory for good: `Config.max_queues` bounds how many there are. Those
that recovery found are kept, though they be more; only another one is refused then.

>>> from ackstore.core.core import Core
>>> from ackstore.format.recovery import Recovered
>>> core = Core(Config(max_queues=1), Recovered(), now=0.0)
>>> core.submit(1, Publish("orders", 5), now=0.0)
>>> core.submit(2, Publish("orders", 6), now=0.0)
>>> core.submit(3, Publish("letters", 5), now=0.0)
Traceback (most recent call last):
    ...
ackstore.words.errors.TooManyQueues: there are 1 queues, and letters/default/0 would be one more than \
Config.max_queues allows: open the store with a higher limit, or publish to a queue that there is
"""

from __future__ import annotations

from collections.abc import Callable

from ackstore.core.operations import Operations
from ackstore.core.queues import Queue
from ackstore.words.config import Config
from ackstore.words.errors import CountOutOfRange, TooManyQueues, shown
from ackstore.words.identity import QueueId
from ackstore.words.replies import Reply
from ackstore.words.requests import Publish

MAX_END = 2**63 - 1
"""No queue holds more messages than this: their offsets fit in a record."""


def check_room(queue: QueueId, queues: int, config: Config) -> None:
    """Raise `TooManyQueues` when there are too many `queues` for `queue` to be one more."""
    if queues >= config.max_queues:
        raise TooManyQueues(
            f"there are {queues} queues, and {queue} would be one more than Config.max_queues allows: "
            "open the store with a higher limit, or publish to a queue that there is"
        )


class Publishing:
    """Publishes to `queues`, by token."""

    def __init__(
        self, config: Config, queues: dict[str, Queue], operations: Operations, new: Callable[[QueueId], Queue]
    ) -> None:
        self.config = config
        self.queues = queues
        self.operations = operations
        self.new = new

    def submit(self, op: int, request: Publish, _now: float, deadline: float) -> None:
        """Raise the end of a queue. It takes no record."""
        if type(request.end) is not int or not 0 <= request.end <= MAX_END:
            raise CountOutOfRange(
                f"a queue cannot hold {shown(request.end)} messages: give an integer from 0 to {MAX_END}"
            )
        token = request.queue.token
        queue = self.queues.get(token)
        if queue is None:
            check_room(request.queue, len(self.queues), self.config)
            queue = self.queues[token] = self.new(request.queue)
        queue.publish(request.end)
        self.operations.end(self.operations.begin(op, deadline), Reply.OK)
