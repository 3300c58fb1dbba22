"""Dead letters: messages that nobody settled in the attempts allowed, and their DEAD records.

When the deadline of the last attempt passes (`Config.max_attempts`), or it is released, nobody gets the message again:
a DEAD record settles it, like an ack (clause `no-limbo`). From the moment the record is CACHED the message cannot be
acked any more, and once it is FLUSHED it is listed, and the offset may pass. Pops look for exhausted messages, and so
does every tick: it happens without traffic too. A record that could not be stored is tried again after a while.
"""

from __future__ import annotations

from ackstore.core.queues import Queue
from ackstore.core.receipts import Receipts
from ackstore.core.record import Record
from ackstore.fields.classes import RecordFields
from ackstore.format.payloads import encode_checkpoint
from ackstore.format.records import DEAD
from ackstore.words.config import Config


class DeadLetters:
    """Buries what is exhausted. `acks` settles."""

    def __init__(self, config: Config, acks: Receipts) -> None:
        self.config = config
        self.acks = acks
        self.queues = acks.queues
        self.log = acks.log
        self.flusher = acks.flusher
        self.retry_at = 0.0
        """Not before: a record was refused or failed."""
        self.now = 0.0

    def due(self) -> float | None:
        """Return the earliest time at which `tick` has something to do; None for never."""
        first = min((queue.ending[0][0] for queue in self.queues.values() if queue.ending), default=None)
        return None if first is None else max(first, self.retry_at)

    def tick(self, now: float) -> None:
        """Bury whatever is due, in every queue."""
        due = self.due()
        if due is None or now < due:
            return
        for queue in self.queues.values():
            if queue.ending and queue.ending[0][0] <= now:
                self.look(queue, now)

    def look(self, queue: Queue, now: float) -> None:
        """Bury what is due in one queue, or try again later."""
        self.now = now
        if now < self.retry_at:
            return
        if self.flusher.refuses() or queue.resetting is not None:
            self.retry_at = now + self.config.flush_interval
            return
        while entries := queue.exhausted(now, self.config.max_batch):
            epoch = entries[0].epoch
            queue.unsettle(entry for entry in entries if entry.epoch != epoch)  # the next record is theirs
            record = Record(DEAD, queue)
            record.entries = [entry for entry in entries if entry.epoch == epoch]
            record.value = now
            record.waiters = []
            messages = [(entry.offset, entry.attempt) for entry in record.entries]
            record.payload = encode_checkpoint(queue.prefix, now, epoch, messages)
            for entry in record.entries:
                entry.ack = record
            self.log.append(record)
            if self.flusher.refuses():  # the rest has time
                self.retry_at = now + self.config.flush_interval
                return

    def cached(self, record: RecordFields, prompt: bool) -> None:
        """Note that the DEAD is CACHED; a late client may wait to hear so."""
        if record.waiters or prompt:
            self.acks.cached(record, prompt)

    def failed(self, record: RecordFields) -> None:
        """Note that the DEAD was certainly not stored: the messages are exhausted, as before."""
        self.acks.failed(record)
        self.retry_at = self.now + self.config.flush_interval

    def flushed(self, record: RecordFields) -> None:
        """Note that the DEAD is FLUSHED."""
        record.queue.bury(record.entries, record.value)
        self.acks.flushed(record)
