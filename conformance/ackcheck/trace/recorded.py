"""The oracle of a recorded history: what it knows of messages can be taken out, and put back.

The fast path (`ackcheck.trace.simple`) keeps of a message only what came to pass, as long as that is simple; the worlds
of the oracle follow from it, by the model, once they are needed.

>>> from ackmodel import Level, OracleOptions
>>> oracle = Recorded(Level.DISK, options=OracleOptions(forget=True))
>>> oracle.adopt(Known(key=("q", 3), contract=Contract(Level.DISK), receipts=("r1",)))
>>> oracle.knows("r1"), oracle.known("q", 3).receipts
(True, ('r1',))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, frozen

from ackmodel import Contract
from ackmodel.observe.broken import Key
from ackmodel.observe.events import Secured
from ackmodel.observe.oracle import Oracle
from ackmodel.observe.queue import Covered, Queue


@frozen(kw_only=True)
class Known:
    """All that an oracle knows of one message.

    `receipts` are all that were issued, the newest last; `delivery` is the newest as far as no barrier has covered it,
    and `ack` the operation that was answered OK; `counted` are the receipts whose ack was answered OK since a fault.
    """

    key: Key
    contract: Contract
    receipts: Sequence[str] = ()
    delivery: Secured | None = None
    ack: int | None = None
    counted: Sequence[str] = ()


@define(eq=False)
class Recorded(Oracle):
    """An oracle that can be asked what it knows, and told."""

    def knows(self, receipt: str) -> bool:
        """Tell whether a receipt names something."""
        return receipt in self._receipts

    @property
    def receipts(self) -> int:
        """How many receipts name something."""
        return len(self._receipts)

    def queue(self, name: str) -> Queue:
        """Return what is known of a queue."""
        return self._queue(name)

    @property
    def acks(self) -> Mapping[int, Sequence[tuple[str, Key | None]]]:
        """The acks under way, each with its receipts and their messages."""
        return self._acks

    @property
    def barriers(self) -> Mapping[int, Mapping[str, Covered]]:
        """The barriers under way, the oldest first, and what each covers."""
        return self._barriers

    @property
    def changing(self) -> bool:
        """Whether a renewal, a release or a reset is under way, or the outcome of a reset is open."""
        return bool(self._changes or self._resets or self._overtaken) or any(
            told.resets for told in self.queues.values()
        )

    def known(self, queue: str, offset: int) -> Known:
        """Return what is known of a message."""
        told = self._queue(queue)
        receipts = tuple(told.receipts.get(offset, ()))
        return Known(
            key=(queue, offset),
            contract=told.contracts[offset],
            receipts=receipts,
            delivery=told.deliveries.get(offset),
            ack=told.acknowledged.get(offset),
            counted=tuple(each for each in receipts if each in self._counted),
        )

    def adopt(self, known: Known) -> None:
        """Take up what is known of a message."""
        name, offset = known.key
        told = self._queue(name)
        told.contracts[offset] = known.contract
        told.end = max(told.end, offset + 1)
        if known.receipts:
            told.receipts[offset] = list(known.receipts)
        self._receipts.update(dict.fromkeys(known.receipts, known.key))
        if known.delivery is not None:
            told.deliveries[offset] = known.delivery
        if known.ack is not None:
            told.acknowledged[offset] = known.ack
        self._counted.update(known.counted)
        self._submitted.update(known.counted)
        self._confirmed.update(known.counted)

    def adopt_ack(self, op: int, named: Iterable[tuple[str, Key]]) -> None:
        """Take up an ack under way."""
        self._acks[op] = tuple(named)
        self._submitted.update(receipt for receipt, _ in self._acks[op])

    def adopt_barrier(self, op: int, covered: Mapping[str, Covered]) -> None:
        """Take up a barrier under way."""
        self._barriers[op] = covered
