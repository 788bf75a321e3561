/* Variable-length integers of QUIC and HTTP/3 (RFC 9000 section 16). Pure. */
#ifndef SLUICE_VARINT_H
#define SLUICE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)
#define VARINT_LEN_MAX 8

/* Reads the integer at p. Its size in bytes, or 0 when n bytes are too few. */
size_t varint_get(const uint8_t *p, size_t n, uint64_t *v);

/* Writes v (at most VARINT_MAX) in its shortest form; the bytes written. */
size_t varint_put(uint8_t *p, uint64_t v);

/* The bytes varint_put() needs for v: 1, 2, 4 or 8. */
size_t varint_len(uint64_t v);

/* An integer whose bytes come in pieces. All zero is the start. */
struct varint_in {
	uint8_t have; /* bytes taken */
	uint8_t bytes[VARINT_LEN_MAX];
};

/*
 * Takes bytes from the n at *p, moving both on, until one integer is whole:
 * then returns 1, sets *v and is at its start again. 0: more are needed.
 */
int varint_take(struct varint_in *in, const uint8_t **p, size_t *n,
    uint64_t *v);

#endif
