"""Bugs of what is on its way: the merge buffer, batches, and records that go to the wrong place."""

from __future__ import annotations

from collections.abc import Sequence

from acklab.zoo.appending import Append, appending
from acklab.zoo.bug import FALSE_FLUSH, LOST_ACK, STUCK, Bug
from ackmodel import Clause, Level
from ackstore.core.acks import Acks
from ackstore.core.compaction import Compaction
from ackstore.core.core import Core
from ackstore.core.merge import MergeBuffer, Share
from ackstore.core.queues import Claim, Entry, Queue
from ackstore.core.states import SETTLED, Item, StateRecord
from ackstore.fields.classes import RecordFields
from ackstore.fields.plain.settling import MERGED
from ackstore.format.payloads import encode_ack
from ackstore.format.records import ACK
from ackstore.words.requests import Ack, AckMany


class _KeepsOneOfAMoment(MergeBuffer):
    def hold(self, queue: Queue, claims: Sequence[Claim], now: float) -> bool:
        if not super().hold(queue, claims, now):
            return False
        kept = self.shares[queue.token].kept
        if len(kept) > 1 and kept[-1].until == kept[-2].until:
            del kept[-2]  # the same key
        return True


class OneCheckpointAMoment(Core):
    """Checkpoints are kept by the moment of their pop: the second of one moment takes the place of the first."""

    merge_class = _KeepsOneOfAMoment


class _WaitsForTheWhole(MergeBuffer):
    def _sort(self, share: Share, given: list[Entry], acks: list[Entry]) -> int:
        entries = share.kept[0].entries
        acked = [entry for entry in entries if entry.settled or (entry.ack is not None and entry.ack.kind == MERGED)]
        if not acked or len(acked) == len(entries):
            return super()._sort(share, given, acks)
        share.kept.popleft()
        self.count -= len(entries)
        share.rest.extend(entry for entry in entries if entry not in share.rest)
        return len(entries)


class PartlyAckedIsNeverDone(Core):
    """A batch of which some is acked is done when all of it is: until then it stays in the buffer."""

    merge_class = _WaitsForTheWhole


class _IsNeverHandedOver(MergeBuffer):
    def hand_over(self, now: float) -> None:
        """Believe that the stage below has it."""

    @property
    def oldest(self) -> float:
        return float("inf")


class StageSwitchedOff(Core):
    """The copy from the buffer to the file is switched off by a setting, and the flush believes that it was made."""

    merge_class = _IsNeverHandedOver


class _MissesTheLog(Acks):
    def submit(self, op: int, request: Ack, now: float, deadline: float) -> None:
        others = [queue for queue in self.queues.values() if not request.receipt.endswith(str(queue.id))]

        def to_another(record: RecordFields, append: Append) -> None:
            if record.kind == ACK and others:
                [entry] = record.entries
                record.payload = encode_ack(others[0].prefix, [(entry.offset, entry.attempt, entry.epoch)])
            append(record)

        with appending(self.log, to_another):
            super().submit(op, request, now, deadline)


class AckToTheWrongQueue(Core):
    """An ack that misses the buffer is stored among another queue's records, where nobody looks for it."""

    acks_class = _MissesTheLog


class _TakesTheFirstQueue(Acks):
    def submit_many(self, op: int, request: AckMany, now: float, deadline: float) -> None:
        first = list[bytes]()

        def with_the_first(record: RecordFields, append: Append) -> None:
            if record.kind == ACK:
                first.append(record.queue.prefix)
                record.payload = first[0] + record.payload[len(record.queue.prefix) :]
            append(record)

        with appending(self.log, with_the_first):
            super().submit_many(op, request, now, deadline)


class AckWithTheWrongQueueId(Core):
    """Acks of a batch are stored with the queue id at hand, which is that of the first: the others match nothing."""

    acks_class = _TakesTheFirstQueue


class _CopiesOneHole(Compaction):
    def write(self, queue: Queue, items: list[Item], start: int) -> StateRecord:
        holes = [item for item in items if item[0] == SETTLED]
        return super().write(queue, [item for item in items if item not in holes[1:]], start)


class HolesCutOff(Core):
    """Of the acks above the offset no more than so many are written when the state is: here, one a record."""

    compaction_class = _CopiesOneHole


BUGS = (
    Bug(
        "mergekey-conflict-blocks-offset-queue",
        OneCheckpointAMoment,
        (*STUCK, *LOST_ACK, Clause.NO_LIMBO, Clause.DEADLINE_IS_EXACT, Clause.RECEIPT_IS_EXACT),
        "RocketMQ #7031",
        level=Level.MEMORY,
    ),
    Bug(
        "partial-batch-done-predicate-wrong",
        PartlyAckedIsNeverDone,
        (*STUCK, *LOST_ACK),
        "rocketmq-rust #2676",
        level=Level.MEMORY,
    ),
    Bug(
        "flush-stage-disabled-by-default-flag",
        StageSwitchedOff,
        (*FALSE_FLUSH, *STUCK, *LOST_ACK),
        "RocketMQ #6283",
        level=Level.MEMORY,
    ),
    Bug(
        "ack-record-to-wrong-log",
        AckToTheWrongQueue,
        (Clause.SUBMITTED_IS_WRITTEN, *LOST_ACK),
        "rocketmq-rust #2708",
    ),
    Bug(
        "rust-ack-queue-id-and-delay-unit",
        AckWithTheWrongQueueId,
        (Clause.SUBMITTED_IS_WRITTEN, *LOST_ACK),
        "rocketmq-rust, read in its code",
    ),
    Bug(
        "ack-holes-truncated-at-persist",
        HolesCutOff,
        (*LOST_ACK, Clause.RETIRE_IS_SAFE, Clause.RECEIPT_IS_EXACT, Clause.DEADLINE_IS_EXACT),
        "Pulsar #25540, #742",
    ),
)
