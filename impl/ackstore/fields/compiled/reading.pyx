"""The plain stretches of a log that recovery reads, in C: see `ackstore.fields.plain.reading`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp

from ackstore.fields.compiled.classes cimport EntryFields, QueueFields
from ackstore.fields.compiled.raw cimport (
    ACK, CRC_AT, DELIVERY, HEAD, KIND_AT, LENGTH_AT, LSN_AT, MESSAGE, STATE, SYNCED_AT, crc32, get32, get64
)
from ackstore.fields.compiled.settling cimport first_unsettled, settle_one

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(void *)

cdef uint64_t MOST = <uint64_t>1 << 62  # no LSN is as high


def whole_records(bytes data, Py_ssize_t at, expected, synced):
    """See there. Stops at what is no whole record, or has a different LSN, or is a STATE."""
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
    """See there. All of the records are whole and proved; stops at one that names a queue or a message that is not
    known yet, or that is no ACK."""
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef const uint8_t *record
    cdef Py_ssize_t length, prefix, done = 0
    cdef QueueFields queue = None
    while done < count:
        record = start + at
        length = get32(record + LENGTH_AT)
        prefix = 2 + (record[HEAD] | record[HEAD + 1] << 8) if length >= 2 else length + 1
        if record[KIND_AT] != ACK or prefix > length or (length - prefix) % DELIVERY:
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


def replay_new(queue, kind, bytes data, Py_ssize_t at, Py_ssize_t end, deadline, epoch):
    """See there."""
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef dict entries = (<QueueFields>queue).entries
    cdef uint64_t number, top = 0, floor = queue.floor
    cdef EntryFields entry
    if at > end or end > PyBytes_GET_SIZE(data) or (end - at) % MESSAGE:
        return False
    while at < end:
        number = get64(start + at)
        offset = number
        if number < floor or number >= MOST or offset in entries:
            break
        entry = kind.__new__(kind)  # with nothing in it but False and None
        entry.offset = offset
        entry.attempt = get32(start + at + 8)
        entry.epoch = epoch
        entry.deadline = deadline
        entry.saved = True
        entries[offset] = entry
        # As a compiled ack (`RecordFields`): the garbage collector would look at all of them once, and find nothing.
        PyObject_GC_UnTrack(<void *>entry)
        top = max(top, number + 1)
        at += MESSAGE
    if top > queue.next_new:
        queue.next_new = top
    return at == end


cdef bint named(QueueFields queue, const uint8_t *prefix, Py_ssize_t size) noexcept:
    return PyBytes_GET_SIZE(queue.prefix) == size and not memcmp(PyBytes_AS_STRING(queue.prefix), prefix, size)


cdef bint replayed(QueueFields queue, const uint8_t *at, Py_ssize_t count) except -1:
    """Settle this many deliveries; False, and nothing done, if one of them is of a message that is not known."""
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
