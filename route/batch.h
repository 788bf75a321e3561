/*
 * A batch: records back to back with their packet numbers, to travel as one
 * message. It is a view of memory that is shared and counted, so it can be
 * cut in two, trimmed at the front, and stay with ZeroMQ's I/O thread after
 * route is done with it, all without a copy.
 */
#ifndef ROUTE_BATCH_H
#define ROUTE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#define BATCH_BYTES (256 * 1024) /* a batch is closed when it would pass */
#define BATCH_RECORDS 512	 /* either of these */

struct chunk {
	unsigned refs; /* atomic: ZeroMQ lets go in its own thread */
	size_t size;   /* bytes at data */
	uint8_t data[];
};

struct batch {
	struct batch *prev, *next;
	struct chunk *records;
	size_t off, len; /* of this batch in records, bytes */
	struct chunk *numbers; /* 8 bytes each, big-endian */
	size_t skip;	       /* numbers before those of this batch */
	uint32_t count;	       /* records */
	int shared;	/* its memory is not its own: nothing is appended */
	int numbered;	/* first is valid: it was handed out for sending */
	uint64_t first; /* delivery number of its first record */
	int flying;	/* handed out since the last rewind */
	int flown;	/* handed out before it */
};

/* An empty batch with room for size bytes. Out of memory ends the program. */
struct batch *batch_new(size_t size);
void batch_free(struct batch *b);

/* 1 if a record of len bytes still fits the batch's bounds. */
int batch_takes(const struct batch *b, size_t len);
void batch_append(struct batch *b, const uint8_t *rec, size_t len,
    uint64_t number);

/* Size and type of its first record. */
size_t batch_front(const struct batch *b, uint8_t *type);

static inline const uint8_t *
batch_records(const struct batch *b)
{
	return b->records->data + b->off;
}

static inline const uint8_t *
batch_numbers(const struct batch *b)
{
	return b->numbers->data + 8 * b->skip;
}

/* Drops the first n records; returns their bytes. */
size_t batch_trim(struct batch *b, uint32_t n);

/* Cuts after the first n records, 0 < n < count: what is behind becomes a
 * new batch with the same marks, not linked. */
struct batch *batch_split(struct batch *b, uint32_t n);

/* How many records from the front are at most packets and bytes together, and
 * *len, the bytes they are. */
uint32_t batch_fit(const struct batch *b, uint64_t packets, uint64_t bytes,
    uint64_t *len);

/* One more user of the memory of the records; chunk_unref takes the chunk,
 * in the form of zmq_free_fn, from any thread. */
struct chunk *chunk_ref(struct chunk *c);
void chunk_unref(void *data, void *chunk);

#endif
