"""The directory of a reference store that has been used for long: its numbers are about to grow too long, or to end.

Nobody can wait until a message was handed out four thousand million times. So a store is opened whose numbers are said
to be as large as that; what it writes then is what one would have written that had come so far.

>>> from ackstore.words.config import Config
>>> sorted(worn_files(Config(), ["orders/billing/0"], Wear(attempts=3, opens=70, resets=2)))
['log-00000070.seg', 'offsets']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from ackcheck.sim.disk import Disk
from ackcheck.sim.target import Wear
from ackstore.core import effects
from ackstore.core.engine import Engine
from ackstore.core.sharded import open_engine
from ackstore.format.filenames import names_of
from ackstore.words import requests
from ackstore.words.config import Config
from ackstore.words.identity import QueueId

MESSAGES = 1
"""How many each queue holds: the one that was handed out so often."""


def worn_files(config: Config, queues: Sequence[str], wear: Wear) -> Mapping[str, bytes]:
    """Return the files of a store whose queues were reset, and their first messages handed out, as often as that."""
    disk = Disk()
    engine = open_engine(evolve(config, max_attempts=None, merge=False), disk, 1.0)
    for name in queues:
        engine.submit(0, requests.Publish(name, MESSAGES), 1.0)
    _run(engine, disk, 1.5)
    for name in queues:
        queue = engine.queues[QueueId.parse(name).token]
        if wear.resets:
            queue.generation = wear.resets - 1
            engine.submit(1, requests.Reset(name, 0), 2.0)
            _run(engine, disk, 3.0)
        engine.submit(2, requests.Pop(name, 1, 1.0), 4.0)
        _run(engine, disk, 4.5)
        if wear.attempts > 1:
            queue.entries[0].attempt = wear.attempts - 1
            engine.submit(3, requests.Pop(name, 1, 1.0), 6.0)
            _run(engine, disk, 6.5)
    engine.submit(4, requests.Close(), 9.0)
    _run(engine, disk, 10.0)
    return {_later(name, wear.opens): disk.read(name) for name in disk.names()}


def _run(engine: Engine, disk: Disk, until: float) -> None:
    """Do what the store asks for, on a disk that works, and let time pass."""
    while True:
        while asked := engine.take_effects():
            for io, effect in asked:
                if io:
                    _do(effect, disk)
                    engine.complete(io, effects.DONE, engine.now)
        due = engine.next_tick()
        if due is None or due > until:
            return
        engine.tick(max(due, engine.now))


def _do(effect: effects.Effect, disk: Disk) -> None:
    match effect:
        case effects.Create(file):
            disk.create(file)
        case effects.Write(file, at, data):
            disk.write(file, at, data)
        case effects.Rename(source, target):
            disk.rename(source, target)
        case effects.Unlink(file):
            disk.unlink(file)


def _later(name: str, opens: int) -> str:
    """Return what a segment is called in a store that has been opened so often."""
    names = names_of(name)
    number = names.number_of(name) if names else None
    return name if names is None or number is None else names.segment(max(opens, 1) - 1 + number)
