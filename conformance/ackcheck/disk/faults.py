"""Faults of a disk, as values that travel to its server, and which of them a request meets.

>>> fault = Fault(on="write", do="eio", blocks=((8, 8),), after=1, times=1)
>>> armed = Armed(1, fault)
>>> [armed.meets("write", offset, 4096, b"") for offset in (0, 32768, 36864, 40960)]
[False, False, True, False]
>>> parsed({"on": "flush", "do": "burn"})
Traceback (most recent call last):
    ...
ackcheck.disk.errors.BadFault: 'do' is 'burn'; write one of cut, drop, eio, enospc, lie, rot, slow, stall, tear
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from attrs import define, field, frozen

from ackcheck.disk.blocks import BLOCK
from ackcheck.disk.errors import BadFault

On = Literal["write", "flush", "read"]
Do = Literal["eio", "enospc", "stall", "slow", "lie", "drop", "tear", "rot", "cut"]

ALLOWED: Final[Mapping[Do, tuple[On, ...]]] = {
    "eio": ("write", "flush", "read"),
    "enospc": ("write", "flush"),
    "stall": ("write", "flush", "read"),
    "slow": ("write", "flush", "read"),
    "lie": ("flush",),
    "drop": ("write",),
    "tear": ("write",),
    "rot": ("read",),
    "cut": ("write", "flush"),
}
"""What may be done at which request."""

LONGEST_STALL: Final = 3600.0
MOST_RANGES: Final = 65536
MOST_BYTES: Final = 4096  # of a text to look for in a write


@frozen(kw_only=True)
class Fault:
    """What is done at which requests.

    `eio` and `enospc` refuse it. `stall` answers it `seconds` late, or, with 0, when it is released. `slow` lets each
    take `seconds`, and its bytes pass at `rate` bytes a second. `lie` answers a flush that nothing comes of, `drop` a
    write. `tear` stores the first sectors of a write only, and refuses it. `rot` turns over one bit of what is read,
    for good. `cut` is the power cut: from this request on none is answered, until the disk is told to go on.
    """

    on: On
    do: Do
    blocks: tuple[tuple[int, int], ...] = ()
    """Of a write or a read: only where it touches one of these ranges, each a first block (of 4 KiB) and how many."""
    holding: bytes = b""
    """Of a write: only where it holds this text."""
    after: int = 0
    """How many requests that it would have met are spared first."""
    times: int | None = None
    """How many it meets after that; None: until it is taken back."""
    seconds: float = 0.0
    rate: float = math.inf
    sectors: int = 1
    """Of `tear`: how many sectors (of 512 bytes) are stored."""
    bit: int = 0
    """Of `rot`: which bit of the bytes that are read, counted around."""

    def __attrs_post_init__(self) -> None:
        _check(self)

    def message(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "on": self.on,
            "do": self.do,
            "blocks": [list(one) for one in self.blocks],
            "holding": b64encode(self.holding).decode(),
            "after": self.after,
            "times": self.times,
            "seconds": self.seconds,
            "rate": None if math.isinf(self.rate) else self.rate,
            "sectors": self.sectors,
            "bit": self.bit,
        }


def parsed(message: Mapping[str, Any]) -> Fault:
    """Return the fault that a message names; raise `BadFault`."""
    try:
        values = dict(message)
        values["blocks"] = tuple((int(first), int(count)) for first, count in message.get("blocks", ()))
        values["holding"] = b64decode(message.get("holding", ""), validate=True)
        values["rate"] = math.inf if message.get("rate") is None else float(message["rate"])
        return Fault(**values)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, BadFault) else BadFault(f"not a fault: {error}") from error


def _check(fault: Fault) -> None:
    if fault.on not in get_args(On):
        raise BadFault(f"'on' is {fault.on!r}; write one of {', '.join(sorted(get_args(On)))}")
    if fault.do not in ALLOWED:
        raise BadFault(f"'do' is {fault.do!r}; write one of {', '.join(sorted(ALLOWED))}")
    if fault.on not in ALLOWED[fault.do]:
        raise BadFault(f"{fault.do!r} cannot be done at a {fault.on}, only at a {' or '.join(ALLOWED[fault.do])}")
    if len(fault.blocks) > MOST_RANGES or any(first < 0 or count < 1 for first, count in fault.blocks):
        raise BadFault(f"'blocks' holds ranges (first block from 0, count from 1), {MOST_RANGES} at most")
    if fault.blocks and fault.on == "flush":
        raise BadFault("a flush is of the whole disk; leave 'blocks' out")
    if len(fault.holding) > MOST_BYTES or (fault.holding and fault.on != "write"):
        raise BadFault(f"'holding' is a text of at most {MOST_BYTES} bytes, to be looked for in a write")
    if fault.after < 0 or (fault.times is not None and fault.times < 1):
        raise BadFault("'after' counts from 0, 'times' from 1")
    if not 0 <= fault.seconds <= LONGEST_STALL:
        raise BadFault(f"'seconds' is {fault.seconds:g}; write 0 to {LONGEST_STALL:g}")
    if not fault.rate > 0:
        raise BadFault(f"'rate' is {fault.rate:g}; write bytes a second, more than 0")
    if fault.sectors < 0 or fault.bit < 0:
        raise BadFault("'sectors' and 'bit' count from 0")


@define(eq=False)
class Armed:
    """A fault that is in force, and how often it was met."""

    number: int
    fault: Fault
    hits: int = 0
    _spared: int = field(init=False, default=0)

    def meets(self, on: On, offset: int, size: int, data: bytes | memoryview) -> bool:
        """Tell whether a request meets it; it counts itself."""
        fault = self.fault
        if fault.on != on or (fault.times is not None and self.hits >= fault.times):
            return False
        if fault.blocks and not _touches(fault.blocks, offset, size):
            return False
        if fault.holding and fault.holding not in bytes(data):
            return False
        if self._spared < fault.after:
            self._spared += 1
            return False
        self.hits += 1
        return True


def _touches(ranges: tuple[tuple[int, int], ...], offset: int, size: int) -> bool:
    first, last = offset // BLOCK, (offset + size - 1) // BLOCK
    return any(start <= last and first < start + count for start, count in ranges)
