"""The checksum of a record, in C."""

from libc.stdint cimport uint8_t, uint32_t


cdef uint32_t crcs[8][256]


cdef void fill_crcs() noexcept:
    cdef uint32_t n, k, c
    for n in range(256):
        c = n
        for k in range(8):
            c = (c >> 1) ^ 0xEDB88320u if c & 1 else c >> 1
        crcs[0][n] = c
    for n in range(256):
        for k in range(1, 8):
            crcs[k][n] = (crcs[k - 1][n] >> 8) ^ crcs[0][crcs[k - 1][n] & 0xFF]


fill_crcs()


cdef uint32_t crc32(const uint8_t *at, Py_ssize_t size) noexcept:
    """The CRC-32 of zlib, eight bytes at a time."""
    cdef uint32_t low, crc = 0xFFFFFFFFu
    while size >= 8:
        low = crc ^ get32(at)
        crc = (crcs[7][low & 0xFF] ^ crcs[6][low >> 8 & 0xFF] ^ crcs[5][low >> 16 & 0xFF] ^ crcs[4][low >> 24]
               ^ crcs[3][at[4]] ^ crcs[2][at[5]] ^ crcs[1][at[6]] ^ crcs[0][at[7]])
        at += 8
        size -= 8
    while size:
        crc = crc >> 8 ^ crcs[0][(crc ^ at[0]) & 0xFF]
        at += 1
        size -= 1
    return ~crc
