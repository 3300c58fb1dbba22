# cython: language_level=3, binding=False, boundscheck=False, wraparound=False
"""The short way of an ack, compiled: what `ackstore.fastpath.lane` does, at little more than the price of the write.

Optional: `ackstore.fastpath.fast` takes from here what it takes from `ackstore.fastpath.plain` where this could not be built. The rules
are those of `ackstore.fastpath.lane` and `ackstore.core.queues`, where they are explained; this knows the plainest case only, and
leaves every other to them, by doing nothing. Tests hold both against each other, byte for byte.

- The classes hold what the classes of the same name keep, as C values where no file can make them too large.
- `ack` and `ack_many` are the short way; `settle`, `first_unsettled` and `bytes_of` what becomes of acks that a sync
  has covered.
- `whole_records` and `replay_acks` go over the plain stretches of a log that recovery reads.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from posix.time cimport clock_gettime, timespec
from posix.unistd cimport pwrite

from heapq import heapify

from ackstore.fastpath.plain import take_turns
from ackstore.core.placement import log_of

cdef extern from *:
    """
    #ifdef __GNUC__
    #define SOON(place) __builtin_prefetch(place, 1)
    #else
    #define SOON(place)
    #endif
    """
    void SOON(const void *place) noexcept

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    const uint8_t *PyUnicode_DATA(object)


# What the classes keep


cdef class EntryFields:
    """See `ackstore.core.entries.Entry`."""

    cdef public object offset, deadline, epoch, ack  # shared with the queue's tables, not made anew
    cdef public long long attempt
    cdef public bint moving, renewing, held, timed, saved, settled


@cython.no_gc
cdef class RecordFields:
    """See `ackstore.core.log.Record`.

    The record of the short way is one of these and no `Record`: the garbage collector does not follow it, so that
    acks do not make it run. `Queue.let_go_of_acks` ends the cycle of an entry and its ack in a store that is closed.
    """

    cdef public object queue, payload, claims, waiters, durables, data, value
    cdef public int kind
    cdef public uint64_t lsn
    cdef object settles
    cdef PyObject **several
    cdef Py_ssize_t count

    @property
    def entries(self):
        """See there. Those of the short way are kept without a tuple around them, which the garbage collector would
        follow: a single one as it is, several in an array."""
        if self.several is not NULL:
            return [<EntryFields>self.several[n] for n in range(self.count)]
        return (self.settles,) if isinstance(self.settles, EntryFields) else self.settles

    @entries.setter
    def entries(self, settles):
        self.forget()
        self.settles = settles

    cdef bint take(self, PyObject **entries, Py_ssize_t count) except False:
        """Keep these entries."""
        cdef Py_ssize_t n
        self.several = <PyObject **>malloc(count * sizeof(PyObject *))
        if self.several is NULL:
            raise MemoryError
        self.count = count
        memcpy(self.several, entries, count * sizeof(PyObject *))
        for n in range(count):
            Py_INCREF(<EntryFields>entries[n])
        return True

    cdef void forget(self) noexcept:
        """Keep none any more."""
        cdef Py_ssize_t n
        if self.several is not NULL:
            for n in range(self.count):
                Py_DECREF(<EntryFields>self.several[n])
            free(self.several)
            self.several = NULL

    def __dealloc__(self):
        self.forget()


cdef class SegmentFields:
    """See `ackstore.core.segment.Segment`."""

    cdef public object number, file
    cdef public uint64_t last
    cdef public long long size
    cdef public bint dirty, synced, torn


cdef class LogFields:
    """See `ackstore.core.log.Log`."""

    cdef public object dirty_since, current, tail
    cdef public uint64_t flushed, last
    cdef public list fresh, rewrites
    cdef public bint busy, stuck, condemned
    cdef public long long unflushed, unflushed_bytes, most_records, most_bytes, submitted, resolved


cdef class FlusherFields:
    """See `ackstore.core.flusher.Flusher`."""

    cdef public bint hurry
    cdef public uint64_t wanted
    cdef public object mode


cdef class QueueFields:
    """See `ackstore.core.queues.Queue`."""

    cdef public dict entries
    cdef public object floor, resetting, prefix, token


cdef class MergeFields:
    """See `ackstore.core.merge.MergeBuffer`."""

    cdef public long long merges


cdef class LaneFields:
    """See `ackstore.fastpath.lane.Lane`."""

    cdef public LogFields log
    cdef public FlusherFields flusher
    cdef public MergeFields merge
    cdef public dict queues, counts
    cdef public object ok, most_items, most_segment
    cdef QueueFields latest


cdef class CoreFields:
    """See `ackstore.core.core.Core`."""

    cdef public object now, closing


cdef class FileFields:
    """See `ackstore.runtime.files.OpenFile`."""

    cdef public int fd, syncs
    cdef public bint dirty, leaving


cdef class DiskFields:
    """See `ackstore.runtime.files.RealDisk`."""

    cdef public dict files
    cdef public int syncing


cdef class Clock:
    """See `ackstore.fastpath.plain.Clock`."""

    cdef double start
    cdef int source

    def __init__(self, double start, int source):
        self.start = start
        self.source = source

    cdef double read(self) noexcept:
        cdef timespec found
        clock_gettime(self.source, &found)
        return self.start + (found.tv_sec + found.tv_nsec * 1e-9)

    def __call__(self):
        return self.read()


# Bytes: receipts in, records out (`ackstore.core.identity`, `ackstore.format.records`, `ackstore.format.payloads`)

cdef enum:
    MERGED = 0
    KIND = 2  # ACK
    STATE = 6
    CRC_AT = 4
    KIND_AT = 8
    LENGTH_AT = 12
    LSN_AT = 16
    SYNCED_AT = 24
    HEAD = 32
    DELIVERY = 20
    DIGITS = 40  # of a receipt, before its "@"
    SHORT = 4096  # bytes: a longer write lets other threads run
    AHEAD = 8  # objects: so far ahead the processor is told what comes

cdef struct Delivery:
    uint64_t offset
    uint64_t attempt
    uint64_t epoch

cdef uint64_t MOST = <uint64_t>1 << 62  # no LSN is as high
cdef uint32_t crcs[8][256]
cdef int8_t digits[256]


cdef void fill_tables() noexcept:
    cdef uint32_t n, k, c
    for n in range(256):
        c = n
        for k in range(8):
            c = (c >> 1) ^ 0xEDB88320u if c & 1 else c >> 1
        crcs[0][n] = c
    for n in range(256):
        for k in range(1, 8):
            crcs[k][n] = (crcs[k - 1][n] >> 8) ^ crcs[0][crcs[k - 1][n] & 0xFF]
    for n in range(256):
        digits[n] = -1
    for n in range(16):
        digits[48 + n if n < 10 else 87 + n] = n  # lower case, as receipts are written


fill_tables()


cdef uint32_t crc32(const uint8_t *at, Py_ssize_t size) noexcept:
    """The CRC-32 of zlib, eight bytes at a time."""
    cdef uint32_t low, crc = 0xFFFFFFFFu
    while size >= 8:
        low = crc ^ (at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24)
        crc = (crcs[7][low & 0xFF] ^ crcs[6][low >> 8 & 0xFF] ^ crcs[5][low >> 16 & 0xFF] ^ crcs[4][low >> 24]
               ^ crcs[3][at[4]] ^ crcs[2][at[5]] ^ crcs[1][at[6]] ^ crcs[0][at[7]])
        at += 8
        size -= 8
    while size:
        crc = crc >> 8 ^ crcs[0][(crc ^ at[0]) & 0xFF]
        at += 1
        size -= 1
    return ~crc


cdef inline void put32(uint8_t *at, uint32_t value) noexcept:
    at[0] = value & 0xFF
    at[1] = value >> 8 & 0xFF
    at[2] = value >> 16 & 0xFF
    at[3] = value >> 24


cdef inline void put64(uint8_t *at, uint64_t value) noexcept:
    put32(at, <uint32_t>value)
    put32(at + 4, <uint32_t>(value >> 32))


cdef inline bint number(const uint8_t *text, int size, uint64_t *found) noexcept:
    """Read `size` hexadecimal digits."""
    cdef uint64_t value = 0
    cdef int8_t wrong = 0
    cdef int n
    for n in range(size):
        wrong |= digits[text[n]]
        value = value << 4 | (digits[text[n]] & 15)
    found[0] = value
    return wrong >= 0


cdef const uint8_t *text_of(object receipt) noexcept:
    """The characters of a receipt; NULL for what cannot be one."""
    if type(receipt) is not str or not PyUnicode_IS_ASCII(receipt) or PyUnicode_GET_LENGTH(receipt) <= DIGITS + 1:
        return NULL
    return PyUnicode_DATA(receipt)


cdef inline bint parse(const uint8_t *text, Delivery *found) noexcept:
    return (
        text[DIGITS] == b"@"
        and number(text, 16, &found.offset)
        and number(text + 16, 8, &found.attempt)
        and number(text + 24, 16, &found.epoch)
    )


cdef bytes encoded(QueueFields queue, const Delivery *deliveries, Py_ssize_t count, uint64_t lsn, uint64_t synced):
    """The ACK record of the deliveries."""
    cdef Py_ssize_t prefix = PyBytes_GET_SIZE(queue.prefix)
    cdef Py_ssize_t size = HEAD + prefix + count * DELIVERY
    cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t *start = <uint8_t *>PyBytes_AS_STRING(data)
    cdef uint8_t *at = start + HEAD + prefix
    cdef Py_ssize_t n
    memcpy(start, b"\xacREC", CRC_AT)
    put32(start + KIND_AT, KIND)
    put32(start + LENGTH_AT, <uint32_t>(size - HEAD))
    put64(start + LSN_AT, lsn)
    put64(start + SYNCED_AT, synced)
    memcpy(start + HEAD, PyBytes_AS_STRING(queue.prefix), prefix)
    for n in range(count):
        put64(at, deliveries[n].offset)
        put32(at + 8, <uint32_t>deliveries[n].attempt)
        put64(at + 12, deliveries[n].epoch)
        at += DELIVERY
    put32(start + CRC_AT, crc32(start + KIND_AT, size - KIND_AT))
    return data


# The short way


cdef QueueFields queue_of(LaneFields lane, const uint8_t *text, object receipt):
    """The queue that a receipt names; None if there is none. Mostly it is the one before it: queues stay for ever."""
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(receipt) - DIGITS - 1
    cdef object token
    if lane.latest is not None:
        token = lane.latest.token
        if PyUnicode_GET_LENGTH(token) == size and not memcmp(PyUnicode_DATA(token), text + DIGITS + 1, size):
            return lane.latest
    lane.latest = lane.queues.get(receipt[DIGITS + 1 :])
    return lane.latest


cdef EntryFields judged(QueueFields queue, const Delivery *delivery, double now):
    """The entry that an ack settles at `now`; None where there is more to say."""
    cdef PyObject *found = PyDict_GetItemWithError(queue.entries, delivery.offset)
    cdef EntryFields entry
    if found is NULL:
        return None
    entry = <EntryFields>found
    if (
        <uint64_t>entry.attempt != delivery.attempt
        or <uint64_t>entry.epoch != delivery.epoch
        or entry.ack is not None
        or <double>entry.deadline <= now
        or entry.moving
        or entry.settled
        or entry.renewing
    ):
        return None
    return entry


cdef SegmentFields segment_of(LaneFields lane, Py_ssize_t size):
    """Where a record of `size` bytes can be written, and answered, at once; None if it takes more than that."""
    cdef LogFields log = lane.log
    cdef FlusherFields flusher = lane.flusher
    cdef SegmentFields segment
    if log.current is None or log.busy or log.fresh or log.rewrites or log.stuck or log.condemned:
        return None
    segment = log.current
    if not 0 < segment.size < lane.most_segment or segment.torn or flusher.hurry or flusher.mode != "async":
        return None
    if (log.unflushed + 1) * 2 >= log.most_records or (log.unflushed_bytes + size) * 2 >= log.most_bytes:
        return None
    return None if flusher.wanted > log.flushed else segment


cdef bint written(DiskFields disk, SegmentFields segment, bytes data):
    """Write to the page cache; whether it was done. Only what may have to wait lets other threads run."""
    cdef FileFields file = disk.files[segment.file]
    cdef const char *start = PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), done
    cdef long long at = segment.size
    cdef int fd = file.fd
    file.dirty = True
    if disk.syncing or size > SHORT:
        with nogil:
            done = pwrite(fd, start, size, at)
    else:
        done = pwrite(fd, start, size, at)
    return done == size


cdef object stored(LaneFields lane, SegmentFields segment, RecordFields record, QueueFields queue, bytes data, double now):
    """The log has taken a record, whole."""
    cdef LogFields log = lane.log
    record.kind = KIND
    record.queue = queue
    record.payload = b""
    record.claims = ()
    record.lsn = log.last + 1
    record.data = data
    segment.dirty = True
    segment.size += PyBytes_GET_SIZE(data)
    if log.dirty_since is None:
        log.dirty_since = now
    log.tail.append(record)
    log.last = record.lsn
    log.submitted += 1
    log.resolved += 1
    log.unflushed += 1
    log.unflushed_bytes += PyBytes_GET_SIZE(data)


cdef object ack_one(LaneFields lane, object receipt, double now, DiskFields disk):
    cdef Delivery delivery
    cdef const uint8_t *text = text_of(receipt)
    cdef QueueFields queue
    cdef EntryFields entry
    cdef RecordFields record
    cdef SegmentFields segment
    if text is NULL or not parse(text, &delivery):
        return None
    queue = queue_of(lane, text, receipt)
    if queue is None or queue.resetting is not None:
        return None
    entry = judged(queue, &delivery, now)
    if entry is not None and entry.held:
        return merge_one(lane, queue, entry)
    segment = segment_of(lane, HEAD + PyBytes_GET_SIZE(queue.prefix) + DELIVERY)
    if entry is None or segment is None:
        return None
    data = encoded(queue, &delivery, 1, lane.log.last + 1, lane.log.flushed)
    if not written(disk, segment, data):
        return None
    record = RecordFields.__new__(RecordFields)
    record.settles = entry
    entry.ack = record
    stored(lane, segment, record, queue, data, now)
    lane.counts["OK"] += 1
    return lane.ok


cdef bint parse_all(list receipts, Delivery *found) noexcept:
    """Whether all are receipts of the first one's queue; `found` gets what they name."""
    cdef const uint8_t *first = text_of(receipts[0])
    cdef const uint8_t *text
    cdef Py_ssize_t length, n
    if first is NULL:
        return False
    length = PyUnicode_GET_LENGTH(receipts[0])
    for n in range(len(receipts)):
        text = text_of(receipts[n])
        if text is NULL or PyUnicode_GET_LENGTH(receipts[n]) != length or not parse(text, found + n):
            return False
        if memcmp(text + DIGITS, first + DIGITS, length - DIGITS):
            return False
    return True


cdef bint judge_all(
    QueueFields queue, const Delivery *deliveries, Py_ssize_t count, double now, RecordFields record, PyObject **entries
) except -1:
    """Find the entries that `record` settles, which is their ack now; False, and nothing done, where there is more to
    say."""
    cdef EntryFields entry
    cdef Py_ssize_t n
    for n in range(count):
        entry = judged(queue, deliveries + n, now)
        if entry is None or entry.held:
            let_go(entries, n)
            return False
        entry.ack = record  # so that `judged` does not find it twice
        entries[n] = <PyObject *>entry
    return True


cdef void let_go(PyObject **entries, Py_ssize_t count) noexcept:
    cdef Py_ssize_t n
    for n in range(count):
        (<EntryFields>entries[n]).ack = None


cdef list ack_all(LaneFields lane, list receipts, double now, DiskFields disk, Delivery *deliveries, PyObject **entries):
    cdef Py_ssize_t count = len(receipts)
    cdef QueueFields queue
    cdef EntryFields entry
    cdef RecordFields record
    cdef SegmentFields segment
    if not parse_all(receipts, deliveries):
        return None
    queue = queue_of(lane, text_of(receipts[0]), receipts[0])
    if queue is None or queue.resetting is not None:
        return None
    entry = judged(queue, deliveries, now)
    if entry is not None and entry.held:
        return merge_all(lane, queue, deliveries, count, now)
    segment = segment_of(lane, HEAD + PyBytes_GET_SIZE(queue.prefix) + count * DELIVERY)
    if segment is None:
        return None
    data = encoded(queue, deliveries, count, lane.log.last + 1, lane.log.flushed)
    record = RecordFields.__new__(RecordFields)
    if not judge_all(queue, deliveries, count, now, record, entries):
        return None
    record.take(entries, count)
    if not written(disk, segment, data):
        let_go(entries, count)
        return None
    stored(lane, segment, record, queue, data, now)
    lane.counts["OK"] += count
    return [lane.ok] * count


# The short way into the merge buffer (`ackstore.core.merge`): nothing is written


cdef inline bint takes_acks(LaneFields lane):
    """Whether an answer may be given before anything is stored."""
    cdef LogFields log = lane.log
    return (
        lane.flusher.mode == "async"
        and not log.stuck
        and log.unflushed * 2 < log.most_records
        and log.unflushed_bytes * 2 < log.most_bytes
    )


cdef inline void merged(QueueFields queue, EntryFields entry):
    """The ack of a delivery has met its checkpoint."""
    cdef RecordFields record = RecordFields.__new__(RecordFields)
    record.kind = MERGED
    record.queue = queue
    record.payload = record.data = b""
    record.claims = record.settles = ()
    record.lsn = 0
    entry.ack = record
    entry.held = False


cdef object merge_one(LaneFields lane, QueueFields queue, EntryFields entry):
    if not takes_acks(lane):
        return None
    merged(queue, entry)
    lane.merge.merges += 1
    lane.counts["OK"] += 1
    return lane.ok


cdef list merge_all(LaneFields lane, QueueFields queue, const Delivery *deliveries, Py_ssize_t count, double now):
    cdef list entries = []
    cdef EntryFields entry
    cdef Py_ssize_t n
    if not takes_acks(lane):
        return None
    for n in range(count):
        entry = judged(queue, deliveries + n, now)
        if entry is None or not entry.held:
            for entry in entries:
                entry.ack = None
                entry.held = True
            return None
        merged(queue, entry)  # so that `judged` does not find it twice
        entries.append(entry)
    lane.merge.merges += count
    lane.counts["OK"] += count
    return [lane.ok] * count


# The short way, as it is called


cdef class StoreFields:
    """See `ackstore.store.Store`."""

    cdef public tuple _direct
    cdef public CoreFields _core
    cdef public object _broken, _clock, _disk, _wake
    cdef public bint _asleep
    cdef object acquire, release

    def _lock_with(self, lock):
        self.acquire, self.release = lock.acquire, lock.release

    cdef bint enter(self) except -1:
        """Take the lock; False where somebody keeps it."""
        return self.acquire(False) or take_turns(self.acquire)

    cdef double time(self) except? -1:
        return (<Clock>self._clock).read() if type(self._clock) is Clock else self._clock()

    cdef bint may(self):
        return self._broken is None and self._core.closing is None

    cdef leave(self, got, double now):
        if got is not None:
            self._core.now = now
            if self._asleep:
                self._asleep = False
                self._wake.notify()
        return got


cdef LaneFields lane_of(StoreFields store, receipt):
    """The lane of the log that a receipt's queue is in; None where the compiled way is not open."""
    if store._direct is None:
        return None
    if len(store._direct) == 1:
        return store._direct[0]
    return None if text_of(receipt) is NULL else store._direct[log_of(receipt[DIGITS + 1 :], len(store._direct))]


def ack(StoreFields store, receipt):
    """The reply to an ack; None, and nothing done, where it has to go another way."""
    cdef double now
    cdef LaneFields lane = lane_of(store, receipt)
    if lane is None:
        return None
    if not store.enter():
        return None
    try:
        if not store.may():
            return None
        now = store.time()
        return store.leave(ack_one(lane, receipt, now, store._disk), now)
    finally:
        store.release()


def ack_many(StoreFields store, receipts):
    """The replies to a batch; None, and nothing done, where it has to go another way."""
    cdef double now
    cdef Delivery *deliveries
    cdef PyObject **entries
    cdef LaneFields lane
    if type(receipts) is not list or not receipts:
        return None
    lane = lane_of(store, receipts[0])
    if lane is None or len(receipts) > lane.most_items:
        return None
    receipts = receipts[:]  # nobody changes it on the way
    deliveries = <Delivery *>malloc(len(receipts) * (sizeof(Delivery) + sizeof(PyObject *)))
    if deliveries is NULL:
        return None
    entries = <PyObject **>(deliveries + len(receipts))
    try:
        if not store.enter():
            return None
        try:
            if not store.may():
                return None
            now = store.time()
            return store.leave(ack_all(lane, receipts, now, store._disk, deliveries, entries), now)
        finally:
            store.release()
    finally:
        free(deliveries)


# What becomes of acks that a sync has covered


cdef inline void settle_one(EntryFields entry):
    entry.ack = None
    entry.settled = True


def settle(list records, Py_ssize_t at, dict queues):
    """Settle what the ACK records from `at` on settle, up to one that somebody waits for, or that is no ACK; returns
    where that is. `queues` gets their queues, by token."""
    cdef RecordFields record
    cdef QueueFields queue = None
    cdef Py_ssize_t n, most = len(records)
    while at < most:
        if at + AHEAD < most:
            SOON(<PyObject *>records[at + AHEAD])
        record = records[at]
        if record.kind != KIND or record.waiters is not None or record.durables is not None:
            break
        if record.several is not NULL:
            for n in range(record.count):
                settle_one(<EntryFields>record.several[n])
        elif isinstance(record.settles, EntryFields):
            settle_one(record.settles)
        else:
            for entry in record.settles:
                settle_one(entry)
        if record.queue is not queue:
            queue = record.queue
            queues[queue.token] = queue
        at += 1
    return at


def first_unsettled(dict entries, uint64_t floor):
    """Let go of the entries from `floor` on that are settled; returns the first offset whose is not, or that has
    none."""
    cdef PyObject *found
    while True:
        offset = floor
        found = PyDict_GetItemWithError(entries, offset)
        if found is NULL or not (<EntryFields>found).settled:
            return offset
        PyDict_DelItem(entries, offset)
        floor += 1


def timers_of(dict entries, most):
    """The deadlines of the entries that may be handed out again, as heaps of (deadline, offset): of those that are not
    at their last attempt, of `most` (None for no limit), and of those that are."""
    cdef list expiring = [], ending = []
    cdef EntryFields entry
    cdef double latest = -1.0, deadline
    cdef bint sorted = True
    for entry in entries.values():
        entry.timed = entry.ack is None and not (entry.settled or entry.moving or entry.renewing)
        if entry.timed and (most is None or entry.attempt < most):
            deadline = entry.deadline
            sorted = sorted and deadline >= latest
            latest = deadline
            expiring.append((entry.deadline, entry.offset))
        elif entry.timed:
            ending.append((entry.deadline, entry.offset))
    if not sorted:  # what is sorted is a heap
        heapify(expiring)
    heapify(ending)
    return expiring, ending


def settled_run(dict entries, uint64_t floor, Py_ssize_t most):
    """The messages from `floor` on that are settled, or whose ack is in the merge buffer, without a gap; at most so
    many."""
    cdef list found = []
    cdef PyObject *at
    cdef EntryFields entry
    while len(found) < most:
        at = PyDict_GetItemWithError(entries, floor)
        if at is NULL:
            break
        entry = <EntryFields>at
        if not entry.settled and (entry.ack is None or (<RecordFields>entry.ack).kind != MERGED):
            break
        found.append(entry)
        floor += 1
    return found


def settle_run(list entries):
    """Settle messages; returns those of their acks that somebody waits for."""
    cdef list found = []
    cdef EntryFields entry
    cdef RecordFields ack
    for entry in entries:
        ack = entry.ack
        settle_one(entry)
        if ack is not None and (ack.waiters is not None or ack.durables is not None):
            found.append(ack)
    return found


def bytes_of(list records):
    """How long the records are together."""
    cdef Py_ssize_t n, most = len(records), total = 0
    for n in range(most):
        if n + AHEAD < most:
            SOON(<PyObject *>records[n + AHEAD])
        total += PyBytes_GET_SIZE((<RecordFields>records[n]).data)
    return total


# What recovery reads


cdef inline uint32_t get32(const uint8_t *at) noexcept:
    return at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24


cdef inline uint64_t get64(const uint8_t *at) noexcept:
    return get32(at) | <uint64_t>get32(at + 4) << 32


def whole_records(bytes data, Py_ssize_t at, expected, synced):
    """Go over whole records from byte `at` on, the first of which would have the LSN `expected`, up to what is none,
    or has another LSN, or is a STATE. Returns where that is, its LSN if it were whole, and the highest `synced`."""
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef const uint8_t *record
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), length
    cdef uint64_t lsn, most, stated
    if expected >= MOST or synced >= MOST:
        return at, expected, synced
    lsn, most = expected, synced
    while at + HEAD <= size:
        record = start + at
        length = get32(record + LENGTH_AT)
        if memcmp(record, b"\xacREC", CRC_AT) or get64(record + LSN_AT) != lsn or record[KIND_AT] == STATE:
            break
        stated = get64(record + SYNCED_AT)
        if length > size - at - HEAD or stated >= MOST:
            break
        if crc32(record + KIND_AT, HEAD - KIND_AT + length) != get32(record + CRC_AT):
            break
        most = max(most, stated)
        at += HEAD + length
        lsn += 1
    return at, lsn, most


def replay_acks(bytes data, Py_ssize_t at, Py_ssize_t count, dict queues):
    """Settle what the ACK records from byte `at` on settle, all of them whole and proved and at most `count`, up to one
    that names a queue or a message that is not known yet, or that is no ACK. Returns where that is, and how many there
    were. `queues` are by the queue field of their records."""
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef const uint8_t *record
    cdef Py_ssize_t length, prefix, done = 0
    cdef QueueFields queue = None
    while done < count:
        record = start + at
        length = get32(record + LENGTH_AT)
        prefix = 2 + (record[HEAD] | record[HEAD + 1] << 8) if length >= 2 else length + 1
        if record[KIND_AT] != KIND or prefix > length or (length - prefix) % DELIVERY:
            break
        if queue is None or not named(queue, record + HEAD, prefix):
            queue = queues.get(data[at + HEAD : at + HEAD + prefix])
            if queue is None:
                break
        if not replayed(queue, record + HEAD + prefix, (length - prefix) // DELIVERY):
            break
        at += HEAD + length
        done += 1
    return at, done


cdef bint named(QueueFields queue, const uint8_t *prefix, Py_ssize_t size) noexcept:
    return PyBytes_GET_SIZE(queue.prefix) == size and not memcmp(PyBytes_AS_STRING(queue.prefix), prefix, size)


cdef bint replayed(QueueFields queue, const uint8_t *at, Py_ssize_t count):
    """Settle so many deliveries; False, and nothing done, if one of them is of a message that is not known."""
    cdef PyObject *found
    cdef Py_ssize_t n
    for n in range(count):
        found = PyDict_GetItemWithError(queue.entries, get64(at + n * DELIVERY))
        if found is NULL:
            return False
    for n in range(count):
        settle_one(<EntryFields>PyDict_GetItemWithError(queue.entries, get64(at + n * DELIVERY)))
    if count and get64(at) == queue.floor:
        queue.floor = first_unsettled(queue.entries, queue.floor)
    return True
