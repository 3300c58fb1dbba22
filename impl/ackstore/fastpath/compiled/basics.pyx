"""What the fast path stands on, in C: does what `ackstore.fastpath.plain.basics` does."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from posix.time cimport clock_gettime, timespec
from posix.unistd cimport pwrite

from ackstore.fields.compiled.classes cimport DiskFields, FileFields, RecordFields, SegmentFields
from ackstore.fields.compiled.raw cimport (
    ACK, CRC_AT, DELIVERY, HEAD, KIND_AT, LENGTH_AT, LSN_AT, SYNCED_AT, crc32, put32, put64
)

from ackstore.core.effects import DONE

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    const uint8_t *PyUnicode_DATA(object)

cdef object done_ = DONE


# The clock


cdef class Clock:
    def __init__(self, double start, int source):
        self.start = start
        self.source = source

    cdef double read(self) noexcept:
        cdef timespec found
        clock_gettime(self.source, &found)
        return self.start + (found.tv_sec + found.tv_nsec * 1e-9)

    def __call__(self):
        return self.read()


cdef double shown_by(object clock) except? -1:
    return (<Clock>clock).read() if type(clock) is Clock else clock()


# Receipts

cdef enum:
    DIGITS = 40  # of a receipt, before its "@"
    TOKEN = 41  # where its queue's token begins

cdef int8_t digits[256]


cdef void fill_digits() noexcept:
    cdef int n
    for n in range(256):
        digits[n] = -1
    for n in range(16):
        digits[48 + n if n < 10 else 87 + n] = n  # lower case, as receipts are written


fill_digits()


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
    if type(receipt) is not str or not PyUnicode_IS_ASCII(receipt) or PyUnicode_GET_LENGTH(receipt) <= TOKEN:
        return NULL
    return PyUnicode_DATA(receipt)


@cython.no_gc
@cython.freelist(4)
cdef class Deliveries:
    def __dealloc__(self):
        if self.offsets is not self.only:
            free(self.offsets)

    cdef bint room(self, Py_ssize_t count) except False:
        """Make room for the numbers of this many."""
        self.offsets = <uint64_t *>malloc(3 * count * sizeof(uint64_t)) if count > 1 else self.only
        if self.offsets is NULL:
            raise MemoryError
        self.attempts = self.offsets + count
        self.epochs = self.attempts + count
        self.count = count
        return True

    cdef bint read(self, Py_ssize_t n, const uint8_t *text) noexcept:
        """Take the numbers of one; False where it is no receipt."""
        return (
            text[DIGITS] == b"@"
            and number(text, 16, self.offsets + n)
            and number(text + 16, 8, self.attempts + n)
            and number(text + 24, 16, self.epochs + n)
        )

    cdef bint of(self, object token) noexcept:
        cdef Py_ssize_t size = PyUnicode_GET_LENGTH(token)
        return (
            PyUnicode_GET_LENGTH(self.receipt) == TOKEN + size
            and not memcmp(PyUnicode_DATA(token), PyUnicode_DATA(self.receipt) + TOKEN, size)
        )

    cdef object queue(self):
        return self.receipt[TOKEN:]

    cdef Py_ssize_t record_bytes(self, bytes prefix) noexcept:
        return HEAD + PyBytes_GET_SIZE(prefix) + self.count * DELIVERY

    cdef bytes record(self, bytes prefix, uint64_t lsn, uint64_t synced):
        cdef Py_ssize_t n, size = self.record_bytes(prefix)
        cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
        cdef uint8_t *start = <uint8_t *>PyBytes_AS_STRING(data)
        cdef uint8_t *at = start + HEAD + PyBytes_GET_SIZE(prefix)
        memcpy(start, b"\xacREC", CRC_AT)
        put32(start + KIND_AT, ACK)
        put32(start + LENGTH_AT, <uint32_t>(size - HEAD))
        put64(start + LSN_AT, lsn)
        put64(start + SYNCED_AT, synced)
        memcpy(start + HEAD, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
        for n in range(self.count):
            put64(at, self.offsets[n])
            put32(at + 8, <uint32_t>self.attempts[n])
            put64(at + 12, self.epochs[n])
            at += DELIVERY
        put32(start + CRC_AT, crc32(start + KIND_AT, size - KIND_AT))
        return data


cdef Deliveries parse(object receipt):
    cdef Deliveries found
    cdef const uint8_t *text = text_of(receipt)
    if text is NULL:
        return None
    found = Deliveries.__new__(Deliveries)
    found.receipt = receipt
    found.room(1)
    return found if found.read(0, text) else None


cdef Deliveries parse_all(object receipts):
    cdef Deliveries found
    cdef list items
    cdef const uint8_t *first
    cdef const uint8_t *text
    cdef Py_ssize_t n, length
    if type(receipts) is not list or not receipts:
        return None
    items = receipts  # nobody changes it meanwhile: the GIL is kept
    first = text_of(items[0])
    if first is NULL:
        return None
    length = PyUnicode_GET_LENGTH(items[0])
    found = Deliveries.__new__(Deliveries)
    found.receipt = items[0]
    found.room(len(items))
    for n in range(found.count):
        text = text_of(items[n])
        if text is NULL or PyUnicode_GET_LENGTH(items[n]) != length or not found.read(n, text):
            return None
        if memcmp(text + DIGITS, first + DIGITS, length - DIGITS):
            return None
    return found


# Records


cdef RecordFields blank_record():
    return RecordFields.__new__(RecordFields)


# The write

cdef enum:
    SHORT = 4096  # bytes: a longer write lets other threads run


cdef object put(object disk, SegmentFields segment, bytes data):
    """On a real disk, straight away: only what may have to wait lets other threads run. Whatever is wrong with it, the
    disk's own way says, which begins anew at the same byte."""
    cdef DiskFields real
    cdef FileFields file
    cdef const char *start = PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), done
    cdef long long at = segment.size
    cdef int fd
    if isinstance(disk, DiskFields):
        real = disk
        file = real.files[segment.file]
        file.dirty = True
        fd = file.fd
        if real.syncing or size > SHORT:
            with nogil:
                done = pwrite(fd, start, size, at)
        else:
            done = pwrite(fd, start, size, at)
        if done == size:
            return done_
    return disk.write(segment.file, at, data)
