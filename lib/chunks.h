/*
 * What is queued on a stream: bytes that stay where they are in memory from
 * chunks_append() until they are acknowledged, as ngtcp2 sends lost ones again
 * from there. Front to back: acknowledged (freed), sent, unsent.
 */
#ifndef SLUICE_CHUNKS_H
#define SLUICE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct chunk;

/* All zero is empty. chunks_free leaves it so. */
struct chunks {
	struct chunk *head, *tail;
	struct chunk *cur; /* holds the first unsent byte; NULL: none unsent */
	uint32_t cur_off;  /* of that byte within cur */
	uint32_t head_off; /* bytes of head that are acknowledged */
	size_t unsent;	   /* bytes */
	size_t unacked;	   /* bytes, the unsent ones included */
};

void chunks_free(struct chunks *c);

/* Copies n bytes to the end. Out of memory ends the program. */
void chunks_append(struct chunks *c, const void *data, size_t n);

/* The first unsent bytes, in at most max pieces. Returns the pieces. */
size_t chunks_peek(const struct chunks *c, struct iovec *iov, size_t max);

/* The first n unsent bytes are sent; the first n sent ones acknowledged. */
void chunks_sent(struct chunks *c, size_t n);
void chunks_acked(struct chunks *c, size_t n);

#endif
