/* route's queue: credit, acknowledgements, sending again, dropping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../route/queue.h"
#include "be.h"
#include "dmsg.h"
#include "rec.h"

#define LEN 100 /* bytes of a record put */

static uint8_t scratch[4096];

static void
put_type(struct queue *q, uint8_t type, uint64_t number, size_t len)
{
	struct rec r = { .type = type, .len = (uint32_t)len - REC_HEADER_LEN,
		.session = 1, .stream = 4, .time = number };

	rec_header_put(scratch, &r);
	queue_put(q, scratch, len, number);
}

static void
put(struct queue *q, uint64_t number)
{
	put_type(q, REC_PACKET, number, LEN);
}

static void
grant(struct queue *q, uint64_t packets, uint64_t bytes)
{
	q->credit_packets = packets;
	q->credit_bytes = bytes;
}

/* The next batch has these delivery and packet numbers. */
static struct batch *
take(struct queue *q, uint64_t first, uint32_t count, uint64_t number)
{
	struct batch *b = queue_take(q);
	const uint8_t *p;

	assert_non_null(b);
	assert_int_equal(b->first, first);
	assert_int_equal(b->count, count);
	p = batch_records(b);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(be64_get(batch_numbers(b) + 8 * i),
		    number + i);
		/* The record still is the one put with that number. */
		assert_int_equal(be64_get(p + 24), number + i);
		p += REC_HEADER_LEN + be32_get(p);
	}
	assert_true(p == batch_records(b) + b->len);
	return b;
}

static void
nothing_without_credit(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 100, 100000);
	put(&q, 0);
	assert_null(queue_take(&q));
	grant(&q, 1, 0);
	/* Larger than the whole window: alone. */
	take(&q, 0, 1, 0);
	put(&q, 1);
	assert_null(queue_take(&q));
	assert_int_equal(queue_ack(&q, 1), 1);
	take(&q, 1, 1, 1);
	queue_free(&q);
}

static void
credit_cuts_batches(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 100, 100000);
	for (int i = 0; i < 10; i++)
		put(&q, (uint64_t)i);
	assert_int_equal(q.queued_packets, 10);
	grant(&q, 4, 100000);
	take(&q, 0, 4, 0);
	assert_null(queue_take(&q));
	assert_int_equal(q.queued_packets, 6);
	assert_int_equal(q.queued_bytes, 6 * LEN);
	assert_int_equal(queue_unacked(&q), 4);
	assert_int_equal(q.unacked_bytes, 4 * LEN);
	assert_int_equal(queue_ack(&q, 2), 2);
	take(&q, 4, 2, 4);
	/* Bytes are credit too: two of 100 and a bit. */
	assert_int_equal(queue_ack(&q, 6), 4);
	grant(&q, 100, 2 * LEN + 50);
	take(&q, 6, 2, 6);
	assert_null(queue_take(&q));
	assert_int_equal(queue_ack(&q, 8), 2);
	take(&q, 8, 2, 8);
	assert_int_equal(queue_ack(&q, 10), 2);
	assert_true(queue_empty(&q));
	assert_int_equal(q.unacked_bytes, 0);
	assert_int_equal(q.flying_bytes, 0);
	queue_free(&q);
}

static void
no_crumbs(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 1000, 10000000);
	for (int i = 0; i < 150; i++)
		put(&q, (uint64_t)i);
	grant(&q, 100, 100000);
	take(&q, 0, 100, 0);
	assert_int_equal(queue_ack(&q, 24), 24);
	assert_null(queue_take(&q));
	assert_int_equal(queue_ack(&q, 25), 1);
	take(&q, 100, 25, 100);
	/* What is left of it is no crumb, however small. */
	assert_int_equal(queue_ack(&q, 100), 75);
	take(&q, 125, 25, 125);
	put(&q, 150);
	take(&q, 150, 1, 150);
	queue_free(&q);
}

static void
own_limits_bound_credit(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 3, 100000);
	for (int i = 0; i < 5; i++)
		put(&q, (uint64_t)i);
	grant(&q, UINT64_MAX, UINT64_MAX);
	take(&q, 0, 3, 0);
	assert_null(queue_take(&q));
	queue_free(&q);
}

static void
acks_are_checked(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 100, 100000);
	for (int i = 0; i < 5; i++)
		put(&q, (uint64_t)i);
	grant(&q, 3, 100000);
	assert_int_equal(queue_ack(&q, 1), -1);
	take(&q, 0, 3, 0);
	assert_int_equal(queue_ack(&q, 4), -1);
	assert_int_equal(queue_ack(&q, UINT64_MAX), -1);
	assert_int_equal(queue_ack(&q, 2), 2);
	assert_int_equal(queue_ack(&q, 1), 0);
	assert_int_equal(q.acked, 2);
	queue_free(&q);
}

static void
rewind_sends_again(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 100, 100000);
	for (int i = 0; i < 6; i++)
		put(&q, (uint64_t)i);
	grant(&q, 6, 100000);
	take(&q, 0, 6, 0);
	assert_int_equal(queue_ack(&q, 2), 2);
	queue_rewind(&q);
	assert_int_equal(q.flying_bytes, 0);
	put(&q, 6);
	/* Another sink, with less credit: the same numbers, cut elsewhere. */
	grant(&q, 3, 100000);
	take(&q, 2, 3, 2);
	assert_int_equal(q.resent, 3);
	assert_int_equal(queue_ack(&q, 5), 3);
	take(&q, 5, 1, 5);
	take(&q, 6, 1, 6);
	assert_int_equal(q.resent, 4);
	/* In the middle of sending again, once more. */
	queue_rewind(&q);
	take(&q, 5, 1, 5);
	queue_rewind(&q);
	take(&q, 5, 1, 5);
	take(&q, 6, 1, 6);
	assert_int_equal(q.flying_bytes, 2 * LEN);
	/* An ack can pass the cursor: the old sink had it all. */
	queue_rewind(&q);
	assert_int_equal(queue_ack(&q, 7), 2);
	assert_true(queue_empty(&q));
	assert_int_equal(q.flying_bytes, 0);
	put(&q, 7);
	take(&q, 7, 1, 7);
	queue_free(&q);
}

static void
untake_puts_back(void **state)
{
	struct queue q;
	struct batch *b;

	(void)state;
	queue_init(&q, 100, 100000);
	for (int i = 0; i < 4; i++)
		put(&q, (uint64_t)i);
	grant(&q, 2, 100000);
	b = take(&q, 0, 2, 0);
	queue_untake(&q, b);
	assert_int_equal(q.flying_bytes, 0);
	put(&q, 4);
	take(&q, 0, 2, 0);
	assert_int_equal(queue_ack(&q, 2), 2);
	grant(&q, 10, 100000);
	/* A batch that was cut takes nothing more. */
	take(&q, 2, 2, 2);
	take(&q, 4, 1, 4);
	queue_free(&q);
}

static void
batches_are_bounded(void **state)
{
	static uint8_t big[BATCH_BYTES + 1000];
	struct rec r = { .type = REC_PACKET,
		.len = sizeof(big) - REC_HEADER_LEN };
	struct queue q;

	(void)state;
	queue_init(&q, 10000, 100000000);
	grant(&q, 10000, 100000000);
	for (int i = 0; i < BATCH_RECORDS + 10; i++)
		put(&q, (uint64_t)i);
	take(&q, 0, BATCH_RECORDS, 0);
	take(&q, BATCH_RECORDS, 10, BATCH_RECORDS);
	/* A large one is a batch alone. */
	put(&q, 0);
	rec_header_put(big, &r);
	queue_put(&q, big, sizeof(big), 1);
	put(&q, 2);
	assert_int_equal(queue_take(&q)->len, LEN);
	assert_int_equal(queue_take(&q)->len, sizeof(big));
	assert_int_equal(queue_take(&q)->len, LEN);
	queue_free(&q);
}

static void
room_is_bounded(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 3, 250);
	assert_true(queue_room(&q, 1 << 20));
	put(&q, 0);
	assert_true(queue_room(&q, 150));
	assert_false(queue_room(&q, 151));
	put(&q, 1);
	assert_false(queue_room(&q, 100));
	put_type(&q, REC_PACKET, 2, 32);
	assert_false(queue_room(&q, 0));
	queue_free(&q);
}

static void
drop_oldest_leaves_no_gap(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 100, 100000);
	for (int i = 0; i < 10; i++)
		put(&q, (uint64_t)i);
	grant(&q, 2, 100000);
	take(&q, 0, 2, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(queue_drop_oldest(&q), LEN);
	assert_int_equal(q.queued_packets, 5);
	assert_int_equal(queue_ack(&q, 2), 2);
	grant(&q, 100, 100000);
	/* Delivery number 2, packet number 5. */
	take(&q, 2, 5, 5);
	assert_int_equal(queue_drop_oldest(&q), 0);
	queue_free(&q);
}

static void
drop_oldest_takes_all_there_is(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 10000, 10000000);
	for (int i = 0; i < 2 * BATCH_RECORDS; i++)
		put(&q, (uint64_t)i);
	for (int i = 0; i < 2 * BATCH_RECORDS; i++)
		assert_int_equal(queue_drop_oldest(&q), LEN);
	assert_int_equal(queue_drop_oldest(&q), 0);
	assert_true(queue_empty(&q));
	assert_int_equal(q.queued_packets, 0);
	assert_int_equal(q.queued_bytes, 0);
	put(&q, 7);
	grant(&q, 10, 100000);
	take(&q, 0, 1, 7);
	queue_free(&q);
}

static void
drop_oldest_keeps_session_records(void **state)
{
	struct queue q;
	struct batch *b;

	(void)state;
	queue_init(&q, 100, 100000);
	put_type(&q, REC_SESSION_OPEN, DMSG_NO_NUMBER, 40);
	put(&q, 0);
	put(&q, 1);
	put_type(&q, REC_SESSION_CLOSE, DMSG_NO_NUMBER, 36);
	put(&q, 2);
	put(&q, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(queue_drop_oldest(&q), LEN);
	assert_int_equal(q.queued_packets, 1);
	assert_int_equal(q.kept->count, 2);
	/* What comes now comes behind, not into what is kept. */
	assert_int_equal(queue_drop_oldest(&q), LEN);
	assert_null(q.kept->next);
	put(&q, 4);
	grant(&q, 1, 100000);
	b = queue_take(&q);
	assert_int_equal(b->count, 1);
	assert_int_equal(batch_records(b)[4], REC_SESSION_OPEN);
	assert_int_equal(q.kept->count, 1);
	assert_int_equal(queue_ack(&q, 1), 1);
	b = queue_take(&q);
	assert_int_equal(batch_records(b)[4], REC_SESSION_CLOSE);
	assert_null(q.kept);
	assert_int_equal(queue_ack(&q, 2), 1);
	take(&q, 2, 1, 4);
	queue_free(&q);
}

static void
kept_records_are_bounded(void **state)
{
	struct queue q;

	(void)state;
	queue_init(&q, 1 << 20, 1 << 30);
	for (int i = 0; i < QUEUE_KEPT_RECORDS + 10; i++)
		put_type(&q, REC_SESSION_OPEN, DMSG_NO_NUMBER, 40);
	put(&q, 0);
	assert_int_equal(queue_drop_oldest(&q), LEN);
	assert_int_equal(q.kept->count, QUEUE_KEPT_RECORDS);
	assert_int_equal(q.kept_lost, 10);
	assert_int_equal(q.queued_packets, 0);
	assert_int_equal(q.queued_bytes, 0);
	queue_free(&q);
}

/* Random operations against a plain model. */
static void
survives_random_use(void **state)
{
	uint64_t put_n = 0, acked = 0, sent = 0, dropped = 0;
	uint32_t seed = 1;
	struct queue q;
	struct batch *b;

	(void)state;
	queue_init(&q, 1000000, 1 << 30);
	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525u + 1013904223u;
		switch (seed >> 28) {
		case 0: case 1: case 2: case 3: case 4: case 5: case 6:
			put_type(&q, REC_PACKET, put_n++,
			    32 + (seed >> 8) % 300);
			break;
		case 7: case 8: case 9:
			b = queue_take(&q);
			if (b == NULL)
				break;
			assert_int_equal(b->first, sent);
			sent = b->first + b->count;
			assert_true(sent - acked <= q.credit_packets);
			break;
		case 10: case 11: case 12:
			if (sent == acked)
				break;
			acked += (seed >> 8) % (sent - acked + 1);
			queue_ack(&q, acked);
			assert_int_equal(q.acked, acked);
			break;
		case 13:
			queue_rewind(&q);
			sent = acked;
			break;
		case 14:
			dropped += queue_drop_oldest(&q) > 0;
			break;
		default:
			grant(&q, (seed >> 8) % 50 + 1, (seed >> 14) % 10000);
			break;
		}
		assert_int_equal(put_n, q.numbered + q.queued_packets +
		    dropped);
		assert_int_equal(q.sent, sent);
	}
	grant(&q, 1000, 1 << 20);
	queue_ack(&q, q.sent);
	while ((b = queue_take(&q)) != NULL)
		queue_ack(&q, q.sent);
	assert_true(queue_empty(&q));
	assert_int_equal(q.unacked_bytes, 0);
	assert_int_equal(q.flying_bytes, 0);
	assert_int_equal(q.queued_bytes, 0);
	assert_int_equal(q.numbered + dropped, put_n);
	queue_free(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_without_credit),
		cmocka_unit_test(credit_cuts_batches),
		cmocka_unit_test(no_crumbs),
		cmocka_unit_test(own_limits_bound_credit),
		cmocka_unit_test(acks_are_checked),
		cmocka_unit_test(rewind_sends_again),
		cmocka_unit_test(untake_puts_back),
		cmocka_unit_test(batches_are_bounded),
		cmocka_unit_test(room_is_bounded),
		cmocka_unit_test(drop_oldest_leaves_no_gap),
		cmocka_unit_test(drop_oldest_takes_all_there_is),
		cmocka_unit_test(drop_oldest_keeps_session_records),
		cmocka_unit_test(kept_records_are_bounded),
		cmocka_unit_test(survives_random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
