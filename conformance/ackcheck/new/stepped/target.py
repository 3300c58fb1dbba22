"""A stepped target: a store that does no I/O itself, so that the suite decides when each write and sync ends, and how.

    ackcheck run --faults sim target.py:Store

The places marked YOURS are where the parts of your store go that decide what is written, and when an answer is due.
As it stands it is a small store of its own that keeps level DISK: whatever is answered was written and synced before.
After a failed write or sync, and at each open, all that is known is written again, to a new file: what was written
before may be lost, though it can still be read. A close leaves the checksum of its file: what is damaged is refused by
name.
"""

import json
import zlib
from itertools import count

from ackcheck.sim.target import Delivered, Ended, Io, Look, Reply

RETRY = 1.0
"""Seconds after which a new file is tried again on a disk that fails."""

PATIENCE = 30.0
"""Seconds after which a close is answered UNKNOWN: the disk hangs."""


class Store:
    def __init__(self):
        self.told = []  # what `take` hands out next
        self.numbers = count(1)  # of I/O
        self.records = []  # what is known, in order: it is on the disk
        self.hands, self.where, self.acked, self.ends = {}, {}, set(), {}
        self.waiting = []  # operations that wait for a file to write to
        self.under_way = {}  # I/O -> what is to be done when it has ended well
        self.batch = None  # the operation whose records are being written; one after another
        self.ready, self.retry_at, self.closing, self.close_by = False, None, None, None
        self.generation, self.end, self.checksum, self.old = 0, 0, 0, []

    # --- YOURS: what your store knows, and what it answers -----------------------------------------------------------

    def open(self, directory, now):
        self.old = sorted(name for name in directory.names() if name.startswith("log-"))
        for name in self.closed_with(directory) or self.old:  # later files have the last word
            for line in directory.read(name).rpartition(b"\n")[0].splitlines():
                self.know(json.loads(line))
        self.generation = max((int(name[4:]) for name in self.old), default=0)
        self.begin_file()

    def closed_with(self, directory):
        """Return the file of a close that was the last thing to happen, if it is whole: all that is known is in it."""
        if "closed" not in directory.names():
            return []
        try:
            name, checksum = json.loads(directory.read("closed"))
            if name < max(self.old, default=""):
                return []  # the store was opened again, and has not been closed since
            whole = zlib.crc32(directory.read(name)) == checksum
        except Exception as error:
            raise ValueError("closed is damaged, or the file that it names is: restore both from a copy") from error
        if not whole:
            raise ValueError(f"{name} is damaged: restore it from a copy")
        return [name]

    def publish(self, queue, end, now):
        self.ends[queue] = max(end, self.ends.get(queue, 0))

    def pop(self, op, queue, count, invisible, now):
        self.begin(lambda at: self.popping(op, queue, count, invisible, at), now)

    def popping(self, op, queue, most, invisible, now):
        given = []
        for offset in range(self.ends.get(queue, 0)):
            attempt, _, until = self.hands.get((queue, offset), (0, "", 0.0))
            if len(given) < most and (queue, offset) not in self.acked and until <= now:
                receipt = f"{queue}/{offset}/{self.generation}/{next(self.numbers)}"
                given.append([queue, offset, attempt + 1, receipt, now + invisible])
        deliveries = tuple(Delivered(receipt, offset, until) for _, offset, _, receipt, until in given)
        return given, lambda reply: Ended(op, reply, deliveries if reply is Reply.OK else ())

    def ack(self, op, receipts, now):
        named = tuple(receipts)  # the caller may use its list again
        self.begin(lambda at: self.acking(op, named, at), now)

    def acking(self, op, receipts, now):
        records, replies = [], []
        for receipt in receipts:
            message = self.where.get(receipt)
            if message is None:
                replies.append(Reply.INVALID)
            elif message in self.acked or list(message) in records:
                replies.append(Reply.SETTLED)
            elif self.hands[message][1] != receipt or self.hands[message][2] <= now:
                replies.append(Reply.EXPIRED)
            else:
                records.append(list(message))
                replies.append(Reply.OK)

        def ended(reply):
            each = tuple(told if reply is Reply.OK else reply for told in replies)
            return Ended(op, each[0]) if len(each) == 1 else Ended(op, reply, replies=each)

        return records, ended

    def flush(self, op, now):
        self.begin(lambda at: ([], lambda reply: Ended(op, reply)), now)  # what is answered is on the disk already

    def close(self, op, now):
        self.closing, self.close_by = op, now + PATIENCE
        self.go_on(now)

    def look(self, receipts):
        return Look()  # nothing: what could be seen is not judged

    def know(self, record):
        self.records.append(record)
        message = tuple(record[:2])
        if len(record) == 2:
            self.acked.add(message)
        else:
            self.hands[message] = tuple(record[2:])
            self.where[record[3]] = message

    # --- how it is written: one operation after another, each synced before it is answered ----------------------------

    def begin(self, operation, now):
        self.waiting.append(operation)
        self.go_on(now)

    def go_on(self, now):
        """Begin the next operation, if there is one and nothing is under way."""
        while self.ready and self.batch is None and self.waiting:
            records, ended = self.waiting.pop(0)(now)
            if records:
                self.batch = (records, ended)
                self.write(records, lambda at: self.io("sync", self.synced))
            else:
                self.told.append(ended(Reply.OK))
        if self.closing is not None and self.batch is None and not self.waiting and self.ready:
            self.ready = False
            self.io("create", self.closing_created, file="closing")

    def synced(self, now):
        if self.batch is None:
            return  # given up
        records, ended = self.batch
        self.batch = None
        for record in records:
            self.know(record)
        self.told.append(ended(Reply.OK))
        self.go_on(now)

    def closing_created(self, now):
        data = json.dumps([f"log-{self.generation:08}", self.checksum]).encode()
        self.io("write", lambda at: self.io("sync", self.closing_synced, file="closing"), file="closing", data=data)

    def closing_synced(self, now):
        self.io("rename", lambda at: self.io("sync_directory", self.closed), file="closing", target="closed")

    def closed(self, now):
        self.end_close(Reply.OK)

    def give_up(self, now):
        """Answer whatever still waits, and the close."""
        begun = [self.batch] if self.batch else []
        for _, ended in begun + [operation(now) for operation in self.waiting]:
            self.told.append(ended(Reply.UNKNOWN))
        self.batch, self.waiting = None, []
        self.end_close(Reply.UNKNOWN)

    def end_close(self, reply):
        if self.closing is not None:
            self.told.append(Ended(self.closing, reply))
        self.closing = self.close_by = None

    def begin_file(self):
        """Write all that is known to a new file; only then is anything answered again."""
        self.generation += 1
        self.ready, self.retry_at, self.end, self.checksum = False, None, 0, 0
        self.io("create", lambda now: self.write(self.records, lambda at: self.io("sync", self.file_synced)))

    def file_synced(self, now):
        self.io("sync_directory", self.file_ready)

    def file_ready(self, now):
        self.ready, gone, self.old = True, self.old, []
        for name in gone:
            self.told.append(Io(next(self.numbers), "unlink", name))
        self.go_on(now)

    def write(self, records, then):
        data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        at, self.end = self.end, self.end + len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self.io("write", then, at=at, data=data)

    def io(self, action, then, file=None, **more):
        number = next(self.numbers)
        self.under_way[number] = then
        self.told.append(Io(number, action, file or f"log-{self.generation:08}", **more))

    def take(self):
        told, self.told = self.told, []
        return told

    def finish(self, io, outcome, now):
        then = self.under_way.pop(io, None)
        if then is None:
            return
        if outcome.ok:
            then(now)
            return
        if self.batch is not None:  # nobody knows what the disk holds of it
            self.told.append(self.batch[1](Reply.UNKNOWN))
            self.batch = None
        self.old.append(f"log-{self.generation:08}")
        self.ready, self.retry_at = False, now + RETRY

    def tick(self, now):
        if self.retry_at is not None and self.retry_at <= now:
            self.begin_file()
        if self.close_by is not None and self.close_by <= now:
            self.give_up(now)

    def next_tick(self):
        return min((at for at in (self.retry_at, self.close_by) if at is not None), default=None)
