# What the fast path stands on, for those that are compiled with it.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ackstore.fastpath.compiled.fields cimport SegmentFields

# Where what stands in a record (`ackstore.format.records`), in bytes.
cdef enum:
    ACK = 2
    STATE = 6
    CRC_AT = 4
    KIND_AT = 8
    LENGTH_AT = 12
    LSN_AT = 16
    SYNCED_AT = 24
    HEAD = 32
    DELIVERY = 20


cdef class Clock:
    cdef double start
    cdef int source

    cdef double read(self) noexcept


cdef class Deliveries:
    cdef object receipt
    cdef Py_ssize_t count
    cdef uint64_t *offsets
    cdef uint64_t *attempts
    cdef uint64_t *epochs
    cdef uint64_t[3] only

    cdef bint room(self, Py_ssize_t count) except False
    cdef bint read(self, Py_ssize_t n, const uint8_t *text) noexcept
    cdef bint of(self, object token) noexcept
    cdef object queue(self)
    cdef Py_ssize_t record_bytes(self, bytes prefix) noexcept
    cdef bytes record(self, bytes prefix, uint64_t lsn, uint64_t synced)


cdef double shown_by(object clock) except? -1
cdef Deliveries parse(object receipt)
cdef Deliveries parse_all(object receipts)
cdef object put(object disk, SegmentFields segment, bytes data)


cdef uint32_t crc32(const uint8_t *at, Py_ssize_t size) noexcept


cdef inline uint32_t get32(const uint8_t *at) noexcept:
    return at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24


cdef inline uint64_t get64(const uint8_t *at) noexcept:
    return get32(at) | <uint64_t>get32(at + 4) << 32
