#include "queue.h"

#include <string.h>

#include "rec.h"

#define HINT_MIN 2048

void
queue_init(struct queue *q, uint64_t max_packets, uint64_t max_bytes)
{
	memset(q, 0, sizeof(*q));
	q->max_packets = max_packets;
	q->max_bytes = max_bytes;
	q->hint = HINT_MIN;
}

void
queue_free(struct queue *q)
{
	struct batch *next;

	for (struct batch *b = q->head; b != NULL; b = next) {
		next = b->next;
		batch_free(b);
	}
	q->head = q->tail = q->cursor = q->fresh = q->kept = NULL;
}

/* Links b in front of at, NULL: at the end. */
static void
queue_link(struct queue *q, struct batch *b, struct batch *at)
{
	b->next = at;
	b->prev = at != NULL ? at->prev : q->tail;
	if (b->prev != NULL)
		b->prev->next = b;
	else
		q->head = b;
	if (at != NULL)
		at->prev = b;
	else
		q->tail = b;
	if (q->cursor == at && !b->flying)
		q->cursor = b;
	if (q->fresh == at && !b->numbered)
		q->fresh = b;
}

static void
queue_remove(struct queue *q, struct batch *b)
{
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		q->head = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
	else
		q->tail = b->prev;
	if (q->cursor == b)
		q->cursor = b->next;
	if (q->fresh == b)
		q->fresh = b->next;
	if (q->kept == b)
		q->kept = NULL;
	batch_free(b);
}

int
queue_room(const struct queue *q, size_t len)
{
	return q->queued_packets == 0 ||
	    (q->queued_packets < q->max_packets &&
	     q->queued_bytes + len <= q->max_bytes);
}

void
queue_put(struct queue *q, const uint8_t *rec, size_t len, uint64_t number)
{
	struct batch *b = q->tail;

	if (b == NULL || b == q->kept || !batch_takes(b, len)) {
		if (b != NULL && !b->numbered)
			q->hint = b->len;
		b = batch_new(q->hint > len ? q->hint : len);
		queue_link(q, b, NULL);
	}
	batch_append(b, rec, len, number);
	q->queued_packets++;
	q->queued_bytes += len;
}

/* Moves the session record at the front of b in front of all queued. */
static void
queue_keep(struct queue *q, struct batch *b, size_t len)
{
	struct batch *k = q->kept;

	if (k == NULL) {
		k = batch_new(HINT_MIN);
		queue_link(q, k, q->fresh);
		q->kept = k;
	}
	if (k->shared || k->count >= QUEUE_KEPT_RECORDS ||
	    k->len + len > QUEUE_KEPT_BYTES)
		q->kept_lost++;
	else
		batch_append(k, batch_records(b), len, UINT64_MAX);
	if (k->count == 0)
		queue_remove(q, k);
}

size_t
queue_drop_oldest(struct queue *q)
{
	struct batch *b;
	uint8_t type;
	size_t len;

	do {
		b = q->kept != NULL ? q->kept->next : q->fresh;
		if (b == NULL)
			return 0;
		len = batch_front(b, &type);
		if (type != REC_PACKET)
			queue_keep(q, b, len);
		batch_trim(b, 1);
		q->queued_packets--;
		q->queued_bytes -= len;
		if (b->count == 0)
			queue_remove(q, b);
	} while (type != REC_PACKET);
	return len;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Records of the batch at the cursor that may go now. */
static uint32_t
queue_allowed(const struct queue *q, const struct batch *b)
{
	uint64_t packets = least(q->credit_packets, q->max_packets);
	uint64_t bytes = least(q->credit_bytes, q->max_bytes);
	uint64_t flying = q->sent - q->acked, len;
	uint32_t n;

	if (flying >= packets)
		return 0;
	n = batch_fit(b, packets - flying,
	    bytes > q->flying_bytes ? bytes - q->flying_bytes : 0, &len);
	/* What is larger than the whole window goes alone. */
	if (flying == 0)
		return n > 0 ? n : 1;
	/*
	 * A batch is not cut for a crumb of credit: more of it is coming, and
	 * messages would become ever smaller (RFC 1122 section 4.2.3.4).
	 */
	if (n < b->count && n < least(packets, BATCH_RECORDS) / 4 &&
	    len < least(bytes, BATCH_BYTES) / 4)
		return 0;
	return n;
}

/* The first queued batch gets its delivery numbers. */
static void
queue_number(struct queue *q, struct batch *b)
{
	b->numbered = 1;
	b->first = q->numbered;
	q->numbered += b->count;
	q->unacked_bytes += b->len;
	q->fresh = b->next;
	if (b == q->kept) {
		q->kept = NULL;
		return;
	}
	q->queued_packets -= b->count;
	q->queued_bytes -= b->len;
	q->hint = b->len > HINT_MIN ? b->len : HINT_MIN;
}

struct batch *
queue_take(struct queue *q)
{
	struct batch *b = q->cursor, *rest;
	uint32_t n;

	if (b == NULL)
		return NULL;
	n = queue_allowed(q, b);
	if (n == 0)
		return NULL;
	if (n < b->count) {
		rest = batch_split(b, n);
		queue_link(q, rest, b->next);
		if (b == q->kept) {
			queue_number(q, b);
			q->kept = rest;
		}
	}
	if (!b->numbered)
		queue_number(q, b);
	if (b->flown)
		q->resent += b->count;
	b->flying = 1;
	q->flying_bytes += b->len;
	q->sent = b->first + b->count;
	q->cursor = b->next;
	return b;
}

void
queue_untake(struct queue *q, struct batch *b)
{
	if (b->flown)
		q->resent -= b->count;
	b->flying = 0;
	q->flying_bytes -= b->len;
	q->sent = b->first;
	q->cursor = b;
}

int64_t
queue_ack(struct queue *q, uint64_t n)
{
	uint64_t before = q->acked;
	struct batch *b;
	size_t len;

	if (n > q->numbered)
		return -1;
	if (n <= q->acked)
		return 0;
	while ((b = q->head) != NULL && b->numbered && b->first < n) {
		if (n - b->first < b->count) {
			len = batch_trim(b, (uint32_t)(n - b->first));
			b->shared = 1;
		} else {
			len = b->len;
		}
		q->unacked_bytes -= len;
		if (b->flying)
			q->flying_bytes -= len;
		if (b->first == n)
			break;
		queue_remove(q, b);
	}
	q->acked = n;
	if (q->sent < n)
		q->sent = n;
	return (int64_t)(n - before);
}

void
queue_rewind(struct queue *q)
{
	for (struct batch *b = q->head; b != NULL && b->flying; b = b->next) {
		b->flying = 0;
		b->flown = 1;
	}
	q->flying_bytes = 0;
	q->sent = q->acked;
	q->cursor = q->head;
}
