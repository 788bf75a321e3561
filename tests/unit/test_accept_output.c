/* wt-accept's queue: coalescing, and the account of what was taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../wt-accept/output.h"

#define SESSION 7
#define STREAMS 4

/* What the callback said, per stream. */
struct account {
	uint64_t size, payload[STREAMS], lasts;
};

static void
taken(void *ctx, const struct rec *r, size_t size, size_t payload, int last)
{
	struct account *a = ctx;

	assert_int_equal(r->session, SESSION);
	assert_null(r->payload);
	a->size += size;
	if (r->stream < STREAMS)
		a->payload[r->stream] += payload;
	a->lasts += last != 0;
}

static struct output
output_new(struct account *a)
{
	memset(a, 0, sizeof(*a));
	return (struct output){ .taken = taken, .ctx = a };
}

/* Takes n bytes from the queue to the end of b. */
static void
take(struct output *o, struct buf *b, size_t n)
{
	struct iovec iov[8];

	while (n > 0) {
		int count = output_peek(o, iov, 8);
		size_t done = 0;

		assert_true(count > 0);
		for (int i = 0; i < count && n > 0; i++) {
			size_t k = iov[i].iov_len < n ? iov[i].iov_len : n;

			buf_append(b, iov[i].iov_base, k);
			done += k;
			n -= k;
		}
		output_take(o, done);
	}
}

static struct rec
stream_rec(uint64_t stream, uint64_t time)
{
	return (struct rec){ .session = SESSION,
		.stream = stream,
		.flags = REC_UNI,
		.time = time };
}

/* Expects a record at the front of b and consumes it. */
static void
expect(struct buf *b, uint8_t type, uint8_t flags, uint64_t stream,
    size_t len, uint64_t time)
{
	struct rec r;
	int64_t n = rec_get(buf_data(b), buf_len(b), &r, NULL);

	assert_true(n > 0);
	assert_int_equal(r.type, type);
	assert_int_equal(r.flags, flags);
	assert_int_equal(r.stream, stream);
	assert_int_equal(r.len, len);
	assert_int_equal(r.time, time);
	buf_consume(b, (size_t)n);
}

static void
neighbours_of_one_stream_join(void **state)
{
	struct rec a = stream_rec(2, 10), later = stream_rec(2, 20);
	struct rec other = stream_rec(3, 30);
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(output_add_stream(&o, &a, (uint8_t *)"abc", 3, 0),
	    REC_HEADER_LEN + 3);
	/* The time is the first bytes'. */
	assert_int_equal(output_add_stream(&o, &later, (uint8_t *)"de", 2, 0),
	    2);
	assert_int_equal(output_add_stream(&o, &other, (uint8_t *)"x", 1, 0),
	    REC_HEADER_LEN + 1);
	assert_int_equal(output_add_stream(&o, &a, (uint8_t *)"f", 1, 1),
	    REC_HEADER_LEN + 1);
	/* Nothing joins a record with FIN. */
	assert_int_equal(output_add_stream(&o, &a, NULL, 0, 0), 0);
	take(&o, &b, o.len);
	expect(&b, REC_STREAM_DATA, REC_UNI, 2, 5, 10);
	expect(&b, REC_STREAM_DATA, REC_UNI, 3, 1, 30);
	expect(&b, REC_STREAM_DATA, REC_UNI | REC_FIN, 2, 1, 10);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(o.len, 0);
	assert_int_equal(o.records, 3);
	assert_int_equal(acc.payload[2], 6);
	assert_int_equal(acc.payload[3], 1);
	assert_int_equal(acc.lasts, 3);
	buf_free(&b);
	output_free(&o);
}

static void
fin_alone_joins_too(void **state)
{
	struct rec a = stream_rec(1, 1);
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };

	(void)state;
	output_add_stream(&o, &a, (uint8_t *)"abc", 3, 0);
	assert_int_equal(output_add_stream(&o, &a, NULL, 0, 1), 0);
	a.stream = 2;
	output_add_stream(&o, &a, NULL, 0, 1);
	take(&o, &b, o.len);
	expect(&b, REC_STREAM_DATA, REC_UNI | REC_FIN, 1, 3, 1);
	expect(&b, REC_STREAM_DATA, REC_UNI | REC_FIN, 2, 0, 1);
	buf_free(&b);
	output_free(&o);
}

static void
another_record_comes_between(void **state)
{
	struct rec a = stream_rec(1, 1);
	struct rec close = { .type = REC_SESSION_CLOSE,
		.session = SESSION,
		.stream = REC_NO_STREAM,
		.len = 4,
		.payload = (const uint8_t *)"\0\0\0\1" };
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };

	(void)state;
	output_add_stream(&o, &a, (uint8_t *)"abc", 3, 0);
	assert_int_equal(output_add(&o, &close), REC_HEADER_LEN + 4);
	output_add_stream(&o, &a, (uint8_t *)"def", 3, 0);
	take(&o, &b, o.len);
	expect(&b, REC_STREAM_DATA, REC_UNI, 1, 3, 1);
	expect(&b, REC_SESSION_CLOSE, 0, REC_NO_STREAM, 4, 0);
	expect(&b, REC_STREAM_DATA, REC_UNI, 1, 3, 1);
	buf_free(&b);
	output_free(&o);
}

static void
what_is_being_written_does_not_grow(void **state)
{
	struct rec a = stream_rec(1, 1);
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };

	(void)state;
	for (size_t n = 1; n < REC_HEADER_LEN + 4; n++) {
		output_add_stream(&o, &a, (uint8_t *)"abcd", 4, 0);
		take(&o, &b, n);
		assert_int_equal(
		    output_add_stream(&o, &a, (uint8_t *)"ef", 2, 0),
		    REC_HEADER_LEN + 2);
		take(&o, &b, o.len);
		expect(&b, REC_STREAM_DATA, REC_UNI, 1, 4, 1);
		expect(&b, REC_STREAM_DATA, REC_UNI, 1, 2, 1);
	}
	assert_int_equal(acc.payload[1], 6 * (REC_HEADER_LEN + 3));
	buf_free(&b);
	output_free(&o);
}

static void
records_are_never_too_long(void **state)
{
	static uint8_t data[300 * 1024];
	struct rec a = stream_rec(1, 1);
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };
	struct rec r;
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t at = 0; at < sizeof(data);) {
		size_t n = 1 + at % 5000;

		if (n > sizeof(data) - at)
			n = sizeof(data) - at;
		output_add_stream(&o, &a, data + at, n, 0);
		at += n;
	}
	output_add_stream(&o, &a, data, sizeof(data), 1);
	take(&o, &b, o.len);
	while (buf_len(&b) > 0) {
		int64_t n = rec_get(buf_data(&b), buf_len(&b), &r, NULL);

		assert_true(n > 0);
		for (size_t i = 0; i < r.len; i++)
			assert_int_equal(r.payload[i],
			    data[(got + i) % sizeof(data)]);
		got += r.len;
		buf_consume(&b, (size_t)n);
	}
	assert_int_equal(got, 2 * sizeof(data));
	assert_int_equal(r.flags, REC_UNI | REC_FIN);
	assert_int_equal(acc.payload[1], got);
	buf_free(&b);
	output_free(&o);
}

/* Random additions and random takings: bytes, order and account agree. */
static void
any_order_adds_up(void **state)
{
	uint64_t put[STREAMS] = { 0 }, got[STREAMS] = { 0 }, size = 0;
	static uint8_t data[70000];
	struct account acc;
	struct output o = output_new(&acc);
	struct buf b = { 0 };
	struct rec r;
	uint32_t rnd = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		rnd = rnd * 1664525 + 1013904223;
		if (rnd >> 30 != 3) {
			struct rec a = stream_rec((rnd >> 8) % STREAMS, 1);
			size_t n = (rnd >> 12) % (round % 50 == 0 ? 70000 : 90);

			for (size_t i = 0; i < n; i++)
				data[i] = (uint8_t)(put[a.stream] + i);
			size += output_add_stream(&o, &a, data, n, 0);
			put[a.stream] += n;
		} else {
			size_t n = (rnd >> 8) % 60000;

			take(&o, &b, n < o.len ? n : o.len);
		}
		assert_int_equal(size - acc.size, o.len);
	}
	take(&o, &b, o.len);
	while (buf_len(&b) > 0) {
		int64_t n = rec_get(buf_data(&b), buf_len(&b), &r, NULL);

		assert_true(n > 0);
		for (size_t i = 0; i < r.len; i++)
			assert_int_equal(r.payload[i],
			    (uint8_t)(got[r.stream] + i));
		got[r.stream] += r.len;
		buf_consume(&b, (size_t)n);
	}
	assert_memory_equal(put, got, sizeof(put));
	assert_memory_equal(put, acc.payload, sizeof(put));
	assert_int_equal(acc.lasts, o.records);
	buf_free(&b);
	output_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_of_one_stream_join),
		cmocka_unit_test(fin_alone_joins_too),
		cmocka_unit_test(another_record_comes_between),
		cmocka_unit_test(what_is_being_written_does_not_grow),
		cmocka_unit_test(records_are_never_too_long),
		cmocka_unit_test(any_order_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
