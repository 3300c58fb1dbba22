# The attributes of the core's classes, and of those around it that the fast path reads, as C values where no file can make them too large.

from libc.stdint cimport uint64_t


cdef extern from *:
    ctypedef bint flag "char"  # True or False in one byte: there is an entry for each message in hand


cdef class EntryFields:
    cdef public object offset, deadline, epoch, ack  # shared with the queue's tables, not made anew
    cdef public uint64_t attempt
    cdef public flag moving, renewing, held, timed, saved, settled


cdef class RecordFields:
    cdef public object queue, payload, claims, waiters, durables, data, value, settles
    cdef public int kind
    cdef public uint64_t lsn


cdef class SegmentFields:
    cdef public object number, file
    cdef public uint64_t last
    cdef public long long size
    cdef public bint dirty, synced, torn


cdef class LogFields:
    cdef public object dirty_since, current
    cdef public uint64_t flushed, last
    cdef public list fresh, rewrites, tail
    cdef public bint busy, stuck, condemned
    cdef public long long unflushed, unflushed_bytes, most_records, most_bytes, submitted, resolved, answered


cdef class FlusherFields:
    cdef public bint hurry
    cdef public uint64_t wanted
    cdef public object mode


cdef class QueueFields:
    cdef public dict entries
    cdef public object floor, resetting, prefix, token


cdef class MergeFields:
    cdef public long long merges


cdef class CoreFields:
    cdef public object closing
    cdef public double now
    cdef public list effects


cdef class PathFields:
    cdef public CoreFields core
    cdef public LogFields log
    cdef public FlusherFields flusher
    cdef public MergeFields merge
    cdef public dict queues, counts
    cdef public object ok, then
    cdef public long long most_items, most_segment
    cdef public QueueFields latest


cdef class FileFields:
    cdef public int fd, syncs
    cdef public bint dirty, leaving


cdef class DiskFields:
    cdef public dict files
    cdef public int syncing


cdef class LockFields:
    cdef public object acquire, release, owned
    cdef public bint inside


cdef class DriverFields:
    cdef public tuple paths
    cdef public CoreFields core
    cdef public LockFields lock
    cdef public object broken, clock, writes, wake
    cdef public bint asleep
