/*
 * What waits for stdout: records (INTERFACES.md section 2) in blocks of
 * memory that never move, written with as few calls as possible. The queue is
 * its own ledger: as the reader takes bytes, each record is told of how many
 * of its bytes were taken, and only then flow-control windows may open.
 *
 * Bounds are the caller's: look at len first.
 */
#ifndef WT_ACCEPT_OUTPUT_H
#define WT_ACCEPT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rec.h"
#include "stage.h"

#define OUTPUT_BLOCK (256 * 1024) /* bytes */
#define OUTPUT_SPARE 4		  /* empty blocks kept */

struct output_block;

struct output {
	/*
	 * size bytes of r, payload of which are payload, were taken; last:
	 * nothing of r is left. r->payload is NULL. Must not call back into
	 * the queue.
	 */
	void (*taken)(void *ctx, const struct rec *r, size_t size,
	    size_t payload, int last);
	void *ctx;
	size_t len;	/* bytes queued, headers included */
	uint64_t records, bytes, writes; /* counters: records and bytes taken
					  * by the reader, calls of write */
	/* Private from here. */
	struct output_block *head, *tail, *spare;
	unsigned nspare;
	struct rec open;      /* the last record, while it can grow: ... */
	uint8_t *open_header; /* ... its header; NULL: it can not */
	struct rec front;     /* the first record, ... */
	size_t front_taken;   /* ... when these bytes of it are gone */
};

void output_free(struct output *o);

/* Queues r with its payload. Returns the bytes added to len. */
size_t output_add(struct output *o, const struct rec *r);

/*
 * Queues stream bytes: r->session, stream, flags (without FIN) and time are
 * set by the caller. They join the last record if that is of the same stream
 * and nothing of it was written yet, else they begin new ones of at most
 * REC_CHUNK_MAX bytes. Returns the bytes added to len.
 */
size_t output_add_stream(struct output *o, const struct rec *r,
    const uint8_t *data, size_t n, int fin);

/* What can be written now, in at most max pieces. Returns the pieces. */
int output_peek(const struct output *o, struct iovec *iov, int max);
/* The first n bytes were taken by the reader. */
void output_take(struct output *o, size_t n);

/* Writes until the queue is empty or the reader is behind; as stage_write. */
enum stage_io output_write(struct output *o, int fd);

#endif
