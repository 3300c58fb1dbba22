# Numbers, checksums and places in the bytes of a record, for those that are compiled.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

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
    MESSAGE = 12


cdef uint32_t crc32(const uint8_t *at, Py_ssize_t size) noexcept


cdef inline uint32_t get32(const uint8_t *at) noexcept:
    return at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24


cdef inline uint64_t get64(const uint8_t *at) noexcept:
    return get32(at) | <uint64_t>get32(at + 4) << 32


cdef inline void put32(uint8_t *at, uint32_t value) noexcept:
    at[0] = value & 0xFF
    at[1] = value >> 8 & 0xFF
    at[2] = value >> 16 & 0xFF
    at[3] = value >> 24


cdef inline void put64(uint8_t *at, uint64_t value) noexcept:
    put32(at, <uint32_t>value)
    put32(at + 4, <uint32_t>(value >> 32))
