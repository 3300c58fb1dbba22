# The types of `ackstore.fastpath.plain.calls`.

cimport cython

from ackstore.fastpath.compiled cimport acks, basics
from ackstore.fastpath.compiled.basics cimport Deliveries
from ackstore.fastpath.compiled.fields cimport CoreFields, PathFields, StoreFields

@cython.locals(paths=tuple)
cdef PathFields path_of(StoreFields store, Deliveries deliveries)

@cython.locals(path=PathFields, now=double)
cdef object call(StoreFields store, Deliveries deliveries)

@cython.locals(deliveries=Deliveries)
cpdef object ack(StoreFields store, object receipt)

@cython.locals(deliveries=Deliveries)
cpdef object ack_many(StoreFields store, object receipts)
