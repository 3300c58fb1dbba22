"""The classes of `ackstore.fields.plain.classes`, in C: `classes.pxd` has the attributes."""

cimport cython


cdef class EntryFields:
    pass


@cython.no_gc
cdef class RecordFields:
    @property
    def entries(self):
        return self.settles if isinstance(self.settles, (list, tuple)) else (self.settles,)

    @entries.setter
    def entries(self, entries):
        self.settles = entries


cdef class SegmentFields:
    pass


cdef class LogFields:
    pass


cdef class FlusherFields:
    pass


cdef class QueueFields:
    pass


cdef class MergeFields:
    pass


cdef class CoreFields:
    pass


cdef class PathFields:
    pass


cdef class FileFields:
    pass


cdef class DiskFields:
    pass


cdef class LockFields:
    pass


cdef class DriverFields:
    pass
