# The types of `ackstore.fields.plain.settling`.

cimport cython
from libc.stdint cimport int64_t, uint64_t

from ackstore.fields.compiled.classes cimport EntryFields, QueueFields, RecordFields

cdef void settle_one(EntryFields entry)

@cython.locals(record=RecordFields, queue=QueueFields, entry=EntryFields, most=Py_ssize_t)
cpdef Py_ssize_t settle(list records, Py_ssize_t at, dict queues)

@cython.locals(entry=EntryFields)
cpdef uint64_t first_unsettled(dict entries, uint64_t floor)

@cython.locals(
    entry=EntryFields, expiring=list, ending=list, latest=double, deadline=double, ordered=bint, at=int64_t, offset=int64_t
)
cpdef tuple timers_of(dict entries, most)

@cython.locals(entry=EntryFields, record=RecordFields, found=list)
cpdef list settled_run(dict entries, uint64_t floor, Py_ssize_t most)

@cython.locals(entry=EntryFields, record=RecordFields, found=list)
cpdef list settle_run(list entries)

@cython.locals(record=RecordFields, data=bytes, total=Py_ssize_t)
cpdef Py_ssize_t bytes_of(list records)
