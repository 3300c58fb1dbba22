# The types of `ackstore.fastpath.plain.acks`.

cimport cython
from libc.stdint cimport uint64_t

from ackstore.fastpath.compiled cimport basics
from ackstore.fastpath.compiled.basics cimport Deliveries
from ackstore.fields.compiled.classes cimport (
    EntryFields, FlusherFields, LogFields, PathFields, QueueFields, RecordFields, SegmentFields
)

@cython.locals(queue=QueueFields)
cdef QueueFields queue_of(PathFields path, Deliveries deliveries)

@cython.locals(entry=EntryFields, epoch=uint64_t, deadline=double)
cdef EntryFields judged(QueueFields queue, Deliveries deliveries, Py_ssize_t n, double now)

@cython.locals(entry=EntryFields, found=list, n=Py_ssize_t)
cdef bint judge_all(QueueFields queue, Deliveries deliveries, double now, RecordFields record) except -1

@cython.locals(log=LogFields, flusher=FlusherFields, segment=SegmentFields)
cpdef SegmentFields segment_for(PathFields path, Py_ssize_t size)

@cython.locals(record=RecordFields)
cdef RecordFields new_record(QueueFields queue, int kind)

@cython.locals(log=LogFields, data=bytes, size=Py_ssize_t)
cdef object stored(
    PathFields path, SegmentFields segment, RecordFields record, double now, object disk, Py_ssize_t count
)

@cython.locals(log=LogFields)
cdef bint takes_acks(PathFields path) except -1

@cython.locals(entry=EntryFields, n=Py_ssize_t, m=Py_ssize_t)
cdef object merged(PathFields path, QueueFields queue, Deliveries deliveries, double now, EntryFields first)

@cython.locals(
    queue=QueueFields, entry=EntryFields, prefix=bytes, segment=SegmentFields, record=RecordFields, log=LogFields
)
cdef object take(PathFields path, Deliveries deliveries, double now, object disk)

@cython.locals(deliveries=Deliveries)
cpdef object ack(PathFields path, object receipt, double now, object disk)

@cython.locals(deliveries=Deliveries)
cpdef object ack_many(PathFields path, list receipts, double now, object disk)
