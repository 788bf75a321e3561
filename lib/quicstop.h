/*
 * STOP_SENDING frames in a decrypted QUIC packet. ngtcp2 answers them by
 * itself (RESET_STREAM) but has no callback that tells of them before 1.23;
 * WebTransport programs have to know the code. Pure.
 */
#ifndef SLUICE_QUICSTOP_H
#define SLUICE_QUICSTOP_H

#include <stddef.h>
#include <stdint.h>

#define QUICSTOP_MAX 64 /* told of per packet */

struct quicstop {
	int64_t id;
	uint64_t code;
};

/*
 * Walks the frames (RFC 9000 section 19, RFC 9221) in the n bytes at p and
 * keeps the first max STOP_SENDING ones. Returns how many. A frame that is
 * unknown or cut short ends the walk; ngtcp2 deals with it.
 */
size_t quicstop_find(const uint8_t *p, size_t n, struct quicstop *out,
    size_t max);

#endif
