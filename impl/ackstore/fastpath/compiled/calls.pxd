# The types of `ackstore.fastpath.plain.calls`.

cimport cython

from ackstore.fastpath.compiled cimport acks, basics
from ackstore.fastpath.compiled.basics cimport Deliveries
from ackstore.fields.compiled.classes cimport DriverFields, LockFields, PathFields

cdef tuple AT_ONCE

@cython.locals(paths=tuple)
cdef PathFields path_of(DriverFields driver, Deliveries deliveries)

@cython.locals(lock=LockFields, path=PathFields, now=double)
cdef object call(DriverFields driver, Deliveries deliveries)

@cython.locals(deliveries=Deliveries)
cpdef object ack(DriverFields driver, object receipt)

@cython.locals(deliveries=Deliveries)
cpdef object ack_many(DriverFields driver, object receipts)
