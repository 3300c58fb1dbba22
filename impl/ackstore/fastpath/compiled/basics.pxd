# What the fast path stands on, for those that are compiled with it.

from libc.stdint cimport uint8_t, uint64_t

from ackstore.fields.compiled.classes cimport RecordFields, SegmentFields


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
cdef RecordFields blank_record()
cdef object put(object disk, SegmentFields segment, bytes data)
