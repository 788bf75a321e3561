/* demux record by record: every cut, every error, every bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "be.h"
#include "../../demux/demux.h"
#include "../../demux/hold.h"

#define SESSION 5
#define STREAM 8
#define FLAGS REC_UNI
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct demux *d;
	struct buf out;
	struct demux_error last; /* what the callback was told */
	int errors;
	uint64_t time; /* of the next record */
};

static void
on_error(void *ctx, const struct demux_error *e)
{
	struct fixture *f = ctx;

	f->last = *e;
	f->errors++;
}

static void
give(struct fixture *f, uint8_t type, uint8_t flags, uint64_t stream,
    const void *p, size_t n)
{
	/* A copy of exactly n bytes: reading on is seen by ASAN. */
	uint8_t *copy = malloc(n + 1);
	const struct rec r = { .len = (uint32_t)n,
		.type = type,
		.flags = flags,
		.session = SESSION,
		.stream = stream,
		.time = f->time++,
		.payload = copy };

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	demux_record(f->d, &r, &f->out);
	free(copy);
}

static void
give_data(struct fixture *f, uint64_t stream, const void *p, size_t n)
{
	give(f, REC_STREAM_DATA, FLAGS, stream, p, n);
}

static void
give_fin(struct fixture *f, uint64_t stream)
{
	give(f, REC_STREAM_DATA, FLAGS | REC_FIN, stream, NULL, 0);
}

static void
start(struct fixture *f, uint32_t max_packet, size_t max_buffer,
    size_t max_streams)
{
	const struct demux_config cfg = { .max_packet = max_packet,
		.max_buffer = max_buffer,
		.max_streams = max_streams,
		.error = on_error,
		.ctx = f };

	*f = (struct fixture){ .time = 1000 };
	f->d = demux_new(&cfg);
	give(f, REC_SESSION_OPEN, 0, REC_NO_STREAM, "\x80", 1);
	buf_consume(&f->out, buf_len(&f->out));
}

static void
start_default(struct fixture *f)
{
	start(f, TRACK_PACKET_MAX_DEFAULT, 256 << 20, 1000);
}

static void
finish(struct fixture *f)
{
	demux_free(f->d);
	buf_free(&f->out);
}

/* The next record of the output, which is taken away. */
static struct rec
take(struct fixture *f)
{
	struct rec r = { 0 };
	int64_t n = rec_get(buf_data(&f->out), buf_len(&f->out), &r, NULL);

	assert_true(n > 0);
	f->out.start += (size_t)n; /* the bytes stay where r points */
	return r;
}

static void
take_nothing(struct fixture *f)
{
	assert_int_equal(buf_len(&f->out), 0);
}

static void
take_packet(struct fixture *f, uint64_t stream, const uint8_t *p, size_t n)
{
	struct rec r = take(f);

	assert_int_equal(r.type, REC_PACKET);
	assert_int_equal(r.session, SESSION);
	assert_true(r.stream == stream);
	assert_int_equal(r.len, n);
	assert_memory_equal(r.payload, p, n);
}

static void
take_stop(struct fixture *f, uint64_t stream, enum track_error code)
{
	struct rec r = take(f);

	assert_int_equal(r.type, REC_STOP_SENDING);
	assert_int_equal(r.flags, FLAGS | REC_REQUEST);
	assert_int_equal(r.session, SESSION);
	assert_true(r.stream == stream);
	assert_int_equal(be32_get(r.payload), code);
}

static void
take_fin(struct fixture *f, uint64_t stream)
{
	struct rec r = take(f);

	assert_int_equal(r.type, REC_STREAM_DATA);
	assert_int_equal(r.flags, FLAGS | REC_FIN);
	assert_true(r.stream == stream);
	assert_int_equal(r.len, 0);
}

/* A packet with n bytes of payload into p; its size. */
static size_t
make(uint8_t *p, size_t n)
{
	track_header_put(p, "live_chat", "chat", (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		p[TRACK_HEADER_LEN + i] = (uint8_t)(i * 7 + n);
	return TRACK_HEADER_LEN + n;
}

static void
whole_packets_in_one_record(void **state)
{
	uint8_t p[4096];
	size_t n = 0, at = 0;
	struct fixture f;

	(void)state;
	start_default(&f);
	for (size_t i = 0; i < 20; i++)
		n += make(p + n, i * 5);
	give(&f, REC_STREAM_DATA, FLAGS | REC_FIN | REC_SERVER, STREAM, p, n);
	for (size_t i = 0; i < 20; i++) {
		take_packet(&f, STREAM, p + at, TRACK_HEADER_LEN + i * 5);
		at += TRACK_HEADER_LEN + i * 5;
	}
	assert_int_equal(take(&f).flags, FLAGS | REC_FIN | REC_SERVER);
	take_nothing(&f);
	assert_int_equal(demux_stats(f.d)->packets, 20);
	assert_int_equal(demux_stats(f.d)->packets_complete, 20);
	assert_int_equal(demux_stats(f.d)->packets_fragmented, 0);
	assert_int_equal(demux_stats(f.d)->packet_bytes, n);
	assert_int_equal(demux_stats(f.d)->streams_active, 0);
	finish(&f);
}

/* The same bytes at every size of record from 1 to 200. */
static void
every_cut_gives_the_same_packets(void **state)
{
	static const size_t sizes[] = { 0, 1, 31, 32, 33, 0, 0, 300, 2, 64 };
	uint8_t p[4096];
	size_t n = 0;
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < LEN(sizes); i++)
		n += make(p + n, sizes[i]);
	for (size_t cut = 1; cut <= 200; cut++) {
		size_t at = 0;

		start_default(&f);
		for (size_t i = 0; i < n; i += cut)
			give_data(&f, STREAM, p + i,
			    n - i < cut ? n - i : cut);
		give_fin(&f, STREAM);
		for (size_t i = 0; i < LEN(sizes); i++) {
			take_packet(&f, STREAM, p + at,
			    TRACK_HEADER_LEN + sizes[i]);
			at += TRACK_HEADER_LEN + sizes[i];
		}
		take_fin(&f, STREAM);
		take_nothing(&f);
		assert_int_equal(demux_stats(f.d)->packets_complete +
			demux_stats(f.d)->packets_fragmented, LEN(sizes));
		assert_int_equal(demux_stats(f.d)->buffer_bytes, 0);
		assert_int_equal(f.errors, 0);
		finish(&f);
	}
}

static void
streams_do_not_mix(void **state)
{
	uint8_t p[50][200];
	size_t n[50];
	struct fixture f;

	(void)state;
	start_default(&f);
	for (size_t s = 0; s < 50; s++)
		n[s] = make(p[s], s * 3);
	for (size_t at = 0; at < 200; at++)
		for (size_t s = 0; s < 50; s++)
			if (at < n[s])
				give_data(&f, s * 4, p[s] + at, 1);
	assert_int_equal(demux_stats(f.d)->streams_max, 50);
	for (size_t s = 0; s < 50; s++)
		take_packet(&f, s * 4, p[s], n[s]); /* shortest first */
	take_nothing(&f);
	finish(&f);
}

static void
time_is_the_first_bytes(void **state)
{
	uint8_t p[200];
	size_t n = make(p, 100);
	struct fixture f;

	(void)state;
	start_default(&f);
	f.time = 5000;
	give_data(&f, STREAM, p, 10);
	f.time = 6000;
	give_data(&f, STREAM, p + 10, n - 10);
	assert_int_equal(take(&f).time, 5000);
	assert_int_equal(demux_stats(f.d)->wait_ns, 1000);
	finish(&f);
}

/* Each bad header, whole in one record and cut at every byte. */
static void
bad_headers_cost_their_stream_only(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		enum track_error code;
	} rows[] = { { 16, 0xff, TRACK_TOO_LONG }, { 0, 0xff, TRACK_BAD_ID },
		{ 15, 'x', TRACK_BAD_ID }, { 20, 0, TRACK_BAD_TYPE },
		{ 21, 0xc0, TRACK_BAD_TYPE } };
	uint8_t good[100], p[300];
	size_t n = make(good, 60);
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		for (size_t cut = 1; cut <= 2 * n; cut++) {
			start_default(&f);
			memcpy(p, good, n);
			memcpy(p + n, good, n);
			p[n + rows[i].at] = rows[i].byte;
			give_data(&f, STREAM, p, cut);
			if (cut < 2 * n)
				give_data(&f, STREAM, p + cut, 2 * n - cut);
			take_packet(&f, STREAM, good, n);
			take_stop(&f, STREAM, rows[i].code);
			take_nothing(&f);
			assert_int_equal(f.errors, 1);
			assert_int_equal(f.last.code, rows[i].code);
			assert_int_equal(f.last.stream, STREAM);
			assert_int_equal(f.last.header_len, TRACK_HEADER_LEN);
			assert_int_equal(demux_stats(f.d)->errors[DEMUX_ERROR(
					     rows[i].code)], 1);
			/* The rest is swallowed, the others go on. */
			give_data(&f, STREAM, good, n);
			give_data(&f, STREAM + 4, good, n);
			take_packet(&f, STREAM + 4, good, n);
			give_fin(&f, STREAM);
			take_fin(&f, STREAM);
			take_nothing(&f);
			assert_int_equal(demux_stats(f.d)->streams_active, 1);
			assert_int_equal(f.errors, 1);
			finish(&f);
		}
	}
}

static void
ends_inside_a_packet(void **state)
{
	uint8_t p[100];
	size_t n = make(p, 60);
	struct fixture f;

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		start_default(&f);
		give_data(&f, STREAM, p, cut);
		give_fin(&f, STREAM);
		take_fin(&f, STREAM); /* and no STOP_SENDING */
		take_nothing(&f);
		assert_int_equal(f.last.code, TRACK_TRUNCATED);
		assert_int_equal(f.last.header_len,
		    cut < TRACK_HEADER_LEN ? cut : TRACK_HEADER_LEN);
		assert_int_equal(f.last.held,
		    cut < TRACK_HEADER_LEN ? 0 : cut - TRACK_HEADER_LEN);
		assert_int_equal(demux_stats(f.d)->packets_reset, 0);
		finish(&f);

		start_default(&f);
		give_data(&f, STREAM, p, cut);
		give(&f, REC_STREAM_RESET, FLAGS, STREAM, "\0\0\0\1", 4);
		assert_int_equal(take(&f).type, REC_STREAM_RESET);
		take_nothing(&f);
		assert_int_equal(f.errors, 0);
		assert_int_equal(demux_stats(f.d)->packets_reset, 1);
		assert_int_equal(demux_stats(f.d)->buffer_bytes, 0);
		finish(&f);
	}
}

static void
a_session_takes_its_streams_along(void **state)
{
	uint8_t p[100];
	struct fixture f;

	(void)state;
	start_default(&f);
	make(p, 60);
	for (uint64_t s = 0; s < 100; s++)
		give_data(&f, s * 4, p, 50);
	assert_int_equal(demux_stats(f.d)->streams_active, 100);
	assert_int_equal(demux_stats(f.d)->sessions_active, 1);
	assert_true(demux_stats(f.d)->buffer_bytes > 0);
	give(&f, REC_SESSION_CLOSE, 0, REC_NO_STREAM, "\0\0\0\0", 4);
	assert_int_equal(take(&f).type, REC_SESSION_CLOSE);
	assert_int_equal(demux_stats(f.d)->streams_active, 0);
	assert_int_equal(demux_stats(f.d)->sessions_active, 0);
	assert_int_equal(demux_stats(f.d)->buffer_bytes, 0);
	assert_int_equal(demux_stats(f.d)->packets_reset, 100);
	/* What comes now belongs to nobody. */
	give_data(&f, 0, p, 50);
	give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, p, 92);
	take_nothing(&f);
	assert_int_equal(demux_stats(f.d)->records_orphaned, 2);
	finish(&f);
}

static void
datagrams_are_exactly_one_packet(void **state)
{
	uint8_t p[100], q[100];
	size_t n = make(p, 60);
	struct fixture f;

	(void)state;
	start_default(&f);
	give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, p, n);
	take_packet(&f, REC_NO_STREAM, p, n);
	for (size_t cut = 0; cut < n; cut++) {
		give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, p, cut);
		take_nothing(&f);
		assert_int_equal(f.last.code, TRACK_BAD_DATAGRAM);
	}
	memcpy(q, p, n);
	q[n] = 0;
	give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, q, n + 1);
	q[16] = 0xff;
	give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, q, n);
	assert_int_equal(f.last.code, TRACK_BAD_DATAGRAM);
	memcpy(q, p, n);
	q[0] = 0xff;
	give(&f, REC_DATAGRAM, 0, REC_NO_STREAM, q, n);
	assert_int_equal(f.last.code, TRACK_BAD_ID);
	take_nothing(&f);
	assert_int_equal(
	    demux_stats(f.d)->errors[DEMUX_ERROR(TRACK_BAD_DATAGRAM)], n + 2);
	assert_int_equal(demux_stats(f.d)->packets_datagram, 1);
	finish(&f);
}

static void
all_else_passes(void **state)
{
	uint8_t p[40] = { 0 };
	struct fixture f;

	(void)state;
	start_default(&f);
	for (int t = 1; t < 256; t++) {
		struct rec r;

		if (t == REC_STREAM_DATA || t == REC_DATAGRAM ||
		    t == REC_SESSION_CLOSE)
			continue;
		give(&f, (uint8_t)t, REC_SERVER, 77, p, 4);
		if (t == REC_PACKET || (t >= REC_SESSION_DRAIN &&
			rec_type_name((uint8_t)t) != NULL)) {
			/* not what rec_get takes with this length */
			buf_consume(&f.out, buf_len(&f.out));
			continue;
		}
		r = take(&f);
		assert_int_equal(r.type, t);
		assert_int_equal(r.flags, REC_SERVER);
		assert_int_equal(r.stream, 77);
		assert_int_equal(r.time, f.time - 1);
		assert_memory_equal(r.payload, p, 4);
		take_nothing(&f);
	}
	finish(&f);
}

/* A header that announces 10 MiB must not get 10 MiB. */
static void
memory_follows_the_bytes_that_came(void **state)
{
	const size_t whole = TRACK_PACKET_MAX_DEFAULT;
	uint8_t *p = malloc(whole);
	struct fixture f;

	(void)state;
	assert_non_null(p);
	make(p, whole - TRACK_HEADER_LEN);
	start_default(&f);
	give_data(&f, STREAM, p, TRACK_HEADER_LEN + 1);
	assert_true(demux_stats(f.d)->buffer_bytes <= 4096);
	for (size_t at = TRACK_HEADER_LEN + 1, n; at < whole; at += n) {
		n = whole - at < 60000 ? whole - at : 60000;
		give_data(&f, STREAM, p + at, n);
		assert_true(demux_stats(f.d)->buffer_bytes <=
		    2 * (at + n) + 4096);
	}
	take_packet(&f, STREAM, p, whole);
	assert_int_equal(demux_stats(f.d)->buffer_bytes, 0);
	assert_true(demux_stats(f.d)->buffer_bytes_max <= whole);
	assert_int_equal(demux_stats(f.d)->packets_large, 1);
	finish(&f);
	free(p);
}

static void
the_largest_is_given_up_first(void **state)
{
	static uint8_t p[1 << 20];
	const size_t max = 1 << 20;
	struct fixture f;

	(void)state;
	make(p, sizeof(p) - TRACK_HEADER_LEN);
	start(&f, 1 << 20, max, 1000);
	give_data(&f, 0, p, 300000); /* the big one: takes 600000 */
	for (uint64_t s = 1; s <= 4; s++)
		give_data(&f, s * 4, p, 40000);
	take_nothing(&f);
	for (uint64_t s = 5; s <= 10; s++)
		give_data(&f, s * 4, p, 40000);
	take_stop(&f, 0, TRACK_BUFFER_LIMIT);
	take_nothing(&f);
	assert_int_equal(f.last.stream, 0);
	assert_int_equal(f.last.held, 300000 - TRACK_HEADER_LEN);
	assert_int_equal(demux_stats(f.d)->overflows, 1);
	assert_true(demux_stats(f.d)->buffer_bytes_max <= max);
	/* One that would become the largest itself gives itself up. */
	for (size_t at = 40000; f.errors == 1; at += 40000)
		give_data(&f, 8, p, 40000);
	take_stop(&f, 8, TRACK_BUFFER_LIMIT);
	take_nothing(&f);
	assert_true(demux_stats(f.d)->buffer_bytes_max <= max);
	finish(&f);
}

static void
more_streams_than_there_is_place_for(void **state)
{
	uint8_t p[100];
	size_t n = make(p, 60);
	struct fixture f;

	(void)state;
	start(&f, 1000, 1 << 20, 3);
	for (uint64_t s = 0; s < 3; s++)
		give_data(&f, s * 4, p, 10);
	give_data(&f, 100, p, n);
	take_stop(&f, 100, TRACK_BUFFER_LIMIT);
	/* Its second half must not pass for a new stream. */
	give_fin(&f, 0);
	take_fin(&f, 0);
	give_data(&f, 100, p, n);
	take_stop(&f, 100, TRACK_BUFFER_LIMIT);
	/* Those that were followed are so still. */
	give_data(&f, 4, p + 10, n - 10);
	take_packet(&f, 4, p, n);
	take_nothing(&f);
	assert_int_equal(demux_stats(f.d)->overflows, 2);
	assert_int_equal(demux_stats(f.d)->streams_max, 3);
	finish(&f);
}

static void
holds_keep_their_bound(void **state)
{
	struct holds hs = { .max = 100000 };
	struct hold h[64] = { 0 };
	uint32_t rnd = 3;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t k, sum = 0;
		struct hold *v;
		uint32_t n, whole;

		rnd = rnd * 1664525 + 1013904223;
		k = (rnd >> 8) % 64;
		n = (rnd >> 16) % 3000;
		if (rnd >> 29 == 0) {
			hold_free(&hs, &h[k]);
			continue;
		}
		whole = h[k].len + n + 20000;
		while ((v = hold_grow(&hs, &h[k], n, whole)) != NULL &&
		    v != &h[k])
			hold_free(&hs, v);
		if (v != NULL) {
			hold_free(&hs, v);
			continue;
		}
		if (n > 0)
			memset(h[k].mem + h[k].len, 1, n);
		h[k].len += n;
		for (size_t j = 0; j < 64; j++)
			sum += h[j].cap;
		assert_int_equal(sum, hs.bytes);
		assert_true(hs.bytes <= hs.max);
	}
	for (size_t j = 0; j < 64; j++)
		hold_free(&hs, &h[j]);
	assert_int_equal(hs.bytes, 0);
	for (size_t i = 0; i < HOLD_CLASSES; i++)
		assert_null(hs.lists[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_packets_in_one_record),
		cmocka_unit_test(every_cut_gives_the_same_packets),
		cmocka_unit_test(streams_do_not_mix),
		cmocka_unit_test(time_is_the_first_bytes),
		cmocka_unit_test(bad_headers_cost_their_stream_only),
		cmocka_unit_test(ends_inside_a_packet),
		cmocka_unit_test(a_session_takes_its_streams_along),
		cmocka_unit_test(datagrams_are_exactly_one_packet),
		cmocka_unit_test(all_else_passes),
		cmocka_unit_test(memory_follows_the_bytes_that_came),
		cmocka_unit_test(the_largest_is_given_up_first),
		cmocka_unit_test(more_streams_than_there_is_place_for),
		cmocka_unit_test(holds_keep_their_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
