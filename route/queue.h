/*
 * What waits for one endpoint, and what was sent to it but is not yet done
 * there (INTERFACES.md section 4). No socket and no clock: records go in,
 * batches come out as the sink's credit allows, grants move it on.
 *
 * In order of delivery:
 *
 *	[ numbered: sent | numbered: to be sent again | queued ... ]
 *	^ acked          ^ cursor                     ^ fresh
 *
 * A record gets its delivery number when it is first handed out, so what is
 * dropped from the queue leaves no gap. What has a number is never dropped.
 */
#ifndef ROUTE_QUEUE_H
#define ROUTE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "batch.h"

/* Records about sessions that drop-oldest passes by, kept in front. */
#define QUEUE_KEPT_RECORDS 4096
#define QUEUE_KEPT_BYTES (1024 * 1024)

struct queue {
	uint64_t max_packets, max_bytes; /* of what is queued, and again of
					  * what is numbered */
	struct batch *head, *tail;
	struct batch *cursor; /* the next to hand out */
	struct batch *fresh;  /* the first queued one */
	struct batch *kept;   /* the first queued one if it holds only what
			       * drop-oldest passed by */
	uint64_t queued_packets, queued_bytes; /* without kept */
	uint64_t acked;	   /* deliveries below are done */
	uint64_t sent;	   /* delivery number at the cursor */
	uint64_t numbered; /* the next number */
	uint64_t unacked_bytes; /* of all numbered batches */
	uint64_t flying_bytes;	/* of those between acked and sent */
	uint64_t credit_packets, credit_bytes; /* the last grant */
	size_t hint;	   /* bytes the last batch came to */
	uint64_t resent;   /* records handed out once more; counter */
	uint64_t kept_lost; /* kept records beyond the limits; counter */
};

void queue_init(struct queue *q, uint64_t max_packets, uint64_t max_bytes);
void queue_free(struct queue *q);

static inline uint64_t
queue_unacked(const struct queue *q)
{
	return q->numbered - q->acked;
}

static inline int
queue_empty(const struct queue *q)
{
	return q->head == NULL;
}

/* 1 if a record of len bytes is within the limits; an empty queue takes one
 * of any size. */
int queue_room(const struct queue *q, size_t len);

/* Queues a record, whatever the limits say. number: its packet number. */
void queue_put(struct queue *q, const uint8_t *rec, size_t len,
    uint64_t number);

/* Drops the oldest queued PACKET. Its size, or 0 when there is none. */
size_t queue_drop_oldest(struct queue *q);

/*
 * The next batch the credit allows, or NULL. It counts as sent; it stays the
 * queue's. After queue_untake, at once, it does not.
 */
struct batch *queue_take(struct queue *q);
void queue_untake(struct queue *q, struct batch *b);

/* The sink is done with deliveries below n. Records that were not done
 * before, or -1 when n was never reached. */
int64_t queue_ack(struct queue *q, uint64_t n);

/* Everything that is not acked is handed out again. */
void queue_rewind(struct queue *q);

#endif
